"""A frame's envelope, read without its record: all that is needed of one that nobody asks for, and half of what makes an event.

A glance tells of well-formed frames alone. Whatever is odd about one, and whatever is no commit or no event of today's knots,
it leaves to `envelope`, which says what is wrong. What it tells of is the event that `envelope` would make of it; only bounds
(values, depth, a number that no float holds) are not looked at where nobody decodes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta, Raw, Struct

from router.core import frame
from router.core.envelope import REV, RKEY
from router.core.fields import named_fields
from router.core.members import LONGEST, PLC, is_did
from router.core.model import Event

if TYPE_CHECKING:
    from router.core.model import Tree

_NO_RECORD = Raw(b"")
#: A cursor (see `frame.whole`).
_Place: TypeAlias = Annotated[int, Meta(gt=0, le=frame.LARGEST)]


class _Commit(Struct, gc=False):
    collection: str
    rkey: str
    rev: str
    operation: Literal["create", "update", "delete"]
    record: Raw = _NO_RECORD


class Commit(Struct, gc=False):
    """A frame of Jetstream."""

    did: str
    time_us: _Place
    kind: Literal["commit"]
    commit: _Commit


class Told(Struct, gc=False):
    """A frame of a knot."""

    nsid: str
    rkey: str
    event: Raw
    created: _Place


_COMMIT = msgspec.json.Decoder(Commit).decode
_TOLD = msgspec.json.Decoder(Told).decode
_RECORD = msgspec.json.Decoder(dict[str, object]).decode
_ODD = (msgspec.MsgspecError, ValueError, RecursionError)
_BRACE = ord("{")
#: Letters of a DID after its method, a record key and a revision together; of a revision alone there may be as many as 64.
_SHORT = PLC - len("did:plc:") + 64


def jetstream(given: bytes) -> Commit | None:
    """A commit."""
    try:
        sent = _COMMIT(given)
    except _ODD:
        return None
    commit, did = sent.commit, sent.did
    rkey, rev = commit.rkey, commit.rev
    told = did[8:] + rkey + rev
    # Nearly all are short and have letters and digits alone, and are then surely what they should be.
    usual = rkey and rev and len(told) <= _SHORT and len(did) == PLC and did.startswith("did:plc:")
    if not (usual and told.isascii() and told.isalnum()) and not _are_sound(did, rkey, rev):
        return None
    if not (given.isascii() or frame.is_utf8(given)) or not frame.is_nsid(commit.collection):
        return None
    record = commit.record
    if record is not _NO_RECORD:
        return sent if memoryview(record)[0] == _BRACE or commit.operation == "delete" else None
    return sent if commit.operation == "delete" else None


def knot(given: bytes) -> Told | None:
    """An event of a knot of today."""
    try:
        sent = _TOLD(given)
    except _ODD:
        return None
    fine = (
        memoryview(sent.event)[0] == _BRACE
        and frame.is_nsid(sent.nsid)
        and frame.follows(sent.rkey, RKEY, 512)
        and (given.isascii() or frame.is_utf8(given))
    )
    return sent if fine else None


def event_of_commit(sent: Commit, given: bytes, source: str) -> Event | None:
    """None where the record is odd."""
    commit, did = sent.commit, sent.did
    nsid, rkey, operation = commit.collection, commit.rkey, commit.operation
    record = {} if operation == "delete" else _record(commit.record)
    if record is None or not frame.is_small(given):
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


def event_of_knot(sent: Told, given: bytes, source: str, host: str) -> Event | None:
    """None where the record is odd."""
    nsid, rkey = sent.nsid, sent.rkey
    record = _record(sent.event)
    if record is None or not frame.is_small(given):
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


def _are_sound(did: str, rkey: str, rev: str) -> bool:
    return len(did) <= LONGEST and is_did(did) and frame.follows(rkey, RKEY, 512) and frame.follows(rev, REV, 64)
