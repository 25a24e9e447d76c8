"""What others send, as events: the frames of knots and of Jetstream, and what a file of events holds.

What is no event raises BadFrame, and nothing else, whatever its bytes are. Cursors are whole nanoseconds (knots) or
microseconds (Jetstream) since 1970.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from router.core import frame, tid
from router.core.errors import BadFrame
from router.core.fields import named_fields
from router.core.model import Event, Heard
from router.core.values import show
from router.core.written import event_to, read

if TYPE_CHECKING:
    from collections.abc import Mapping

    from router.core.frame import Frame
    from router.core.model import Micros, Tree

__all__ = ["ahead", "bad", "event_from", "event_to", "jetstream", "knot", "older"]

#: Microseconds that a peer's clock may be ahead of ours. A cursor beyond that would skip everything until then, so it is none.
AHEAD = 300_000_000
#: Bytes of a bad frame that are kept for a person to look at.
KEPT = 16_384
IDENTITY, ACCOUNT = "com.atproto.sync.subscribeRepos#identity", "com.atproto.sync.subscribeRepos#account"

RKEY = re.compile(r"[A-Za-z0-9._~:-]{1,512}")
REV = re.compile(r"[A-Za-z0-9]{1,64}")
#: What newer servers call a cursor that is older than what they keep.
_TOO_OLD = {"CursorTooOld", "OutdatedCursor"}
_OPERATIONS = ("create", "update", "delete")


def bad(error: BadFrame, frame: bytes) -> Heard:
    """What a source hands on of a frame that was none."""
    return Heard(bad=str(error), frame=frame[:KEPT], cursor=error.cursor)


def older(sent: Mapping[str, Tree]) -> bool:
    """Whether a knot's frame is of the generation whose envelope does not say its cursor."""
    return "rkey" in sent and "created" not in sent


def knot(given: Frame, *, source: str, host: str, now: Micros | None = None) -> Heard:
    """An event of a knot's `/events`, in today's envelope or the one of 2025, which has no `created`. Raises BadFrame.

    The cursor is `created`, or where there is none, the time of the TID that the event is known by: the knot makes it about
    when it stores the event, so a client goes back a little before it.
    """
    return knot_of(frame.tree(given), source=source, host=host, now=now)


def knot_of(sent: Mapping[str, Tree], *, source: str, host: str, now: Micros | None = None) -> Heard:
    """The same of a frame that is a tree already."""
    if "nsid" not in sent and sent.get("type") == "ping":
        return Heard()
    at = _created(sent)
    time = 0 if at is None else at // 1000
    late = at is not None and ahead(time, now)
    cursor = None if late else at
    try:
        event = _knot_event(sent, source, host, now or 0 if late or at is None else time)
    except BadFrame as error:
        raise BadFrame(str(error), cursor=cursor) from None
    return Heard(event=event, cursor=cursor)


def _created(sent: Mapping[str, Tree]) -> int | None:
    created = sent.get("created")
    if frame.whole(created):
        return created
    if "created" in sent:
        raise BadFrame(f"`created` must be a time in nanoseconds, not {show(created)}.")
    made = tid.micros(sent.get("rkey"))
    return None if made is None else made * 1000


def _knot_event(sent: Mapping[str, Tree], source: str, host: str, time: Micros) -> Event:
    nsid, rkey = frame.nsid(sent, "nsid"), frame.matching(sent, "rkey", RKEY, 512)
    record = frame.member(sent, "event")
    return Event(
        origin=f"knot:{host}",
        id=f"{nsid}/{rkey}",
        source=source,
        kind="knot",
        nsid=nsid,
        time=time,
        record=record,
        fields=named_fields(nsid, "knot", record, host=host, rkey=rkey),
    )


def jetstream(given: Frame, *, source: str, now: Micros | None = None) -> Heard:
    """A commit, identity or account event of Jetstream (`GET /subscribe`). Raises BadFrame.

    The cursor is `time_us`; the `cursor` that newer servers add counts one server's events and means nothing elsewhere.
    """
    sent = frame.tree(given)
    at = sent.get("time_us")
    if not frame.whole(at):
        if at is None and (_TOO_OLD & {one for one in (sent.get("error"), sent.get("name")) if isinstance(one, str)}):
            return Heard(gap="The server says that it does not go back so far: what came first is missed.")
        raise BadFrame(f"`time_us` must be a time in microseconds, not {show(at)}.")
    late = ahead(at, now)
    cursor = None if late else at
    try:
        event = _jetstream_event(sent, source, now or 0 if late else at)
    except BadFrame as error:
        raise BadFrame(str(error), cursor=cursor) from None
    return Heard(event=event, cursor=cursor)


def _jetstream_event(sent: Mapping[str, Tree], source: str, time: Micros) -> Event:
    did, kind = frame.did(sent, "did"), sent.get("kind")
    if kind == "commit":
        return _commit(did, frame.member(sent, "commit"), source, time)
    if kind not in ("identity", "account"):
        raise BadFrame(f"`kind` must be commit, identity or account, not {show(kind)}.")
    told = frame.member(sent, kind)
    seq = told.get("seq")
    nsid = IDENTITY if kind == "identity" else ACCOUNT
    return Event(
        origin="jetstream",
        id=f"{did}#{kind}@{seq if frame.whole(seq) else sent['time_us']}",
        source=source,
        kind="jetstream",
        nsid=nsid,
        time=time,
        record=told,
        fields=named_fields(nsid, "jetstream", told, did=did),
    )


def _commit(did: str, commit: Mapping[str, Tree], source: str, time: Micros) -> Event:
    nsid, rkey = frame.nsid(commit, "collection"), frame.matching(commit, "rkey", RKEY, 512)
    rev = frame.matching(commit, "rev", REV, 64)
    operation = commit.get("operation")
    if operation not in _OPERATIONS:
        raise BadFrame(f"`operation` must be create, update or delete, not {show(operation)}.")
    record = {} if operation == "delete" else frame.member(commit, "record")
    return Event(
        origin="jetstream",
        id=f"{did}/{nsid}/{rkey}@{rev}:{operation}",
        source=source,
        kind="jetstream",
        nsid=nsid,
        time=time,
        record=record,
        fields=named_fields(nsid, "jetstream", record, did=did, operation=operation, rkey=rkey),
    )


def ahead(at: Micros, now: Micros | None) -> bool:
    """Whether a peer's time is so far in the future that it is not believed."""
    return now is not None and at > now + AHEAD


def event_from(given: Mapping[str, Tree], *, source: str | None = None) -> Event:
    """An event as a file or a test holds it: our own form, or a raw frame of a knot or of Jetstream. Raises BadFrame.

    A raw frame of a knot does not say which knot sent it: a further key `knot` may. `source` names where an event is from that
    does not say so itself.
    """
    sent = frame.tree(given)
    if "nsid" in sent and "record" in sent:
        return read(sent, source)
    if "rkey" in sent and "event" in sent:
        host = frame.host(sent.get("knot", frame.SOME_KNOT))
        heard = knot(sent, source=source or "knot", host=host)
    elif "time_us" in sent:
        heard = jetstream(sent, source=source or "jetstream")
    else:
        raise BadFrame("It has neither `nsid` and `record`, nor the keys of a frame of a knot or of Jetstream.")
    if heard.event is None:
        raise BadFrame("The frame is a sign of life and no event.")
    return heard.event
