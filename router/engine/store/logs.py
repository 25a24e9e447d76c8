"""What deliveries said while they ran, line by line."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from router.core.model import LogLine
from router.engine.store.rows import as_json, from_json, text

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence


def write_log(db: sqlite3.Connection, delivery: str, run: int, first: int, lines: Sequence[LogLine]) -> None:
    """See Store.write_log."""
    rows = [(text(delivery), run, first + offset, as_json(asdict(line))) for offset, line in enumerate(lines)]
    db.executemany("INSERT OR IGNORE INTO logs (delivery, run, number, line) VALUES (?, ?, ?, ?)", rows)


def log(db: sqlite3.Connection, delivery: str, run: int, after: int, limit: int) -> list[LogLine]:
    """See Store.log."""
    wanted = "SELECT line FROM logs WHERE delivery = ? AND run = ? AND number >= ? ORDER BY number LIMIT ?"
    return [LogLine(**from_json(row["line"])) for row in db.execute(wanted, (text(delivery), run, after, limit))]
