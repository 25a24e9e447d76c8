"""Jetstream's events, from servers on loopback."""

from __future__ import annotations

import json
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from router.core import frame as frame_module
from router.core import glance
from router.sources import jetstream
from router.sources.passing import Passing
from tests.sources.each import one_by_one

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from router.core.glance import Commit
    from router.core.model import Event, Heard
    from router.host import Host
    from router.sources.base import Source, Wants
    from tests.sources.conftest import FakeClock, Peer, Remembering, Visit

    Take = Callable[[Source, int | None, int], Awaitable[list[Heard]]]

WIRE = Path(__file__).parent.parent / "wire/jetstream"
NOW = 1_789_380_100_000_000
SECOND = 1_000_000
DID = "did:plc:bcf5hva3le7u4qexk2iyiajl"


def frame(time_us: int, name: str = "jetstream_repo_create") -> dict[str, Any]:
    return {**json.loads((WIRE / f"{name}.json").read_bytes()), "time_us": time_us}


def open_jetstream(host: Host, seen: Remembering, *peers: Peer, **settings: Any) -> Source:
    hosts = [f"ws://{peer.netloc}" for peer in peers]
    return jetstream.kind.open("j", jetstream.Settings(hosts=hosts, **settings), host, seen)


async def test_what_is_asked_for(host: Host, seen: Remembering, peer: Peer, visit: type[Visit], take: Take) -> None:
    """Collections and accounts are repeated parameters, and the server is to leave out what is too large for us."""
    peer.visits = [visit([frame(NOW + 1)])]
    wanted = ["sh.tangled.repo", "sh.tangled.repo.*"]
    await take(open_jetstream(host, seen, peer, collections=wanted, dids=[DID], max_message_size=5000), NOW, 1)
    (request,) = peer.requests
    assert request.path == "/subscribe"
    assert sorted(request.query.items()) == [
        ("cursor", str(NOW - 5 * SECOND)),
        ("maxMessageSizeBytes", "5000"),
        ("wantedCollections", "sh.tangled.repo"),
        ("wantedCollections", "sh.tangled.repo.*"),
        ("wantedDids", DID),
    ]
    assert "Origin" not in request.headers


async def test_first_contact_is_live(
    host: Host, seen: Remembering, peer: Peer, visit: type[Visit], take: Take, clock: FakeClock
) -> None:
    """Without a stored cursor it begins now; now is stored, and is where a drop before any event goes back to, not further."""
    peer.visits = [visit(close=1001), visit([frame(NOW + 9)])]
    heard = await take(open_jetstream(host, seen, peer), None, 2)
    assert (heard[0].event, heard[0].cursor) == (None, NOW)
    assert heard[1].cursor == NOW + 9
    assert peer.cursors() == [None, str(NOW)]


@pytest.mark.fault("T-18")
@pytest.mark.parity(14)
@pytest.mark.acceptance("A-11")
async def test_a_reconnect_goes_back_a_little(
    host: Host, seen: Remembering, peer: Peer, visit: type[Visit], take: Take
) -> None:
    """Events that are heard twice are known by their ids, and the cursor that is handed on never goes back."""
    peer.visits = [visit([frame(NOW), frame(NOW - 3)], close=1001), visit([frame(NOW - SECOND), frame(NOW + 1)])]
    heard = await take(open_jetstream(host, seen, peer, rewind="2s"), NOW - 60 * SECOND, 4)
    assert peer.cursors() == [str(NOW - 62 * SECOND), str(NOW - 2 * SECOND)]
    assert [one.cursor for one in heard] == [NOW, NOW, NOW, NOW + 1]


@pytest.mark.fault("T-22")
async def test_another_host_takes_over_with_an_overlap(
    host: Host,
    seen: Remembering,
    peers: Callable[[], Awaitable[Peer]],
    visit: type[Visit],
    take: Take,
) -> None:
    """After some dials that came to nothing the next host is asked for the last minute too; once it sends news, it stays."""
    first, second = await peers(), await peers()
    first.visits = [visit([frame(NOW)], close=1001), visit(refuse=503), visit(refuse=503)]
    second.visits = [visit([frame(NOW + 1)], close=1001), visit([frame(NOW + 2)])]
    await take(open_jetstream(host, seen, first, second), NOW - SECOND, 3)
    assert first.cursors()[1:] == [str(NOW - 5 * SECOND)] * 2
    assert second.cursors() == [str(NOW - 60 * SECOND), str(NOW + 1 - 5 * SECOND)]


@pytest.mark.fault("T-22")
async def test_hosts_are_tried_around(
    host: Host, seen: Remembering, peers: Callable[[], Awaitable[Peer]], visit: type[Visit], take: Take
) -> None:
    """Where the last host fails too, it is the first one's turn again."""
    first, second = await peers(), await peers()
    first.visits = [visit(refuse=503), visit([frame(NOW + 1)])]
    second.visits = [visit(refuse=503)]
    await take(open_jetstream(host, seen, first, second, failover_after=1), NOW, 1)
    assert (len(first.requests), len(second.requests)) == (2, 1)


@pytest.mark.acceptance("A-11")
async def test_identity_and_account_events_are_heard(
    host: Host, seen: Remembering, peer: Peer, visit: type[Visit], take: Take
) -> None:
    """They come whatever was asked for, and are events like any other."""
    peer.visits = [visit([frame(NOW + 1, "jetstream_identity"), frame(NOW + 2, "jetstream_account_deleted")])]
    heard = await take(open_jetstream(host, seen, peer), NOW, 2)
    nsids = [one.event.nsid for one in heard if one.event is not None]
    assert nsids == ["com.atproto.sync.subscribeRepos#identity", "com.atproto.sync.subscribeRepos#account"]


@pytest.mark.fault("T-21")
async def test_a_time_in_the_future_moves_no_cursor(
    host: Host, seen: Remembering, peer: Peer, visit: type[Visit], take: Take
) -> None:
    """An event that claims to be of next year is heard, and what comes after it is not skipped."""
    peer.visits = [visit([frame(NOW + 365 * 86400 * SECOND), frame(NOW + 1)])]
    heard = await take(open_jetstream(host, seen, peer), NOW, 2)
    assert [one.cursor for one in heard] == [NOW, NOW + 1]
    assert heard[0].event is not None


@pytest.mark.parity(14)
@pytest.mark.acceptance("A-11")
async def test_a_bad_frame_is_passed_over(host: Host, seen: Remembering, peer: Peer, visit: type[Visit], take: Take) -> None:
    """It is handed on with its reason, and the cursor passes it where its time can be read."""
    peer.visits = [visit([{**frame(NOW + 1), "kind": "news"}, "{", frame(NOW + 2)])]
    heard = await take(open_jetstream(host, seen, peer), NOW, 3)
    assert [one.cursor for one in heard] == [NOW + 1, NOW + 1, NOW + 2]
    assert heard[0].bad == '`kind` must be commit, identity or account, not "news".'
    assert heard[1].bad == "The frame is not JSON."
    assert len(peer.requests) == 1


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("jetstream.example.com", "wss://jetstream.example.com/subscribe"),
        ("wss://Jetstream.example.com/", "wss://jetstream.example.com/subscribe"),
        ("https://jetstream.example.com/a/subscribe", "wss://jetstream.example.com/a/subscribe"),
        ("ws://127.0.0.1:6008", "ws://127.0.0.1:6008/subscribe"),
    ],
)
def test_a_host_is_a_name_or_an_address(text: str, url: str) -> None:
    """With or without scheme and path, it is one address."""
    assert jetstream.Settings(hosts=[text]).hosts == [url]


@pytest.mark.parametrize(
    "settings",
    [
        {"hosts": []},
        {"hosts": ["ftp://jetstream.example.com"]},
        {"hosts": ["wss://user:secret@jetstream.example.com"]},
        {"hosts": ["wss://jetstream.example.com/subscribe?cursor=1"]},
        {"collections": []},
        {"collections": ["repo"]},
        {"collections": ["sh.tangled.repo*"]},
        {"collections": [f"sh.tangled.c{n}" for n in range(101)]},
        {"dids": ["alice.example"]},
        {"dids": [DID] * 10_001},
        {"failover_after": 0},
        {"rewind": "5"},
        {"wanted": []},
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, Any]) -> None:
    """What a server would answer with 400 is found before it is asked."""
    with pytest.raises(ValidationError):
        jetstream.Settings(**settings)


HOUR = 3600 * SECOND


@pytest.mark.fault("T-20")
async def test_what_servers_have_forgotten_is_told(
    host: Host, seen: Remembering, peer: Peer, visit: type[Visit], take: Take
) -> None:
    """A cursor older than their look-back is answered with silence about what is gone: we know, and say it once."""
    peer.visits = [visit([frame(NOW - 1), frame(NOW)])]
    heard = await take(open_jetstream(host, seen, peer), NOW - 40 * HOUR, 3)
    assert heard[0].gap == "Servers keep 36 hours, and nothing was heard for 40: what came first of it is missed."
    assert [one.gap for one in heard[1:]] == ["", ""]
    assert heard[0].cursor == NOW - 40 * HOUR


@pytest.mark.fault("T-20")
async def test_an_outage_of_days_is_a_gap_too(
    host: Host, seen: Remembering, peer: Peer, visit: type[Visit], take: Take, clock: FakeClock
) -> None:
    """Not only a router that was down misses something: so does one whose network was."""
    peer.visits = [visit([frame(NOW)], close=1001), visit([frame(NOW + 40 * HOUR)])]
    source = open_jetstream(host, seen, peer)
    async with aclosing(one_by_one(source.hear(NOW - 1))) as heard:
        assert not (await anext(heard)).gap
        clock.time += 40 * HOUR
        assert (await anext(heard)).gap.startswith("Servers keep 36 hours, and nothing was heard for 40")


@pytest.mark.fault("T-20")
@pytest.mark.parametrize(
    "said", [{"kind": "info", "name": "OutdatedCursor"}, {"$type": "error", "error": "CursorTooOld", "message": "x"}]
)
async def test_a_server_that_says_so_is_believed(
    host: Host, seen: Remembering, peer: Peer, visit: type[Visit], take: Take, said: dict[str, Any]
) -> None:
    """Newer servers say that a cursor is too old. It is no bad frame but a gap, and the next dial asks for what there is."""
    peer.visits = [visit([said], close=1008), visit([frame(NOW)])]
    heard = await take(open_jetstream(host, seen, peer), NOW - 37 * HOUR, 3)
    assert [bool(one.gap) for one in heard] == [True, True, False]
    assert {one.bad for one in heard} == {None}
    assert int(peer.cursors()[1] or 0) >= NOW - 36 * HOUR


@pytest.mark.fault("T-21")
async def test_a_host_whose_clock_is_ahead_cannot_make_us_skip(
    host: Host, seen: Remembering, peer: Peer, visit: type[Visit], take: Take
) -> None:
    """Its times move the cursor no further than our own clock, less the rewind."""
    peer.visits = [visit([frame(NOW + 200 * SECOND)], close=1001), visit([frame(NOW + 1)])]
    heard = await take(open_jetstream(host, seen, peer), NOW - SECOND, 2)
    assert heard[0].cursor == NOW + 5 * SECOND
    assert NOW <= int(peer.cursors()[1] or 0) <= NOW + SECOND


@pytest.mark.fault("T-13")
async def test_a_message_over_the_limit_is_passed_over(
    host: Host, seen: Remembering, peer: Peer, visit: type[Visit], take: Take
) -> None:
    """A server that ignores the limit it was asked to keep is gone on with behind the message, without the usual rewind."""
    large = {"did": DID, "time_us": NOW, "kind": "commit", "commit": "x" * 100_000}
    peer.visits = [visit([large]), visit([large]), visit([frame(NOW + 1)])]
    heard = await take(open_jetstream(host, seen, peer, max_message_size=5000), NOW - SECOND, 2)
    assert heard[0].bad == f"The message is larger than {5000 + jetstream.MARGIN} bytes."
    assert heard[1].event is not None
    assert peer.cursors()[2] == str(NOW)


async def first_batches(source: Source, cursor: int, wants: Wants, count: int) -> list[Heard]:
    """What is heard until the cursor is there."""
    got: list[Heard] = []
    async with aclosing(source.hear(cursor, wants)) as batches:  # type: ignore[type-var]
        while not got or (got[-1].cursor or 0) < count:
            got += await anext(batches)
    return got


def counting(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The frames, or records, that are decoded from now on, none of them because those before it were."""
    decoded: list[bytes] = []
    record, tree = glance._RECORD, frame_module.tree

    def counted(decode: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def decoding(given: Any) -> Any:
            decoded.append(bytes(given))
            return decode(given)

        return decoding

    monkeypatch.setattr(Passing, "none", False)
    monkeypatch.setattr(glance, "_RECORD", counted(record))
    monkeypatch.setattr(frame_module, "tree", counted(tree))
    return decoded


@pytest.mark.parametrize("unwanted", [10, 1000])
async def test_what_nobody_asks_for_is_not_decoded(
    host: Host, seen: Remembering, peer: Peer, visit: type[Visit], monkeypatch: pytest.MonkeyPatch, unwanted: int
) -> None:
    """However many frames of other kinds there are, as many records are decoded as are wanted; the others move the cursor, and
    are counted with their times."""
    decoded = counting(monkeypatch)
    others = [frame(NOW + 2 * number, "jetstream_pull_create") for number in range(unwanted)]
    wanted = [frame(NOW + 2 * number + 1) for number in range(5)]
    sent = sorted([*others, *wanted], key=lambda one: int(one["time_us"]))
    end = max(one["time_us"] for one in sent)
    peer.visits = [visit(sent)]
    heard = await first_batches(open_jetstream(host, seen, peer), NOW - 1, "sh.tangled.repo".__eq__, end)
    assert [one.event.time for one in heard if one.event is not None] == [one["time_us"] for one in wanted]
    assert len(decoded) == 5
    passed = [one.passed for one in heard if one.passed is not None]
    assert {one.kind for one in passed} == {"jetstream"}
    assert sum(one.count for one in passed) == unwanted
    times = [time for one in passed for time in one.times["sh.tangled.repo.pull"]]
    assert times == [one["time_us"] for one in others]
    assert [one.cursor for one in heard] == sorted(one.cursor or 0 for one in heard)


@pytest.mark.parametrize("whole", [False, True])
async def test_records_that_are_read_with_their_envelopes_say_the_same(
    host: Host,
    seen: Remembering,
    peer: Peer,
    visit: type[Visit],
    monkeypatch: pytest.MonkeyPatch,
    whole: bool,  # noqa: FBT001
) -> None:
    """They are where nobody passed over any of those before them; who is wanted now is asked all the same."""
    monkeypatch.setattr(Passing, "none", whole)
    kinds = ("jetstream_repo_create", "jetstream_pull_create", "jetstream_identity")
    peer.visits = [visit([frame(NOW + number, kinds[number % 3]) for number in range(9)])]
    source = open_jetstream(host, seen, peer)
    for cursor in (NOW - 1, NOW - 1):
        heard = await first_batches(source, cursor, "sh.tangled.repo".__eq__, NOW + 8)
        told = {one.event.time: one.event.nsid for one in heard if one.event is not None}
        assert told == {
            NOW + at: nsid
            for at in range(9)
            if (nsid := ("sh.tangled.repo", "", "com.atproto.sync.subscribeRepos#identity")[at % 3])
        }
        assert sum(one.passed.count for one in heard if one.passed is not None) == 3
        peer.visits = [visit([frame(NOW + number, kinds[number % 3]) for number in range(9)])]


async def test_what_is_left_out_moves_the_cursor_and_is_counted(
    host: Host, seen: Remembering, peer: Peer, visit: type[Visit], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a kind that somebody asks for; the record of the others alone is decoded."""
    decoded = counting(monkeypatch)
    frames = [frame(NOW + number, "jetstream_pull_create") for number in range(1, 7)]
    peer.visits = [visit(frames)]
    asked: list[int] = []

    def odd(sent: Commit[Any]) -> bool:
        asked.append(sent.time_us)
        return sent.time_us % 2 != NOW % 2

    heard = await first_batches(open_jetstream(host, seen, peer), NOW, lambda _nsid: odd, NOW + 6)
    assert [one.event.time for one in heard if one.event is not None] == [NOW + 2, NOW + 4, NOW + 6]
    assert [time for one in heard if one.passed is not None for time in one.passed.times["sh.tangled.repo.pull"]] == [
        NOW + 1,
        NOW + 3,
        NOW + 5,
    ]
    assert len(decoded) == 3
    assert asked == [NOW + at for at in range(1, 7)]


async def test_identities_and_accounts_are_always_heard(
    host: Host, seen: Remembering, peer: Peer, visit: type[Visit], take: Take
) -> None:
    """Whatever rules ask for: who somebody is is no matter of theirs alone."""
    peer.visits = [visit([frame(NOW + 1, "jetstream_identity"), frame(NOW + 2, "jetstream_account")])]
    heard = await first_batches(open_jetstream(host, seen, peer), NOW, lambda _nsid: False, NOW + 2)
    assert [one.event is not None for one in heard] == [True, True]


@pytest.mark.fault("T-12")
async def test_bad_frames_are_found_among_what_nobody_asks_for(
    host: Host, seen: Remembering, peer: Peer, visit: type[Visit]
) -> None:
    """A frame that is none is counted, whatever kind it says it is of, and the cursor goes on behind it."""
    bad = {**frame(NOW + 2), "did": "nobody"}
    peer.visits = [visit([frame(NOW + 1), bad, "{", frame(NOW + 3)])]
    heard = await first_batches(open_jetstream(host, seen, peer), NOW, lambda _nsid: False, NOW + 3)
    assert [one.bad for one in heard if one.bad] == ['`did` cannot be "nobody".', "The frame is not JSON."]
    assert sum(one.passed.count for one in heard if one.passed is not None) == 2


async def test_what_is_wanted_may_change_between_two_batches(
    host: Host, seen: Remembering, peer: Peer, visit: type[Visit]
) -> None:
    """Rules are exchanged while a source listens: what comes afterwards is decided by the new ones."""
    peer.visits = [visit([frame(NOW + 1)], close=1001), visit([frame(NOW + 2)])]
    wanted: set[str] = set()
    async with aclosing(open_jetstream(host, seen, peer).hear(NOW, wanted.__contains__)) as batches:  # type: ignore[type-var]
        (first,) = await anext(batches)
        wanted.add("sh.tangled.repo")
        (second,) = await anext(batches)
    assert (first.passed is not None, second.event is not None) == (True, True)


async def test_a_bug_met_by_one_frame_loses_none_before_it(
    host: Host, seen: Remembering, peer: Peer, visit: type[Visit], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What came with it and before it is handed on first; then the source ends, as its contract says."""
    read = glance.event_of_commit

    def broken(sent: Commit[Any], given: bytes, source: str) -> Event | None:
        if sent.time_us == NOW + 3:
            raise ZeroDivisionError
        return read(sent, given, source)

    monkeypatch.setattr(glance, "event_of_commit", broken)
    peer.visits = [visit([frame(NOW + number) for number in range(1, 6)])]
    got: list[Heard] = []
    with pytest.raises(ZeroDivisionError):
        await _all(open_jetstream(host, seen, peer), got)
    assert [one.cursor for one in got] == [NOW + 1, NOW + 2]


async def _all(source: Source, got: list[Heard]) -> None:
    async with aclosing(source.hear(NOW)) as batches:  # type: ignore[type-var]
        async for batch in batches:
            got += batch


@pytest.mark.fault("T-20")
async def test_a_gap_before_what_nobody_asks_for_is_told(
    host: Host, seen: Remembering, peer: Peer, visit: type[Visit], clock: FakeClock
) -> None:
    peer.visits = [visit([frame(NOW)], close=1001), visit([frame(NOW + 40 * HOUR)])]
    async with aclosing(open_jetstream(host, seen, peer).hear(NOW - 1, lambda _nsid: False)) as batches:  # type: ignore[type-var]
        assert [one.gap for one in await anext(batches)] == [""]
        clock.time += 40 * HOUR
        (late,) = await anext(batches)
    assert late.gap.startswith("Servers keep 36 hours")
    assert late.passed is not None
