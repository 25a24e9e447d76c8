"""The sink takes what is signed right, and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
from standardwebhooks import Webhook

from router.demo.sink import Received, Sink

SECRET = "whsec_c2VjcmV0c2VjcmV0c2VjcmV0"
BODY = '{"tag":"v1"}'


@pytest.fixture
async def sink() -> AsyncIterator[Sink]:
    async with Sink("sink", secret=SECRET) as server:
        yield server


def signed(at: datetime | None = None, secret: str = SECRET) -> dict[str, str]:
    at = at or datetime.now(UTC)
    signature = Webhook(secret).sign("msg_1", at, BODY)
    return {"webhook-id": "msg_1", "webhook-timestamp": str(int(at.timestamp())), "webhook-signature": signature}


async def test_a_signed_webhook_is_taken(sink: Sink, http: aiohttp.ClientSession) -> None:
    """Its id, its path and its body are kept."""
    async with http.post(f"{sink.url}/tags", data=BODY, headers=signed()) as answer:
        assert answer.status == 204
    assert sink.received == [Received("msg_1", "POST", "/tags", BODY)]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        signed(secret="whsec_b3RoZXJvdGhlcm90aGVyb3RoZXI="),
        signed() | {"webhook-id": "msg_2"},
        signed() | {"webhook-signature": "nonsense"},
        signed(datetime.now(UTC) - timedelta(hours=1)),
    ],
    ids=["unsigned", "another secret", "another id", "nonsense", "old"],
)
async def test_anything_else_is_refused(sink: Sink, http: aiohttp.ClientSession, headers: dict[str, str]) -> None:
    """A wrong, missing or old signature is a 401, and nothing is kept as received."""
    async with http.post(sink.url, data=BODY, headers=headers) as answer:
        assert answer.status == 401
    assert sink.received == []
    assert len(sink.requests) == 1


async def test_a_body_that_was_changed_is_refused(sink: Sink, http: aiohttp.ClientSession) -> None:
    """The signature is over the bytes, and bytes that are no text are refused like others."""
    for body in (b'{"tag":"v2"}', b"\xff"):
        async with http.post(sink.url, data=body, headers=signed()) as answer:
            assert answer.status == 401


async def test_answers_on_demand(sink: Sink, http: aiohttp.ClientSession) -> None:
    """A sink can be unwell for so many requests."""
    sink.answers.extend([503, 302])
    for expected in (503, 302, 204):
        async with http.post(sink.url, data=BODY, headers=signed(), allow_redirects=False) as answer:
            assert answer.status == expected
    assert len(sink.received) == 1


async def test_a_refusal_may_say_when(sink: Sink, http: aiohttp.ClientSession) -> None:
    """429 with the seconds to wait."""
    sink.answers.append(429)
    sink.retry_after = "2"
    async with http.post(sink.url, data=BODY, headers=signed()) as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (429, "2")


async def test_answers_may_be_lost(sink: Sink, http: aiohttp.ClientSession) -> None:
    """Before it was taken, or after."""
    sink.drop_before, sink.drop_after = 1, 1
    for taken in (0, 1):
        with pytest.raises(aiohttp.ClientError):
            await http.post(sink.url, data=BODY, headers=signed())
        assert len(sink.received) == taken
