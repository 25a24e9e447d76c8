"""Nouns to columns, and back.

What strangers wrote goes into text columns: `text` makes it something that SQLite can hold, because one event with half of a
surrogate pair in its name must not keep its whole batch, and so its source, from ever being stored.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from router.core.model import Busy, Delivery, Entry, Event, Gates, Receipt, Retry, State, Status, Subject
from router.engine.store.base import DeliveryRow, EventRow

if TYPE_CHECKING:
    import sqlite3

    from router.core.model import Tree
    from router.engine.store.turns import Waiting

#: What an INTEGER column holds.
LARGEST = 2**63 - 1


def text(value: str) -> str:
    """The text, with lone surrogates replaced: UTF-8 has none."""
    if value.isascii():
        return value
    return value.encode("utf-8", "surrogatepass").decode("utf-8", "replace")


def fit(value: Any) -> Any:
    """The value of a column, where it is a text as `text` makes it."""
    return text(value) if isinstance(value, str) else value


def integer(value: int) -> int:
    """The number, or the nearest that a column can hold."""
    return value if -LARGEST <= value <= LARGEST else max(-LARGEST, min(LARGEST, value))


def as_json(tree: Tree) -> str:
    """Compact. JSON's escapes carry what `text` would have to replace, and numbers that are not finite stay what they are."""
    try:
        made = _QUICKLY.encode(tree)
    except (TypeError, ValueError, RecursionError):
        return _ENCODER.encode(tree)
    # It may have been a number that is not finite, of which msgspec makes nothing.
    return _ENCODER.encode(tree) if b"null" in made else made.decode()


def from_json(column: str | None) -> Tree:
    """The tree, or None where the column is empty."""
    if column is None:
        return None
    try:
        return _decode(column)
    except msgspec.DecodeError:  # halves of surrogate pairs, and numbers that are not finite
        return json.loads(column)


def members_of(event: Event, name: str) -> Mapping[str, Tree]:
    """Those of a named field; none where it has none."""
    value = event.fields.get(name)
    return value if type(value) is dict or isinstance(value, Mapping) else _NO_MEMBERS


_NO_MEMBERS: Mapping[str, Any] = {}


def repo_of(event: Event) -> str:
    """The repo as the subject of a delivery would spell it."""
    repo = members_of(event, "repo")
    named = f"{repo['owner']}/{repo['name']}" if repo.get("owner") and repo.get("name") else ""
    return str(repo.get("did") or named)


#: Those that the event itself fills.
EVENT = ("origin", "id", "source", "kind", "nsid", "time", "depth", "repo", "record", "fields", "refused")


def event_values(event: Event) -> tuple[Any, ...]:
    """Of the columns EVENT, as they are: see `fit`."""
    return (
        event.origin,
        event.id,
        event.source,
        event.kind,
        event.nsid,
        integer(event.time),
        event.depth,
        repo_of(event),
        as_json(event.record),
        as_json(event.fields),
        str(event.fields.get("refused", "")),
    )


def event_of(row: sqlite3.Row) -> Event:
    """Wants the columns of `events`."""
    return Event(
        origin=row["origin"],
        id=row["id"],
        source=row["source"],
        kind=row["kind"],
        nsid=row["nsid"],
        time=row["time"],
        depth=row["depth"],
        record=from_json(row["record"]),
        fields=from_json(row["fields"]),
    )


def event_row(row: sqlite3.Row) -> EventRow:
    """Wants `deliveries`, their count, beside the columns of `events`."""
    return EventRow(
        number=row["number"],
        event=event_of(row),
        heard=row["heard"],
        matched=from_json(row["matched"]),
        deliveries=row["deliveries"],
        troubles=from_json(row["troubles"]),
        undecided=bool(row["undecided"]),
    )


#: Those that the plan fills.
DELIVERY = (
    *("id", "rule", "step", "item", "provider", "repo", "ref", "sha", "workflow"),
    *("options", "terms", "planned", "busy_group", "debounce_key"),
)


def delivery_values(delivery: Delivery[Tree]) -> tuple[Any, ...]:
    """Of the columns DELIVERY, as they are: see `fit`."""
    subject, gates = delivery.subject, delivery.gates
    terms = _Terms(delivery.timeout, delivery.retry, delivery.idempotent, delivery.secrets, gates, subject.knot, delivery.depth)
    return (
        delivery.id,
        delivery.rule,
        delivery.step,
        delivery.item,
        delivery.provider,
        subject.repo,
        subject.ref,
        subject.sha,
        subject.workflow,
        as_json(delivery.options),
        _as_column(terms),
        delivery.state.value,
        gates.group if gates is not None else None,
        gates.debounce_key if gates is not None else None,
    )


class _Terms(NamedTuple):
    """What else a delivery holds."""

    timeout: float
    retry: Retry | None
    idempotent: bool
    secrets: tuple[str, ...]
    gates: Gates | None
    knot: str
    depth: int


@lru_cache(maxsize=1024)
def _as_column(said: _Terms) -> str:
    """The same for most deliveries of a step."""
    terms = {
        "timeout": said.timeout,
        "retry": _flat(said.retry) if said.retry else None,
        "idempotent": said.idempotent,
        **({"secrets": list(said.secrets)} if said.secrets else {}),
        "gates": _flat(said.gates) if said.gates else None,
        "knot": said.knot,
        "depth": said.depth,
    }
    return as_json(terms)


def claimed(row: Waiting) -> Delivery[Tree]:
    """What waits, as it is once it is claimed."""
    terms = _terms(row.terms)
    return Delivery(
        id=row.id,
        rule=row.rule,
        step=row.step,
        provider=row.provider,
        options=from_json(row.options),
        event_origin=row.origin,
        event_id=row.event_id,
        nsid=row.nsid,
        subject=Subject(repo=row.repo, knot=terms.knot, ref=row.ref, sha=row.sha, workflow=row.workflow),
        item=row.item,
        timeout=terms.timeout,
        retry=terms.retry,
        idempotent=terms.idempotent,
        secrets=terms.secrets,
        gates=terms.gates,
        state=State.CLAIMED,
        reason=row.reason,
        attempt=row.attempt + 1,
        depth=terms.depth,
        destination=row.destination,
    )


@lru_cache(maxsize=1024)
def _terms(column: str) -> _Terms:
    """Those of one rule are mostly the same."""
    terms = from_json(column)
    retry, gates = terms["retry"], terms["gates"]
    return _Terms(
        timeout=terms["timeout"],
        retry=Retry(**{**retry, "schedule": tuple(retry["schedule"])}) if retry else None,
        idempotent=terms["idempotent"],
        secrets=tuple(terms.get("secrets", ())),
        gates=Gates(**{**gates, "busy": Busy(gates["busy"])}) if gates else None,
        knot=terms["knot"],
        depth=terms["depth"],
    )


def delivery_row(row: sqlite3.Row, *, reason: str, **more: Any) -> DeliveryRow:
    """As people see it, with why it is where it is; `more` is what a list leaves out."""
    return DeliveryRow(
        id=row["id"],
        state=State(row["state"]),
        rule=row["rule"],
        step=row["step"],
        item=row["item"],
        provider=row["provider"],
        repo=row["repo"],
        ref=row["ref"],
        sha=row["sha"],
        workflow=row["workflow"],
        event=row["event"],
        event_origin=row["origin"],
        event_id=row["event_id"],
        nsid=row["nsid"],
        attempt=row["attempt"],
        due=row["due"],
        created=row["created"],
        updated=row["updated"],
        reason=reason,
        status=row["status"],
        **more,
    )


def entry_of(row: sqlite3.Row) -> Entry:
    """Wants the columns of `statuses`."""
    return Entry(
        delivery=row["delivery"],
        workflow=row["workflow"],
        status=Status(row["status"]),
        at=row["at"],
        error=row["error"],
        exit_code=row["exit_code"],
        url=row["url"],
    )


def receipt_json(receipt: Receipt) -> str:
    known = {
        "id": receipt.id,
        "url": receipt.url,
        "status": receipt.status,
        "exit_code": receipt.exit_code,
        "error": receipt.error,
        "detail": receipt.detail,
    }
    nulls = (receipt.status is None) + (receipt.exit_code is None)
    try:
        made = _QUICKLY.encode(known)
    except (TypeError, ValueError, RecursionError):
        return _ENCODER.encode(known)
    # As in `as_json`: any other null may have been a number that is not finite.
    return made.decode() if made.count(b"null") == nulls else _ENCODER.encode(known)


def receipt_of(column: str) -> Receipt:
    tree = from_json(column)
    return Receipt(**{**tree, "status": None if tree["status"] is None else Status(tree["status"])})


def _plain(value: object) -> Tree:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    raise TypeError(f"A {type(value).__name__} is no JSON, so it cannot be stored.")


def _flat(value: Gates | Retry) -> dict[str, Any]:
    """`asdict` without its deep copies: this is on the way of every delivery."""
    return {one.name: getattr(value, one.name) for one in fields(value)}


_ENCODER = json.JSONEncoder(separators=(",", ":"), default=_plain)
_QUICKLY = msgspec.json.Encoder()
_decode = msgspec.json.Decoder().decode
