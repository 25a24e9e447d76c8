"""Frames of knots (both generations) and of Jetstream, mutated and invented; and the frames that we write ourselves."""

from __future__ import annotations

import io
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import cbor2
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from router.core.fields import named_fields, streamed_by_knots
from router.core.model import LogLine
from router.spindle import frames
from tests.fuzz.parsers import ends_tell_the_truth, keeps_to_it, walked

WIRE = Path(__file__).parent.parent / "wire"
SENT = [path.read_bytes() for kind in ("knot", "jetstream") for path in sorted((WIRE / kind).glob("*.json"))]
KEYS = st.sampled_from(
    [
        "rkey",
        "nsid",
        "event",
        "created",
        "time_us",
        "did",
        "kind",
        "commit",
        "collection",
        "operation",
        "rev",
        "record",
        "identity",
        "account",
        "seq",
        "cursor",
        "type",
        "name",
        "error",
        "repo",
        "repoDid",
        "ownerDid",
        "newSha",
        "oldSha",
        "ref",
        "committerDid",
        "changedFiles",
        "triggerMetadata",
        "push",
        "pullRequest",
        "workflows",
        "knot",
        "target",
        "source",
        "branch",
        "pull",
        "$type",
        "subject",
        "op",
    ]
)
TEXTS = st.text(max_size=12) | st.sampled_from(
    [
        "sh.tangled.git.refUpdate",
        "sh.tangled.pipeline",
        "sh.tangled.repo.pull",
        "did:plc:" + "a" * 24,
        "a" * 40,
        "0" * 40,
        "refs/heads/main",
        "3mvhu2kwuyh22",
        "create",
        "commit",
        "identity",
        "�",
        "\x1b[2J",
        "../..",
        "push",
        "CursorTooOld",
    ]
)
NUMBERS = st.integers() | st.integers(0, 1 << 64) | st.floats() | st.just(1_789_380_100_000_000_000)
TREES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS | st.text(max_size=4), inner, max_size=8),
    max_leaves=30,
)
fuzzed = settings(deadline=None, max_examples=100)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A frame as it is sent, with some bytes changed, left out, doubled or cut off."""
    data = bytearray(draw(st.sampled_from(SENT)))
    for _ in range(draw(st.integers(1, 6))):
        at, size = draw(st.integers(0, len(data))), draw(st.integers(0, 24))
        part = draw(
            st.binary(max_size=8) | st.sampled_from([b'"', b"{", b"}", b",", b"null", b"1e999", b"-1", b"\\ud800", b"[" * 99])
        )
        data[at : at + size] = draw(st.sampled_from([part, b"", bytes(data[at : at + size]) * 2]))
    return bytes(data[: draw(st.integers(len(data) // 2, len(data)))]) if draw(st.booleans()) else bytes(data)


@pytest.mark.fault("T-12")
@fuzzed
@given(mutated() | st.binary(max_size=200))
@example(b"[" * 100_000)
@example(b'{"a":' * 100_000)
@example(b'{"created": 1' + b"0" * 5000 + b"}")
@example(b'{"nsid":"a.b.c","rkey":"x","event":{},"created":1e3}')
def test_no_bytes_are_too_strange(data: bytes) -> None:
    """Whatever a peer sends is an event or a bad frame."""
    keeps_to_it(data)
    ends_tell_the_truth(data)


@pytest.mark.fault("T-12")
@fuzzed
@given(st.dictionaries(KEYS, TREES, max_size=8))
def test_no_object_is_too_strange(sent: Any) -> None:
    """With the right keys and the wrong values, or the wrong ones in the right places."""
    keeps_to_it(json.dumps(sent).encode())
    ends_tell_the_truth(json.dumps(sent).encode())


@pytest.mark.fault("T-12")
@fuzzed
@given(st.sampled_from([*map(json.loads, SENT)]), st.data())
def test_a_frame_with_a_member_of_another_type(sent: Any, data: st.DataObject) -> None:
    """One member of a real frame, somewhere in it, is anything."""
    sent = json.loads(json.dumps(sent))
    place: Any = sent
    while True:
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        inner = place[key]
        if not inner or not isinstance(inner, dict | list) or data.draw(st.booleans()):
            place[key] = data.draw(TREES)
            break
        place = inner
    keeps_to_it(json.dumps(sent).encode())


NSIDS = st.sampled_from(
    [f"sh.tangled.{name}" for name in ("git.refUpdate", "pipeline", "repo.collaboratorUpdate", "knot.memberUpdate")]
    + [f"sh.tangled.{name}" for name in ("repo.didAssign", "repo", "repo.pull", "repo.pull.status", "repo.collaborator")]
)


@pytest.mark.fault("T-12")
@fuzzed
@given(NSIDS, st.sampled_from(["knot", "jetstream", "test"]), st.dictionaries(KEYS, TREES, max_size=10))
def test_no_record_is_too_strange_for_fields(nsid: str, kind: str, record: Any) -> None:
    """Fields are texts, lists and objects, and what only a knot may say is not taken from an account."""
    fields = named_fields(nsid, kind, record, host="knot.example" if kind == "knot" else "", did="did:plc:a", rkey="x")
    json.dumps(fields)
    assert all(isinstance(value, str | list | dict) for value in fields.values())
    if kind == "jetstream" and streamed_by_knots(nsid):
        assert "sha" not in fields


@pytest.mark.fault("T-13")
@fuzzed
@given(st.data())
def test_a_stream_is_walked_the_same_in_any_pieces(data: st.DataObject) -> None:
    """Frames of any lengths and kinds, cut anywhere: the same message is found, in memory that is bounded."""
    stream = b""
    for _ in range(data.draw(st.integers(1, 5))):
        body = data.draw(st.binary(max_size=160) | st.just(b'{"created":5,"event":{"x":"' + b"y" * 120 + b'"}}'))
        first = data.draw(st.sampled_from([0x81, 0x82, 0x01, 0x00, 0x80, 0x89, 0x8A, 0x88]))
        size = bytes([len(body)]) if len(body) < 126 else bytes([126]) + len(body).to_bytes(2, "big")
        stream += bytes([first]) + size + body
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    pieces = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert walked(pieces) == walked([stream]) == walked([bytes([byte]) for byte in stream])
    walked([data.draw(st.binary(max_size=300))])


LINES = st.builds(
    LogLine,
    step=st.integers(0, 10_000),
    part=st.sampled_from(["said", "start", "end"]),
    text=st.text(st.characters(exclude_categories=["Cs"]), max_size=80),
    at=st.integers(0, 4_000_000_000_000_000),
    stream=st.sampled_from(["stdout", "stderr"]),
    command=st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    system=st.booleans(),
)


@fuzzed
@given(LINES, st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
def test_what_we_write_can_be_read(line: LogLine, workflow: str) -> None:
    """Two CBOR maps and no more, in canonical order; JSON lines on one line; times that are times."""
    for frame in (frames.frame(workflow, line), frames.error("Oops", line.text)):
        reader = io.BytesIO(frame)
        header, body = (cbor2.load(reader) for _ in range(2))
        assert reader.read() == b""
        assert header["op"] in (1, -1)
        assert b"".join(cbor2.dumps(one, canonical=True) for one in (header, body)) == frame
        if header["op"] == 1:
            assert body["content"].removesuffix("\n") == line.text.removesuffix("\n") or body["content"] == line.text + "\n"
            datetime.fromisoformat(body["time"])
    text = frames.json_line(line)
    assert "\n" not in text
    assert json.loads(text)["content"] == line.text
    assert all(json.loads(one)["kind"] for one in frames.failure(line.text))
