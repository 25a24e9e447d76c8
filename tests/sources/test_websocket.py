"""The socket that comes back: what peers do wrong, how long it waits, and that it always lets go."""

from __future__ import annotations

import asyncio
import random
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any

import pytest

from router.core import torn
from router.egress import Egress
from router.host import Host
from router.http import open_outside
from router.sources import skim, websocket
from router.sources.pace import Pace
from router.sources.websocket import LIMIT, Line, Received
from tests.sources.each import one_by_one

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.sources.conftest import FakeClock, Peer, Remembering, Visit

    RawPeer = Callable[[Any], Awaitable[int]]


@pytest.fixture(autouse=True)
def short_goodbyes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bare peers never say goodbye: do not wait for it."""
    monkeypatch.setattr(websocket, "CLOSE_WITHIN", 0.05)


def line_to(port: int, host: Host, seen: Remembering, limit: int = LIMIT, pace: Pace | None = None) -> Line:
    address = f"ws://127.0.0.1:{port}/events?failures="
    return Line("k", host, seen, lambda failures: f"{address}{failures}", torn.knot, limit=limit, pace=pace)


async def receive(line: Line, count: int, *, proven: bool = False) -> list[Received]:
    """The first so many messages; `proven` says that each was news."""
    got = []
    async with aclosing(one_by_one(line.messages())) as messages:
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


@pytest.mark.fault("T-10")
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
    async with aclosing(one_by_one(line_to(peer.port, host, seen).messages())) as messages:
        await anext(messages)
        clock.time += round(minutes * 60_000_000)
        await anext(messages)
    assert [request.query["failures"] for request in peer.requests] == ["0", "1", "2", failures]


@pytest.mark.parity(26)
@pytest.mark.fault("T-10")
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
    line = Line("k", host, seen, lambda failures: f"ws://127.0.0.1:{there.port if failures else port}/events", torn.knot)
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
@pytest.mark.fault("T-13")
async def test_a_message_that_is_too_large_is_passed_over(
    host: Host, seen: Remembering, peer: Peer, visit: type[Visit], clock: FakeClock
) -> None:
    """It is met again at the next dial, skimmed for its place, and told once, with its beginning."""
    large = f'{{"created":17,"event":"{"x" * 20_000}"}}'
    peer.visits = [visit(["fine", large]), visit(["fine", large]), visit(["next"])]
    got = await receive(line_to(peer.port, host, seen, limit=1000), 3)
    assert [one.frame for one in (got[0], got[2])] == [b"fine", b"next"]
    assert (got[1].bad, got[1].cursor) == ("The message is larger than 1000 bytes.", 17)
    assert got[1].frame == large[: torn.KEPT].encode()
    assert len(peer.requests) == 3
    assert len(clock.slept) == 1


@pytest.mark.fault("T-13")
async def test_a_large_message_in_pieces_that_says_its_place_last(host: Host, seen: Remembering, raw_peer: RawPeer) -> None:
    """Fragments count together, pings between them do not, and the end of the message tells as well as its beginning."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\x01\x7e\x27\x10" + b'{"event":{"a":"' + b"x" * 9985)
        writer.write(b"\x89\x02hi" + b"\x00\x7e\x27\x10" + b"x" * 10_000)
        writer.write(b"\x00\x0e" + b'"},"created":9')
        writer.write(b"\x80\x02" + b"3}")
        await reader.read()

    got = await receive(line_to(await raw_peer(script), host, seen, limit=15_000), 1)
    assert got[0].cursor == 93
    walker = skim.Walker(10, torn.knot)
    for byte in b"\x01\x0a" + b'{"event":{' + b"\x89\x02hi" + b"\x80\x7e\x00\x0f" + b'},"created":93}':
        walker.feed_data(bytes([byte]))
    found = await walker.found
    assert found is not None
    assert found.place == 93


@pytest.mark.fault("T-13")
async def test_one_that_cannot_be_passed_over_quarantines_its_source(
    host: Host, seen: Remembering, peer: Peer, visit: type[Visit], clock: FakeClock
) -> None:
    """A message without a place is tried a few times, and then once an hour; every try is told."""
    large = "x" * 2000
    peer.visits = [visit([large]) for _ in range(2 * websocket.STUCK)] + [visit(["at last"])]
    got = await receive(line_to(peer.port, host, seen, limit=1000), websocket.STUCK + 1)
    assert got == [Received(large.encode(), "The message is larger than 1000 bytes.")] * websocket.STUCK + [
        Received(b"at last")
    ]
    (sentence,) = seen.sentences("quarantined")
    assert "5 times in a row: what comes after it is not heard; dialled once an hour from now on" in sentence
    assert 1800 <= clock.slept[-1] <= 5400


@pytest.mark.fault("T-13")
async def test_a_huge_declared_length_is_refused_unread(
    host: Host, seen: Remembering, raw_peer: RawPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A frame that claims a terabyte is over before a byte of it is kept, and is not waited for when it is skimmed."""
    monkeypatch.setattr(skim, "WITHIN", 0.1)

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(bytes([0x81, 127]) + (1 << 40).to_bytes(8, "big"))
        await reader.read()

    got = await receive(line_to(await raw_peer(script), host, seen), 1)
    assert got == [Received(bad=f"The message is larger than {LIMIT} bytes.")]
    assert f"it sent a message larger than {LIMIT} bytes" in seen.sentences("down")[0]


@pytest.mark.fault("T-13")
async def test_skimming_gives_up_on_what_never_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """In constant memory, and after so many bytes not at all."""
    monkeypatch.setattr(skim, "MOST", 1 << 20)
    walker = skim.Walker(1000, torn.knot)
    walker.feed_data(bytes([0x81, 127]) + (1 << 40).to_bytes(8, "big"))
    while not walker.found.done():
        walker.feed_data(b"x" * 65_536)
        assert len(walker._head) + len(walker._tail) <= 2 * torn.KEPT
    assert await walker.found is None


async def test_a_peer_that_moves_where_we_may_not_call_is_not_skimmed() -> None:
    """Its name may lead elsewhere by now: that is one more dial that came to nothing, and does not break the source."""
    async with open_outside(Egress()) as session:
        assert await skim.skim(session, "ws://127.0.0.1:8080/events", 1000, torn.knot) is None


@pytest.mark.fault("T-14")
async def test_compression_is_not_spoken(host: Host, seen: Remembering, raw_peer: RawPeer) -> None:
    """None is offered, and a frame that is compressed all the same breaks the protocol: a bomb is never unpacked."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(bytes([0xC1, 5]) + b"\xaa\xbb\xcc\xdd\xee")
        await reader.read()

    got = await receive(line_to(await raw_peer(script), host, seen), 1)
    assert got == [Received(bad="The message breaks the websocket protocol (close code 1002).")]


@pytest.mark.fault("T-12")
async def test_a_broken_protocol_is_a_bad_frame(host: Host, seen: Remembering, raw_peer: RawPeer) -> None:
    """Bytes that are no websocket frame are reported, and the connection is made anew."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(text_frame(b"one") + b"\xff\xff\xff\xff")
        await reader.read()

    got = await receive(line_to(await raw_peer(script), host, seen), 4)
    assert [one.frame for one in got] == [b"one", b"", b"one", b""]
    assert got[1].bad == "The message breaks the websocket protocol (close code 1002)."


@pytest.mark.fault("T-12")
async def test_a_message_that_is_cut_off_is_nothing(host: Host, seen: Remembering, raw_peer: RawPeer, clock: FakeClock) -> None:
    """Half a message and then no connection: only whole messages count, and it is dialled again."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(text_frame(b"whole") + text_frame(b"half", length=400))
        await writer.drain()

    got = await receive(line_to(await raw_peer(script), host, seen), 2)
    assert got == [Received(b"whole"), Received(b"whole")]
    assert len(clock.slept) == 1


@pytest.mark.fault("T-12")
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


async def test_pings_do_not_break_the_silence(host: Host, seen: Remembering, raw_peer: RawPeer) -> None:
    """A listener that waits for no more than so long waits for messages: a peer that only pings has fallen silent."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(text_frame(b"said"))
        with suppress(ConnectionError):
            while True:
                writer.write(bytes([0x89, 0]))
                await writer.drain()
                await asyncio.sleep(0.01)

    line = line_to(await raw_peer(script), host, seen)
    async with aclosing(one_by_one(line.messages())) as messages:
        await anext(messages)
        line.patience = 0.1
        await anext(messages)
        assert "it fell silent" in seen.sentences("down")[0]


@pytest.mark.fault("T-17")
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


@pytest.mark.fault("T-16")
async def test_a_peer_that_never_reads_does_not_stop_us(
    host: Host, seen: Remembering, raw_peer: RawPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Answers to its pings pile up until no more can be written: then the connection is given up for another."""
    monkeypatch.setattr(websocket, "PONG_WITHIN", 0.05)
    got = await receive(line_to(await raw_peer(flood), host, seen), 2)
    assert got == [Received(b"hello"), Received(b"hello")]
    assert "it fell silent" in seen.sentences("down")[0]


@pytest.mark.fault("T-16")
async def test_a_peer_that_never_reads_cannot_keep_us_from_closing(host: Host, seen: Remembering, raw_peer: RawPeer) -> None:
    """Closing waits for a moment and then cuts the connection, so that its other end notices."""
    ended = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await flood(reader, writer)
        ended.set()

    await receive(line_to(await raw_peer(script), host, seen), 1)
    await ended.wait()


@pytest.mark.parity(25)
@pytest.mark.fault("T-15")
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


@pytest.mark.fault("T-15")
async def test_a_flood_is_read_no_faster_than_its_pace(
    host: Host, seen: Remembering, peer: Peer, visit: type[Visit], clock: FakeClock
) -> None:
    """What came at once is read at once, up to ten seconds' worth; after that each message waits for its turn."""
    peer.visits = [visit(["x"] * 50)]
    await receive(line_to(peer.port, host, seen, pace=Pace(messages=4)), 50)
    assert sum(clock.slept) == pytest.approx((49 - 40) / 4)


@pytest.mark.fault("T-15")
async def test_large_messages_are_paced_by_their_bytes(
    host: Host, seen: Remembering, peer: Peer, visit: type[Visit], clock: FakeClock
) -> None:
    """Few messages may be a flood, too."""
    peer.visits = [visit(["x" * 50_000] * 5)]
    await receive(line_to(peer.port, host, seen, pace=Pace(bytes=10_000)), 5)
    assert sum(clock.slept) == pytest.approx((4 * 50_000 - 100_000) / 10_000)


@pytest.mark.fault("T-15")
async def test_a_peer_over_its_pace_is_left_unread(host: Host, seen: Remembering, raw_peer: RawPeer) -> None:
    """While its turn has not come, no more is taken from it than buffers hold: it cannot write on, and we do not grow."""
    asleep, full = asyncio.Event(), asyncio.Event()

    class Stopped:
        def now(self) -> int:
            return 0

        def steady(self) -> float:
            return 0.0

        async def sleep(self, seconds: float) -> None:
            asleep.set()
            await asyncio.Event().wait()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.set_write_buffer_limits(high=1 << 16)
        for _ in range(500):
            writer.write(text_frame(b"x" * 60_000) * 10)
            drained = asyncio.ensure_future(writer.drain())
            if not (await asyncio.wait((drained,), timeout=0.2))[0] and asleep.is_set():
                full.set()
                return

    stopped = Host(http=host.http, clock=Stopped(), rng=host.rng)
    task = asyncio.create_task(receive(line_to(await raw_peer(script), stopped, seen, pace=Pace(messages=1)), 1000))
    await full.wait()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


@pytest.mark.fault("T-15")
@pytest.mark.parametrize(("size", "count", "most"), [(10, 400, websocket.TURN), (200_000, 20, 2)])
async def test_a_turn_has_an_end(
    host: Host, seen: Remembering, peer: Peer, visit: type[Visit], size: int, count: int, most: int
) -> None:
    """However much has come, others have the event loop in between: after so many small messages, or a few large ones."""
    peer.visits = [visit(["x" * size] * count)]
    batches: list[int] = []
    async with aclosing(line_to(peer.port, host, seen, pace=Pace(messages=count, bytes=10_000_000)).messages()) as messages:  # type: ignore[type-var]
        while sum(batches) < count:
            batches.append(len(await anext(messages)))
    assert max(batches) <= most
    assert len(batches) < count or most < 3


async def test_what_has_arrived_is_handed_on_at_once(host: Host, seen: Remembering, raw_peer: RawPeer) -> None:
    """Nothing waits for a batch to be full: what is there comes, and then what comes while somebody waits."""
    more = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(text_frame(b"one") + text_frame(b"two"))
        await more.wait()
        writer.write(text_frame(b"three"))
        await reader.read()

    async with aclosing(line_to(await raw_peer(script), host, seen).messages()) as messages:  # type: ignore[type-var]
        assert await anext(messages) == [Received(b"one"), Received(b"two")]
        more.set()
        assert await anext(messages) == [Received(b"three")]


async def test_no_more_is_read_than_was_asked_for(host: Host, seen: Remembering, raw_peer: RawPeer) -> None:
    """A listener that is busy leaves the rest to the socket's buffers, however much its peer has sent."""
    inbox = websocket._Inbox(_endless)
    inbox.make_room(3, 1000)
    assert len(await inbox.take()) == 3
    for _ in range(10):
        await asyncio.sleep(0)
    assert not inbox.news.is_set()
    inbox.make_room(2, 1000)
    assert len(await inbox.take()) == 2
    await inbox.close()


async def _endless(inbox: Any) -> Any:
    while True:
        inbox.got.append(Received(b"x"))
        inbox.news.set()
        await inbox.room()


@pytest.mark.fault("T-10")
async def test_after_a_week_it_is_tried_once_an_hour(
    host: Host, seen: Remembering, peer: Peer, visit: type[Visit], clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A knot that has gone costs next to nothing, is told so, and is welcome when it comes back."""
    peer.visits = [visit(refuse=503), visit(refuse=503), visit(refuse=503), visit(["news"], close=1001), visit(["news"])]
    sleep = clock.sleep

    async def days(seconds: float) -> None:
        await sleep(seconds)
        clock.time += websocket.GIVEN_UP_AFTER // 2

    monkeypatch.setattr(clock, "sleep", days)
    line = line_to(peer.port, host, seen)
    async with aclosing(one_by_one(line.messages())) as messages:
        assert (await anext(messages)).frame == b"news"
        assert [state for state in seen.states() if state in ("down", "quarantined")] == ["down", "down", "quarantined"]
        assert 1800 <= clock.slept[-1] <= 5400
        line.prove()
        await anext(messages)
        assert seen.states().count("quarantined") == 1
        assert clock.slept[-1] <= 2


@pytest.mark.fault("T-37")
async def test_dials_come_one_by_one(host: Host, seen: Remembering, peer: Peer, visit: type[Visit]) -> None:
    """After a start, or when the network is back, all who dial take turns: fifty at once, then fifty a second."""
    slept: list[float] = []

    class Standing:
        def now(self) -> int:
            return 0

        def steady(self) -> float:
            return 0.0

        async def sleep(self, seconds: float) -> None:
            slept.append(seconds)

    peer.visits = [visit(["hello"]) for _ in range(70)]
    still = Host(http=host.http, clock=Standing(), rng=host.rng)
    await asyncio.gather(*(receive(line_to(peer.port, still, seen), 1) for _ in range(70)))
    assert sorted(slept) == pytest.approx([number / 50 for number in range(1, 21)])
