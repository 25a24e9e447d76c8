"""A frame's envelope, read without its record: all that is needed of one that nobody asks for, and half of what makes an event.

A glance tells of well-formed frames alone. Whatever is odd about one, and whatever is no commit or no event of today's knots, it
leaves to `envelope`, which says what is wrong. What it tells of is the event that `envelope` would make of it; only a number that
no float holds is not found where nobody looks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec import Raw, Struct

from router.core import frame
from router.core.envelope import OPERATIONS, REV, RKEY
from router.core.fields import named_fields
from router.core.members import PLC, is_did
from router.core.model import Event

if TYPE_CHECKING:
    from router.core.model import Tree

_NO_RECORD = Raw(b"")


class _Commit(Struct):
    collection: str
    rkey: str
    rev: str
    operation: str
    record: Raw = _NO_RECORD


class Commit(Struct):
    """A frame of Jetstream."""

    did: str
    time_us: int
    kind: str
    commit: _Commit


class Told(Struct):
    """A frame of a knot."""

    nsid: str
    rkey: str
    event: Raw
    created: int


_COMMIT = msgspec.json.Decoder(Commit).decode
_TOLD = msgspec.json.Decoder(Told).decode
_RECORD = msgspec.json.Decoder(dict[str, object]).decode
_ODD = (msgspec.MsgspecError, ValueError, RecursionError)
_BRACE = ord("{")


def jetstream(given: bytes) -> Commit | None:
    """A commit."""
    try:
        sent = _COMMIT(given)
    except _ODD:
        return None
    commit, did = sent.commit, sent.did
    if (
        sent.kind == "commit"
        and commit.operation in OPERATIONS
        and (commit.operation == "delete" or _is_object(commit.record))
        and frame.is_nsid(commit.collection)
        and frame.whole(sent.time_us)
        and (_is_plc(did) or (len(did) <= frame.LONGEST and is_did(did)))
        and frame.follows(commit.rkey, RKEY, 512)
        and frame.follows(commit.rev, REV, 64)
        and frame.is_usual(given)
    ):
        return sent
    return None


def knot(given: bytes) -> Told | None:
    """An event of a knot of today."""
    try:
        sent = _TOLD(given)
    except _ODD:
        return None
    if (
        frame.is_nsid(sent.nsid)
        and _is_object(sent.event)
        and frame.follows(sent.rkey, RKEY, 512)
        and frame.whole(sent.created)
        and frame.is_usual(given)
    ):
        return sent
    return None


def event_of_commit(sent: Commit, source: str) -> Event | None:
    """None where the record is odd."""
    commit, did = sent.commit, sent.did
    nsid, rkey, operation = commit.collection, commit.rkey, commit.operation
    record = {} if operation == "delete" else _record(commit.record)
    if record is None:
        return None
    return Event(
        origin="jetstream",
        id=f"{did}/{nsid}/{rkey}@{commit.rev}:{operation}",
        source=source,
        kind="jetstream",
        nsid=nsid,
        time=sent.time_us,
        record=record,
        fields=named_fields(nsid, "jetstream", record, did=did, operation=operation, rkey=rkey),
    )


def event_of_knot(sent: Told, source: str, host: str) -> Event | None:
    """None where the record is odd."""
    nsid, rkey = sent.nsid, sent.rkey
    record = _record(sent.event)
    if record is None:
        return None
    return Event(
        origin=f"knot:{host}",
        id=f"{nsid}/{rkey}",
        source=source,
        kind="knot",
        nsid=nsid,
        time=sent.created // 1000,
        record=record,
        fields=named_fields(nsid, "knot", record, host=host, rkey=rkey),
    )


def _record(raw: Raw) -> dict[str, Tree] | None:
    try:
        return _RECORD(raw)
    except _ODD:
        return None


def _is_object(raw: Raw) -> bool:
    return bool(raw) and memoryview(raw)[0] == _BRACE


def _is_plc(did: str) -> bool:
    """The usual kind: it is not worth remembering."""
    return len(did) == PLC and did.startswith("did:plc:") and did[8:].isalnum() and did.isascii()
