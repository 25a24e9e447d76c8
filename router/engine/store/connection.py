"""Opening SQLite so that a commit means what it says, and what its errors mean to us.

WAL with synchronous=FULL: a commit that returned survives a power cut, as far as the disk keeps its word. One connection
writes: SQLite before 3.51.3 can corrupt a WAL database that two connections write or checkpoint, and Debian still ships 3.40.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

from router.core.errors import StoreBroken, StoreCorrupt, StoreError, StoreFull
from router.engine.store import migrations

if TYPE_CHECKING:
    from collections.abc import Callable

MEMORY = ":memory:"
#: Seconds that SQLite itself waits for a lock before it says so.
BUSY = 5.0
#: Rows that are changed between two checkpoints: 250 pages of the WAL where many are changed at once, 2,100 where deliveries
#: are made one by one. SQLite would make one by itself after a thousand.
CHECKPOINT = 1_000
#: What a store that cannot be read ends with, wherever that is told.
RESTORE = "It was left as it is. To put a backup in its place: router restore BACKUP"


def open_writing(path: str, busy: float = BUSY) -> sqlite3.Connection:
    """The connection that writes, with today's schema. Raises StoreError."""
    looked = False
    if path != MEMORY:
        _make(Path(path))
        looked = _look(path, busy)
    try:
        connection = sqlite3.connect(path, timeout=busy, isolation_level=None)
    except sqlite3.Error as error:
        raise explain(error, path) from error
    return _checked(connection, path, _prepare if looked else _look_and_prepare)


def open_reading(path: str, busy: float = BUSY) -> sqlite3.Connection:
    """A connection that cannot write, beside a running router or without one. Raises StoreError."""
    return _checked(_read_only(path, busy), path, migrations.check)


def open_any(path: str, busy: float = BUSY) -> sqlite3.Connection:
    """A connection that cannot write, to a store of any version up to this one. Raises StoreError."""
    return _checked(_read_only(path, busy), path, _whole)


def full(path: str) -> StoreFull:
    """What there is to say of a disk without room."""
    return StoreFull(f"The disk that holds the store {path} is full. Make room there: nothing is lost.")


def explain(error: sqlite3.Error, path: str) -> StoreError:
    """What went wrong and what to do. StoreBroken where the disk failed."""
    match code(error):
        # The index of the WAL is a file that grows, too, and SQLite has no other word for a disk that has no room for it.
        case sqlite3.SQLITE_IOERR if error.sqlite_errorcode == sqlite3.SQLITE_IOERR_SHMSIZE:
            return full(path)
        case sqlite3.SQLITE_IOERR:
            return StoreBroken(f"The disk failed under the store {path}: {error}. Check the disk and the kernel's log.")
        case sqlite3.SQLITE_FULL:
            return full(path)
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return StoreCorrupt(f"The store {path} is corrupt or no database: {error}. {RESTORE}")
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return StoreError(f"The store {path} is kept locked by another program. Close it there (a sqlite3 shell?).")
        case sqlite3.SQLITE_READONLY:
            return StoreError(f"The store {path} cannot be written: {error}. It needs a disk and a folder that may be written.")
        case _:
            return StoreError(f"The store {path} cannot be used: {error}.")


def refuse_folder(path: Path) -> None:
    """Raises StoreError."""
    if path.is_dir():
        raise StoreError(f"The store {path} is a folder: `store.path` names a file, which the router makes.")


def code(error: BaseException) -> int:
    """SQLite's primary result code, or 0 where it is not SQLite that complains."""
    extended = getattr(error, "sqlite_errorcode", None) or 0
    return int(extended) & 0xFF


class Checkpoints:
    """Moves what is committed from the WAL to its place, now and then.

    SQLite would do so by itself, and pass over an fsync that fails meanwhile: the next one succeeds although the kernel has
    dropped the pages, and then the WAL, the only good copy, is written over. Asked for, it tells.
    """

    def __init__(self, every: int = CHECKPOINT) -> None:
        self.every = every
        self._before = 0

    def after_commit(self, connection: sqlite3.Connection) -> None:
        """Raises sqlite3.Error. A full disk is none: what is in the WAL is stored."""
        if connection.total_changes - self._before >= self.every:
            self._before = connection.total_changes
            checkpoint(connection)


def checkpoint(connection: sqlite3.Connection) -> None:
    """As much as is possible beside those who read. Outside of any transaction."""
    try:
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
    except sqlite3.Error as error:
        if code(error) != sqlite3.SQLITE_FULL:
            raise


def _make(path: Path) -> None:
    """The file, for its owner alone: SQLite would make it as the umask says, and gives its WAL the same mode."""
    try:
        _refuse_lost(path)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        _close_to_others(path)
    except OSError as error:
        raise StoreError(f"The store {path} cannot be opened: {error.strerror}.") from None


def _refuse_lost(path: Path) -> None:
    """A store that was there and is not is never made anew. Raises StoreCorrupt.

    SQLite would delete the WAL of an empty file, and everything that was ever committed may be in it. A ballast shows that
    there was a store; without the file, somebody may have deleted it to begin anew.
    """
    there = path.exists()
    if there and path.stat().st_size:
        return
    wal, ballast = (path.with_name(path.name + ending) for ending in ("-wal", ".ballast"))
    if wal.exists() and wal.stat().st_size:
        raise StoreCorrupt(f"The store {path} is {'empty' if there else 'gone'}, and {wal.name} beside it is not. {RESTORE}")
    if there and ballast.exists():
        raise StoreCorrupt(f"The store {path} is empty, and was not: {ballast.name} is beside it. {RESTORE}")


def _close_to_others(path: Path) -> None:
    """Older versions made it as the umask said. A group that somebody let in stays in."""
    about = path.stat()
    if about.st_mode & 0o007 and about.st_uid == os.getuid():
        path.chmod(about.st_mode & 0o770)


def _read_only(path: str, busy: float) -> sqlite3.Connection:
    refuse_folder(Path(path))
    uri = Path(path).resolve().as_uri() + "?mode=ro"
    try:
        return sqlite3.connect(uri, timeout=busy, isolation_level=None, uri=True)
    except sqlite3.Error as error:
        raise explain(error, path) from error


def _look(path: str, busy: float) -> bool:
    """Whether the file could be looked at, and is whole and ours. By a connection that changes nothing: one that may write
    moves the WAL into a damaged file when it is closed. Raises StoreError.
    """
    try:
        _checked(_read_only(path, busy), path, _whole).close()
    except StoreError as error:
        # The very first start was cut off, which only a connection that may write can mend.
        if isinstance(error.__cause__, sqlite3.Error) and code(error.__cause__) == sqlite3.SQLITE_READONLY:
            return False
        raise
    return True


def _look_and_prepare(connection: sqlite3.Connection) -> None:
    _whole(connection)
    _prepare(connection)


def _whole(connection: sqlite3.Connection) -> None:
    found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise StoreCorrupt(str(found).strip().replace("\n", " "))
    migrations.refuse_strangers(connection)


def _checked(connection: sqlite3.Connection, path: str, prepare: Callable[[sqlite3.Connection], None]) -> sqlite3.Connection:
    try:
        prepare(connection)
    except sqlite3.Error as error:
        connection.close()
        raise explain(error, path) from error
    except StoreCorrupt as error:
        connection.close()
        raise StoreCorrupt(f"The store {path} is corrupt: {error}. {RESTORE}") from None
    except StoreError as error:
        connection.close()
        raise StoreError(f"The store {path} cannot be used: {error}.") from None
    connection.row_factory = sqlite3.Row
    return connection


def _prepare(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA journal_size_limit = 67108864")
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    migrations.migrate(connection)
    # What statements keep aside are a few rows of ours. Not before: an index that is made of everything is sorted on the disk.
    connection.execute("PRAGMA temp_store = MEMORY")
