"""The status journal: what we have told, or will tell, of each workflow. Nothing here is ever changed or taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.core.combine import is_news
from router.core.model import Entry, Status, like
from router.engine.store import pipelines, sql
from router.engine.store.base import OpenReceipt, Told
from router.engine.store.rows import entry_of, event_of, integer, receipt_of, text

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence

    from router.core.model import Micros


def tell(db: sqlite3.Connection, entries: Iterable[Entry], now: Micros) -> list[Entry]:
    """Append those that are news, and return them as they stand in the journal. What that makes of their pipelines is
    announced."""
    return [told for entry in entries if (told := _append(db, entry, now)) is not None]


def news(entry: Entry, last: sqlite3.Row) -> Entry | None:
    """As it is to stand in the journal after the `last` of its workflow (`status` and `at`, nulls where there is none); None
    where it is no news. Readers order a workflow's statuses by `at`, so it grows."""
    if not is_news(Status(last["status"]) if last["status"] else None, entry.status):
        return None
    code = None if entry.exit_code is None else integer(entry.exit_code)
    at = max(integer(entry.at), (last["at"] or 0) + 1)
    return like(entry, workflow=text(entry.workflow), at=at, exit_code=code)


def write(db: sqlite3.Connection, told: Sequence[tuple[Entry, sqlite3.Row]], now: Micros) -> None:
    """Append what `news` returned, each with a row that has its delivery's `run` and `pipeline`; deliveries have it already."""
    db.executemany(
        "INSERT INTO statuses (delivery, workflow, run, status, at, error, exit_code, url) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (one.delivery, one.workflow, row["run"], one.status, one.at, text(one.error), one.exit_code, text(one.url))
            for one, row in told
        ],
    )
    for one, row in told:
        if row["pipeline"] is not None:
            pipelines.combine(db, row["pipeline"], one.workflow, now)


def cancel(db: sqlite3.Connection, delivery: str, workflow: str, why: str, now: Micros) -> list[Entry]:
    """A delivery that will never be made says so, unless it is over already or never told anything."""
    if not workflow:
        return []
    return tell(db, [Entry(delivery=delivery, workflow=workflow, status=Status.CANCELLED, at=now, error=why)], now)


def journal(db: sqlite3.Connection, after: int, limit: int) -> list[Told]:
    """The rows after `after`, in order."""
    rows = db.execute(sql.text("journal"), {"after": integer(after), "limit": limit})
    return [_told(row) for row in rows]


def open_receipts(db: sqlite3.Connection, provider: str, after: int, limit: int) -> list[OpenReceipt]:
    """Made, and not over as far as we know."""
    return _open(db.execute(sql.text("open_receipts"), {"provider": provider, "after": after, "limit": limit}))


def silent(db: sqlite3.Connection, since: Micros, limit: int) -> list[OpenReceipt]:
    """See Store.silent."""
    return _open(db.execute(sql.text("silent"), {"since": since, "limit": limit}))


def _open(rows: Iterable[sqlite3.Row]) -> list[OpenReceipt]:
    return [
        OpenReceipt(
            number=row["number"],
            delivery=row["id"],
            provider=row["provider"],
            workflow=row["workflow"],
            receipt=receipt_of(row["receipt"]),
            status=row["status"],
        )
        for row in rows
    ]


def _told(row: sqlite3.Row) -> Told:
    before = row["before"]
    outdated = before == "later"
    return Told(
        number=row["journal"],
        entry=entry_of(row),
        rule=row["rule"],
        event=event_of(row),
        run=row["journal_run"],
        previous=Status(before) if before and not outdated else None,
        outdated=outdated,
    )


def _append(db: sqlite3.Connection, entry: Entry, now: Micros) -> Entry | None:
    """Nothing is told of a delivery that the store does not know."""
    workflow = text(entry.workflow)
    last = _last(db, entry.delivery, workflow)
    told = None if last is None else news(entry, last)
    if last is None or told is None:
        return None
    db.execute("UPDATE deliveries SET status = ? WHERE id = ? AND workflow = ?", (told.status, told.delivery, workflow))
    write(db, [(told, last)], now)
    return told


def _last(db: sqlite3.Connection, delivery: str, workflow: str) -> sqlite3.Row | None:
    """The newest status of a delivery's workflow: a row of nulls where there is none yet, None for an unknown delivery."""
    rows: Sequence[sqlite3.Row] = db.execute(sql.text("last_status"), (workflow, text(delivery))).fetchall()
    return rows[0] if rows else None
