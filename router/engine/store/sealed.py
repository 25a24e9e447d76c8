"""Repos' secrets, as they are kept: encrypted before they come here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.engine.store.base import SealedSecret
from router.engine.store.rows import text

if TYPE_CHECKING:
    import sqlite3


def secrets(db: sqlite3.Connection, repo: str) -> list[SealedSecret]:
    """See Store.secrets."""
    wanted = "SELECT repo, key, sealed, created, creator FROM secrets WHERE repo = ? ORDER BY key"
    return [SealedSecret(**dict(row)) for row in db.execute(wanted, (text(repo),))]


def add_secret(db: sqlite3.Connection, secret: SealedSecret) -> bool:
    """See Store.add_secret."""
    values = (text(secret.repo), text(secret.key), secret.sealed, secret.created, text(secret.creator))
    added = "INSERT OR IGNORE INTO secrets (repo, key, sealed, created, creator) VALUES (?, ?, ?, ?, ?)"
    return bool(db.execute(added, values).rowcount)


def remove_secret(db: sqlite3.Connection, repo: str, key: str) -> bool:
    """See Store.remove_secret."""
    return bool(db.execute("DELETE FROM secrets WHERE repo = ? AND key = ?", (text(repo), text(key))).rowcount)
