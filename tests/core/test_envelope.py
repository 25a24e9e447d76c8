"""Frames as events: recorded ones, wrong ones, and whatever Hypothesis thinks of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from router.core import envelope, frame
from router.core.errors import BadFrame
from router.core.frame import MOST, tree
from router.core.model import Event, Heard

WIRE = Path(__file__).parent.parent / "wire"
KNOT_FRAMES = sorted((WIRE / "knot").glob("knot_*.json"))
JETSTREAM_FRAMES = sorted(path for path in (WIRE / "jetstream").glob("*.json") if "options_update" not in path.name)
ALL_FRAMES = [pytest.param(path, id=path.stem) for path in (*KNOT_FRAMES, *JETSTREAM_FRAMES)]
NOW = 1_789_380_100_000_000
DID = "did:plc:bcf5hva3le7u4qexk2iyiajl"
MINUTES = 60_000_000

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


def knot(frame: Any, now: int | None = NOW) -> Heard:
    return envelope.knot(frame, source="k", host="knot1.example.com", now=now)


def jetstream(frame: Any, now: int | None = NOW) -> Heard:
    return envelope.jetstream(frame, source="j", now=now)


def read(name: str) -> dict[str, Any]:
    frame: dict[str, Any] = json.loads((WIRE / name.partition("_")[0] / f"{name}.json").read_bytes())
    return frame


def event(heard: Heard) -> Event:
    assert heard.event is not None
    return heard.event


@pytest.mark.fault("T-12", "T-15")
@pytest.mark.parametrize("value", ["[0]", '{"a":0}', '["a,b"]'])
def test_no_frame_has_more_values_than_are_worth_looking_at(value: str) -> None:
    """A megabyte may hold half a million: what is too much is no event, however it is written, and what is not is one."""
    few, many = (f'{{"a":[{",".join([value] * count)}]}}' for count in (MOST // 4, MOST // 2 + 1))
    assert tree(few)["a"]
    for text in (many, many.encode()):
        with pytest.raises(BadFrame, match="has more than 50000 values"):
            tree(text)
    assert tree(json.dumps({"a": "," * 200_000}))["a"]


@pytest.mark.acceptance("P-16")
def test_an_event_of_todays_knot() -> None:
    """The id is unique within the knot, the cursor is `created` to the nanosecond, and the record is what was sent."""
    frame = read("knot_refupdate_v2")
    heard = knot(json.dumps(frame))
    one = event(heard)
    assert (one.origin, one.id) == ("knot:knot1.example.com", "sh.tangled.git.refUpdate/3mvhu2jyegh22")
    assert (one.source, one.kind, one.nsid) == ("k", "knot", "sh.tangled.git.refUpdate")
    assert one.time == 1_789_380_029_000_000
    assert heard.cursor == 1_789_380_029_000_000_417
    assert one.record == frame["event"]


def test_an_event_of_an_older_knot_is_placed_by_its_tid() -> None:
    """Without `created` the cursor is the TID's time, in nanoseconds; and both generations give one push one id."""
    older, newer = knot(read("knot_refupdate")), knot(read("knot_refupdate_v2"))
    assert older.cursor is not None
    assert newer.cursor is not None
    assert abs(older.cursor - newer.cursor) < 10**9
    assert older.cursor % 1000 == 0
    assert event(older).id == event(newer).id


def test_an_event_whose_key_is_no_tid_moves_no_cursor() -> None:
    """Such an event of an older knot is heard, but nothing says where it stands."""
    heard = knot({**read("knot_refupdate"), "rkey": "self"})
    assert event(heard).time == NOW
    assert heard.cursor is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("jetstream_repo_create", f"{DID}/sh.tangled.repo/3mvfdkqum2222@3mvhtznlwhj22:create"),
        ("jetstream_repo_delete", f"{DID}/sh.tangled.repo/3mvfdkqum2222@3mvhtzy3mnj22:delete"),
        ("jetstream_identity", f"{DID}#identity@30340180350"),
        ("jetstream_account", f"{DID}#account@30340180351"),
    ],
)
def test_an_event_of_jetstream(name: str, expected: str) -> None:
    """The id tells account, record, revision and operation; the cursor is `time_us`."""
    frame = read(name)
    heard = jetstream(json.dumps(frame).encode())
    assert (event(heard).origin, event(heard).id) == ("jetstream", expected)
    assert heard.cursor == event(heard).time == frame["time_us"]


def test_identity_and_account_events_have_names_of_their_own() -> None:
    """Rules ask for them by nsid, like for any event."""
    assert event(jetstream(read("jetstream_identity"))).nsid == "com.atproto.sync.subscribeRepos#identity"
    assert event(jetstream(read("jetstream_account"))).nsid == "com.atproto.sync.subscribeRepos#account"


def test_the_cursor_of_newer_jetstreams_is_ignored() -> None:
    """It counts the events of one server and would mean something else at the next."""
    plain, numbered = read("jetstream_repo_create_v2"), read("jetstream_repo_create_v2_with_cursor")
    assert jetstream(plain) == jetstream(numbered)


@pytest.mark.parametrize("ahead", [6 * MINUTES, 10 * 365 * 24 * 60 * MINUTES])
def test_a_time_in_the_future_moves_no_cursor(ahead: int) -> None:
    """A cursor that is years ahead would skip everything until then; the event itself is heard, as of now."""
    told = {**read("knot_refupdate_v2"), "created": (NOW + ahead) * 1000}
    posted = {**read("jetstream_repo_create"), "time_us": NOW + ahead}
    for heard in (knot(told), jetstream(posted)):
        assert heard.cursor is None
        assert event(heard).time == NOW


def test_a_tid_in_the_future_moves_no_cursor() -> None:
    """The same for an older knot, where anybody who makes a TID could poison the cursor."""
    heard = knot({**read("knot_refupdate"), "rkey": "jzzzzzzzzzzzz"})
    assert heard.event is not None
    assert heard.cursor is None


def test_a_clock_that_is_a_little_ahead_is_believed() -> None:
    """Clocks differ by minutes without anything being wrong."""
    assert jetstream({**read("jetstream_repo_create"), "time_us": NOW + 4 * MINUTES}).cursor == NOW + 4 * MINUTES


def test_a_sign_of_life_is_neither_event_nor_mistake() -> None:
    """Some servers send a ping as a message; it moves nothing."""
    assert knot('{"type":"ping"}') == Heard()
    assert not envelope.older({"type": "ping"})


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"nonsense",
        b"\xff\xfe{}",
        b"[]",
        b"null",
        b'"text"',
        b"{}",
        b"{" * 100_000,
        b"[" * 100_000,
        b'{"a":' * 70 + b"1" + b"}" * 70,
        b'{"rkey":1,"nsid":2,"event":3}',
        b'{"rkey":"a","nsid":"sh.tangled.x","event":{"n":NaN}}',
        b'{"rkey":"a","nsid":"sh.tangled.x","event":{"n":1e999}}',
        b'{"rkey":"a","nsid":"sh.tangled.x","event":{"n":"\\ud800"}}',
        b'{"rkey":"a","nsid":"sh.tangled.x","event":{"\\udfff":1}}',
        b'{"rkey":"a","nsid":"sh.tangled.x","event":{"n":' + b"9" * 5000 + b"}}",
        b'{"rkey":"a","nsid":"sh.tangled.x","event":{},"created":"now"}',
        b'{"rkey":"a","nsid":"sh.tangled.x","event":{},"created":1.5}',
        b'{"rkey":"a","nsid":"sh.tangled.x","event":{},"created":-1}',
        b'{"rkey":"a","nsid":"sh.tangled.x","event":{},"created":true}',
        b'{"rkey":"a\\nb","nsid":"sh.tangled.x","event":{}}',
        b'{"rkey":"../a","nsid":"sh.tangled.x","event":{}}',
        b'{"rkey":"a","nsid":"nothing","event":{}}',
        b'{"rkey":"a","nsid":"sh.tangled.x"}',
        b'{"did":"x","time_us":1,"kind":"commit"}',
        b'{"did":"did:plc:a","time_us":1,"kind":"new"}',
        b'{"did":"did:plc:a","time_us":1,"kind":"commit","commit":{"rev":"a","operation":"create","collection":"a.b.c","rkey":"a"}}',
        b'{"did":"did:plc:a","time_us":1,"kind":"commit","commit":{"rev":"a","operation":["x"],"collection":"a.b.c","rkey":"a"}}',
    ],
    ids=lambda frame: frame[:60].decode("latin-1"),
)
def test_what_is_no_event_is_a_bad_frame(frame: bytes) -> None:
    """Whatever the bytes are, the only answer is BadFrame with one short, printable sentence."""
    for parse in (knot, jetstream):
        with pytest.raises(BadFrame) as caught:
            parse(frame)
        assert str(caught.value).isprintable()
        assert 10 < len(str(caught.value)) < 200


def test_sixty_four_levels_are_fine() -> None:
    """The limit on nesting is far beyond any record, and not below what it says."""
    record: dict[str, Any] = {}
    for _ in range(61):
        record = {"a": record}
    assert knot({**read("knot_refupdate_v2"), "event": record}).event is not None


def test_a_bad_frame_tells_where_it_stands() -> None:
    """An event that cannot be read is passed over for good, not met again at each reconnect."""
    with pytest.raises(BadFrame) as knots:
        knot({**read("knot_refupdate_v2"), "event": None})
    assert knots.value.cursor == 1_789_380_029_000_000_417
    with pytest.raises(BadFrame) as posted:
        jetstream({**read("jetstream_repo_create"), "did": "x"})
    assert posted.value.cursor == 1_789_380_000_132_431


def test_a_bad_frame_is_kept_in_part() -> None:
    """A megabyte of nonsense is kept as 16 kB of it."""
    kept = envelope.bad(BadFrame("no", cursor=3), b"x" * 1_000_000)
    assert (kept.bad, len(kept.frame), kept.cursor) == ("no", 16_384, 3)


@given(st.binary(max_size=200) | st.text(max_size=200) | JSON.map(json.dumps))
@example('{"\\ud800":1}')
def test_no_frame_raises_anything_else(frame: str | bytes) -> None:
    """Any bytes and any JSON are an event or a BadFrame."""
    for parse in (knot, jetstream):
        try:
            heard = parse(frame)
        except BadFrame:
            continue
        assert heard.bad is None


@given(st.sampled_from([*KNOT_FRAMES, *JETSTREAM_FRAMES]), st.data())
def test_a_damaged_frame_raises_nothing_else(path: Path, data: st.DataObject) -> None:
    """A real frame with any value exchanged at any place is an event, which can be stored, or a BadFrame."""
    frame = json.loads(path.read_bytes())
    inner = frame
    while True:
        key = data.draw(st.sampled_from(sorted(inner) if isinstance(inner, dict) else range(len(inner))))
        deeper = inner[key]
        if not isinstance(deeper, (dict, list)) or not deeper or data.draw(st.booleans()):
            break
        inner = deeper
    inner[key] = data.draw(JSON)
    for parse in (knot, jetstream, envelope.event_from):
        try:
            found = parse(frame)
        except BadFrame as error:
            assert str(error).isprintable()  # noqa: PT017 - most examples raise, and some do not
            continue
        one = found.event if isinstance(found, Heard) else found
        if one is not None:
            json.dumps([one.id, one.record, one.fields], ensure_ascii=False, allow_nan=False).encode()


@pytest.mark.parametrize("path", ALL_FRAMES)
def test_our_own_form_says_everything(path: Path) -> None:
    """Every event comes back from our own form, through JSON, as it was."""
    one = envelope.event_from(json.loads(path.read_bytes()), source="named")
    again = envelope.event_from(json.loads(json.dumps(envelope.event_to(one))))
    assert again == one
    assert one.source == "named"


@pytest.mark.parametrize("path", ALL_FRAMES)
def test_fields_are_worked_out_and_not_written_down(path: Path) -> None:
    """What follows from the record is not repeated, so that a test may change the record and see the fields follow."""
    assert "fields" not in envelope.event_to(envelope.event_from(json.loads(path.read_bytes())))


def test_fields_that_do_not_follow_are_written_down() -> None:
    """What was found out later (a repo's name, a trust) survives."""
    one = envelope.event_from(read("knot_refupdate_v2"))
    fields = {**one.fields, "trust": "member"}
    richer = Event(**{name: getattr(one, name) for name in one.__struct_fields__} | {"fields": fields, "depth": 2})
    assert envelope.event_from(envelope.event_to(richer)) == richer


def test_a_knot_may_be_named_in_a_raw_frame() -> None:
    """A frame does not say which knot sent it; a further key does, and without it the knot has a made-up name."""
    frame = read("knot_refupdate_v2")
    assert envelope.event_from({**frame, "knot": "HTTPS://Knot2.example.com"}).origin == "knot:knot2.example.com"
    assert envelope.event_from(frame).fields["knot"] == "knot.example"


def test_the_least_that_can_be_written() -> None:
    """`nsid` and `record` are enough; the same content is the same event."""
    least = {"nsid": "sh.tangled.git.refUpdate", "record": {"ref": "refs/heads/main", "newSha": "a" * 40}}
    one, again = envelope.event_from(least), envelope.event_from(least)
    assert one == again
    assert (one.kind, one.origin, one.source) == ("knot", "knot:knot.example", "knot")
    assert one.id.startswith("sha256:")
    assert one.fields["branch"] == "main"
    assert envelope.event_from({**least, "record": {}}).id != one.id


def test_a_time_may_be_written_in_both_ways() -> None:
    """RFC 3339 for people, microseconds for machines."""
    written = {"nsid": "com.example.thing", "record": {}}
    assert envelope.event_from({**written, "time": "2026-09-14T12:00:29.5+02:00"}).time == 1_789_380_029_500_000
    assert envelope.event_from({**written, "time": 1_789_380_029_500_000}).time == 1_789_380_029_500_000


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"recrod": {}}, "Did you mean `record`?"),
        ({"time": "yesterday"}, "`time` cannot be"),
        ({"time": "2026-09-14T10:00:29"}, "`time` cannot be"),
        ({"nsid": "nothing"}, "`nsid` cannot be"),
        ({"record": []}, "`record` must be an object"),
        ({"knot": "a b"}, "`knot` must be a host name"),
        ({"origin": "knot:a b"}, "`knot` must be a host name"),
        ({"source": 3}, "`source` must be text"),
        ({"did": "alice"}, "`did` cannot be"),
        ({"fields": 3}, "`fields` must be an object"),
    ],
)
def test_a_mistake_in_our_own_form_is_named(change: dict[str, Any], says: str) -> None:
    """Events are written by hand in tests, so a slip says which key it is."""
    with pytest.raises(BadFrame) as caught:
        envelope.event_from({"nsid": "com.example.thing", "record": {}, **change})
    assert says in str(caught.value)


def test_what_is_no_form_at_all_says_what_it_lacks() -> None:
    """A file that holds something else is not guessed at."""
    with pytest.raises(BadFrame, match="neither `nsid` and `record`"):
        envelope.event_from(read("jetstream_options_update"))
    with pytest.raises(BadFrame, match="sign of life"):
        envelope.event_from({"type": "ping", "rkey": "a", "event": {}})


@pytest.mark.parametrize(
    "fields", [{"paths": 3}, {"paths": [3]}, {"repo": "x"}, {"branch": []}, {"workflows": ["ci.yml"]}, {"brnch": "main"}]
)
def test_written_fields_have_their_types(fields: dict[str, object]) -> None:
    """A field that is written out as what it never is, is a mistake that is told, and nothing that conditions must survive."""
    with pytest.raises(BadFrame):
        envelope.event_from({"nsid": "com.example.thing", "record": {}, "fields": fields})


@pytest.mark.parametrize(
    "text",
    [
        "18446744073709551616",
        "-9223372036854775809",
        "123456789012345678901234567890",
        "1e999",
        "NaN",
        '"\\ud800"',
        '"\\ud83d\\ude00"',
        '"\\udc00\\ud800"',
        '{"b":1,"b":2}',
        "-0",
        "-0.0",
        "01",
        "1.",
        "[1,]",
        '"\x01"',
        '"\\u0000"',
        "[" * 62 + "]" * 62,
        "[" * 63 + "]" * 63,
        "[" * 64 + "]" * 64,
        "[" * 65 + "]" * 65,
        "[" * 63 + "1" + "]" * 63,
        "[" * 64 + "1" + "]" * 64,
        "[" + "[1]," * 100 + "{}]",
        "[" * 5000 + "]" * 5000,
        "1" * 5000,
        "4.9e-324",
    ],
)
def test_the_fast_way_to_read_a_frame_says_what_the_thorough_one_does(text: str) -> None:
    """What one refuses the other explains, and what it takes is the same to the last digit."""
    for given_frame in (f'{{"a":{text}}}', f'{{"a":{text}}}'.encode()):
        quick = frame._quickly(given_frame)
        try:
            thorough: Any = frame._thoroughly(given_frame)
        except BadFrame:
            thorough = None
        assert quick is None or repr(quick) == repr(thorough)
        assert thorough is None or repr(frame.tree(given_frame)) == repr(thorough)
