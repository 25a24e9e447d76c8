"""SourceHut: what is submitted, what is found again, how a job goes on, what it says; against an instance that is strict."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from aiohttp import web
from pydantic import ValidationError

from providers import sourcehut
from router.core.errors import Ambiguous, DeliveryError, Permanent, Transient
from router.core.model import LogLine, Receipt, Status
from router.demo.server import Server
from router.provider import Secret
from router.testing import Peer, Reply, check_provider, delivery

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from router.host import Host

TOKEN = "srht_canary_1f0c"
MINE = "d" * 32
MANIFEST = "image: alpine/edge\nenvironment:\n  CI_SHA: mine\ntasks:\n- test: make test\n"
AT = "2026-11-23T12:00:00Z"


@dataclass
class Instance(Server):
    """builds.sr.ht, as far as it is asked here. It wants the token, knows its own queries, and minds the types of variables."""

    jobs: list[dict[str, Any]] = field(default_factory=list)
    page: int = 25

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        return [web.post("/query", self._query), web.get("/query/log/{path:.+}", self._log)]

    def _admit(self, request: web.Request) -> None:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            raise web.HTTPUnauthorized(text=json.dumps({"errors": [{"message": "Invalid token"}]}))

    async def _query(self, request: web.Request) -> web.Response:
        self._admit(request)
        body = await request.json()
        query, given = body["query"], body["variables"]
        declared = dict(re.findall(r"\$(\w+): ([\w!\[\]]+)", query.partition("{")[0]))
        kinds = {"String": str, "Int": int, "Boolean": bool, "Cursor": str, "Visibility": str, "[String!]": list}
        for name, kind in declared.items():
            value = given.get(name)
            assert value is not None or not kind.endswith("!"), name
            assert value is None or isinstance(value, kinds[kind.rstrip("!")]), name
        assert set(given) <= set(declared)
        return web.json_response(self._answer(query, given))

    def _answer(self, query: str, given: dict[str, Any]) -> Any:
        if "submit(" in query:
            if "image" not in yaml.safe_load(given["manifest"]):
                return {"data": None, "errors": [{"message": "image is required", "path": ["submit"]}]}
            job = {"id": len(self.jobs) + 1, "status": "PENDING", "created": AT, "updated": AT, "tasks": [], **given}
            self.jobs.append(job)
            return {"data": {"submit": {"id": job["id"], "owner": {"canonicalName": "~acme"}}}}
        if "jobs(" in query:
            first = int(given["cursor"] or 0)
            newest = self.jobs[::-1]
            shown = [
                {"id": job["id"], "created": job["created"], "note": job["note"], "owner": {"canonicalName": "~acme"}}
                for job in newest[first : first + self.page]
            ]
            more = str(first + self.page) if first + self.page < len(newest) else None
            return {"data": {"jobs": {"cursor": more, "results": shown}}}
        if "cancel(" in query:
            job = self.jobs[given["id"] - 1]
            if job["status"] not in ("PENDING", "RUNNING"):
                return {"data": {"cancel": None}, "errors": [{"message": "Job is not running"}]}
            job["status"] = "CANCELLED"
            return {"data": {"cancel": {"id": given["id"]}}}
        asked = re.findall(r"(\w+): job\(id: (\d+)\)", query) or [("job", str(given["id"]))]
        return {"data": {name: self._job(int(number)) for name, number in asked}}

    def _job(self, number: int) -> Any:
        job = self.jobs[number - 1] if number <= len(self.jobs) else None
        return job and {name: job[name] for name in ("id", "status", "created", "updated", "tasks")}

    async def _log(self, request: web.Request) -> web.Response:
        self._admit(request)
        number, _, task = request.match_info["path"].removesuffix("/log").partition("/")
        logs = self.jobs[int(number) - 1].get("logs", {})
        if task not in logs:
            raise web.HTTPNotFound
        return web.Response(text=logs[task])


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SRHT_TOKEN", TOKEN)


@pytest.fixture
async def instance() -> AsyncIterator[Instance]:
    async with Instance("sourcehut") as made:
        yield made


def opened(lent: Host, url: str) -> sourcehut.Sourcehut:
    return sourcehut.Sourcehut(sourcehut.Settings(token=Secret("env", "SRHT_TOKEN"), url=url), lent)


def job(**options: Any) -> Any:
    return delivery(sourcehut.Options(**{"manifest": MANIFEST, **options}), id=MINE)


@pytest.mark.parity(55)
async def test_a_job_is_submitted(instance: Instance, lent: Host) -> None:
    """With the rule's variables in its environment, where the manifest's own win; secrets only where they are asked for."""
    made = await opened(lent, instance.url).deliver(job(env={"CI_SHA": "ours", "REF": "main"}, note="push\nto main"))
    assert (made.id, made.url, made.status) == ("1", f"{instance.url}/~acme/job/1", None)
    (asked,) = instance.jobs
    assert yaml.safe_load(asked["manifest"]) == {
        "image": "alpine/edge",
        "environment": {"CI_SHA": "mine", "REF": "main"},
        "tasks": [{"test": "make test"}],
    }
    assert (asked["secrets"], asked["tags"]) == (False, ["tangled"])
    assert asked["note"] == f"push to main\n\nrouter delivery {MINE}"


async def test_a_manifest_goes_out_as_it_is(instance: Instance, lent: Host) -> None:
    """Where a rule adds nothing, not a comment of it is lost."""
    await opened(lent, instance.url).deliver(job(manifest=MANIFEST + "# the end\n"))
    assert instance.jobs[0]["manifest"] == MANIFEST + "# the end\n"


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        ("- a list", "no mapping"),
        ("a: [", "no YAML"),
        ("environment: [a]\n", "`environment` is no mapping"),
        ("tasks: []\n", "image is required"),
    ],
)
async def test_what_is_no_manifest_is_a_dead_letter(instance: Instance, lent: Host, manifest: str, said: str) -> None:
    """It would be none tomorrow."""
    with pytest.raises(Permanent, match=said):
        await opened(lent, instance.url).deliver(job(manifest=manifest, env={"A": "b"}))


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (Reply(401, "{}"), Transient),
        (Reply(429), Transient),
        (Reply(302), Permanent),
        (Reply(422, "<html>"), Permanent),
        (Reply(200, '{"data": {"submit": {}}}'), Ambiguous),
        (Reply(200, "<html>"), Ambiguous),
        (Reply(503), Ambiguous),
        (Reply(cut="within"), Ambiguous),
    ],
)
async def test_what_else_may_be_answered(peer: Peer, lent: Host, reply: Reply, error: type[DeliveryError]) -> None:
    """What may have happened is never said to have failed."""
    peer.accepts = reply
    with pytest.raises(error):
        await opened(lent, peer.url).deliver(job())


@pytest.mark.parity(55)
async def test_a_delivery_is_found_by_its_id(instance: Instance, lent: Host) -> None:
    """On whichever page; and what is not there, surely is not."""
    provider, instance.page = opened(lent, instance.url), 2
    assert await provider.find(job()) is None
    made = await provider.deliver(job())
    for _ in range(5):
        await provider.deliver(delivery(sourcehut.Options(manifest=MANIFEST), id="e" * 32))
    assert await provider.find(job()) == made
    assert await provider.find(delivery(sourcehut.Options(manifest=MANIFEST), id="f" * 32)) is None


async def test_a_look_up_ends(instance: Instance, lent: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """With jobs that are older than what it looks for; where it has to end before, nothing is proved."""
    provider, instance.page = opened(lent, instance.url), 1
    for _ in range(5):
        await provider.deliver(delivery(sourcehut.Options(manifest=MANIFEST), id="e" * 32))
    monkeypatch.setattr(sourcehut, "PAGES", 3)
    with pytest.raises(Transient, match="newest 3 pages"):
        await provider.find(job())
    instance.jobs[3]["created"] = "2026-01-01T00:00:00Z"
    assert await provider.find(job()) is None


@pytest.mark.parity(55)
async def test_a_job_is_followed(instance: Instance, lent: Host) -> None:
    """All in one question; the task that failed is named; a job that is gone, or in a state of tomorrow's, tells nothing."""
    provider = opened(lent, instance.url)
    receipts = [await provider.deliver(job()) for _ in range(6)]
    for number, status in enumerate(("PENDING", "QUEUED", "RUNNING", "SUCCESS", "FAILED", "DREAMING")):
        instance.jobs[number]["status"] = status
    instance.jobs[4]["tasks"] = [{"name": "build", "status": "SUCCESS"}, {"name": "test", "status": "FAILED"}]
    before = len(instance.requests)
    reports = await provider.poll([(str(n), one) for n, one in enumerate([*receipts, Receipt(id="99")])])
    assert len(instance.requests) == before + 1
    assert [one.status for one in reports] == [
        *(Status.PENDING, Status.PENDING, Status.RUNNING, Status.SUCCESS, Status.FAILED),
    ]
    assert (reports[4].error, reports[4].url) == ("test: failed", f"{instance.url}/~acme/job/5")


async def test_many_jobs_are_asked_about_in_turns(instance: Instance, lent: Host) -> None:
    provider = opened(lent, instance.url)
    receipts = [(str(n), await provider.deliver(job())) for n in range(sourcehut.TOGETHER + 1)]
    assert len(await provider.poll(receipts)) == sourcehut.TOGETHER + 1


async def test_a_job_is_cancelled(instance: Instance, lent: Host) -> None:
    """One that is over ends as it did."""
    provider = opened(lent, instance.url)
    made = await provider.deliver(job())
    assert await provider.cancel(made)
    assert instance.jobs[0]["status"] == "CANCELLED"
    assert not await provider.cancel(made)


@pytest.mark.parity(55)
async def test_what_a_job_says(instance: Instance, lent: Host) -> None:
    """Its setup, then each task that has begun; a line that is not over yet is not said yet."""
    provider = opened(lent, instance.url)
    made = await provider.deliver(job())
    assert await provider.logs(made) == []
    first = instance.jobs[0]
    first |= {"status": "RUNNING", "logs": {"": "Booting\n"}, "tasks": [{"name": "test", "status": "PENDING", "updated": AT}]}
    before = await provider.logs(made)
    assert [(one.step, one.part, one.text) for one in before] == [(0, "start", "setup"), (0, "said", "Booting")]
    first["tasks"][0]["status"] = "RUNNING"
    first["logs"]["test"] = "10%\r100%\nok\nhal"
    during = await provider.logs(made)
    assert list(during[:2]) == before
    assert [(one.step, one.part, one.text) for one in during[2:]] == [
        *((0, "end", "setup"), (1, "start", "test"), (1, "said", "100%"), (1, "said", "ok")),
    ]
    first["tasks"][0]["status"], first["status"] = "SUCCESS", "SUCCESS"
    after = await provider.logs(made)
    assert list(after[: len(during)]) == during
    assert [one.text for one in after[len(during) :]] == ["hal", "test"]


async def test_names_of_tasks_are_no_paths(instance: Instance, lent: Host) -> None:
    provider = opened(lent, instance.url)
    made = await provider.deliver(job())
    instance.jobs[0] |= {"status": "RUNNING", "tasks": [{"name": "../../x", "status": "RUNNING", "updated": AT}]}
    lines: list[LogLine] = list(await provider.logs(made))
    assert [one.text for one in lines] == ["setup", "setup"]
    assert not [one for one in instance.requests if "x" in one.path]


@pytest.mark.parametrize(
    "options", [{"manifest": ""}, {"tags": ["With Space"]}, {"env": {"PATH": "/"}}, {"visibility": "SECRET"}]
)
def test_options_that_are_none(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        sourcehut.Options(**{"manifest": MANIFEST, **options})


async def test_it_keeps_the_contract(peer: Peer) -> None:
    """What every provider promises."""
    peer.accepts = Reply(200, json.dumps(sourcehut.plugin.sample(200) if sourcehut.plugin.sample else None))
    settings = sourcehut.Settings(token=Secret("env", "SRHT_TOKEN"), url=peer.url)
    await check_provider(sourcehut.plugin, settings, sourcehut.Options(manifest=MANIFEST), peer)
