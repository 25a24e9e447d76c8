"""A knot's events, from servers on loopback that do what knots do, and what they should not."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from router.core import tid
from router.sources import knot

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from router.core.model import Heard
    from router.host import Host
    from router.sources.base import Source
    from tests.sources.conftest import FakeClock, Peer, Remembering, Visit

    Take = Callable[[Source, int | None, int], Awaitable[list[Heard]]]

PUSH = json.loads((Path(__file__).parent.parent / "wire/knot/knot_refupdate_v2.json").read_bytes())
NOW = 1_789_380_100_000_000
MINUTE = 60 * 10**9
LETTERS = "234567abcdefghijklmnopqrstuvwxyz"


def push(created: int) -> dict[str, Any]:
    """A push in today's envelope."""
    return {**PUSH, "created": created, "rkey": f"k{created}"}


def old_push(micros: int) -> dict[str, Any]:
    """A push in the older envelope: only its key tells when it was."""
    number, rkey = micros << 10, ""
    for _ in range(13):
        rkey = LETTERS[number & 31] + rkey
        number >>= 5
    assert tid.micros(rkey) == micros
    return {"rkey": rkey, "nsid": PUSH["nsid"], "event": PUSH["event"]}


def open_knot(peer: Peer, host: Host, seen: Remembering, since: Any = "now") -> Source:
    return knot.kind.open("k", knot.Settings(host=f"http://{peer.netloc}", since=since), host, seen)


@pytest.mark.parity(20)
async def test_it_begins_after_the_cursor(host: Host, seen: Remembering, peer: Peer, visit: type[Visit], take: Take) -> None:
    """The stored cursor is sent as it is, no compression is offered, and no Origin is told: knots refuse foreign ones."""
    peer.visits = [visit([push(11)])]
    (heard,) = await take(open_knot(peer, host, seen), 10, 1)
    assert heard.event is not None
    assert heard.event.origin == f"knot:{peer.netloc}"
    assert (heard.event.source, heard.cursor) == ("k", 11)
    (request,) = peer.requests
    assert request.path_qs == "/events?cursor=10"
    assert not {"Origin", "Sec-WebSocket-Extensions", "Sec-WebSocket-Protocol"} & set(request.headers)


@pytest.mark.parity(21)
@pytest.mark.parametrize(("since", "first"), [("now", NOW * 1000), ("beginning", 1), (77, 77)])
@pytest.mark.acceptance("P-02")
async def test_first_contact(
    host: Host, seen: Remembering, peer: Peer, visit: type[Visit], take: Take, since: Any, first: int
) -> None:
    """Never without a cursor, which would bring every push of the past; and it is handed on before any event is."""
    peer.visits = [visit([push(NOW * 1000)])]
    heard = await take(open_knot(peer, host, seen, since), None, 2)
    assert (heard[0].event, heard[0].bad, heard[0].cursor) == (None, None, first)
    assert heard[1].cursor == NOW * 1000
    assert peer.cursors() == [str(first)]


@pytest.mark.parity(26)
async def test_it_comes_back_where_it_was(
    host: Host, seen: Remembering, peer: Peer, visit: type[Visit], take: Take, clock: FakeClock
) -> None:
    """After a drop it waits at most a second and asks for what follows the last event."""
    peer.visits = [visit([push(11), push(12)], close=1001), visit([push(13)])]
    heard = await take(open_knot(peer, host, seen), 10, 3)
    assert [one.cursor for one in heard] == [11, 12, 13]
    assert peer.cursors() == ["10", "12"]
    assert len(clock.slept) == 1
    assert 0 <= clock.slept[0] <= 1
    assert seen.states() == ["connecting", "up", "down", "connecting", "up"]
    assert "code 1001" in seen.sentences("down")[0]


async def test_1013_means_come_back_now(
    host: Host, seen: Remembering, peer: Peer, visit: type[Visit], take: Take, clock: FakeClock
) -> None:
    """A knot that has sent its fill says 1013 and has more: no pause."""
    peer.visits = [visit([push(11)], close=1013), visit([push(12)], close=1013), visit([push(13)])]
    await take(open_knot(peer, host, seen), 10, 3)
    assert peer.cursors() == ["10", "11", "12"]
    assert clock.slept == []


async def test_1013_without_news_is_no_tight_loop(
    host: Host, seen: Remembering, peer: Peer, visit: type[Visit], take: Take, clock: FakeClock
) -> None:
    """One that says 1013 and nothing new, or nothing at all, is waited for like any other."""
    peer.visits = [visit([push(11)], close=1013), visit([push(11)], close=1013), visit(close=1013), visit([push(12)])]
    await take(open_knot(peer, host, seen), 10, 3)
    assert len(clock.slept) == 2


@pytest.mark.parity(20)
async def test_an_older_knot_is_asked_again_for_the_last_minute(
    host: Host, seen: Remembering, peer: Peer, visit: type[Visit], take: Take
) -> None:
    """Without `created` an event's place is only about known, so what is stored is a minute early, and never goes back."""
    peer.visits = [visit([old_push(NOW), old_push(NOW - 5_000_000)], close=1001), visit([old_push(NOW)])]
    heard = await take(open_knot(peer, host, seen), 10, 3)
    early = NOW * 1000 - MINUTE
    assert [one.cursor for one in heard] == [early] * 3
    assert peer.cursors() == ["10", str(early)]


async def test_an_older_knot_is_never_asked_for_what_was_before(
    host: Host, seen: Remembering, peer: Peer, visit: type[Visit], take: Take
) -> None:
    """The minute does not reach back before first contact: those pushes were not to be heard."""
    peer.visits = [visit([old_push(NOW + 1_000_000)], close=1001), visit([old_push(NOW + 2_000_000)])]
    heard = await take(open_knot(peer, host, seen), None, 3)
    assert {one.cursor for one in heard} == {NOW * 1000}


async def test_an_older_knot_is_drained(
    host: Host, seen: Remembering, peer: Peer, visit: type[Visit], take: Take, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It sends a page of 100 and waits for the next push: after a full page and silence it is asked for the rest."""
    monkeypatch.setattr(knot, "PATIENCE", 0.01)
    page = [old_push(NOW - 1000 + n) for n in range(100)]
    peer.visits = [visit(page), visit([old_push(NOW)])]
    heard = await take(open_knot(peer, host, seen), 10, 101)
    assert heard[-1].event is not None
    assert peer.cursors() == ["10", str((NOW - 901) * 1000)]


@pytest.mark.fault("T-21")
async def test_a_poisoned_frame_moves_no_cursor(
    host: Host, seen: Remembering, peer: Peer, visit: type[Visit], take: Take
) -> None:
    """An event of the year 2100 is heard and does not make the knot silent until then."""
    peer.visits = [visit([push(4_102_444_800 * 10**9)], close=1001), visit([push(12)])]
    heard = await take(open_knot(peer, host, seen), 10, 2)
    assert [one.cursor for one in heard] == [10, 12]
    assert heard[0].event is not None
    assert peer.cursors() == ["10", "10"]


@pytest.mark.fault("T-19")
async def test_a_cursor_ahead_of_the_clock_is_now(
    host: Host, seen: Remembering, peer: Peer, visit: type[Visit], take: Take
) -> None:
    """Where the clock was set back, a knot would answer the stored cursor with silence."""
    peer.visits = [visit([push(NOW * 1000 + 5)])]
    await take(open_knot(peer, host, seen), NOW * 1000 + 10 * MINUTE, 1)
    assert peer.cursors() == [str(NOW * 1000)]


@pytest.mark.parity(25)
@pytest.mark.fault("T-12")
async def test_bad_messages_stop_nothing(host: Host, seen: Remembering, peer: Peer, visit: type[Visit], take: Take) -> None:
    """Garbage, binary, wrong types and a ping each pass by on the same connection, with a reason and what was sent."""
    wrong = {**push(12), "event": "x"}
    peer.visits = [visit([push(11), "garbage", b"\x00\x01", "", wrong, {"type": "ping"}, push(13)])]
    heard = await take(open_knot(peer, host, seen), 10, 7)
    assert [one.bad is not None for one in heard] == [False, True, True, True, True, False, False]
    assert heard[1].frame == b"garbage"
    assert heard[2].bad == "The message is binary, where only text is spoken."
    assert heard[2].frame == b"\x00\x01"
    assert [one.cursor for one in heard] == [11, 11, 11, 11, 12, 12, 13]
    assert len(peer.requests) == 1


async def test_bad_messages_are_no_proof(
    host: Host, seen: Remembering, peer: Peer, visit: type[Visit], take: Take, clock: FakeClock
) -> None:
    """A knot that sends nothing but garbage is waited for longer and longer, though each connection works and cursors move."""
    peer.visits = [visit([wrong], close=1013) for wrong in ["garbage", *({**push(11 + n), "event": 0} for n in range(7))]]
    await take(open_knot(peer, host, seen), 10, 8)
    assert len(clock.slept) == 7
    assert max(clock.slept) > 8


async def test_an_unknown_nsid_is_an_event(host: Host, seen: Remembering, peer: Peer, visit: type[Visit], take: Take) -> None:
    """Rules decide what is of interest, not the source."""
    peer.visits = [visit([{**push(11), "nsid": "com.example.tomorrow"}])]
    (heard,) = await take(open_knot(peer, host, seen), 10, 1)
    assert heard.event is not None
    assert heard.event.nsid == "com.example.tomorrow"


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("knot1.example.com", "wss://knot1.example.com/events"),
        ("KNOT1.example.com:8443", "wss://knot1.example.com:8443/events"),
        ("https://knot1.example.com/", "wss://knot1.example.com/events"),
        ("http://localhost:5555", "ws://localhost:5555/events"),
    ],
)
def test_a_knot_is_named_by_its_host(host: Host, seen: Remembering, text: str, url: str) -> None:
    """TLS unless http:// is written."""
    assert knot.Knot("k", knot.Settings(host=text), host, seen).base == url


@pytest.mark.parametrize(
    "settings",
    [
        {"host": "knot1.example.com/x"},
        {"host": "169.254.169.254:80/x?"},
        {"host": "user:secret@knot1.example.com"},
        {"host": "ws://knot1.example.com"},
        {"host": ""},
        {"host": "knot1.example.com", "since": "yesterday"},
        {"host": "knot1.example.com", "since": 0},
        {"host": "knot1.example.com", "cursor": 1},
        {},
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, Any]) -> None:
    """A host is a host name and a port: nothing may be smuggled into the address."""
    with pytest.raises(ValidationError):
        knot.Settings(**settings)


@pytest.mark.fault("T-21")
async def test_a_clock_that_is_ahead_loses_nothing(
    host: Host, seen: Remembering, peer: Peer, visit: type[Visit], take: Take
) -> None:
    """The cursor never passes our own clock: what a knot that is minutes ahead says until then would be lost with a drop."""
    ahead = NOW * 1000 + 4 * MINUTE
    peer.visits = [visit([push(ahead)], close=1001), visit([push(ahead), push(NOW * 1000 + MINUTE)])]
    heard = await take(open_knot(peer, host, seen), 10, 3)
    assert [one.cursor for one in heard] == [NOW * 1000, pytest.approx(NOW * 1000, abs=10**9), heard[1].cursor]
    assert int(peer.cursors()[1] or 0) < NOW * 1000 + MINUTE
    assert heard[2].event is not None


@pytest.mark.fault("T-21")
async def test_a_clock_that_was_set_back_is_heard_again(
    host: Host, seen: Remembering, peer: Peer, visit: type[Visit], take: Take, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After news and a quarter of an hour of silence it is asked once for the quarter of an hour before: its newer events may
    bear older times. From then on its own times count, in this process."""
    monkeypatch.setattr(knot, "QUIET", 0.01)
    latest, back = NOW * 1000, NOW * 1000 - 5 * MINUTE
    peer.visits = [visit([push(latest)]), visit([push(back)], close=1001), visit([push(back + 1)])]
    heard = await take(open_knot(peer, host, seen), 10, 3)
    assert peer.cursors() == ["10", str(latest - 15 * MINUTE), str(back)]
    assert [one.event is not None for one in heard] == [True] * 3


@pytest.mark.fault("T-21")
async def test_silence_alone_is_looked_back_from_once(
    host: Host, seen: Remembering, peer: Peer, visit: type[Visit], take: Take, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes twice is no news, so a quiet knot is left in peace; and after a restart nothing older than half a day is asked
    for again: the store may have forgotten that it was acted on."""
    monkeypatch.setattr(knot, "QUIET", 0.01)
    latest = NOW * 1000
    peer.visits = [visit([push(latest)]), visit([push(latest)]), visit([push(latest + 1)])]
    heard = asyncio.ensure_future(take(open_knot(peer, host, seen), 10, 3))
    async with asyncio.timeout(10):
        while len(peer.requests) < 2:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    heard.cancel()
    assert len(peer.requests) == 2
    source = open_knot(peer, host, seen)
    peer.visits = [visit([push(latest - 13 * 60 * MINUTE)])]
    await take(source, latest - 13 * 60 * MINUTE, 1)
    assert source._quiet is None  # type: ignore[attr-defined]


@pytest.mark.fault("T-13")
@pytest.mark.parametrize("older", [False, True])
async def test_a_message_that_is_too_large_loses_nothing_else(
    host: Host, seen: Remembering, peer: Peer, visit: type[Visit], take: Take, *, older: bool
) -> None:
    """It is passed over by its own place, in both generations; what follows it is heard, and it is told as a bad frame."""
    at = NOW * 1000 - 10 * MINUTE
    large, after = (old_push(at // 1000), old_push(at // 1000 + 1)) if older else (push(at), push(at + 1))
    large["event"] = {"x": "y" * (1 << 20)}
    peer.visits = [visit([large]), visit([large]), visit([after])]
    heard = await take(open_knot(peer, host, seen), 10, 2)
    assert heard[0].bad == "The message is larger than 1048576 bytes."
    assert heard[1].event is not None
    assert peer.cursors() == ["10", "10", str(at)]
    assert heard[1].cursor == (at + 1000 - MINUTE if older else at + 1)


@pytest.mark.fault("T-13")
async def test_an_older_knots_large_message_is_passed_by_steps(
    host: Host, seen: Remembering, peer: Peer, visit: type[Visit], take: Take
) -> None:
    """Its place is a little later than its key says: how much, is found out, so that no event behind it is skipped."""
    at = NOW * 1000 - 10 * MINUTE
    large = {**old_push(at // 1000), "event": {"x": "y" * (1 << 20)}}
    peer.visits = [visit([large]) for _ in range(6)] + [visit([old_push(at // 1000 + 10)])]
    await take(open_knot(peer, host, seen), 10, 4)
    assert peer.cursors() == ["10", "10", *[str(at)] * 2, *[str(at + knot.SLACK)] * 2, str(at + 4 * knot.SLACK)]


async def test_a_large_message_from_the_future_skips_nothing(
    host: Host, seen: Remembering, peer: Peer, visit: type[Visit], take: Take
) -> None:
    """A place that cannot be believed is none."""
    large = {"created": 4_102_444_800 * 10**9, "event": "y" * (1 << 20)}
    peer.visits = [visit([large]), visit([large]), visit([push(11)])]
    heard = await take(open_knot(peer, host, seen), 10, 2)
    assert heard[0].bad is not None
    assert peer.cursors() == ["10"] * 3


async def test_what_nobody_asks_for_moves_the_cursor(host: Host, seen: Remembering, peer: Peer, visit: type[Visit]) -> None:
    """Events of other nsids are not decoded; they prove that the knot is well, and are not asked for again."""
    now = NOW * 1000
    peer.visits = [visit([push(now - 2), push(now - 1)], close=1001), visit([push(now)])]
    got: list[Heard] = []
    async with aclosing(open_knot(peer, host, seen).hear(1, lambda _nsid: False)) as batches:  # type: ignore[type-var]
        while not got or got[-1].cursor != now:
            got += await anext(batches)
    assert peer.cursors() == ["1", str(now - 1)]
    assert {one.passed.kind for one in got if one.passed is not None} == {"knot"}
    assert sum(one.passed.count for one in got if one.passed is not None) == 3
