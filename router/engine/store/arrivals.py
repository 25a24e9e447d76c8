"""`accept`: what was heard and what was decided of it, with the cursor that stands for it, in one transaction."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from router.core.model import Delivery, Entry, Event, Micros, Pipeline, Plan, State, Tree
from router.engine.crash import crash_point
from router.engine.store import gates, journal, mirror, pipelines, restores, sql
from router.engine.store.base import Accepted, Arrival
from router.engine.store.rows import LARGEST, as_json, delivery_columns, event_columns, text

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence

#: Bad frames that are kept of each source, and of all together, and bytes of each.
RING, RINGS = 100, 2000
FRAME = 16384
_TRIM_ALL = "DELETE FROM bad_frames WHERE number <= (SELECT number FROM bad_frames ORDER BY number DESC LIMIT 1 OFFSET :keep)"


def accept(db: sqlite3.Connection, arrivals: Sequence[Arrival], now: Micros) -> list[Accepted]:
    """See Store.accept."""
    gates.forget(db, now)
    accepted = [_one(db, arrival, now) for arrival in arrivals]
    for source in dict.fromkeys(arrival.source for arrival in arrivals):
        heard = [pair for pair in zip(arrivals, accepted, strict=True) if pair[0].source == source]
        _remember_source(db, source, heard, now)
    crash_point("in_accept")
    return accepted


@dataclass(slots=True)
class _Known:
    number: int
    undecided: bool


def _one(db: sqlite3.Connection, arrival: Arrival, now: Micros) -> Accepted:
    mirror.write(db, arrival.records, now)
    event, plan = arrival.event, arrival.plan
    if event is None or plan is None:
        return Accepted(fresh=True)
    columns = event_columns(event) | _plan_columns(plan)
    known = _known(db, columns["origin"], columns["id"])
    if known is None:
        if not (arrival.keep or plan.deliveries):
            return Accepted(fresh=True)
        return _enter(db, plan, _insert(db, "events", {**columns, "heard": now}), now, arrival.pipeline)
    if not known.undecided:
        return Accepted(fresh=False)
    return _enter_again(db, event, plan, known.number, now, arrival.pipeline)


def _known(db: sqlite3.Connection, origin: str, event_id: str) -> _Known | None:
    found = db.execute("SELECT number, undecided FROM events WHERE origin = ? AND id = ?", (origin, event_id)).fetchone()
    return None if found is None else _Known(found["number"], bool(found["undecided"]))


def _enter_again(
    db: sqlite3.Connection, event: Event, plan: Plan, number: int, now: Micros, pipeline: Pipeline | None
) -> Accepted:
    """An event whose plan lacked something: what it lacked then. It is fresh where that made a difference."""
    columns = event_columns(event) | _plan_columns(plan)
    changed = {key: columns[key] for key in ("repo", "fields", "matched", "troubles", "undecided", "refused")}
    assignments = ", ".join(f"{name} = :{name}" for name in changed)
    db.execute(f"UPDATE events SET {assignments} WHERE number = :number", {**changed, "number": number})  # noqa: S608
    entered = _enter(db, plan, number, now, pipeline)
    if entered.ready or entered.entries or not changed["undecided"]:
        return entered
    return Accepted(fresh=False)


def _plan_columns(plan: Plan) -> dict[str, Any]:
    return {
        "matched": as_json(plan.matched),
        "troubles": as_json([asdict(trouble) for trouble in plan.troubles]),
        "undecided": int(any(trouble.undecided for trouble in plan.troubles)),
    }


def _enter(db: sqlite3.Connection, plan: Plan, event: int, now: Micros, pipeline: Pipeline | None) -> Accepted:
    """The plan's deliveries into the outbox, those that are not there yet, and what is to be told of them.

    Two triggers of one run may come at the same time: the second makes nothing, and neither do its deliveries.
    """
    if pipeline is not None and not pipelines.begin(db, pipeline, event, now):
        return Accepted(fresh=False)
    live: set[str] = set()
    told: list[Entry] = []
    skipped: list[tuple[Delivery[Tree], str]] = []
    ready = False
    doubted = restores.doubted(db, event, now) if plan.deliveries else 0
    for delivery in plan.deliveries:
        if db.execute("SELECT 1 FROM deliveries WHERE id = ?", (delivery.id,)).fetchone():
            continue
        admission = _deliver(db, delivery, event, now, pipeline.id if pipeline is not None else None, doubted)
        told += admission.told
        ready = ready or admission.state is State.READY
        if admission.state in (State.READY, State.DEAD):
            live.add(delivery.id)
        elif admission.state is State.SKIPPED:
            skipped.append((delivery, admission.reason))
    told += journal.tell(db, (entry for entry in plan.entries if entry.delivery in live), now)
    for delivery, why in skipped:
        if pipeline is not None and delivery.subject.workflow:
            pipelines.skip(db, pipeline.id, delivery.subject.workflow, why, now)
    held = tuple((delivery, why) for delivery, why in skipped)
    return Accepted(fresh=True, ready=ready, entries=tuple(told), held=held)


def _deliver(
    db: sqlite3.Connection, delivery: Delivery[Tree], event: int, now: Micros, pipeline: str | None, doubted: Micros
) -> gates.Admission:
    """`doubted` is a moment before which it may have been made already, in a life that is not in the store; 0: it was not."""
    admission = gates.admit(db, delivery, event, now)
    columns = delivery_columns(delivery) | {"pipeline": pipeline if delivery.subject.workflow else None}
    columns |= {"event": event, "state": admission.state, "reason": text(admission.reason), "due": admission.due}
    if doubted and admission.state is State.READY:
        columns |= {"state": State.VERIFY, "reason": restores.WHY, "failed_at": doubted}
    _insert(db, "deliveries", {**columns, "created": now, "updated": now})
    return admission


def _insert(db: sqlite3.Connection, table: str, columns: dict[str, Any]) -> int:
    """The new row's number."""
    return db.execute(_insertion(table, tuple(columns)), columns).lastrowid or 0


@cache
def _insertion(table: str, columns: tuple[str, ...]) -> str:
    """The names are our own; only values come from elsewhere."""
    values = ", ".join(f":{name}" for name in columns)
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({values})"  # noqa: S608


def _remember_source(db: sqlite3.Connection, name: str, heard: Iterable[tuple[Arrival, Accepted]], now: Micros) -> None:
    cursor: int | None = None
    events = 0
    bad: list[Arrival] = []
    for arrival, accepted in heard:
        # A cursor that no column holds is a peer's nonsense: it must neither stop the source nor send it into the future.
        if arrival.cursor is not None and -LARGEST <= arrival.cursor <= LARGEST:
            cursor = arrival.cursor if cursor is None else max(cursor, arrival.cursor)
        events += arrival.event is not None and accepted.fresh
        if arrival.bad is not None:
            bad.append(arrival)
    source = text(name)
    last = text(bad[-1].bad or "") if bad else ""
    values = {"name": source, "cursor": cursor, "now": now, "events": events, "bad_frames": len(bad), "last_bad": last}
    db.execute(sql.text("heard"), values)
    if bad:
        frames = [(source, now, text(one.bad or ""), one.frame[:FRAME]) for one in bad[-RING:]]
        db.executemany("INSERT INTO bad_frames (source, at, why, frame) VALUES (?, ?, ?, ?)", frames)
        db.execute(sql.text("trim_bad_frames"), {"source": source, "keep": RING})
        db.execute(_TRIM_ALL, {"keep": RINGS})
