"""The status journal: what we have told, or will tell, of each workflow. Nothing here is ever changed or taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from router.core.combine import is_news
from router.core.model import Entry, Status, changed
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


class Last(Protocol):
    """The newest status of a delivery's workflow: nulls where there is none. The rest is of the delivery."""

    @property
    def number(self) -> int: ...
    @property
    def status(self) -> str | None: ...
    @property
    def at(self) -> Micros | None: ...
    @property
    def run(self) -> int: ...
    @property
    def pipeline(self) -> str | None: ...


class _Last(NamedTuple):
    number: int
    status: str | None
    at: Micros | None
    run: int
    pipeline: str | None


def news(entry: Entry, last: Last) -> Entry | None:
    """As it is to stand in the journal after the `last`; None where it is no news. Readers order a workflow's statuses by `at`,
    so it grows."""
    if not is_news(Status(last.status) if last.status else None, entry.status):
        return None
    code = None if entry.exit_code is None else integer(entry.exit_code)
    at = max(integer(entry.at), (last.at or 0) + 1)
    return changed(entry, workflow=text(entry.workflow), at=at, exit_code=code)


_WRITTEN = """
WITH new (delivery, workflow, run, status, at, error, exit_code, url) AS (VALUES (:rows))
INSERT INTO statuses (delivery, workflow, run, status, at, error, exit_code, url)
SELECT * FROM new WHERE delivery IS NOT NULL
"""


def write(db: sqlite3.Connection, told: Sequence[tuple[Entry, Last]], now: Micros) -> None:
    """Append what `news` returned; deliveries have it already."""
    sql.write(
        db,
        _WRITTEN,
        [
            (last.number, one.workflow, last.run, one.status, one.at, text(one.error), one.exit_code, text(one.url))
            for one, last in told
        ],
    )
    for one, last in told:
        if last.pipeline is not None:
            pipelines.combine(db, last.pipeline, one.workflow, now)


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
    db.execute("UPDATE deliveries SET status = ? WHERE number = ? AND workflow = ?", (told.status, last.number, workflow))
    write(db, [(told, last)], now)
    return told


def _last(db: sqlite3.Connection, delivery: str, workflow: str) -> Last | None:
    """None for an unknown delivery."""
    row = db.execute(sql.text("last_status"), (workflow, text(delivery))).fetchone()
    return None if row is None else _Last(*row)
