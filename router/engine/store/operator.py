"""What an operator paused, and how often rules matched."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.engine.store.base import Backlog, Hits
from router.engine.store.bulk import Insertion
from router.engine.store.rows import text

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

    from router.core.model import Micros

_OLDEST = """
SELECT min(due) FROM deliveries
WHERE state = :state AND due <= :now AND rule NOT IN (SELECT name FROM paused WHERE kind = 'rule')
"""

_COUNT = Insertion(
    "rule_hits",
    ("rule", "hits", "last"),
    more="ON CONFLICT (rule) DO UPDATE SET hits = hits + excluded.hits, last = max(last, excluded.last)",
)


def pause(db: sqlite3.Connection, kind: str, name: str, now: Micros) -> bool:
    """See Store.pause."""
    made = db.execute("INSERT OR IGNORE INTO paused (kind, name, at) VALUES (?, ?, ?)", (text(kind), text(name), now))
    return made.rowcount > 0


def resume(db: sqlite3.Connection, kind: str, name: str) -> bool:
    """See Store.resume."""
    return db.execute("DELETE FROM paused WHERE kind = ? AND name = ?", (text(kind), text(name))).rowcount > 0


def paused(db: sqlite3.Connection, kind: str) -> dict[str, Micros]:
    """See Store.paused."""
    found = db.execute("SELECT name, at FROM paused WHERE kind = ? ORDER BY name", (text(kind),))
    return {row["name"]: row["at"] for row in found}


def hits(db: sqlite3.Connection) -> dict[str, Hits]:
    """See Store.hits."""
    found = db.execute("SELECT rule, hits, last FROM rule_hits ORDER BY rule")
    return {row["rule"]: Hits(count=row["hits"], last=row["last"]) for row in found}


def count_hits(db: sqlite3.Connection, hits: Mapping[str, int], now: Micros) -> None:
    """So many more events matched each of these rules."""
    _COUNT.insert(db, [(text(rule), count, now) for rule, count in hits.items()])


def backlog(db: sqlite3.Connection, now: Micros) -> Backlog:
    """See Store.backlog."""
    undecided = db.execute("SELECT count(*) FROM events WHERE undecided = 1").fetchone()[0]
    due = [db.execute(_OLDEST, {"state": state, "now": now}).fetchone()[0] for state in ("ready", "verify")]
    skipped = db.execute("SELECT count FROM tallies WHERE name = 'skipped'").fetchone()[0]
    return Backlog(undecided=undecided, due=min((one for one in due if one is not None), default=None), skipped=skipped)
