"""The nsid and the time of a frame, and nothing of its record: all that is needed of one that nobody asks for.

A glance tells of well-formed frames alone. Whatever is odd about one (and whatever is no commit or event) it leaves to
`envelope`, which says what is wrong: so what is passed over by a glance would have been an event. Its record is checked for
being a JSON object, and not looked into.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec
from msgspec import Struct

from router.core import envelope, frame
from router.core.members import LONGEST, is_did


class Glance(NamedTuple):
    """`cursor` is as a source has it (see `envelope`), `time` in microseconds."""

    nsid: str
    cursor: int
    time: int


class _Unread(Struct):
    """Some object."""


class _Commit(Struct):
    collection: str
    rkey: str
    rev: str
    operation: str
    record: _Unread | None = None


class _Jetstream(Struct):
    did: str
    time_us: int
    kind: str
    commit: _Commit


class _Knot(Struct):
    nsid: str
    rkey: str
    event: _Unread
    created: int


_JETSTREAM = msgspec.json.Decoder(_Jetstream).decode
_KNOT = msgspec.json.Decoder(_Knot).decode
_NONE = (msgspec.MsgspecError, ValueError, RecursionError)


def jetstream(given: bytes) -> Glance | None:
    """Of a commit."""
    try:
        sent = _JETSTREAM(given)
    except _NONE:
        return None
    commit = sent.commit
    fine = (
        sent.kind == "commit"
        and (commit.operation == "delete" if commit.record is None else commit.operation in envelope.OPERATIONS)
        and frame.is_nsid(commit.collection)
        and frame.whole(sent.time_us)
        and len(sent.did) <= LONGEST
        and is_did(sent.did)
        and frame.follows(commit.rkey, envelope.RKEY, 512)
        and frame.follows(commit.rev, envelope.REV, 64)
        and frame.is_usual(given)
    )
    return Glance(commit.collection, sent.time_us, sent.time_us) if fine else None


def knot(given: bytes) -> Glance | None:
    """Of an event of a knot of today."""
    try:
        sent = _KNOT(given)
    except _NONE:
        return None
    fine = (
        frame.is_nsid(sent.nsid)
        and frame.follows(sent.rkey, envelope.RKEY, 512)
        and frame.whole(sent.created)
        and frame.is_usual(given)
    )
    return Glance(sent.nsid, sent.created, sent.created // 1000) if fine else None
