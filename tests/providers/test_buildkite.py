"""Buildkite: each answer and what it means, what is asked for, what is found again, and how a build goes on."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from providers import buildkite
from router.core import rules
from router.core.errors import Ambiguous, DeliveryError, Permanent, RateLimited, Transient, Unauthorized
from router.core.model import Receipt, Status, changed
from router.core.problems import Problems
from router.demo.ci import Ci
from router.host import Host
from router.provider import Secret, SecretMissing
from router.testing import Peer, Reply, check_provider, delivery

WIRE = Path(__file__).parent.parent / "wire" / "buildkite"
TOKEN = "bkua_canary_7e1c9a"
SHA = "6e13e68d383190280012b07f7a62f830da739b41"
PAGE = "https://buildkite.com/acme/core/builds/42"
BUILD: dict[str, Any] = {"id": "build-uuid", "number": 42, "web_url": PAGE, "state": "scheduled"}
OPTIONS: dict[str, Any] = {"pipeline": "core", "commit": SHA, "branch": "main"}
MINE = "d" * 32


def wire(name: str) -> Any:
    return json.loads((WIRE / f"{name}.json").read_text(encoding="utf-8"))


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BK_TOKEN", TOKEN)


@pytest.fixture
async def ci() -> AsyncIterator[Ci]:
    async with Ci("ci", org="acme", token=TOKEN) as server:
        yield server


def settings(url: str) -> buildkite.Settings:
    return buildkite.Settings(token=Secret("env", "BK_TOKEN"), org="acme", url=f"{url}/v2")


def opened(lent: Host, url: str) -> buildkite.Buildkite:
    return buildkite.Buildkite(settings(url), lent)


async def build(lent: Host, url: str, **options: Any) -> Receipt:
    made = buildkite.Options(**{**OPTIONS, **options})
    return await opened(lent, url).deliver(delivery(made, id=MINE))


async def find(lent: Host, url: str) -> Receipt | None:
    return await opened(lent, url).find(delivery(buildkite.Options(**OPTIONS), id=MINE))


def says(status: int, tree: Any = None, **headers: str) -> Reply:
    return Reply(
        status, json.dumps({} if tree is None else tree), {key.replace("_", "-"): told for key, told in headers.items()}
    )


async def refused(lent: Host, peer: Peer, reply: Reply) -> DeliveryError:
    peer.replies.append(reply)
    with pytest.raises(DeliveryError) as raised:
        await build(lent, peer.url)
    assert len(peer.requests) == 1
    return raised.value


# What is asked for


async def test_a_build_is_made_and_can_be_followed(ci: Ci, lent: Host) -> None:
    """One POST that a strict CI takes, with the delivery's id in the meta-data whatever the rule says of it."""
    receipt = await build(lent, ci.url, meta_data={"router:delivery": "forged", "mine": "1"}, env={"A": "b"})
    (made,) = ci.builds
    assert made.asked.meta_data == {"router:delivery": MINE, "router:attempt": "1", "mine": "1"}
    assert (receipt.id, receipt.status) == (made.id, None)
    assert receipt.url == f"{ci.url}/acme/core/builds/1"
    assert receipt.detail == {"org": "acme", "pipeline": "core", "number": 1}


async def test_a_build_is_told_the_trace(peer: Peer, lent: Host) -> None:
    """Of its request, in its meta-data, and to its jobs, unless the rule says another to these; without one nothing is said."""
    for trace, env in (("", {"A": "b"}), ("00-a-b-01", {"A": "b"}), ("00-a-b-01", {"TRACEPARENT": "mine"})):
        peer.replies.append(says(201, BUILD))
        made = buildkite.Options(**{**OPTIONS, "env": env})
        await opened(lent, peer.url).deliver(delivery(made, id=MINE, trace=trace))
    plain, traced, other = ((asked.headers, json.loads(asked.body)) for asked in peer.requests)
    assert ("traceparent" in plain[0], plain[1]["env"], len(plain[1]["meta_data"])) == (False, {"A": "b"}, 2)
    assert traced[0]["traceparent"] == traced[1]["meta_data"]["router:traceparent"] == "00-a-b-01"
    assert traced[1]["env"] == {"A": "b", "TRACEPARENT": "00-a-b-01"}
    assert other[1]["env"] == {"TRACEPARENT": "mine"}


@pytest.mark.parametrize("name", ["create-build-request", "create-build-request-pull-request"])
async def test_the_body_is_buildkites(peer: Peer, lent: Host, name: str) -> None:
    """A recorded request, said as options, goes out as it was recorded; the router adds its two keys and its one flag."""
    recorded = wire(name)
    peer.replies.append(says(201, wire("create-build-response")))
    receipt = await build(lent, peer.url, pipeline="example-org/hello-world-ci", **recorded)
    (asked,) = peer.requests
    assert (asked.method, asked.path) == ("POST", "/v2/organizations/example-org/pipelines/hello-world-ci/builds")
    assert asked.headers["content-type"] == "application/json"
    own = {"router:delivery": MINE, "router:attempt": "1"}
    assert json.loads(asked.body) == recorded | {
        "meta_data": recorded["meta_data"] | own,
        "ignore_pipeline_branch_filters": True,
    }
    assert receipt.detail == {"org": "example-org", "pipeline": "hello-world-ci", "number": 42}
    assert receipt.url == "https://buildkite.com/example-org/hello-world-ci/builds/42"


async def test_every_option_reaches_the_build(ci: Ci, lent: Host) -> None:
    """Nothing that a rule may say is dropped on the way."""
    said: dict[str, Any] = {
        "message": "Pull request 7",
        "author": {"name": "Alice", "email": "alice@example.org"},
        "pull_request_id": 7,
        "pull_request_base_branch": "main",
        "pull_request_repository": "https://knot.example/fork",
        "pull_request_labels": ["ci"],
        "clean_checkout": True,
        "ignore_pipeline_branch_filters": False,
    }
    await build(lent, ci.url, **said)
    asked = ci.builds[0].asked.model_dump()
    assert {key: asked[key] for key in said} == said


@pytest.mark.threat("S-03")
async def test_a_message_is_one_printable_line(ci: Ci, lent: Host) -> None:
    """What a stranger wrote moves no cursor and begins no line, and is cut."""
    await build(lent, ci.url, message="hi\x1b[2J\nthere\u202e " + "x" * 5000)
    message = ci.builds[0].asked.message or ""
    assert message.startswith("hi [2J there")
    assert len(message) == buildkite.MESSAGE
    assert message.isprintable()


async def test_the_organization_is_the_steps_or_the_settings(ci: Ci, lent: Host) -> None:
    """`org/slug` before `org` before the settings; none at all is a dead letter, and nothing is sent."""
    with pytest.raises(Permanent, match="404"):
        await build(lent, ci.url, org="elsewhere")
    await build(lent, ci.url, org="elsewhere", pipeline="acme/core")
    without = settings(ci.url).model_copy(update={"org": None})
    with pytest.raises(Permanent, match="No organization"):
        await buildkite.Buildkite(without, lent).deliver(delivery(buildkite.Options(**OPTIONS)))
    assert len(ci.requests) == 2


@pytest.mark.parametrize(
    "options",
    [
        *(
            {"pipeline": name}
            for name in ("", "/", "a/", "/a", "a/b/c", "..", "../x", "a?b", "a#b", "a%2Fb", "a b", "a\n", "-a")
        ),
        *({"org": name} for name in ("", "a/b", "..", "a?b", "ä")),
        *({"commit": name} for name in ("", "--upload-pack=x", "-h", "a b", "a\nb", "$(x)")),
        *({"branch": name} for name in ("", "-x", "a b", "a\x1b", "x" * 1001)),
        *(
            {"env": {name: "x"}}
            for name in ("LD_PRELOAD", "BUILDKITE_BRANCH", "GIT_SSH_COMMAND", "path", "BASH_ENV", "PYTHONPATH")
        ),
        *({"env": {name: "x"}} for name in ("A=B", "", "A B", "A\n", "1A", "BASH_FUNC_x%%")),
        {"env": {"A": "b\0"}},
        {"env": {"A": "\ud800"}},
        {"env": {"A": 1}},
        {"nonsense": 1},
    ],
)
def test_what_an_event_must_not_choose_is_refused(options: dict[str, Any]) -> None:
    """Names that would leave their place in a path or a command, and variables that decide what runs."""
    with pytest.raises(ValidationError):
        buildkite.Options(**{**OPTIONS, **options})


@pytest.mark.parametrize(
    "options",
    [
        {"commit": "HEAD"},
        {"commit": "refs/tags/v1.0"},
        {"branch": "alice:feature/größe"},
        *({"env": {name: "x"}} for name in ("GITHUB_REF", "LDFLAGS", "LDAP_URL", "PATHS", "TACK_BRANCH", "_x")),
    ],
)
def test_what_harms_nobody_is_taken(options: dict[str, Any]) -> None:
    """A guard that cries at everything would be worked around."""
    buildkite.Options(**{**OPTIONS, **options})


@pytest.mark.parametrize("url", ["ftp://x", "https://user@x", "https://x?y", "x", "https://x y"])
def test_the_address_of_the_api_is_one(url: str) -> None:
    """A mistake is told by validate."""
    with pytest.raises(ValidationError):
        buildkite.Settings(token=Secret("env", "BK_TOKEN"), url=url)


# What the answers mean


@pytest.mark.fault("T-23")
@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (says(400, {"message": "narrow"}), Permanent),
        (says(404, {"message": "No pipeline found"}), Permanent),
        (says(422, {"message": "Validation Failed"}), Permanent),
        (says(302, Location="https://elsewhere.example"), Permanent),
        (says(401), Unauthorized),
        (says(403), Unauthorized),
        (says(429, RateLimit_Reset="30"), RateLimited),
        (says(408), Ambiguous),
        (says(500), Ambiguous),
        (says(502), Ambiguous),
        (says(503), Ambiguous),
        (Reply(cut="before"), Ambiguous),
        (Reply(201, json.dumps(BUILD), cut="within"), Ambiguous),
        (says(200, BUILD), Ambiguous),
        (says(202), Ambiguous),
        (says(201, {"no": "build"}), Ambiguous),
        (says(201, [BUILD]), Ambiguous),
        (says(201, BUILD | {"number": "42"}), Ambiguous),
        (Reply(201, '{"id": "cut'), Ambiguous),
        (Reply(201, b"[" * 2_000_000), Ambiguous),
    ],
)
async def test_each_answer_says_what_comes_next(peer: Peer, lent: Host, reply: Reply, kind: type[DeliveryError]) -> None:
    """What was refused is never sent again, what was not considered is, and what may have happened is looked up."""
    assert type(await refused(lent, peer, reply)) is kind


async def test_a_refusal_says_buildkites_words(peer: Peer, lent: Host) -> None:
    """The dead letter says which field was wrong, on one line."""
    error = await refused(lent, peer, says(422, wire("error-422")))
    assert str(error) == 'Buildkite answered 422: Validation Failed ([{"field": "commit", "code": "missing"}])'


@pytest.mark.parametrize("body", ["", "<html>", '{"message": 7}', "[]"])
async def test_a_refusal_without_words(peer: Peer, lent: Host, body: str) -> None:
    """Whatever the body is."""
    assert str(await refused(lent, peer, Reply(404, body))) == "Buildkite answered 404: without saying why."


async def test_what_a_stranger_wrote_moves_no_cursor(peer: Peer, lent: Host) -> None:
    """Buildkite's words may quote an event's."""
    error = await refused(lent, peer, says(422, {"message": "bad\x1b[2J\n" + "x" * 5000}))
    assert f"{error}{error.response}".isprintable()
    assert len(str(error)) < 400


@pytest.mark.fault("T-23")
@pytest.mark.parametrize(
    ("reply", "seconds"),
    [
        (says(429, RateLimit_Reset="30", RateLimit_User_Reset="45"), 45.0),
        (says(429, ratelimit_reset="12"), 12.0),
        (says(429, RateLimit_Reset="0"), 1.0),
        (says(429), buildkite.RESET),
        (says(401), Unauthorized.AGAIN),
        (says(403), Unauthorized.AGAIN),
    ],
)
async def test_waiting_uses_up_no_attempt(peer: Peer, lent: Host, reply: Reply, seconds: float) -> None:
    """429 says until when, in seconds; a refused token waits for the operator."""
    error = await refused(lent, peer, reply)
    assert isinstance(error, Transient)
    assert (error.retry_after, error.counts) == (seconds, False)


async def test_a_missing_token_parks_the_delivery(peer: Peer, lent: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is sent, no attempt is used up, and it is read again each time."""
    monkeypatch.delenv("BK_TOKEN")
    with pytest.raises(SecretMissing, match="BK_TOKEN"):
        await build(lent, peer.url)
    monkeypatch.setenv("BK_TOKEN", f"{TOKEN}\nX-Forged: 1")
    with pytest.raises(Transient) as raised:
        await build(lent, peer.url)
    assert not raised.value.counts
    assert TOKEN not in repr(raised.value)
    assert not peer.requests


async def test_it_keeps_the_contract_of_providers(peer: Peer) -> None:
    """The conformance check that is shipped for everybody."""
    peer.accepts = says(201, BUILD)
    await check_provider(buildkite.plugin, settings(peer.url), buildkite.Options(**OPTIONS), peer)


# What is found again


@pytest.mark.parity(44)
async def test_a_delivery_is_found_by_its_id(ci: Ci, lent: Host) -> None:
    """The receipt of a build whose answer was lost is the one that its answer would have been."""
    await ci.disturb(drop_after=1)
    assert await find(lent, ci.url) is None
    with pytest.raises(Ambiguous):
        await build(lent, ci.url)
    receipt = await find(lent, ci.url)
    assert receipt is not None
    assert receipt.id == ci.builds[0].id
    assert receipt.detail == {"org": "acme", "pipeline": "core", "number": 1}


async def test_of_two_builds_the_first_is_the_deliverys(peer: Peer, lent: Host) -> None:
    """Lists begin with the newest."""
    peer.replies.append(says(200, [tagged("newer"), tagged("older")]))
    receipt = await find(lent, peer.url)
    assert receipt is not None
    assert receipt.id == "older"
    assert ("meta_data[router:delivery]", MINE) in peer.requests[0].query


@pytest.mark.parametrize("builds", [[], [BUILD], [BUILD | {"meta_data": {"router:delivery": "another"}}, 7, None]])
async def test_builds_of_others_are_not_the_deliverys(peer: Peer, lent: Host, builds: list[Any]) -> None:
    """A whole list without it says that there is none, whatever the filter was worth."""
    peer.replies.append(says(200, builds))
    assert await find(lent, peer.url) is None


@pytest.mark.fault("T-24")
@pytest.mark.parametrize(
    "reply",
    [
        *(says(status) for status in (302, 401, 404, 429, 500, 503)),
        Reply(cut="before"),
        Reply(200, "[]", cut="within"),
        Reply(200, "<html>"),
        says(200, {"a": 1}),
        says(200, [BUILD] * buildkite.PAGE),
        says(200, [{"meta_data": {"router:delivery": MINE}}]),
    ],
)
async def test_a_look_up_that_cannot_tell_proves_nothing(peer: Peer, lent: Host, reply: Reply) -> None:
    """No list, a full page of others (there may be another), or a build that cannot be read: it stays open."""
    peer.replies.append(reply)
    with pytest.raises(Transient):
        await find(lent, peer.url)


async def test_a_look_up_waits_only_where_it_is_told_to(peer: Peer, lent: Host) -> None:
    """The headers of the rate limit are in every answer, and mean a wait in that of 429 alone."""
    peer.replies.extend([says(500, RateLimit_Reset="42"), says(429, RateLimit_Reset="42")])
    waits = []
    for _ in range(2):
        with pytest.raises(Transient) as raised:
            await find(lent, peer.url)
        waits.append(raised.value.retry_after)
    assert waits == [None, 42.0]


def tagged(name: str) -> dict[str, Any]:
    return BUILD | {"id": name, "meta_data": {"router:delivery": MINE}}


# How a build goes on

JOB: dict[str, Any] = {"name": "Test", "state": "failed", "exit_status": 3}


@pytest.mark.parametrize(
    ("state", "status", "error"),
    [
        *(({"state": state}, Status.PENDING, "") for state in ("creating", "scheduled", "waiting")),
        *(({"state": state}, Status.RUNNING, "") for state in ("running", "failing", "canceling", "waiting_failed")),
        ({"state": "passed"}, Status.SUCCESS, ""),
        ({"state": "passed", "blocked": False}, Status.SUCCESS, ""),
        ({"state": "passed", "blocked": True}, Status.RUNNING, "waiting on a block step"),
        ({"state": "failed", "blocked": True}, Status.RUNNING, "waiting on a block step"),
        ({"state": "blocked"}, Status.RUNNING, "waiting on a block step"),
        ({"state": "canceled", "cancel_reason": "by Ann", "blocked": True}, Status.CANCELLED, "by Ann"),
        ({"state": "canceled", "cancel_reason": None}, Status.CANCELLED, "canceled by Buildkite"),
        ({"state": "skipped"}, Status.CANCELLED, "skipped by Buildkite"),
        ({"state": "not_run"}, Status.CANCELLED, "not_run by Buildkite"),
        ({"state": "something_new"}, None, ""),
        ({"state": ["passed"]}, None, ""),
        ({"state": "failed"}, Status.FAILED, ""),
        ({"state": "failed", "jobs": "none"}, Status.FAILED, ""),
        ({"state": "failed", "jobs": [JOB]}, Status.FAILED, "Test: failed with exit status 3"),
        ({"state": "failed", "jobs": [JOB | {"name": "a\x1b[1m"}]}, Status.FAILED, "a [1m: failed with exit status 3"),
        ({"state": "failed", "jobs": [JOB | {"state": "timed_out"}]}, Status.TIMEOUT, "Test: timed_out"),
        ({"state": "failed", "jobs": [JOB | {"state": "timed_out"}, JOB]}, Status.FAILED, "Test: timed_out"),
        (
            {"state": "failed", "jobs": [JOB | {"state": "timed_out"}, JOB | {"state": "broken"}]},
            Status.TIMEOUT,
            "Test: timed_out",
        ),
        ({"state": "failed", "jobs": [JOB | {"soft_failed": True}, JOB | {"retried": True}]}, Status.FAILED, ""),
    ],
)
@pytest.mark.acceptance("A-06", "P-18")
async def test_each_state_of_a_build(peer: Peer, lent: Host, state: dict[str, Any], status: Status | None, error: str) -> None:
    """A build that a block step holds up is never green; a state that nobody knows says nothing; jobs that were tried again,
    that may fail or that never ran are not why."""
    peer.replies.append(says(200, BUILD | state))
    reports = await opened(lent, peer.url).poll([(MINE, receipt())])
    assert peer.requests[0].path == "/v2/organizations/acme/pipelines/core/builds/42"
    assert [(report.status, report.error) for report in reports] == ([(status, error)] if status else [])


async def test_a_report_has_buildkites_time_exit_status_and_page(peer: Peer, lent: Host) -> None:
    """A recorded build that passed, and one that failed: when it was over, by Buildkite's clock, in microseconds."""
    passed = wire("get-build-response-passed")
    failed = passed | {"state": "failed", "jobs": [JOB], "finished_at": "2026-09-14 10:01:35 UTC", "web_url": "javascript:x"}
    peer.replies.extend([says(200, passed), says(200, failed)])
    first, second = await opened(lent, peer.url).poll([(MINE, receipt()), ("other", receipt())])
    assert (first.delivery, first.status, first.exit_code, first.url) == (MINE, Status.SUCCESS, None, passed["web_url"])
    assert (second.delivery, second.status, second.exit_code, second.url) == ("other", Status.FAILED, 3, "")
    assert first.at == second.at == 1_789_380_095_000_000


@pytest.mark.parametrize("time", [None, 7, "yesterday", ""])
async def test_a_report_without_a_time_is_of_now(peer: Peer, lent: Host, time: Any) -> None:
    """A build that says no time, or nonsense, is told of all the same."""
    peer.replies.append(says(200, BUILD | {"state": "running", "started_at": time}))
    (report,) = await opened(lent, peer.url).poll([(MINE, receipt())])
    assert report.at == lent.clock.now()


async def test_a_build_that_cannot_be_asked_about_is_left_out(peer: Peer, lent: Host) -> None:
    """One answer that is lost says nothing of the others."""
    peer.replies.extend([says(503), says(200, BUILD | {"state": "running"}), Reply(cut="before"), Reply(200, "[]")])
    reports = await opened(lent, peer.url).poll([(name, receipt()) for name in "abcd"])
    assert [report.status for report in reports] == [Status.RUNNING]


async def test_asking_ends_where_buildkite_is_asked_too_often(peer: Peer, lent: Host) -> None:
    """What is left of the minute is for new builds."""
    peer.accepts = says(429, RateLimit_Reset="30")
    assert await opened(lent, peer.url).poll([(str(number), receipt()) for number in range(50)]) == []
    assert len(peer.requests) == buildkite.LANES


async def test_more_builds_than_lanes_are_each_told_of(ci: Ci, lent: Host) -> None:
    """Every report is of its own delivery."""
    receipts = [(str(number), await build(lent, ci.url)) for number in range(10)]
    ci.builds[7].cancel(1_789_380_031.0)
    reports = await opened(lent, ci.url).poll(receipts)
    assert [report.delivery for report in reports] == [name for name, _ in receipts]
    assert [report.delivery for report in reports if report.status is Status.CANCELLED] == ["7"]


def receipt() -> Receipt:
    return Receipt(id="build-uuid", detail={"org": "acme", "pipeline": "core", "number": 42})


def test_builds_of_anybodys_pull_requests_are_told() -> None:
    """A build has the secrets of its pipeline, so a rule on pull requests says whose it builds."""
    step = "{buildkite: {org: acme, pipeline: core, commit: HEAD, branch: main}}"
    text = f"rules: [{{name: it, when: {{trigger: pull_request}}, do: [{step}]}}]"
    problems = Problems()
    rules.load([rules.RuleText("it", "it.yaml", text)], {"buildkite": buildkite.Options}, problems)
    assert [found.code for found in problems.found] == ["R034"]


@pytest.mark.parity(70)
async def test_secrets_are_variables_of_the_build(peer: Peer, lent: Host) -> None:
    """They go out with the others, and win over one of the same name."""
    peer.replies.append(says(201, BUILD))
    options = buildkite.Options(org="acme", pipeline="core", commit=SHA, branch="main", env={"A": "1", "KEY": "rule's"})
    await opened(lent, peer.url).deliver(changed(delivery(options), revealed={"KEY": "canary"}))
    assert json.loads(peer.requests[-1].body)["env"] == {"A": "1", "KEY": "canary"}
