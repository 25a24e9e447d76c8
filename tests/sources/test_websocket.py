"""The socket that comes back: what peers do wrong, how long it waits, and that it always lets go."""

from __future__ import annotations

import asyncio
import random
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any

import pytest

from router.sources import websocket
from router.sources.websocket import LIMIT, Line, Received

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from router.host import Host
    from tests.sources.conftest import FakeClock, Peer, Remembering, Visit

    RawPeer = Callable[[Any], Awaitable[int]]


@pytest.fixture(autouse=True)
def short_goodbyes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bare peers never say goodbye: do not wait for it."""
    monkeypatch.setattr(websocket, "CLOSE_WITHIN", 0.05)


def line_to(port: int, host: Host, seen: Remembering, limit: int = LIMIT) -> Line:
    return Line("k", host, seen, lambda failures: f"ws://127.0.0.1:{port}/events?failures={failures}", limit)


async def receive(line: Line, count: int, *, proven: bool = False) -> list[Received]:
    """The first so many messages; `proven` says that each was news."""
    got = []
    async with aclosing(line.messages()) as messages:  # type: ignore[type-var]
        async for message in messages:
            got.append(message)
            if proven:
                line.prove()
            if len(got) == count:
                break
    return got


def text_frame(payload: bytes, length: int | None = None) -> bytes:
    """A text message as a server writes it, short enough for two bytes of length; `length` may lie."""
    return bytes([0x81, 126]) + (len(payload) if length is None else length).to_bytes(2, "big") + payload


async def test_the_wait_is_full_jitter_under_a_doubling_ceiling(
    host: Host, seen: Remembering, peer: Peer, visit: type[Visit], clock: FakeClock
) -> None:
    """Each wait is drawn evenly from nothing to 1, 2, 4 … and never more than 60 seconds, from the given randomness."""
    peer.visits = [visit(refuse=503) for _ in range(9)] + [visit(["hello"])]
    await receive(line_to(peer.port, host, seen), 1)
    chance = random.Random(7)
    assert clock.slept == [chance.uniform(0, ceiling) for ceiling in (1, 2, 4, 8, 16, 32, 60, 60, 60)]
    assert [request.query["failures"] for request in peer.requests] == [str(n) for n in range(10)]
    assert seen.sentences("down")[0].endswith("it answered 503 instead of opening a websocket; dialled again in 0.3 s.")


async def test_news_begins_the_wait_anew(
    host: Host, seen: Remembering, peer: Peer, visit: type[Visit], clock: FakeClock
) -> None:
    """A connection that brought something new forgives those before it; one that only opened does not."""
    useless = [visit(close=1001) for _ in range(6)]
    peer.visits = [*useless, visit(["news"], close=1001), visit(["news"])]
    await receive(line_to(peer.port, host, seen), 2, proven=True)
    assert [request.query["failures"] for request in peer.requests] == ["0", "1", "2", "3", "4", "5", "6", "1"]
    assert clock.slept[-1] <= 1


@pytest.mark.parametrize(("minutes", "failures"), [(1, "1"), (0.9, "3")])
async def test_a_minute_is_proof_too(
    host: Host, seen: Remembering, peer: Peer, visit: type[Visit], clock: FakeClock, minutes: float, failures: str
) -> None:
    """A quiet knot that stays connected for a minute is a good one."""
    peer.visits = [visit(refuse=503), visit(refuse=503), visit(["old"], close=1001), visit(["news"])]
    async with aclosing(line_to(peer.port, host, seen).messages()) as messages:  # type: ignore[type-var]
        await anext(messages)
        clock.time += round(minutes * 60_000_000)
        await anext(messages)
    assert [request.query["failures"] for request in peer.requests] == ["0", "1", "2", failures]


@pytest.mark.parity(26)
async def test_a_peer_that_is_not_there_is_dialled_again(
    host: Host, seen: Remembering, peers: Callable[[], Awaitable[Peer]], visit: type[Visit]
) -> None:
    """A closed port says why, and nothing is raised."""
    there = await peers()
    there.visits = [visit(["hello"])]
    closed = await asyncio.start_server(lambda _r, w: w.close(), "127.0.0.1", 0)
    port = closed.sockets[0].getsockname()[1]
    closed.close()
    await closed.wait_closed()
    line = Line("k", host, seen, lambda failures: f"ws://127.0.0.1:{there.port if failures else port}/events")
    await receive(line, 1)
    assert "cannot be reached" in seen.sentences("down")[0]


async def test_a_redirect_is_not_followed(
    host: Host, seen: Remembering, peers: Callable[[], Awaitable[Peer]], visit: type[Visit]
) -> None:
    """A peer cannot send us to an address that nobody configured."""
    peer, elsewhere = await peers(), await peers()
    peer.visits = [visit(refuse=302, headers={"Location": f"http://{elsewhere.netloc}/events"}), visit(["hello"])]
    await receive(line_to(peer.port, host, seen), 1)
    assert elsewhere.requests == []
    assert "redirects are not followed" in seen.sentences("down")[0]


@pytest.mark.parity(74)
async def test_a_message_that_is_too_large_is_named_each_time(
    host: Host, seen: Remembering, peer: Peer, visit: type[Visit], clock: FakeClock
) -> None:
    """It comes again at each reconnect, since nothing can be learned of it: that is told, and waited for longer and longer."""
    large = "x" * 2000
    peer.visits = [visit(["fine", large], close=1000), visit(["fine", large], close=1000), visit(["fine"])]
    got = await receive(line_to(peer.port, host, seen, limit=1000), 5)
    too_large = Received(bad="The message is larger than 1000 bytes.")
    fine = Received(b"fine")
    assert got == [fine, too_large, fine, too_large, fine]
    first, second = seen.sentences("down")
    assert "it sent a message larger than 1000 bytes; dialled again" in first
    assert "2 times in a row: what comes after it is not heard" in second
    assert len(clock.slept) == 2


async def test_a_huge_declared_length_is_refused_unread(host: Host, seen: Remembering, raw_peer: RawPeer) -> None:
    """A frame that claims a terabyte is over before a byte of it is kept."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(bytes([0x81, 127]) + (1 << 40).to_bytes(8, "big"))
        await reader.read()

    got = await receive(line_to(await raw_peer(script), host, seen), 1)
    assert got[0].bad == f"The message is larger than {LIMIT} bytes."


async def test_a_broken_protocol_is_a_bad_frame(host: Host, seen: Remembering, raw_peer: RawPeer) -> None:
    """Bytes that are no websocket frame are reported, and the connection is made anew."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(text_frame(b"one") + b"\xff\xff\xff\xff")
        await reader.read()

    got = await receive(line_to(await raw_peer(script), host, seen), 4)
    assert [one.frame for one in got] == [b"one", b"", b"one", b""]
    assert got[1].bad == "The message breaks the websocket protocol (close code 1002)."


async def test_a_message_that_is_cut_off_is_nothing(host: Host, seen: Remembering, raw_peer: RawPeer, clock: FakeClock) -> None:
    """Half a message and then no connection: only whole messages count, and it is dialled again."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(text_frame(b"whole") + text_frame(b"half", length=400))
        await writer.drain()

    got = await receive(line_to(await raw_peer(script), host, seen), 2)
    assert got == [Received(b"whole"), Received(b"whole")]
    assert len(clock.slept) == 1


async def test_text_that_is_no_text_is_left_to_the_listener(host: Host, seen: Remembering, raw_peer: RawPeer) -> None:
    """Invalid UTF-8 is one bad message and not the end of the connection."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(text_frame(b"\xff\xfe") + text_frame(b"next"))
        await reader.read()

    got = await receive(line_to(await raw_peer(script), host, seen), 2)
    assert got == [Received(b"\xff\xfe"), Received(b"next")]


async def test_pings_are_answered(host: Host, seen: Remembering, raw_peer: RawPeer) -> None:
    """A server that hears no pong for its ping hangs up, so each is answered with what it said."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(bytes([0x89, 4]) + b"beat")
        head = await reader.readexactly(2)
        mask, said = await reader.readexactly(4), await reader.readexactly(head[1] & 0x7F)
        plain = bytes(byte ^ mask[n % 4] for n, byte in enumerate(said))
        writer.write(text_frame(bytes([head[0]]) + plain))
        await reader.read()

    got = await receive(line_to(await raw_peer(script), host, seen), 1)
    assert got == [Received(b"\x8abeat")]


async def test_a_connection_that_is_dead_is_noticed(
    host: Host, seen: Remembering, raw_peer: RawPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A peer that vanished without a word answers no ping of ours: it is dialled again instead of being waited for."""
    monkeypatch.setattr(websocket, "HEARTBEAT", 0.05)

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(text_frame(b"last words"))
        await reader.read()

    await receive(line_to(await raw_peer(script), host, seen), 2)
    assert "it did not answer in time" in seen.sentences("down")[0]


async def test_a_reason_cannot_forge_a_log_line(host: Host, seen: Remembering, peer: Peer, visit: type[Visit]) -> None:
    """What a peer says as it closes is shown on one line, cut, with nothing that a terminal obeys."""
    peer.visits = [visit(close=1008, reason=b"go\nlevel=error \x1b[2J" + b"x" * 90), visit(["hello"])]
    await receive(line_to(peer.port, host, seen), 1)
    (sentence,) = seen.sentences("down")
    assert sentence.isprintable()
    assert len(sentence) < 240


async def test_closing_lets_go_of_the_connection(host: Host, seen: Remembering, peer: Peer, visit: type[Visit]) -> None:
    """A listener that stops says goodbye properly."""
    peer.visits = [visit(["hello"])]
    await receive(line_to(peer.port, host, seen), 1)
    assert await peer.left.get() == 1000


async def test_cancelling_lets_go_of_the_connection(host: Host, seen: Remembering, peer: Peer) -> None:
    """A listener that is cancelled while nothing comes leaves no connection behind."""
    task = asyncio.create_task(receive(line_to(peer.port, host, seen), 1))
    await seen.until("up")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await peer.left.get()


async def flood(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One message, and then pings for ever, without reading a single answer."""
    writer.transport.set_write_buffer_limits(high=1 << 20)
    _reader._transport.pause_reading()  # type: ignore[attr-defined]
    writer.write(text_frame(b"hello"))
    with suppress(ConnectionError):
        while True:
            writer.write((bytes([0x89, 125]) + b"p" * 125) * 500)
            await writer.drain()


async def test_a_peer_that_never_reads_does_not_stop_us(
    host: Host, seen: Remembering, raw_peer: RawPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Answers to its pings pile up until no more can be written: then the connection is given up for another."""
    monkeypatch.setattr(websocket, "PONG_WITHIN", 0.05)
    got = await receive(line_to(await raw_peer(flood), host, seen), 2)
    assert got == [Received(b"hello"), Received(b"hello")]
    assert "it fell silent" in seen.sentences("down")[0]


async def test_a_peer_that_never_reads_cannot_keep_us_from_closing(host: Host, seen: Remembering, raw_peer: RawPeer) -> None:
    """Closing waits for a moment and then cuts the connection, so that its other end notices."""
    ended = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await flood(reader, writer)
        ended.set()

    await receive(line_to(await raw_peer(script), host, seen), 1)
    await ended.wait()


@pytest.mark.parity(25)
async def test_one_bad_peer_delays_no_other(
    host: Host, seen: Remembering, raw_peer: RawPeer, peer: Peer, visit: type[Visit]
) -> None:
    """A flood of nonsense on one line leaves the event loop to the others."""

    async def nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while True:
                writer.write(text_frame(b"x") * 1000)
                await writer.drain()

    peer.visits = [visit(["hello"])]
    flooded = asyncio.create_task(receive(line_to(await raw_peer(nonsense), host, seen), 1 << 40))
    assert await receive(line_to(peer.port, host, seen), 1) == [Received(b"hello")]
    flooded.cancel()
    with suppress(asyncio.CancelledError):
        await flooded
