"""The store as a file: whose it is, what version, whole or not, and one process at a time."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from router.core.errors import StoreError
from router.core.model import State
from router.engine.store.connection import open_writing
from router.engine.store.migrations import STEPS, migrations
from router.engine.store.sqlite import open_store
from tests.engine.store.parts import NOW, accept, claim, done, row, state

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]
HOLDER = """
import asyncio, sys
from router.engine.store.sqlite import open_store

async def main():
    store = await open_store(sys.argv[1])
    print("open", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def content(path: Path) -> bytes:
    return path.read_bytes()


def put(path: Path, text: bytes) -> None:
    path.write_bytes(text)


@pytest.fixture
def holder(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another router with the store open."""
    command = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        yield process
        process.kill()


async def test_two_processes_never_share_a_store(path: Path, holder: subprocess.Popen[str]) -> None:
    """The second is told which process has which store; `kill -9` frees it."""
    with pytest.raises(StoreError, match=rf"{path} is in use by another router, process {holder.pid}\. Stop"):
        await open_store(path)
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    store = await open_store(path)
    assert path.with_name("router.db.lock").read_text() == f"{os.getpid()}\n"
    await store.close()


async def test_one_process_does_not_open_it_twice_either(path: Path) -> None:
    """Until it is closed."""
    store = await open_store(path)
    with pytest.raises(StoreError, match=str(os.getpid())):
        await open_store(path)
    await store.close()
    await (await open_store(path)).close()


async def test_a_store_that_could_not_be_opened_is_not_locked(path: Path) -> None:
    """Whoever mends it can start at once."""
    put(path, b"no database at all, but quite long enough to be one, if only just." * 10)
    with pytest.raises(StoreError):
        await open_store(path)
    put(path, b"")
    await (await open_store(path)).close()


async def test_what_was_stored_is_there_after_a_restart(path: Path) -> None:
    """And what was under way is looked up, though its lease would go on: its process is gone."""
    first = await open_store(path)
    await accept(first, "e1", "d1", "d2", workflow="ci")
    [got, _] = await claim(first)
    await first.settle(got, done(), NOW)
    await first.remember("handle", {"a.example": "did:plc:a"}, NOW)
    await first.close()

    again = await open_store(path)
    assert await again.recover(NOW + 1) == 1
    [lost] = await claim(again, now=NOW + 1)
    assert (lost.delivery.id, lost.verify, lost.failed_at) == ("d2", True, NOW + 1)
    assert await again.recover(NOW + 2) == 0
    assert await state(again, "d1") is State.DONE
    assert await again.facts("handle") == {"a.example": "did:plc:a"}
    assert len(await again.journal(0)) == 2
    await again.close()


async def test_a_commit_means_what_it_says(path: Path) -> None:
    """WAL, FULL and foreign keys, and nothing left beside a store that was closed."""
    connection = open_writing(str(path))
    asked = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
    assert [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in asked] == ["wal", 2, 1, 5000]
    connection.close()
    store = await open_store(path)
    await accept(store, "e1", "d1")
    await store.close()
    assert sorted(file.name for file in path.parent.iterdir()) == ["router.db", "router.db.lock"]


async def test_a_newer_versions_store_is_refused(path: Path) -> None:
    """Reading or writing: we would not understand it."""
    await (await open_store(path)).close()
    with sqlite3.connect(path) as db:
        db.execute("INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('router', 'm9999_later', '')")
    db.close()
    for read_only in (False, True):
        with pytest.raises(StoreError, match=r"newer version of the router: install"):
            await open_store(path, read_only=read_only)


async def test_another_programs_database_is_left_alone(path: Path) -> None:
    """Not one table of ours is put into it."""
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE bookmarks (url TEXT)")
    db.close()
    before = content(path)
    for read_only in (False, True):
        with pytest.raises(StoreError, match="another program's database"):
            await open_store(path, read_only=read_only)
    assert content(path) == before


async def test_a_corrupt_store_is_refused_and_left_alone(path: Path) -> None:
    """Never recreated: what is left of it is the operator's to save."""
    store = await open_store(path)
    for number in range(50):
        await accept(store, f"e{number}", f"d{number}")
    await store.close()
    good = content(path)
    flipped = good[:8192] + b"\xff" * 4096 + good[12288:]
    for bad in (flipped, b"not a database, and long enough for a header of one " * 4, good[: len(good) // 2]):
        put(path, bad)
        with pytest.raises(StoreError, match=r"corrupt|no database"):
            await open_store(path)
        assert content(path) == bad


async def test_a_crash_in_the_very_first_start_is_no_stranger(path: Path) -> None:
    """A file with nothing but the table of migrations is ours."""
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE _sqlite_migrations (id INTEGER PRIMARY KEY, migration_set TEXT, name TEXT, applied_at TEXT)")
    db.close()
    store = await open_store(path)
    assert await store.counts() == {}
    await store.close()


async def test_a_missing_folder_is_a_sentence(tmp_path: Path) -> None:
    """With the path, and no traceback's words."""
    with pytest.raises(StoreError, match=r"nowhere.*cannot be opened"):
        await open_store(tmp_path / "nowhere" / "router.db")
    with pytest.raises(StoreError, match=r"nowhere.*cannot be used"):
        await open_store(tmp_path / "nowhere" / "router.db", read_only=True)


async def test_reading_beside_a_running_router(path: Path) -> None:
    """Needs no lock, sees what is committed, and changes nothing."""
    writing = await open_store(path)
    await accept(writing, "e1", "d1")
    reading = await open_store(path, read_only=True)
    assert (await row(reading, "d1")).state is State.READY
    await accept(writing, "e2", "d2")
    assert len(await reading.deliveries()) == 2
    for change in (accept(reading, "e3"), claim(reading), reading.retry(["d1"], NOW), reading.recover(NOW)):
        with pytest.raises(StoreError, match="reading only"):
            await change
    await reading.close()
    await writing.close()


async def test_reading_where_no_router_runs(path: Path) -> None:
    """After a clean stop there is no WAL to read beside."""
    writing = await open_store(path)
    await accept(writing, "e1", "d1")
    await writing.close()
    reading = await open_store(path, read_only=True)
    assert await reading.counts() == {State.READY: 1}
    await reading.close()


async def test_reading_does_not_upgrade(path: Path) -> None:
    """An older store is read by the version that wrote it, or upgraded by `router run`."""
    put(path, b"")
    with pytest.raises(StoreError, match="older version of the router: start `router run`"):
        await open_store(path, read_only=True)


def test_migrations_are_recorded(path: Path) -> None:
    """Each once, under the router's name."""
    from sqlite_utils import Database  # noqa: PLC0415 - only here

    for _ in range(2):
        connection = open_writing(str(path))
        applied = [migration.name for migration in migrations().applied(Database(connection))]
        connection.close()
        assert applied == [step.__name__ for step in STEPS]
