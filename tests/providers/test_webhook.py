"""Webhooks: what is sent and signed, what may not be said, and what each answer means."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError
from standardwebhooks import Webhook as Verifier

from providers import _requests, webhook
from router.core.errors import DeliveryError, Permanent, RateLimited, Transient
from router.core.model import Receipt, Status
from router.demo.sink import Received, Sink
from router.host import Host, SystemClock
from router.provider import Secret, SecretMissing
from router.testing import FakeClock, Peer, Reply, check_provider, delivery

SIGNING = "whsec_Y2FuYXJ5LWNhbmFyeS1jYW5hcnk="
SETTINGS = webhook.Settings(secrets={"s": Secret("env", "SIGNING")})
ID = "d" * 32


@pytest.fixture(autouse=True)
def signing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNING", SIGNING)


async def post(lent: Host, url: str, *, attempt: int = 1, **options: Any) -> Receipt:
    made = webhook.Options.model_validate({"url": f"{url}/hook", **options})
    return await webhook.Webhook(SETTINGS, lent).deliver(delivery(made, id=ID, attempt=attempt))


async def failure(lent: Host, url: str, **options: Any) -> DeliveryError:
    with pytest.raises(DeliveryError) as raised:
        await post(lent, url, **options)
    return raised.value


@pytest.mark.parametrize(
    ("options", "body"),
    [
        ({"json": {"text": "grüße \u202e", "n": 1}}, '{"text":"gr\\u00fc\\u00dfe \\u202e","n":1}'),
        ({"form": {"a": "b c&d", "ü": "\ud800"}}, "a=b+c%26d&%C3%BC=%3F"),
        ({"text": "grüße\n"}, "grüße\n"),
        ({"method": "DELETE"}, ""),
    ],
)
async def test_a_receiver_that_verifies_takes_it(lent: Host, options: dict[str, Any], body: str) -> None:
    """The specification's own library accepts the signature over each kind of body, to the letter."""
    now = Host(lent.http, SystemClock(), lent.rng)  # the library refuses what is older than five minutes
    async with Sink("sink", secret=SIGNING) as sink:
        receipt = await post(now, sink.url, secret="s", **options)
    assert receipt.status is Status.SUCCESS
    assert sink.received == [Received(ID, options.get("method", "POST"), "/hook", body)]


async def test_the_id_is_the_deliverys_and_the_time_the_attempts(peer: Peer, lent: Host) -> None:
    """A receiver that gets an attempt twice can tell, and one that checks the time takes the second."""
    clock = lent.clock
    assert isinstance(clock, FakeClock)
    peer.replies.append(Reply(503))
    await failure(lent, peer.url, secret="s", text="x")
    clock.forward(600)
    await post(lent, peer.url, attempt=2, secret="s", text="x")
    first, second = (request.headers for request in peer.requests)
    assert first["webhook-id"] == second["webhook-id"] == ID
    assert int(second["webhook-timestamp"]) - int(first["webhook-timestamp"]) == 600
    assert int(second["webhook-timestamp"]) == clock.now() // 1_000_000
    assert first["webhook-signature"] != second["webhook-signature"]


@pytest.mark.parametrize(
    ("options", "kind", "body"),
    [
        ({"json": {"a": [1, None]}}, "application/json", '{"a":[1,null]}'),
        ({"json": None}, "application/json", "null"),
        ({"json": "\ud800"}, "application/json", '"\\ud800"'),
        ({"form": {"a": "b c&d"}}, "application/x-www-form-urlencoded", "a=b+c%26d"),
        ({"text": "hello"}, "text/plain; charset=utf-8", "hello"),
        ({"text": "<a/>", "headers": {"content-type": "text/xml"}}, "text/xml", "<a/>"),
        ({"method": "get"}, None, ""),
    ],
)
async def test_each_kind_of_body(peer: Peer, lent: Host, options: dict[str, Any], kind: str | None, body: str) -> None:
    """JSON, a form, a text, or nothing; unsigned where no secret is named; one content type, the rule's if it says one."""
    await post(lent, peer.url, **options)
    (asked,) = peer.requests
    assert (asked.method, asked.body) == (options.get("method", "POST").upper(), body)
    assert asked.headers.get("content-type", "application/octet-stream") == (kind or "application/octet-stream")
    assert "webhook-signature" not in asked.headers
    assert asked.headers["webhook-id"] == ID


async def test_headers_of_the_rule_are_sent(peer: Peer, lent: Host) -> None:
    """As they are written."""
    await post(lent, peer.url, headers={"X-Team": "core", "authorization": "Basic eDp5"})
    assert peer.requests[0].headers["x-team"] == "core"


async def test_the_receiver_is_told_the_trace(peer: Peer, lent: Host) -> None:
    """Where there is one; a rule that says another means it, and what is signed is the same."""
    provider = webhook.Webhook(SETTINGS, lent)
    for trace, headers in (("", {}), ("00-a-b-01", {}), ("00-a-b-01", {"TraceParent": "mine"})):
        made = webhook.Options.model_validate({"url": f"{peer.url}/hook", "secret": "s", "text": "x", "headers": headers})
        await provider.deliver(delivery(made, id=ID, trace=trace))
    assert [asked.headers.get("traceparent") for asked in peer.requests] == [None, "00-a-b-01", "mine"]
    assert len({asked.headers["webhook-signature"] for asked in peer.requests}) == 1


@pytest.mark.parametrize(
    ("reply", "kind", "wait", "counts"),
    [
        *((Reply(status, headers={"Location": "/elsewhere"}), Transient, None, True) for status in (301, 302, 304, 307, 308)),
        *((Reply(status), Transient, None, True) for status in (400, 401, 403, 404, 422)),
        (Reply(410), Permanent, None, True),
        (Reply(500, headers={"webhook-delivery": "abort-message"}), Permanent, None, True),
        *((Reply(status), Transient, None, True) for status in (408, 425, 429, 500, 502, 503, 504)),
        (Reply(429, headers={"Retry-After": "7"}), RateLimited, 7.0, False),
        (Reply(429, headers={"Retry-After": "0"}), RateLimited, 1.0, False),
        (Reply(503, headers={"Retry-After": "7"}), Transient, 7.0, True),
        (
            Reply(503, headers={"Retry-After": "Mon, 23 Nov 2026 12:00:10 GMT", "Date": "Mon, 23 Nov 2026 12:00:00 GMT"}),
            Transient,
            10.0,
            True,
        ),
        (Reply(cut="before"), Transient, None, True),
        (Reply(500, "half", cut="within"), Transient, None, True),
    ],
)
async def test_each_answer_of_a_receiver(
    peer: Peer, lent: Host, *, reply: Reply, kind: type[DeliveryError], wait: float | None, counts: bool
) -> None:
    """Whatever is no 2xx is tried again, a redirect and a lost answer too, unless the receiver wants no more; only one that is
    asked too often and says when to come back uses up no attempt."""
    peer.replies.append(reply)
    error = await failure(lent, peer.url, secret="s", text="x")
    assert len(peer.requests) == 1
    assert type(error) is kind
    assert (getattr(error, "retry_after", None), getattr(error, "counts", True)) == (wait, counts)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_any_2xx_is_success(peer: Peer, lent: Host, status: int) -> None:
    """However much it says: what is beyond the limit is not read."""
    peer.replies.append(Reply(status, "" if status == 204 else b"x" * 300_000))
    receipt = await post(lent, peer.url)
    assert (receipt.id, receipt.status, receipt.detail) == (ID, Status.SUCCESS, {"status": status})


async def test_what_a_receiver_says_is_kept_for_people(peer: Peer, lent: Host) -> None:
    """Cut, on one line, and without the way to a terminal."""
    peer.replies.append(Reply(400, "no\x1b[2J\nsuch field " + "x" * 300_000))
    error = await failure(lent, peer.url)
    assert error.response is not None
    assert error.response.startswith("no [2J such field")
    assert error.response.isprintable()
    assert len(error.response) <= 1000


async def test_a_body_that_is_too_large_is_a_dead_letter(peer: Peer, lent: Host) -> None:
    """Nothing of it is sent."""
    assert type(await failure(lent, peer.url, text="x" * (webhook.LARGEST + 1))) is Permanent
    assert not peer.requests


async def test_a_number_that_json_does_not_have_is_a_dead_letter(peer: Peer, lent: Host) -> None:
    """YAML has .nan and .inf; no receiver would read them."""
    assert type(await failure(lent, peer.url, json={"n": float("nan")})) is Permanent
    assert not peer.requests


@pytest.mark.parametrize("tree", [None, [], {"n": 1e16, "m": 10**40}, "null", "\u00e9\x7f\n", {"\ud800": [None, True, -0.0]}])
def test_a_body_says_what_python_would_say(tree: Any) -> None:
    """In ASCII, however it is made."""
    _, body = webhook._body(webhook.Options.model_validate({"url": "https://x.test", "json": tree}))
    assert body is not None
    assert body.isascii()
    assert repr(json.loads(body)) == repr(tree)


@pytest.mark.parametrize(
    "options",
    [
        *(
            {"url": url}
            for url in ("ftp://x", "x", "//x", "https://", "https://u:p@x", "https://u@x", "https://x y", "https://x\n")
        ),
        *({"url": url} for url in ("https://x:99999", "https://x:y", "https://x:0", "https://[::1", "https://x/\u202e")),
        *({"method": method} for method in ("", "PO ST", "GET\r\n", "GET / HTTP/1.1")),
        *({"headers": {name: "x"}} for name in ("", "A\r\nB", "A B", "A:", "ä")),
        *({"headers": {name: "x"}} for name in ("Host", "content-length", "Transfer-Encoding", "Connection", "webhook-id")),
        *({"headers": {"A": value}} for value in ("b\r\nC: d", "b\0", "ä", "x" * 5000)),
        {"headers": {"A": "1", "a": "2"}},
        {"json": 1, "text": "x"},
        {"json": None, "form": {}},
        {"form": {"a": 1}},
        {"nonsense": 1},
    ],
)
@pytest.mark.threat("S-08")
def test_requests_that_cannot_be_are_refused(options: dict[str, Any]) -> None:
    """Before anything is sent; where nothing of it comes from an event, by validate."""
    with pytest.raises(ValidationError):
        webhook.Options.model_validate({"url": "https://x", **options})


async def test_an_unknown_secret_is_a_dead_letter(peer: Peer, lent: Host) -> None:
    """A name that router.yaml does not have is never sent unsigned."""
    error = await failure(lent, peer.url, secret="other")
    assert type(error) is Permanent
    assert "no secret `other`" in str(error)
    assert not peer.requests


@pytest.mark.parametrize(
    "value", ["whsec_", "hunter2-hunter2-hunter2", "whsec_c2hvcnQ=", "whsec_Y2FuYXJ5!!!!LWNhbmFyeS1jYW5hcnk="]
)
async def test_a_secret_that_signs_nothing_waits_for_the_operator(
    peer: Peer, lent: Host, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    """What is no base64, or too short, is neither used nor shown, and uses up no attempt."""
    monkeypatch.setenv("SIGNING", value)
    error = await failure(lent, peer.url, secret="s")
    assert isinstance(error, Transient)
    assert not error.counts
    assert value.removeprefix("whsec_") not in repr(error) or value == "whsec_"
    assert not peer.requests


async def test_a_missing_secret_parks_the_delivery(peer: Peer, lent: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is sent unsigned."""
    monkeypatch.delenv("SIGNING")
    with pytest.raises(SecretMissing, match="SIGNING"):
        await post(lent, peer.url, secret="s")
    assert not peer.requests


async def test_unpadded_secrets_are_secrets(peer: Peer, lent: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some senders leave the padding out, and so may an operator."""
    monkeypatch.setenv("SIGNING", SIGNING.rstrip("="))
    await post(lent, peer.url, secret="s", text="x")
    headers = peer.requests[0].headers
    key = base64.b64decode(SIGNING.removeprefix("whsec_"))
    assert Verifier(key).sign(ID, _moment(headers), "x") == headers["webhook-signature"]


async def test_it_keeps_the_contract_of_providers(peer: Peer) -> None:
    """The conformance check that is shipped for everybody."""
    options = webhook.Options.model_validate({"url": peer.url, "secret": "s", "json": json.loads('{"a": 1}')})
    await check_provider(webhook.plugin, SETTINGS, options, peer)


def _moment(headers: Mapping[str, str]) -> datetime:
    return datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)


@contextlib.asynccontextmanager
async def dripping(*parts: bytes) -> AsyncIterator[str]:
    """A receiver that says this, and then nothing more, however long one waits."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for part in parts:
            writer.write(part)
            await writer.drain()
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1")
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"


HEAD = b"HTTP/1.1 %d Said\r\nContent-Length: 100\r\n\r\nhalf of it"


@pytest.mark.fault("T-26")
async def test_an_answer_that_never_ends_has_decided_by_its_status(lent: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """2xx is success, and nothing is sent again; of a failure what there is is kept."""
    monkeypatch.setattr(webhook, "LINGER", 0.05)
    async with dripping(HEAD % 200) as url:
        assert (await post(lent, url)).status is Status.SUCCESS
    async with dripping(HEAD % 500) as url:
        assert (await failure(lent, url)).response == "half of it"


@pytest.mark.fault("T-26")
async def test_a_receiver_that_does_not_answer_is_given_up(lent: Host) -> None:
    """After the provider's time, though the step would wait for longer; it is tried again."""
    options = webhook.Options(url="https://x")
    async with dripping(b"HTTP/1.1 2") as url:
        settings = webhook.Settings.model_validate({"timeout": "50ms"})
        slow = delivery(options.model_copy(update={"url": url}), id=ID, timeout=60.0)
        with pytest.raises(Transient, match=r"did not answer within 0\.05 s"):
            await webhook.Webhook(settings, lent).deliver(slow)
    assert webhook.Settings().timeout == 15.0


@pytest.mark.fault("T-26")
def test_the_schedule_is_that_of_svix() -> None:
    """At once, then after 5 s, 5 min, 30 min, 2 h, 5 h, 10 h and 10 h."""
    retry = webhook.plugin.retry
    assert (retry.attempts, retry.schedule) == (8, (5, 300, 1800, 7200, 18_000, 36_000, 36_000))


def test_a_host_is_a_destination(lent: Host) -> None:
    """With its port, whatever the path; without limits, unless router.yaml has some."""
    found = webhook.Webhook(SETTINGS, lent).destination(webhook.Options(url="https://Chat.example.com:8443/a?b"))
    assert (found.name, found.credential, found.limits) == ("chat.example.com:8443", "", ())


def test_who_refuses_this_one_is_there(lent: Host) -> None:
    """A 4xx is of the request, and opens no circuit; 5xx, 408 and 429 are of the receiver."""
    alive = {
        status: webhook._failed(_requests.Answer(status, {}, b"", complete=True), "x") for status in (400, 404, 408, 429, 500)
    }
    assert [getattr(error, "alive", None) for error in alive.values()] == [True, True, False, False, False]
