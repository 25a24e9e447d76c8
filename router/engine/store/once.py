"""What may happen once only, remembered for as long as it could come again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.engine.store.rows import integer, text

if TYPE_CHECKING:
    import sqlite3

    from router.core.model import Micros


def use(db: sqlite3.Connection, kind: str, key: str, until: Micros, now: Micros) -> bool:
    """See Store.use."""
    db.execute("DELETE FROM used WHERE until < ?", (now,))
    used = "INSERT OR IGNORE INTO used (kind, key, until) VALUES (?, ?, ?)"
    return bool(db.execute(used, (text(kind), text(key), integer(until))).rowcount)
