"""What is seen of a frame at a glance is what all of it says."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from router.core import envelope, glance
from router.core.errors import BadFrame
from router.core.frame import DEEPEST, MOST
from router.core.model import Event
from tests.core.test_envelope import JETSTREAM_FRAMES, KNOT_FRAMES

STAR, PULL, PUSH = "sh.tangled.feed.star", "sh.tangled.repo.pull", "sh.tangled.git.refUpdate"
DID = "did:plc:bcf5hva3le7u4qexk2iyiajl"


def commit(**changed: Any) -> dict[str, Any]:
    inner = {"rev": "3l3qo2vutsw2b", "operation": "create", "collection": STAR, "rkey": "3l3qo2vuowo2b", "record": {"a": 1}}
    own = {key: changed.pop(key) for key in list(changed) if key in ("did", "time_us", "kind", "cid")}
    return {"did": DID, "time_us": 1_725_911_162_329_308, "kind": "commit", **own, "commit": inner | changed}


def told(**changed: Any) -> dict[str, Any]:
    return {"rkey": "3n2y3epywm22e", "nsid": PUSH, "event": {"ref": "x"}, "created": 1_795_435_201_000_000_000} | changed


def whole(frame: bytes) -> Event | None:
    try:
        return envelope.jetstream(frame, source="j").event
    except BadFrame:
        return None


def whole_knot(frame: bytes) -> Event | None:
    try:
        return envelope.knot(frame, source="k", host="knot1.example.com").event
    except BadFrame:
        return None


def agrees(frame: bytes) -> bool:
    """Whether it was seen. Then it is an event, of that nsid and time, and the one that the record makes of it, whether that
    was read at the same time or later."""
    sent, read = glance.jetstream(frame), glance.jetstream(frame, whole=True)
    later = None if sent is None else glance.event_of_commit(sent, frame, "j")
    assert read is None or glance.event_of_commit(read, frame, "j") == later
    if sent is not None:
        event = whole(frame)
        assert event is not None
        assert (event.nsid, event.time) == (sent.commit.collection, sent.time_us)
        assert later in (event, None)
    return sent is not None


def agrees_knot(frame: bytes) -> bool:
    sent, read = glance.knot(frame), glance.knot(frame, whole=True)
    later = None if sent is None else glance.event_of_knot(sent, frame, "k", "knot1.example.com")
    assert read is None or glance.event_of_knot(read, frame, "k", "knot1.example.com") == later
    if sent is not None:
        event = whole_knot(frame)
        assert event is not None
        assert (event.nsid, event.time) == (sent.nsid, sent.created // 1000)
        assert later in (event, None)
    return sent is not None


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=6)
    | st.sampled_from([STAR, PULL, PUSH, DID, "create", "delete", "commit", "identity", "", "did:web:a.example", "not a did"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["collection", "commit", "nsid", "record", "event", "x"]) | st.text(max_size=3), inner
        )
    ),
    max_leaves=8,
)
KEYS = (
    "did",
    "time_us",
    "kind",
    "commit",
    "collection",
    "rkey",
    "rev",
    "operation",
    "record",
    "cid",
    "nsid",
    "event",
    "created",
)


@st.composite
def objects(draw: st.DrawFn, base: dict[str, Any]) -> str:
    """An object as text, with members changed, left out, said twice, or with names that are written another way."""
    members = list(base.items())
    members += draw(st.lists(st.tuples(st.sampled_from(KEYS), VALUES), max_size=2))
    members = draw(st.permutations(members)) if draw(st.booleans()) else members
    written = []
    for key, value in members:
        if draw(st.integers(0, 11)) == 0:
            continue
        if draw(st.integers(0, 11)) == 0:
            value = draw(VALUES)  # noqa: PLW2901 - another value of the same member
        inner = draw(objects(value)) if isinstance(value, dict) and key == "commit" else json.dumps(value, ensure_ascii=False)
        name = json.dumps(key)
        if draw(st.integers(0, 11)) == 0:
            name = f'"\\u{ord(key[0]):04x}{key[1:]}"' if key else name
        written.append(f"{name}:{inner}")
    return "{" + ",".join(written) + "}"


@settings(max_examples=400, deadline=None)
@given(objects(commit()))
@example(json.dumps(commit(collection=PULL, record={"collection": STAR, "commit": {"collection": STAR}})))
@example('{"commit":{"collection":"sh.tangled.feed.star"},' + json.dumps(commit(collection=PULL))[1:])
def test_a_commit_says_at_a_glance_what_all_of_it_says(text: str) -> None:
    agrees(text.encode("utf-8", "surrogatepass"))


@settings(max_examples=400, deadline=None)
@given(objects(told()))
@example(json.dumps(told(event={"nsid": STAR})))
@example('{"nsid":"sh.tangled.feed.star",' + json.dumps(told())[1:])
def test_an_event_of_a_knot_says_at_a_glance_what_all_of_it_says(text: str) -> None:
    agrees_knot(text.encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize("path", [*JETSTREAM_FRAMES, *KNOT_FRAMES], ids=lambda path: path.stem)
def test_recorded_frames_are_seen_at_a_glance(path: Any) -> None:
    """Commits and what today's knots tell; identities, accounts, older knots and signs of life are read whole."""
    frame = path.read_bytes()
    sent = json.loads(frame)
    assert agrees(frame) == (sent.get("kind") == "commit")
    assert agrees_knot(frame) == ("created" in sent and "nsid" in sent)
    assert (glance.jetstream(frame, whole=True) is None) == (glance.jetstream(frame) is None)
    assert (glance.knot(frame, whole=True) is None) == (glance.knot(frame) is None)


ODD: dict[str, Any] = {
    "no commit": {**commit(), "commit": 3},
    "no operation of ours": commit(operation="upsert"),
    "no DID": commit(did="alice.example"),
    "no rkey": commit(rkey="a/b"),
    "an empty rkey": commit(rkey=""),
    "no rev": commit(rev=""),
    "no nsid": commit(collection="star"),
    "no record": commit(record=None),
    "a list for a record": commit(record=[]),
    "no time": commit(time_us=0),
    "a time that is no number": commit(time_us=True),
    "a time with a fraction": commit(time_us=1.5),
    "a time that no cursor can be": commit(time_us=1 << 63),
    "an identity": {"did": DID, "time_us": 5, "kind": "identity", "identity": {}},
}


@pytest.mark.fault("T-12")
@pytest.mark.parametrize("sent", ODD.values(), ids=ODD)
def test_what_is_odd_is_looked_at_whole(sent: Any) -> None:
    """A bad frame is found whatever kind it is of, wanted or not."""
    assert glance.jetstream(json.dumps(sent).encode()) is None


@pytest.mark.fault("T-12")
@pytest.mark.parametrize(
    "frame",
    [b"", b"{", b"[]", b"null", b"\xff", b'{"a":1}}', json.dumps(commit())[:-2].encode(), json.dumps(told()).encode() + b"x"],
)
def test_what_is_not_json_is_never_passed_over(frame: bytes) -> None:
    assert (glance.jetstream(frame), glance.knot(frame)) == (None, None)


@pytest.mark.fault("T-12")
@pytest.mark.parametrize(
    "record", [b'{"a":tru}', b'{"a":01}', b'{"a":"\n"}', b'{"a":"\\ud800"}', b'{"a":"\xff"}', b'{"a":[1,]}']
)
def test_a_record_that_is_not_json_is_found_unread(record: bytes) -> None:
    """Nothing is decoded of a record that nobody asks for; that it is JSON, and UTF-8, is seen all the same."""
    frame = json.dumps(commit(record={})).encode().replace(b'"record": {}', b'"record": ' + record)
    assert b"record" in frame
    assert glance.jetstream(frame) is None
    assert whole(frame) is None


def test_what_nobody_looks_at_may_have_a_number_that_no_float_holds() -> None:
    """It is the one thing that is not found: where somebody asks for the record, it is."""
    frame = json.dumps(commit(record={})).encode().replace(b'"record": {}', b'"record": {"a":1e999}')
    sent = glance.jetstream(frame)
    assert sent is not None
    assert glance.event_of_commit(sent, frame, "j") is None
    assert whole(frame) is None


def test_what_is_large_or_deep_is_looked_at_whole() -> None:
    """The bounds of a frame are looked at where it is decoded."""
    deep: Any = {}
    for _ in range(DEEPEST):
        deep = {"a": deep}
    for record in (deep, {"a": [0] * MOST}):
        frame = json.dumps(commit(record=record)).encode()
        sent = glance.jetstream(frame)
        assert sent is None or glance.event_of_commit(sent, frame, "j") is None
        assert whole(frame) is None
