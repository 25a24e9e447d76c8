"""Small facts that were expensive to learn: whose handle is whose, where a repo is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.engine.store.rows import as_json, from_json, text

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

    from router.core.model import Micros, Tree

_REPLACE = """
INSERT INTO facts (kind, key, value, updated) VALUES (?, ?, ?, ?)
ON CONFLICT (kind, key) DO UPDATE SET value = excluded.value, updated = excluded.updated
"""


def facts(db: sqlite3.Connection, kind: str) -> dict[str, Tree]:
    """See Store.facts."""
    found = db.execute("SELECT key, value FROM facts WHERE kind = ? ORDER BY key", (text(kind),))
    return {row["key"]: from_json(row["value"]) for row in found}


def remember(db: sqlite3.Connection, kind: str, facts: Mapping[str, Tree | None], now: Micros) -> None:
    """See Store.remember."""
    for key, value in facts.items():
        if value is None:
            db.execute("DELETE FROM facts WHERE kind = ? AND key = ?", (text(kind), text(key)))
        else:
            db.execute(_REPLACE, (text(kind), text(key), as_json(value), now))
