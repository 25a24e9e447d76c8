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


def integer(value: int) -> int:
    """The number, or the nearest that a column can hold."""
    return max(-LARGEST, min(LARGEST, value))


def as_json(tree: Tree) -> str:
    """Compact, and ASCII: JSON's escapes carry what `text` would have to replace."""
    return _ENCODER.encode(tree)


def from_json(column: str | None) -> Tree:
    """The tree, or None where the column is empty."""
    return None if column is None else json.loads(column)


def repo_of(event: Event) -> str:
    """The repo as the subject of a delivery would spell it."""
    repo = event.fields.get("repo")
    if not isinstance(repo, Mapping):
        return ""
    named = f"{repo['owner']}/{repo['name']}" if repo.get("owner") and repo.get("name") else ""
    return str(repo.get("did") or named)


def event_columns(event: Event) -> dict[str, Any]:
    """Those that the event itself fills."""
    return {
        "origin": text(event.origin),
        "id": text(event.id),
        "source": text(event.source),
        "kind": text(event.kind),
        "nsid": text(event.nsid),
        "time": integer(event.time),
        "depth": event.depth,
        "repo": text(repo_of(event)),
        "record": as_json(event.record),
        "fields": as_json(event.fields),
        "refused": text(str(event.fields.get("refused", ""))),
    }


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


def delivery_columns(delivery: Delivery[Tree]) -> dict[str, Any]:
    """Those that the plan fills."""
    subject, gates = delivery.subject, delivery.gates or Gates()
    terms = {
        "timeout": delivery.timeout,
        "retry": _flat(delivery.retry) if delivery.retry else None,
        "idempotent": delivery.idempotent,
        **({"secrets": list(delivery.secrets)} if delivery.secrets else {}),
        "gates": _flat(gates) if delivery.gates else None,
        "knot": subject.knot,
        "depth": delivery.depth,
    }
    return {
        "id": delivery.id,
        "rule": text(delivery.rule),
        "step": text(delivery.step),
        "item": None if delivery.item is None else text(delivery.item),
        "provider": text(delivery.provider),
        "repo": text(subject.repo),
        "ref": text(subject.ref),
        "sha": text(subject.sha),
        "workflow": text(subject.workflow),
        "options": as_json(delivery.options),
        "terms": as_json(terms),
        "planned": delivery.state,
        "busy_group": None if gates.group is None else text(gates.group),
        "debounce_key": None if gates.debounce_key is None else text(gates.debounce_key),
    }


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


class _Terms(NamedTuple):
    timeout: float
    retry: Retry | None
    idempotent: bool
    secrets: tuple[str, ...]
    gates: Gates | None
    knot: str
    depth: int


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
    return as_json(
        {
            "id": receipt.id,
            "url": receipt.url,
            "status": receipt.status,
            "exit_code": receipt.exit_code,
            "error": receipt.error,
            "detail": receipt.detail,
        }
    )


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
