"""Opening SQLite so that a commit means what it says, and what its errors mean to us.

WAL with synchronous=FULL: a commit that returned survives a power cut, as far as the disk keeps its word. One connection
writes: SQLite before 3.51.3 can corrupt a WAL database that two connections write or checkpoint, and Debian still ships 3.40.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

from router.core.errors import StoreBroken, StoreError
from router.engine.store import migrations

if TYPE_CHECKING:
    from collections.abc import Callable

MEMORY = ":memory:"
#: Seconds that SQLite itself waits for a lock before it says so.
BUSY = 5.0


def open_writing(path: str, busy: float = BUSY) -> sqlite3.Connection:
    """The connection that writes, with today's schema. Raises StoreError."""
    try:
        connection = sqlite3.connect(path, timeout=busy, isolation_level=None)
    except sqlite3.Error as error:
        raise explain(error, path) from error
    return _checked(connection, path, _prepare)


def open_reading(path: str, busy: float = BUSY) -> sqlite3.Connection:
    """A connection that cannot write, beside a running router or without one. Raises StoreError."""
    uri = Path(path).resolve().as_uri() + "?mode=ro"
    try:
        connection = sqlite3.connect(uri, timeout=busy, isolation_level=None, uri=True)
    except sqlite3.Error as error:
        raise explain(error, path) from error
    return _checked(connection, path, migrations.check)


def explain(error: sqlite3.Error, path: str) -> StoreError:
    """What went wrong and what to do. StoreBroken where the disk failed."""
    match code(error):
        case sqlite3.SQLITE_IOERR:
            return StoreBroken(f"The disk failed under the store {path}: {error}. Check the disk and the kernel's log.")
        case sqlite3.SQLITE_FULL:
            return StoreError(f"The disk that holds the store {path} is full. Make room and start again: nothing is lost.")
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return StoreError(f"The store {path} is corrupt or no database: {error}. Restore a backup; it was left as it is.")
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return StoreError(f"The store {path} is kept locked by another program. Close it there (a sqlite3 shell?).")
        case _:
            return StoreError(f"The store {path} cannot be used: {error}.")


def code(error: BaseException) -> int:
    """SQLite's primary result code, or 0 where it is not SQLite that complains."""
    extended = getattr(error, "sqlite_errorcode", None) or 0
    return int(extended) & 0xFF


def _checked(connection: sqlite3.Connection, path: str, prepare: Callable[[sqlite3.Connection], None]) -> sqlite3.Connection:
    try:
        prepare(connection)
    except sqlite3.Error as error:
        connection.close()
        raise explain(error, path) from error
    except StoreError as error:
        connection.close()
        raise StoreError(f"The store {path} cannot be used: {error}.") from None
    connection.row_factory = sqlite3.Row
    return connection


def _prepare(connection: sqlite3.Connection) -> None:
    found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise StoreError(f"it is corrupt ({found}); restore a backup, the file was left as it is")
    migrations.refuse_strangers(connection)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA journal_size_limit = 67108864")
    migrations.migrate(connection)
