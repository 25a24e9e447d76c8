"""Our own way to write an event down: what `explain` and `test` read, `replay` plays and `events show` prints.

    {"source": "knot1", "kind": "knot", "origin": "knot:knot1.example.com", "nsid": "sh.tangled.git.refUpdate", "id": "…",
     "time": "2026-09-14T10:00:29.000000Z", "record": {…}}

Only `nsid` and `record` are needed. Named fields are worked out of the rest; `fields` says those that it does not say.
"""

from __future__ import annotations

import hashlib
import json
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from router.core import frame, members
from router.core.errors import BadFrame
from router.core.fields import named_fields, streamed_by_knots
from router.core.model import Event
from router.core.problems import nearest
from router.core.values import show

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from router.core.model import Micros, Tree

KEYS = (
    *("source", "kind", "origin", "nsid", "id", "time", "record", "fields", "depth"),
    *("knot", "did", "operation", "rkey"),
)
#: Named fields that are lists, with the type of their items; those that are mappings; the others are text.
_LISTS: dict[str, type] = {"paths": str, "workflows": dict}
_MAPPINGS = ("repo", "pipeline", "inputs")
FIELDS = (
    *("trigger", "operation", "repo", "owner", "knot", "actor", "branch", "tag", "ref", "target_branch"),
    *("paths", "workflows", "status", "sha", "old_sha", "trust", "pull", "pipeline", "action", "source_repo", "inputs"),
    *("approval", "refused"),
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NSID = re.compile(rf"{frame.NSID.pattern}(#[A-Za-z]{{1,64}})?".replace("317}$", "400}$"))
#: The ids that `envelope.jetstream` gives: they tell what the fields are worked out of.
_COMMIT = re.compile(r"(?P<did>did:[^/]+)/[^/]+/(?P<rkey>[^/@]+)@[^/:]+:(?P<operation>create|update|delete)")
_ACCOUNT = re.compile(r"(?P<did>did:[^/#]+)#(?:identity|account)@\d+")


def read(sent: Mapping[str, Tree], source: str | None) -> Event:
    """The event that was written down. Raises BadFrame."""
    for key in sent:
        if key not in KEYS:
            raise BadFrame(f"`{show(key)[1:-1]}` is no key of an event. {nearest(key, KEYS)}".rstrip())
    nsid, record = frame.matching(sent, "nsid", _NSID), frame.member(sent, "record")
    kind = _text(sent, "kind") or _kind(sent, nsid)
    host = _host(sent, kind)
    event_id = _text(sent, "id") or _digest(nsid, record)
    fields = named_fields(nsid, kind, record, host=host, **_said(sent, event_id if kind == "jetstream" else ""))
    fields |= dict(_fields(sent))
    depth = sent.get("depth", 0)
    return Event(
        origin=_text(sent, "origin") or (f"knot:{host}" if kind == "knot" else kind),
        id=event_id,
        source=_text(sent, "source") or source or kind,
        kind=kind,
        nsid=nsid,
        time=_time(sent.get("time", 0)),
        record=record,
        fields=fields,
        depth=depth if frame.whole(depth) else 0,
    )


def event_to(event: Event) -> dict[str, Tree]:
    """The event in our own form, from which `envelope.event_from` makes the same one."""
    sent: dict[str, Tree] = {
        "source": event.source,
        "kind": event.kind,
        "origin": event.origin,
        "nsid": event.nsid,
        "id": event.id,
        "time": _rfc3339(event.time),
        "record": dict(event.record),
    }
    if event.depth:
        sent["depth"] = event.depth
    if read(sent, None).fields != event.fields:
        sent["fields"] = dict(event.fields)
    return sent


def _text(sent: Mapping[str, Tree], key: str) -> str:
    value = sent.get(key, "")
    if not isinstance(value, str):
        raise BadFrame(f"`{key}` must be text, not {show(value)}.")
    return value


def _kind(sent: Mapping[str, Tree], nsid: str) -> str:
    if "knot" in sent or streamed_by_knots(nsid):
        return "knot"
    return "schedule" if nsid == "router.schedule.fire" else "jetstream"


def _host(sent: Mapping[str, Tree], kind: str) -> str:
    if "knot" in sent:
        return frame.host(sent["knot"])
    origin = _text(sent, "origin")
    if origin.startswith("knot:"):
        return frame.host(origin.removeprefix("knot:"))
    return frame.SOME_KNOT if kind == "knot" else ""


def _said(sent: Mapping[str, Tree], event_id: str) -> dict[str, Tree]:
    """The account, the operation and the record key: as written, or else as the id of an event of Jetstream tells."""
    found = _COMMIT.fullmatch(event_id) or _ACCOUNT.fullmatch(event_id)
    said = found.groupdict() if found is not None else {}
    said |= {key: text for key in ("did", "operation", "rkey") if (text := _text(sent, key))}
    if "did" in said and members.did(said["did"]) is None:
        raise BadFrame(f"`did` cannot be {show(said['did'])}.")
    return said


def _fields(sent: Mapping[str, Tree]) -> Iterator[tuple[str, Tree]]:
    """The named fields that are written out, each of its own type: conditions rely on that."""
    for name, value in (frame.member(sent, "fields") if "fields" in sent else {}).items():
        if name not in FIELDS:
            raise BadFrame(f"`{show(name)[1:-1]}` is no named field. {nearest(name, FIELDS)}".rstrip())
        if name in _LISTS:
            fits = isinstance(value, list) and all(isinstance(item, _LISTS[name]) for item in value)
        else:
            fits = isinstance(value, dict if name in _MAPPINGS else str)
        if not fits:
            raise BadFrame(f"The field `{name}` cannot be {show(value)}.")
        yield name, value


def _digest(nsid: str, record: Mapping[str, Tree]) -> str:
    """An id for an event that has none: the same content is the same event."""
    content = json.dumps([nsid, record], sort_keys=True, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(content.encode()).hexdigest()}"


def _time(value: Tree) -> Micros:
    if value == 0 or frame.whole(value):
        return int(value)
    try:
        at = datetime.fromisoformat(value)
        return (at - _EPOCH) // timedelta(microseconds=1)
    except (TypeError, ValueError, OverflowError):
        hint = "write it like 2026-09-14T10:00:00Z, or as microseconds since 1970"
        raise BadFrame(f"`time` cannot be {show(value)}: {hint}.") from None


def _rfc3339(time: Micros) -> str | Micros:
    """For a person where the calendar reaches that far."""
    try:
        return (_EPOCH + timedelta(microseconds=time)).isoformat(timespec="microseconds").replace("+00:00", "Z")
    except OverflowError:
        return time
