"""One request: what was surely never sent, what may have arrived, and what an answer asks for."""

from __future__ import annotations

import asyncio
import socket

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from providers import _requests
from providers._requests import Answer, ask
from router import host
from router.core.errors import Ambiguous, DeliveryError, Permanent, Transient
from router.host import Host
from router.http import open_session
from router.testing import Peer, Reply

TOKEN = "canary_7e1c9a"


@pytest.fixture(autouse=True, params=["by itself", "by the session"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A POST is made in either of two ways: see router.posting."""
    if request.param == "by the session":
        monkeypatch.setattr(host, "_posting", lambda: lambda *_given: None)


async def send(host: Host, url: str, *, limit: int = 1000, method: str = "POST") -> Answer:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    return await ask(host, method, url, headers=headers, body=b"{}", limit=limit, to="Peer", hide=TOKEN)


async def failure(host: Host, url: str) -> DeliveryError:
    with pytest.raises(DeliveryError) as raised:
        await send(host, url)
    return raised.value


class Resolver(AbstractResolver):
    """Knows no name, or never answers."""

    def __init__(self, *, hang: bool = False) -> None:
        self.hang = hang

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:
        if self.hang:
            await asyncio.Event().wait()
        raise OSError(None, "Domain name not found")

    async def close(self) -> None:
        pass


async def unresolved(*, hang: bool = False) -> DeliveryError:
    connector = aiohttp.TCPConnector(resolver=Resolver(hang=hang))
    async with open_session(connector) as http:
        return await failure(Host(http), "http://peer.example/")


async def test_a_refused_connection_was_never_sent(peer: Peer, lent: Host) -> None:
    """Nobody listens: it may simply be sent again, and the sentence says why in words."""
    await peer.down()
    error = await failure(lent, peer.url)
    assert type(error) is Transient
    assert str(error) == "Peer cannot be reached: Connection refused."


async def test_a_name_that_is_not_found_was_never_sent() -> None:
    """A resolver that knows nothing of it."""
    error = await unresolved()
    assert type(error) is Transient
    assert str(error) == "Peer cannot be reached: Domain name not found."


async def test_a_connection_that_takes_too_long_was_never_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time to be connected includes finding the name."""
    monkeypatch.setattr(_requests, "CONNECT", 0.02)
    assert type(await unresolved(hang=True)) is Transient


async def test_a_tls_handshake_that_fails_was_never_sent(peer: Peer, lent: Host) -> None:
    """A server that speaks no TLS sees nothing of the request."""
    error = await failure(lent, peer.url.replace("http:", "https:"))
    assert type(error) is Transient
    assert str(error) == "Peer cannot be reached: wrong version number."
    assert not peer.requests


@pytest.mark.parametrize("url", ["http://127.0.0.1:99999/", "http://", "mailto:a@example.org"])
async def test_what_is_no_url_never_will_be(lent: Host, url: str) -> None:
    """Trying again would not help."""
    assert type(await failure(lent, url)) is Permanent


@pytest.mark.fault("T-24")
@pytest.mark.parametrize(
    "reply", [Reply(cut="before"), Reply(200, "half", cut="within"), Reply(200, "no gzip", {"Content-Encoding": "gzip"})]
)
async def test_a_lost_answer_leaves_it_open(peer: Peer, lent: Host, reply: Reply) -> None:
    """The request arrived once, and nobody knows what came of it."""
    peer.replies.append(reply)
    error = await failure(lent, peer.url)
    assert type(error) is Ambiguous
    assert str(error).startswith("The answer of Peer was lost: ")
    assert len(peer.requests) == 1


@pytest.mark.fault("T-26")
async def test_an_answer_that_does_not_come_leaves_it_open(peer: Peer, lent: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read timeout is no proof of anything."""
    monkeypatch.setattr(_requests, "READ", 0.05)
    peer.replies.append(Reply(hold=True))
    assert type(await failure(lent, peer.url)) is Ambiguous


async def test_a_kept_connection_that_was_closed_leaves_it_open(peer: Peer, lent: Host) -> None:
    """A POST over a connection that the server drops is sent once: whether it was read cannot be told."""
    await send(lent, peer.url)
    peer.replies.append(Reply(cut="before"))
    assert type(await failure(lent, peer.url)) is Ambiguous
    assert len(peer.requests) == 2


@pytest.mark.fault("T-26")
async def test_a_redirect_is_an_answer(peer: Peer, lent: Host) -> None:
    """No server chooses whom we send our secrets to."""
    peer.replies.append(Reply(307, headers={"Location": peer.url + "/elsewhere"}))
    assert (await send(lent, peer.url)).status == 307
    assert [request.path for request in peer.requests] == ["/"]


@pytest.mark.fault("T-26")
async def test_a_long_answer_is_cut(peer: Peer, lent: Host) -> None:
    """No more is read than was asked for, and the answer says that it is not whole."""
    peer.replies.extend([Reply(200, "[" + "1," * 5000 + "1]"), Reply(200, "[1]")])
    long, short = await send(lent, peer.url, limit=100), await send(lent, peer.url, limit=3)
    assert (len(long.body), long.complete, long.json()) == (100, False, None)
    assert (short.complete, short.json()) == (True, [1])


async def test_an_answer_is_shown_without_the_secret_on_one_line(peer: Peer, lent: Host) -> None:
    """A server that repeats the request in its error gives nothing away, and moves no cursor."""
    peer.replies.append(Reply(400, "bad\x1b[2J\u202e\n" + "x" * 5000, echo=False))
    peer.replies.append(Reply(400, "you sent\n", echo=True))
    shown = (await send(lent, peer.url)).shown()
    assert shown.startswith("bad [2J")
    assert 900 < len(shown) <= _requests.SHOWN
    assert shown.isprintable()
    echoed = (await send(lent, peer.url)).shown()
    assert "Authorization: Bearer [secret]" in echoed
    assert TOKEN not in echoed


@pytest.mark.parametrize("body", [b"<html>", b"[" * 100_000, b"\xff\xfe", b""])
def test_what_is_no_json_is_none(body: bytes) -> None:
    """However deep or broken it is."""
    assert Answer(200, {}, body, complete=True).json() is None


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7.0),
        ({"retry-after": "7"}, 7.0),
        ({"Retry-After": "7", "RateLimit-Reset": "30"}, 30.0),
        ({"Retry-After": "-7"}, 0.0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "nan"}, 0.0),
        ({"Retry-After": "Mon, 23 Nov 2026 12:00:10 GMT", "Date": "Mon, 23 Nov 2026 12:00:00 GMT"}, 10.0),
        ({"Retry-After": "Mon, 23 Nov 2026 12:00:10 GMT", "Date": "Mon, 23 Nov 2026 12:00:20 GMT"}, 0.0),
        ({"Retry-After": "Mon, 23 Nov 2026 12:00:10 GMT", "Date": "today"}, None),
        ({"Retry-After": "Mon, 23 Nov 2026 12:00:10 -0000", "Date": "Mon, 23 Nov 2026 12:00:00 GMT"}, None),
    ],
)
async def test_how_long_to_wait(peer: Peer, lent: Host, headers: dict[str, str], seconds: float | None) -> None:
    """The longest of what is asked for: seconds, or a date by the sender's own clock; names of headers in any case."""
    peer.replies.append(Reply(429, headers=headers))
    assert (await send(lent, peer.url)).wait("Retry-After", "RateLimit-Reset") == seconds
