"""A frame's envelope, read without its record: all that is needed of one that nobody asks for, and half of what makes an event.

A glance tells of well-formed frames alone. Whatever is odd about one, and whatever is no commit or no event of today's knots,
it leaves to `envelope`, which says what is wrong. What it tells of is the event that `envelope` would make of it; only bounds
(values, depth, a number that no float holds) are not looked at where nobody decodes.
"""

from __future__ import annotations

from typing import Annotated, Any, Generic, Literal, TypeAlias, TypeVar

import msgspec
from msgspec import Meta, Raw, Struct

from router.core import frame, usual
from router.core.envelope import REV, RKEY
from router.core.fields import named_fields
from router.core.members import LONGEST, PLC, is_did
from router.core.model import Event, Tree
from router.core.usual import PULL, PUSH

#: A record is text that nobody has read, or is read already.
RecordT = TypeVar("RecordT", Raw, dict[str, Tree])
#: A cursor (see `frame.whole`).
_Place: TypeAlias = Annotated[int, Meta(gt=0, le=frame.LARGEST)]


class _Commit(Struct, Generic[RecordT], gc=False):
    collection: str
    rkey: str
    rev: str
    operation: Literal["create", "update", "delete"]
    record: RecordT = None  # type: ignore[assignment] # a deletion has none


class Commit(Struct, Generic[RecordT], gc=False):
    """A frame of Jetstream."""

    did: str
    time_us: _Place
    kind: Literal["commit"]
    commit: _Commit[RecordT]


class Told(Struct, Generic[RecordT], gc=False):
    """A frame of a knot."""

    nsid: str
    rkey: str
    event: RecordT
    created: _Place


_COMMIT, _WHOLE_COMMIT = msgspec.json.Decoder(Commit[Raw]).decode, msgspec.json.Decoder(Commit[dict[str, Tree]]).decode
_TOLD, _WHOLE_TOLD = msgspec.json.Decoder(Told[Raw]).decode, msgspec.json.Decoder(Told[dict[str, Tree]]).decode
_RECORD = msgspec.json.Decoder(dict[str, Tree]).decode
_ODD = (msgspec.MsgspecError, ValueError, RecursionError)
_BRACE = ord("{")
#: Letters of a DID after its method, a record key and a revision together; of a revision alone there may be as many as 64.
_SHORT = PLC - len("did:plc:") + 64


def jetstream(given: bytes, *, whole: bool = False) -> Commit[Any] | None:
    """A commit. `whole`: its record will likely be wanted, and both are read at once."""
    try:
        sent: Commit[Any] = _WHOLE_COMMIT(given) if whole else _COMMIT(given)
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
    if commit.operation == "delete":
        return sent
    record = commit.record
    return sent if record is not None and (whole or memoryview(record)[0] == _BRACE) else None


def knot(given: bytes, *, whole: bool = False) -> Told[Any] | None:
    """An event of a knot of today. `whole`: as above."""
    try:
        sent: Told[Any] = _WHOLE_TOLD(given) if whole else _TOLD(given)
    except _ODD:
        return None
    rkey = sent.rkey
    fine = (
        (whole or memoryview(sent.event)[0] == _BRACE)
        and ((rkey.isalnum() and rkey.isascii() and len(rkey) <= _SHORT) or frame.follows(rkey, RKEY, 512))
        and (given.isascii() or frame.is_utf8(given))
        and frame.is_nsid(sent.nsid)
    )
    return sent if fine else None


def event_of_commit(sent: Commit[Any], given: bytes, source: str) -> Event | None:
    """None where the record is odd."""
    commit, did = sent.commit, sent.did
    nsid, rkey, operation = commit.collection, commit.rkey, commit.operation
    deleted = operation == "delete"
    record: Any = {} if deleted else commit.record
    if type(record) is not dict:
        try:
            record = _RECORD(record)
        except _ODD:
            return None
    if not frame.is_small(given):
        return None
    fields = usual.pull(record, did, operation, rkey) if nsid == PULL and not deleted else None
    if fields is None:
        fields = named_fields(nsid, "jetstream", record, did=did, operation=operation, rkey=rkey)
    return Event(
        origin="jetstream",
        id=f"{did}/{nsid}/{rkey}@{commit.rev}:{operation}",
        source=source,
        kind="jetstream",
        nsid=nsid,
        time=sent.time_us,
        record=record,
        fields=fields,
    )


def event_of_knot(sent: Told[Any], given: bytes, source: str, host: str) -> Event | None:
    """None where the record is odd."""
    nsid, rkey, record = sent.nsid, sent.rkey, sent.event
    if type(record) is not dict:
        try:
            record = _RECORD(record)
        except _ODD:
            return None
    if not frame.is_small(given):
        return None
    fields = usual.push(record, host) if nsid == PUSH else None
    if fields is None:
        fields = named_fields(nsid, "knot", record, host=host, rkey=rkey)
    return Event(
        origin=f"knot:{host}",
        id=f"{nsid}/{rkey}",
        source=source,
        kind="knot",
        nsid=nsid,
        time=sent.created // 1000,
        record=record,
        fields=fields,
    )


def _are_sound(did: str, rkey: str, rev: str) -> bool:
    return len(did) <= LONGEST and is_did(did) and frame.follows(rkey, RKEY, 512) and frame.follows(rev, REV, 64)
