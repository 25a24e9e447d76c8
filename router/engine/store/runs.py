"""Deliveries as parts of pipelines: who does what, what is done once more, and what is not wanted any more."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from router.core import tid
from router.core.model import Entry, State, Status, Workflow
from router.engine.store import journal, once, pipelines
from router.engine.store.base import Run
from router.engine.store.rows import from_json, receipt_json, receipt_of, text

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from router.core.model import Micros, Receipt

#: Microseconds for which a rerun is remembered, so that it is not made twice: peers tell of one within days.
_REMEMBERED: Micros = 90 * 86_400_000_000
#: What tells the TIDs of reruns from others of the same microsecond.
_MAKER = 2
_OVER = "status IN ('failed', 'timeout', 'cancelled', 'success')"


def runs(db: sqlite3.Connection, pipeline: str) -> list[Run]:
    """See Store.runs."""
    return [_run(row) for row in db.execute("SELECT * FROM deliveries WHERE pipeline = ? ORDER BY number", (pipeline,))]


def run_of(db: sqlite3.Connection, delivery: str) -> Run | None:
    """See Store.run_of."""
    row = db.execute("SELECT * FROM deliveries WHERE id = ?", (text(delivery),)).fetchone()
    return None if row is None else _run(row)


def made_since(db: sqlite3.Connection, provider: str, since: Micros, limit: int) -> list[Receipt]:
    """See Store.made_since."""
    wanted = """
        SELECT receipt FROM deliveries INDEXED BY deliveries_made
        WHERE state = 'done' AND provider = ? AND updated >= ? AND receipt IS NOT NULL ORDER BY updated DESC LIMIT ?
    """
    return [receipt_of(row["receipt"]) for row in db.execute(wanted, (text(provider), since, limit))]


def adopt(db: sqlite3.Connection, delivery: str, receipt: Receipt, now: Micros) -> None:
    """See Store.adopt."""
    db.execute("UPDATE deliveries SET receipt = ?, updated = ? WHERE id = ?", (receipt_json(receipt), now, text(delivery)))


def rerun(db: sqlite3.Connection, delivery: str, receipt: Receipt | None, key: str, now: Micros) -> bool:
    """See Store.rerun."""
    row = _over(db, delivery)
    if row is None or not once.use(db, "rerun", f"{delivery} {text(key)}", now + _REMEMBERED, now):
        return False
    _again(db, row, now)
    if receipt is not None:
        db.execute("UPDATE deliveries SET receipt = ?, state = 'done' WHERE id = ?", (receipt_json(receipt), delivery))
    return True


def reopen(db: sqlite3.Connection, delivery: str, now: Micros) -> None:
    """A delivery is to be made again: what it told, if that was the end, is history."""
    row = _over(db, delivery)
    if row is not None:
        _again(db, row, now)


def _over(db: sqlite3.Connection, delivery: str) -> sqlite3.Row | None:
    found = db.execute(f"SELECT * FROM deliveries WHERE id = ? AND {_OVER}", (text(delivery),)).fetchall()  # noqa: S608
    return found[0] if found else None


def _again(db: sqlite3.Connection, row: sqlite3.Row, now: Micros) -> None:
    """A delivery's statuses from the beginning, in a pipeline of its own if it was in one: a final status never leaves."""
    run, delivery, workflow = row["run"] + 1, row["id"], row["workflow"]
    before = pipelines.pipeline(db, row["pipeline"]) if row["pipeline"] else None
    name = None
    if before is not None:
        name = _unused(db, now)
        fresh = replace(
            before, id=name, key=f"{before.key} {delivery} {run}", names=(), workflows=(Workflow(name=workflow),), created=0
        )
        pipelines.begin(db, fresh, row["event"], now)
    changed = "UPDATE deliveries SET run = ?, pipeline = ?, status = '', cancel_at = 0, cancel_why = '' WHERE id = ?"
    db.execute(changed, (run, name, delivery))
    journal.tell(db, [Entry(delivery=delivery, workflow=workflow, status=Status.PENDING, at=now)], now)


def _unused(db: sqlite3.Connection, now: Micros) -> str:
    while db.execute("SELECT 1 FROM pipelines WHERE id = ?", (tid.make(now, _MAKER),)).fetchone():
        now += 1
    return tid.make(now, _MAKER)


def ask_cancel(db: sqlite3.Connection, pipeline: str, names: Sequence[str], why: str, now: Micros) -> list[str]:
    """See Store.ask_cancel."""
    wanted = {text(name) for name in names}
    open_ones = [one.name for one in pipelines.workflows(db, pipeline) if one.status is None or not one.status.final]
    chosen = [name for name in open_ones if not wanted or name in wanted]
    for row in db.execute("SELECT * FROM deliveries WHERE pipeline = ? ORDER BY number", (pipeline,)).fetchall():
        if row["workflow"] in chosen and not (row["status"] and Status(row["status"]).final):
            _unwanted(db, row, text(why), now)
    return chosen


def _unwanted(db: sqlite3.Connection, row: sqlite3.Row, why: str, now: Micros) -> None:
    if row["state"] == State.READY:
        discarded = "UPDATE deliveries SET state = 'discarded', reason = ?, updated = ? WHERE id = ?"
        db.execute(discarded, (why, now, row["id"]))
        journal.cancel(db, row["id"], row["workflow"], why, now)
    else:
        mark(db, row["id"], why, now)


def mark(db: sqlite3.Connection, delivery: str, why: str, now: Micros) -> None:
    """What is under way, or may be, is to be stopped. Asking again changes nothing."""
    marked = "UPDATE deliveries SET cancel_at = ?, cancel_why = ? WHERE id = ? AND cancel_at = 0"
    db.execute(marked, (now, text(why), delivery))


def to_cancel(db: sqlite3.Connection, provider: str, limit: int) -> list[Run]:
    """See Store.to_cancel."""
    wanted = f"""
        SELECT * FROM deliveries
        WHERE cancel_at > 0 AND NOT {_OVER} AND provider = ? AND state IN ('claimed', 'done')
        ORDER BY cancel_at, number LIMIT ?
    """  # noqa: S608
    return [_run(row) for row in db.execute(wanted, (text(provider), limit))]


def _run(row: sqlite3.Row) -> Run:
    return Run(
        delivery=row["id"],
        run=row["run"],
        workflow=row["workflow"],
        provider=row["provider"],
        state=State(row["state"]),
        status=Status(row["status"]) if row["status"] else None,
        receipt=receipt_of(row["receipt"]) if row["receipt"] else None,
        options=from_json(row["options"]),
        why=row["cancel_why"],
    )
