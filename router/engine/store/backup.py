"""Copies of a store, made beside a running router, and put back without anything being done twice."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from router.core.errors import StoreCorrupt, StoreError
from router.engine.store import connection, restores
from router.engine.store.lock import Lock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from router.core.model import Micros

#: What is beside a store that is being replaced. While it is there, the store is not to be opened.
_COMING = ".restoring"
#: Bytes of a copy between two steps that are told, and steps of SQLite's machine between two looks at how large it is.
STEP, LOOK = 1 << 20, 1000


@dataclass(frozen=True, slots=True)
class Restored:
    """`copied` is when the copy was made, None where it does not say; `before` is where the store went that was there."""

    copied: Micros | None
    waiting: int
    before: Path | None


def back_up(store: Path, target: Path, now: Micros, step: Callable[[], object] = lambda: None) -> int:
    """A whole copy of what is committed now, in one file for its owner alone; its size in bytes. Needs no lock, and holds
    nobody up; `step` is called for each STEP of it that is written. Raises StoreError, and FileExistsError where there is
    something at `target`."""
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    part = target.with_name(target.name + ".part")
    try:
        _copy(store, part, step)
        with closing(sqlite3.connect(part, isolation_level=None)) as db:
            _mark(db, part, now)
        _sync(part)
        part.replace(target)
        _sync(target.parent)
    except BaseException:
        part.unlink(missing_ok=True)
        target.unlink(missing_ok=True)
        raise
    return target.stat().st_size


def restore(copy: Path, store: Path, now: Micros, stamp: str) -> Restored:
    """Put a copy in the place of the store, which goes aside under a name with `stamp`. A copy that is there already is only
    marked as one. Raises StoreError."""
    lock = Lock(store.with_name(store.name + ".lock"))
    try:
        lock.take(f"The store {store}")
    except OSError as error:
        raise StoreError(f"The store {store} cannot be replaced: {error.strerror}: {error.filename}.") from None
    try:
        if store.exists() and store.samefile(copy):
            copied, waiting = _prepare(store, now)
            return Restored(copied, waiting, None)
        part, coming = store.with_name(store.name + ".copying"), store.with_name(store.name + _COMING)
        _copy(copy, part)
        copied, waiting = _prepare(part, now)
        _sync(part)
        part.replace(coming)
        before = _put_aside(store, stamp)
        coming.replace(store)
        _sync(store.parent)
        return Restored(copied, waiting, before)
    finally:
        lock.release()


def refuse_half_restored(store: Path) -> None:
    """Raise StoreError where a restore was cut off between two files."""
    if store.with_name(store.name + _COMING).exists():
        raise StoreError(f"The store {store} was being replaced when that was cut off. Run `router restore BACKUP` once more.")


def _copy(source: Path, target: Path, step: Callable[[], object] = lambda: None) -> None:
    """By SQLite itself, so that what is in the WAL comes along, and what was deleted does not."""
    told = 0

    def look() -> None:
        nonlocal told
        while told < target.stat().st_size // STEP:
            told += 1
            step()

    try:
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
    except OSError as error:
        raise StoreError(f"A copy cannot be made at {target}: {error.strerror}.") from None
    try:
        with closing(connection.open_any(str(source))) as db:
            db.set_progress_handler(look, LOOK)
            db.execute("VACUUM INTO ?", (str(target),))
    except sqlite3.Error as error:
        target.unlink(missing_ok=True)
        if connection.code(error) == sqlite3.SQLITE_FULL:
            raise StoreError(f"There is no room for a copy of the store {source} at {target}.") from error
        raise connection.explain(error, str(source)) from error
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def _mark(db: sqlite3.Connection, path: Path, now: Micros) -> None:
    """Say in the copy that it is one, if its schema has a place for that, and see that it is whole."""
    try:
        if db.execute("SELECT 1 FROM sqlite_master WHERE name = 'restores'").fetchone():
            restores.mark(db, now)
        found = db.execute("PRAGMA integrity_check(1)").fetchone()[0]
    except sqlite3.Error as error:
        raise connection.explain(error, str(path)) from error
    if found != "ok":
        raise StoreCorrupt(f"The store is corrupt: {found}. It was left as it is, and no copy was made")


def _prepare(path: Path, now: Micros) -> tuple[Micros | None, int]:
    """Bring a copy to today's schema, with a mark. When it was made, and how many deliveries wait in it."""
    with closing(connection.open_writing(str(path))) as db:
        row = db.execute("SELECT max(copied) FROM restores WHERE began IS NULL").fetchone()
        if row[0] is None:
            restores.mark(db, now)
        waiting = db.execute("SELECT count(*) FROM deliveries WHERE state IN ('ready', 'claimed', 'verify')").fetchone()[0]
        connection.checkpoint(db)
    return row[0], waiting


def _put_aside(store: Path, stamp: str) -> Path | None:
    """With its WAL: without it, the file is not what was stored; and beside another file, it would be taken for that one's."""
    aside = store.with_name(f"{store.name}.before-{stamp}")
    wal = store.with_name(store.name + "-wal")
    with suppress(FileNotFoundError):
        store.rename(aside)
    if wal.exists() and wal.stat().st_size:
        wal.rename(aside.with_name(aside.name + "-wal"))
    for ending in ("-wal", "-shm"):
        store.with_name(store.name + ending).unlink(missing_ok=True)
    _sync(store.parent)
    return aside if aside.exists() else None


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
