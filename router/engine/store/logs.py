"""What deliveries said while they ran, line by line."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from router.core.model import LogLine
from router.engine.store import quotas
from router.engine.store.rows import as_json, from_json, text

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from router.core.model import Micros
    from router.engine.store.policy import Policy


def write_log(
    db: sqlite3.Connection, delivery: str, run: int, first: int, lines: Sequence[LogLine], policy: Policy, now: Micros
) -> None:
    """See Store.write_log."""
    rows = [(text(delivery), run, first + offset, as_json(asdict(line))) for offset, line in enumerate(lines)]
    db.executemany("INSERT OR IGNORE INTO logs (delivery, run, number, line) VALUES (?, ?, ?, ?)", rows)
    whose = "SELECT q.account, q.knot FROM deliveries AS d JOIN queues AS q ON q.number = d.queue WHERE d.id = ?"
    for owner in db.execute(whose, (text(delivery),)).fetchall():
        quotas.store(db, policy, owner["account"], owner["knot"], sum(len(row[3]) for row in rows), now)


def log(db: sqlite3.Connection, delivery: str, run: int, after: int, limit: int) -> list[LogLine]:
    """See Store.log."""
    wanted = "SELECT line FROM logs WHERE delivery = ? AND run = ? AND number >= ? ORDER BY number LIMIT ?"
    return [LogLine(**from_json(row["line"])) for row in db.execute(wanted, (text(delivery), run, after, limit))]
