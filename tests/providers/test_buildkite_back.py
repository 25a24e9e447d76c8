"""The way back from Buildkite: webhooks that prove themselves, logs as lines, builds that are stopped."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from providers import _jobcache, _joblogs, _webhooks, buildkite
from router.core.errors import BadInput, Transient
from router.core.model import Receipt, Status
from router.host import Host
from router.provider import Refused, Secret
from router.testing import FakeClock, Peer, Reply, host

WIRE = Path(__file__).parent.parent / "wire" / "buildkite"
HEADERS = json.loads((WIRE / "buildkite_webhook_headers.json").read_text())
SECRET, AT = str(HEADERS["secret"]), int(HEADERS["timestamp"])
SIGNED = sorted(name for name in HEADERS if name.endswith(".json"))
MINE = "d" * 32
RECEIPT = Receipt(id="uuid", detail={"org": "example-org", "pipeline": "hello-world-ci", "number": 42})


def body(name: str, **build: Any) -> bytes:
    """A recorded webhook, about a delivery of ours."""
    tree = json.loads((WIRE / name).read_bytes())
    tree["build"] |= {"meta_data": {"router:delivery": MINE}, **build}
    return json.dumps(tree).encode()


def low(headers: dict[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


@pytest.mark.parametrize("name", SIGNED)
@pytest.mark.parity(45, 46, 75)
@pytest.mark.acceptance("P-11")
@pytest.mark.threat("S-09")
def test_recorded_webhooks_prove_themselves(name: str) -> None:
    """By either scheme, over the bytes as they came; and by the second of two secrets while one is exchanged."""
    raw = (WIRE / name).read_bytes()
    both = ["another", SECRET]
    assert _webhooks.proved(low(HEADERS[name]["token_mode"]), raw, both, "any", AT) == ""
    assert len(_webhooks.proved(low(HEADERS[name]["signature_mode"]), raw, both, "signature", AT)) == 64


@pytest.mark.parametrize(
    ("change", "mode", "now", "said"),
    [
        ({"body": b" "}, "any", AT, "not ours"),
        ({}, "any", AT + _webhooks.TOLERANCE + 1, "too old"),
        ({}, "any", AT - _webhooks.TOLERANCE - 1, "from the future"),
        ({}, "token", AT, "of the kind"),
        ({"secrets": []}, "any", AT, "No secret"),
        ({"headers": {}}, "any", AT, "no token"),
        ({"headers": {"x-buildkite-token": "wrong"}}, "any", AT, "token is not ours"),
        ({"headers": {"x-buildkite-signature": "nonsense"}}, "any", AT, "cannot be read"),
    ],
)
@pytest.mark.parity(46)
@pytest.mark.acceptance("A-05", "P-11")
@pytest.mark.threat("S-09")
def test_whatever_is_not_buildkites_is_refused(change: dict[str, Any], mode: str, now: int, said: str) -> None:
    """An altered byte, a stale or future signature, a wrong token, the other scheme, no secret at all."""
    name = SIGNED[0]
    raw, headers = (WIRE / name).read_bytes(), low(HEADERS[name]["signature_mode"])
    given: dict[str, Any] = {"body": raw + change.pop("body", b""), "headers": headers, "secrets": [SECRET], **change}
    with pytest.raises(Refused, match=said):
        _webhooks.proved(given["headers"], given["body"], given["secrets"], mode, now)


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("buildkite_webhook_build_scheduled.json", Status.PENDING),
        ("buildkite_webhook_build_running.json", Status.RUNNING),
        ("buildkite_webhook_build_failing.json", Status.RUNNING),
        ("buildkite_webhook_build_finished_passed.json", Status.SUCCESS),
        ("buildkite_webhook_build_finished_failed.json", Status.FAILED),
        ("buildkite_webhook_build_finished_canceled.json", Status.CANCELLED),
        ("buildkite_webhook_build_finished_blocked.json", Status.RUNNING),
    ],
)
@pytest.mark.parity(47, 50)
@pytest.mark.acceptance("A-06", "P-09")
def test_the_builds_state_is_told(name: str, status: Status) -> None:
    """And not the event's name: a build that is blocked is not green, whatever it says."""
    told = _webhooks.news(body(name), 1)
    assert told is not None
    assert (told.report.delivery, told.report.status) == (MINE, status)
    assert told.receipt.detail["org"] == "example-org"


@pytest.mark.parametrize("name", ["buildkite_webhook_build_foreign_build.json", "buildkite_webhook_ping.json", SIGNED[0]])
@pytest.mark.parity(48)
@pytest.mark.acceptance("A-05")
def test_what_is_not_ours_is_nothing(name: str) -> None:
    """Builds without our meta-data, and pings."""
    assert _webhooks.news((WIRE / name).read_bytes(), 1) is None


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b"[" * 100_000])
def test_a_body_that_is_none_is_bad_input(raw: bytes) -> None:
    """And no traceback."""
    with pytest.raises(BadInput):
        _webhooks.news(raw, 1)


@pytest.mark.parity(51)
def test_a_rebuild_is_told_apart() -> None:
    """The same text for the same build, however often it is told."""
    told = [_webhooks.news(body(SIGNED[0], rebuilt_from={"id": "first"}, id="second"), at) for at in (1, 2)]
    assert [one.rerun if one else "" for one in told] == ["rebuild second"] * 2


JOB: dict[str, Any] = {"id": "a-1", "type": "script", "name": "test", "state": "passed", "command": "make test"}


def test_a_job_is_a_step() -> None:
    """Marks are taken for times and not shown, colours stay, of a line that is overwritten the last is seen."""
    log = "~~~ Preparing\n\x1b_bk;t=1789380060000\x07\x1b[32mok\x1b[0m\n 10%\r 100%\r\nend"
    lines = list(_joblogs.lines(3, {**JOB, "finished_at": "2026-09-14T10:01:30Z"}, log))
    running = list(_joblogs.lines(3, {**JOB, "state": "running"}, log, over=False))
    assert [one.text for one in running] == ["test", "~~~ Preparing", "\x1b[32mok\x1b[0m", " 100%"]  # `end` may go on
    assert [(one.part, one.text) for one in lines] == [
        ("start", "test"),
        ("said", "~~~ Preparing"),
        ("said", "\x1b[32mok\x1b[0m"),
        ("said", " 100%"),
        ("said", "end"),
        ("end", "test"),
    ]
    assert {one.step for one in lines} == {3}
    assert lines[2].at == 1_789_380_060_000_000
    assert lines[0].command == "make test"


def test_jobs_that_say_nothing_have_no_lines() -> None:
    """Waiters, and scripts that have not begun; a step that waits for a person says so."""
    assert list(_joblogs.lines(0, {**JOB, "state": "scheduled"}, "")) == []
    assert _joblogs.jobs({"jobs": [{"type": "waiter", "id": "w"}, JOB, "nonsense"]}) == [JOB]
    blocked = list(_joblogs.lines(0, {"id": "m", "type": "manual", "label": "deploy?", "state": "blocked"}, ""))
    assert [one.text for one in blocked] == ["deploy?", "waiting to be unblocked in Buildkite"]
    assert not _joblogs.has_log({**JOB, "id": "../../x"})


def opened(lent: Host, url: str) -> buildkite.Buildkite:
    return buildkite.Buildkite(
        buildkite.Settings(token=Secret("env", "BK_TOKEN"), url=f"{url}/v2", webhook_secrets=[Secret("env", "BK_HOOK")]), lent
    )


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BK_TOKEN", "bkua_canary")
    monkeypatch.setenv("BK_HOOK", SECRET)


@pytest.mark.parity(65)
@pytest.mark.parametrize(("status", "agreed"), [(200, True), (422, False), (404, False)])
@pytest.mark.parity(65)
@pytest.mark.acceptance("P-10")
async def test_cancelling_asks_buildkite(status: int, agreed: bool) -> None:  # noqa: FBT001
    """What is over cannot be cancelled, and its own end is the truth."""
    async with Peer(accepts=Reply(status, "{}")) as peer, host() as lent:
        assert await opened(lent, peer.url).cancel(RECEIPT) is agreed
        (asked,) = peer.requests
        assert (asked.method, asked.path) == ("PUT", "/v2/organizations/example-org/pipelines/hello-world-ci/builds/42/cancel")


async def test_cancelling_that_cannot_be_told_is_asked_again() -> None:
    """A server that is down has not agreed."""
    async with Peer(accepts=Reply(503)) as peer, host() as lent:
        with pytest.raises(Transient):
            await opened(lent, peer.url).cancel(RECEIPT)


async def test_logs_are_asked_job_by_job() -> None:
    """In the order of the build."""
    build = {"jobs": [JOB, {**JOB, "id": "b-2", "name": "lint"}]}
    async with Peer() as peer, host() as lent:
        peer.replies.extend([Reply(200, json.dumps(build)), Reply(200, '{"content": "one"}'), Reply(200, '{"content": "two"}')])
        lines = await opened(lent, peer.url).logs(RECEIPT)
    assert [one.text for one in lines if one.part == "said"] == ["one", "two"]
    assert [one.step for one in lines] == [0, 0, 0, 1, 1, 1]


class Builds(Peer):
    """Answers for a build and for the logs of its jobs, and counts who was asked for."""

    def __init__(self, jobs: dict[str, str]) -> None:
        super().__init__()
        self.jobs = jobs
        self.texts = dict.fromkeys(jobs, "")
        self.asked_for: list[str] = []

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        _, slash, rest = request.path.partition("/jobs/")
        job = rest.removesuffix("/log")
        if slash:
            self.asked_for.append(job)
            return web.json_response({"content": self.texts[job]})
        build = {"state": "running", "jobs": [{**JOB, "id": name, "state": state} for name, state in self.jobs.items()]}
        return web.json_response(build)


async def test_jobs_that_run_at_the_same_time_are_told_line_by_line() -> None:
    """What was told of a step comes first again, whatever else appears; a job that comes in between renumbers none."""
    async with Builds({"a": "running", "b": "running"}) as peer, host() as lent:
        provider = opened(lent, peer.url)
        told: dict[int, list[str]] = {}
        for a, b in (("1\n", "x\n"), ("1\n2\nhal", "x\n"), ("1\n2\nhalf\n", "x\ny\n")):
            peer.texts |= {"a": a, "b": b}
            before, told = told, {}
            for one in await provider.logs(RECEIPT):
                told.setdefault(one.step, []).append(one.text)
            assert all(told[step][: len(lines)] == lines for step, lines in before.items())
            peer.jobs = {"new": "scheduled", **peer.jobs}
        assert told == {0: ["test", "1", "2", "half"], 1: ["test", "x", "y"]}


async def test_watching_a_build_does_not_use_up_what_buildkite_answers() -> None:
    """Of many jobs that run a few are asked each time, all of them in turn; one that is over is asked once."""
    jobs = {f"j{number:02}": "running" for number in range(12)}
    async with Builds(jobs) as peer, host() as lent:
        provider = opened(lent, peer.url)
        for _ in range(3):
            before = len(peer.asked_for)
            await provider.logs(RECEIPT)
            assert len(peer.asked_for) - before <= _jobcache.LOOKS
        assert set(peer.asked_for) == set(jobs)
        peer.jobs = dict.fromkeys(jobs, "passed")
        peer.asked_for.clear()
        for _ in range(4):
            await provider.logs(RECEIPT)
        assert sorted(peer.asked_for) == sorted(jobs)


@pytest.mark.parametrize(
    ("options", "ours"),
    [
        ({"pipeline": "hello-world-ci", "org": "example-org"}, True),
        ({"pipeline": "example-org/hello-world-ci"}, True),
        ({"pipeline": "hello-world-ci"}, False),
        ({"pipeline": "other", "org": "example-org"}, False),
        (None, False),
    ],
)
@pytest.mark.parity(47, 48)
async def test_where_a_build_belongs(options: Any, ours: bool) -> None:  # noqa: FBT001
    """To the organization and the pipeline that its delivery asked for."""
    async with host() as lent:
        assert opened(lent, "http://127.0.0.1:1").is_of(options, RECEIPT) is ours


@pytest.mark.parity(52)
async def test_a_failure_says_which_job_it_was() -> None:
    """A webhook's build has no jobs: Buildkite is asked, and where it has no answer the build has failed all the same."""
    raw = body("buildkite_webhook_build_finished_failed.json")
    build = json.loads(raw)["build"] | {"jobs": [{**JOB, "state": "failed", "exit_status": 2}]}
    headers = {"x-buildkite-token": SECRET}
    async with Peer(accepts=Reply(503)) as peer, host(FakeClock(AT * 1_000_000)) as lent:
        peer.replies.append(Reply(200, json.dumps(build)))
        provider = opened(lent, peer.url)
        (first,), (second,) = await provider.receive(headers, raw), await provider.receive(headers, raw)
    assert (first.report.status, first.report.exit_code, first.report.error) == (
        Status.FAILED,
        2,
        "test: failed with exit status 2",
    )
    assert (second.report.status, second.report.exit_code) == (Status.FAILED, None)


class Once:
    """A scribe that remembers."""

    def __init__(self) -> None:
        self.seen: set[str] = set()

    def write(self, *_: Any) -> None: ...

    async def once(self, kind: str, key: str, seconds: float) -> bool:
        fresh = key not in self.seen
        self.seen.add(key)
        return fresh


@pytest.mark.acceptance("A-05")
@pytest.mark.threat("S-09")
async def test_a_signed_webhook_counts_once() -> None:
    """Whoever saw it can send it again."""
    raw = body("buildkite_webhook_build_running.json")
    made = hmac.new(SECRET.encode(), f"{AT}.".encode() + raw, hashlib.sha256).hexdigest()
    headers = {"x-buildkite-signature": f"timestamp={AT},signature={made}"}
    async with host(FakeClock(AT * 1_000_000)) as lent:
        provider = opened(Host(lent.http, lent.clock, lent.rng, Once()), "http://127.0.0.1:1")
        assert len(await provider.receive(headers, raw)) == 1
        assert await provider.receive(headers, raw) == ()
