"""Every answer of a Buildkite and of a webhook's receiver, and what it means for the delivery."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError
from standardwebhooks import Webhook as Verifier

from providers import buildkite, webhook
from router.core.errors import Ambiguous, DeliveryError, Permanent, Transient
from router.core.model import Receipt, Status
from router.secret import Secret
from tests.providers.parts import NOW, Server, delivery, hosting, serving

TOKEN = "bkua_canary_7e1c9a"
SIGNING = "whsec_Y2FuYXJ5LWNhbmFyeS1jYW5hcnk="
SHA = "6e13e68d383190280012b07f7a62f830da739b41"
PAGE = "https://buildkite.com/acme/core/builds/42"
BUILD: dict[str, Any] = {"id": "build-uuid", "number": 42, "web_url": PAGE, "state": "scheduled"}
OPTIONS: dict[str, Any] = {"pipeline": "core", "commit": SHA, "branch": "main"}


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BK_TOKEN", TOKEN)
    monkeypatch.setenv("SIGNING", SIGNING)


def settings(server: Server) -> buildkite.Settings:
    return buildkite.Settings(token=Secret("env", "BK_TOKEN"), org="acme", url=f"{server.url}/v2", settle=15.0)


async def build(server: Server, **options: Any) -> Receipt:
    async with hosting() as host:
        made = buildkite.Buildkite(settings(server), host)
        return await made.deliver(delivery(buildkite.Options(**{**OPTIONS, **options})))


async def refused(server: Server) -> DeliveryError:
    with pytest.raises(DeliveryError) as raised:
        await build(server)
    return raised.value


def answer(status: int, tree: Any = None, **headers: str) -> tuple[int, dict[str, str], bytes]:
    return status, {name.replace("_", "-"): value for name, value in headers.items()}, json.dumps(tree or {}).encode()


async def test_a_build_is_created_as_buildkite_wants_it() -> None:
    """One POST with the token, the fields of the rule, and the delivery's id in the meta-data; the receipt can be followed."""
    async with serving() as server:
        server.answers.append(answer(201, BUILD))
        receipt = await build(server, message="hi\x1b[2J", meta_data={"router:delivery": "forged", "mine": "1"}, env={"A": "b"})
        (asked,) = server.asked
    assert (asked.method, asked.path) == ("POST", "/v2/organizations/acme/pipelines/core/builds")
    assert asked.headers["Authorization"] == f"Bearer {TOKEN}"
    body = json.loads(asked.body)
    assert body == {
        "commit": SHA,
        "branch": "main",
        "message": "hi [2J",
        "env": {"A": "b"},
        "meta_data": {"router:delivery": "d" * 32, "router:attempt": "1", "mine": "1"},
        "ignore_pipeline_branch_filters": True,
    }
    assert (receipt.id, receipt.url, receipt.status) == ("build-uuid", PAGE, None)
    assert receipt.detail == {"org": "acme", "pipeline": "core", "number": 42}


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        (answer(400, {"message": "narrow"}), Permanent),
        (answer(404, {"message": "No pipeline found"}), Permanent),
        (answer(422, {"message": "Validation Failed", "errors": [{"field": "commit", "code": "missing"}]}), Permanent),
        (answer(302, Location="https://elsewhere.example"), Permanent),
        (answer(401), Transient),
        (answer(403), Transient),
        (answer(429, RateLimit_Reset="30"), Transient),
        (answer(500), Ambiguous),
        (answer(503), Ambiguous),
        (None, Ambiguous),
        (answer(200, BUILD), Ambiguous),
        (answer(201, {"no": "build"}), Ambiguous),
        ((201, {}, b'{"id": "cut'), Ambiguous),
        ((201, {}, b"[" * 2_000_000), Ambiguous),
    ],
)
async def test_each_answer_says_what_comes_next(given: Any, kind: type[DeliveryError]) -> None:
    """What was refused is never sent again, what was not considered is, and what may have happened is looked up; the token is
    in no error."""
    async with serving() as server:
        server.answers.append(given)
        error = await refused(server)
        assert len(server.asked) == 1
    assert type(error) is kind
    assert TOKEN not in repr(error) + str(error.response)


async def test_waiting_uses_up_no_attempt() -> None:
    """429 says until when; a refused token waits for the operator."""
    async with serving() as server:
        server.answers.extend([answer(429, RateLimit_Reset="30", RateLimit_User_Reset="45"), answer(401)])
        slow, closed = await refused(server), await refused(server)
    assert isinstance(slow, Transient)
    assert isinstance(closed, Transient)
    assert (slow.retry_after, slow.counts) == (45.0, False)
    assert (closed.retry_after, closed.counts) == (buildkite.REFUSED, False)


async def test_what_was_never_sent_is_simply_sent_again() -> None:
    """A port that nobody listens on."""
    async with serving() as server:
        gone = server.url
    async with hosting() as host:
        made = buildkite.Buildkite(buildkite.Settings(token=Secret("env", "BK_TOKEN"), org="acme", url=f"{gone}/v2"), host)
        with pytest.raises(Transient):
            await made.deliver(delivery(buildkite.Options(**OPTIONS)))


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (answer(200, [BUILD | {"meta_data": {"router:delivery": "d" * 32}}]), "build-uuid"),
        ((200, {}, b"[]"), None),
        (answer(200, [BUILD | {"meta_data": {"router:delivery": "another"}}]), None),
    ],
)
async def test_a_delivery_is_found_by_its_id(given: Any, found: str | None) -> None:
    """None only where Buildkite surely has no such build."""
    async with serving() as server, hosting() as host:
        server.answers.append(given)
        receipt = await buildkite.Buildkite(settings(server), host).find(delivery(buildkite.Options(**OPTIONS)))
        assert server.asked[0].query["meta_data[router:delivery]"] == "d" * 32
    assert (receipt.id if receipt else None) == found


@pytest.mark.parametrize("given", [answer(503), answer(429), answer(404), None, (200, {}, b"<html>"), answer(200, {"a": 1})])
async def test_a_look_up_without_an_answer_proves_nothing(given: Any) -> None:
    """Whatever is not a list of builds leaves it open."""
    async with serving() as server, hosting() as host:
        server.answers.append(given)
        with pytest.raises(Transient):
            await buildkite.Buildkite(settings(server), host).find(delivery(buildkite.Options(**OPTIONS)))


FAILED_JOB = {"name": "Test", "state": "failed", "exit_status": 3}


@pytest.mark.parametrize(
    ("state", "status", "error"),
    [
        ({"state": "scheduled"}, Status.PENDING, ""),
        ({"state": "waiting"}, Status.PENDING, ""),
        ({"state": "running"}, Status.RUNNING, ""),
        ({"state": "failing"}, Status.RUNNING, ""),
        ({"state": "canceling"}, Status.RUNNING, ""),
        ({"state": "passed"}, Status.SUCCESS, ""),
        ({"state": "passed", "blocked": True}, Status.RUNNING, "waiting on a block step"),
        ({"state": "blocked"}, Status.RUNNING, "waiting on a block step"),
        ({"state": "failed", "jobs": [FAILED_JOB]}, Status.FAILED, "Test: failed"),
        ({"state": "failed", "jobs": [FAILED_JOB | {"state": "timed_out"}]}, Status.TIMEOUT, "Test: timed_out"),
        ({"state": "failed", "jobs": [FAILED_JOB | {"soft_failed": True}, FAILED_JOB | {"retried": True}]}, Status.FAILED, ""),
        ({"state": "canceled", "cancel_reason": "by Ann"}, Status.CANCELLED, "by Ann"),
        ({"state": "skipped"}, Status.CANCELLED, "skipped by Buildkite"),
        ({"state": "not_run"}, Status.CANCELLED, "not_run by Buildkite"),
        ({"state": "something_new"}, None, ""),
    ],
)
async def test_each_state_of_a_build(state: dict[str, Any], status: Status | None, error: str) -> None:
    """A build that a block step holds up is never green; a state that nobody knows says nothing."""
    receipt = Receipt(id="build-uuid", detail={"org": "acme", "pipeline": "core", "number": 42})
    async with serving() as server, hosting() as host:
        server.answers.append(answer(200, BUILD | state))
        reports = await buildkite.Buildkite(settings(server), host).poll([("d" * 32, receipt)])
        assert server.asked[0].path == "/v2/organizations/acme/pipelines/core/builds/42"
    assert [(report.status, report.error) for report in reports] == ([(status, error)] if status else [])


async def test_a_build_that_cannot_be_asked_about_is_left_out() -> None:
    """One answer that is lost says nothing of the others."""
    receipts = [(name, Receipt(id=name, detail={"org": "acme", "pipeline": "core", "number": 1})) for name in ("a", "b", "c")]
    async with serving() as server, hosting() as host:
        server.answers.extend([answer(503), answer(200, BUILD | {"state": "running"}), None])
        reports = await buildkite.Buildkite(settings(server), host).poll(receipts)
    assert len(reports) == 1


@pytest.mark.parametrize(
    "options",
    [
        {"pipeline": "../x"},
        {"pipeline": "a/b/c"},
        {"org": "a?b"},
        {"commit": "--upload-pack=x"},
        {"commit": "a b"},
        {"env": {"LD_PRELOAD": "x"}},
        {"env": {"BUILDKITE_BRANCH": "x"}},
        {"env": {"A=B": "x"}},
        {"branch": ""},
        {"nonsense": 1},
    ],
)
def test_what_an_event_must_not_choose_is_refused(options: dict[str, Any]) -> None:
    """Names that would leave their place in a path, and variables that decide what runs."""
    with pytest.raises(ValidationError):
        buildkite.Options(**{**OPTIONS, **options})


async def post(server: Server, **options: Any) -> Receipt:
    options = {"url": f"{server.url}/hook", **options}
    async with hosting() as host:
        made = webhook.Webhook(webhook.Settings(secrets={"s": Secret("env", "SIGNING")}), host)
        return await made.deliver(delivery(webhook.Options.model_validate(options)))


async def test_a_webhook_is_signed_over_what_is_sent() -> None:
    """The specification's own library accepts it, and its id is the delivery's."""
    async with serving() as server:
        receipt = await post(server, secret="s", json={"text": "grüße \u202e", "n": 1})
        (asked,) = server.asked
    assert receipt.status is Status.SUCCESS
    assert asked.headers["webhook-id"] == "d" * 32
    assert asked.headers["webhook-timestamp"] == str(NOW // 1_000_000)
    signer = Verifier(SIGNING)
    signed = signer.sign("d" * 32, datetime.fromtimestamp(NOW // 1_000_000, UTC), asked.body.decode())
    assert asked.headers["webhook-signature"] == signed
    assert json.loads(asked.body) == {"text": "grüße \u202e", "n": 1}
    assert asked.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("options", "kind", "body"),
    [
        ({"form": {"a": "b c&d"}}, "application/x-www-form-urlencoded", b"a=b+c%26d"),
        ({"text": "hello"}, "text/plain; charset=utf-8", b"hello"),
        ({"json": None}, "application/json", b"null"),
        ({"method": "get"}, None, b""),
    ],
)
async def test_each_kind_of_body(options: dict[str, Any], kind: str | None, body: bytes) -> None:
    """JSON, a form, a text, or nothing; unsigned where no secret is named."""
    async with serving() as server:
        await post(server, **options)
        (asked,) = server.asked
    assert (asked.headers.get("Content-Type"), asked.body) == (kind, body)
    assert "webhook-signature" not in asked.headers


@pytest.mark.parametrize(
    ("given", "kind", "wait"),
    [
        (answer(301, Location="/x"), Permanent, None),
        (answer(400), Permanent, None),
        (answer(410), Permanent, None),
        (answer(408), Transient, None),
        (answer(429, Retry_After="7"), Transient, 7.0),
        (answer(503, Retry_After="Mon, 23 Nov 2026 12:00:10 GMT", Date="Mon, 23 Nov 2026 12:00:00 GMT"), Transient, 10.0),
        (answer(500), Transient, None),
        (None, Transient, None),
    ],
)
async def test_each_answer_of_a_receiver(given: Any, kind: type[DeliveryError], wait: float | None) -> None:
    """Redirects are failures; what is worth another attempt is attempted again with the same id; the secret is in no error."""
    async with serving() as server:
        server.answers.append(given)
        with pytest.raises(DeliveryError) as raised:
            await post(server, secret="s", text="x")
        assert len(server.asked) == 1
    assert type(raised.value) is kind
    assert getattr(raised.value, "retry_after", None) == wait
    assert SIGNING not in repr(raised.value)


@pytest.mark.parametrize(
    "options",
    [
        {"url": "ftp://x"},
        {"url": "https://user:pass@x"},
        {"url": "https://x y"},
        {"method": "PO ST"},
        {"headers": {"A\r\nB": "c"}},
        {"headers": {"A": "b\r\nC: d"}},
        {"headers": {"Host": "x"}},
        {"headers": {"webhook-id": "x"}},
        {"json": 1, "text": "x"},
    ],
)
def test_requests_that_cannot_be_are_refused(options: dict[str, Any]) -> None:
    """Before anything is sent."""
    with pytest.raises(ValidationError):
        webhook.Options.model_validate({"url": "https://x", **options})


async def test_an_unknown_secret_is_a_dead_letter() -> None:
    """A name that router.yaml does not have is never sent unsigned."""
    async with serving() as server:
        with pytest.raises(Permanent, match="no secret `other`"):
            await post(server, secret="other")
        assert not server.asked
    await asyncio.sleep(0)
