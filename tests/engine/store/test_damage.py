"""Files that are not what was written: a WAL that ends anywhere is a shorter history, and all else is refused as it is."""

# ruff: noqa: ASYNC221, ASYNC240 - files are what this is about

from __future__ import annotations

import os
import random
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from router.core.errors import StoreBroken, StoreCorrupt, StoreError
from router.engine.store.connection import RESTORE, Checkpoints, open_writing
from router.engine.store.sqlite import open_store
from tests.engine.store.parts import NOW, accept, arrival, delivery

ROOT = Path(__file__).parents[3]
EVENTS = 40


@pytest.fixture
async def killed(path: Path) -> tuple[bytes, bytes]:
    """A store and its WAL as `kill -9` leaves them: event, delivery, status and cursor in each of many commits."""
    store = await open_store(path)
    for number in range(1, EVENTS + 1):
        await store.accept([arrival(f"e{number}", delivery(f"d{number}", f"e{number}", workflow="ci"), cursor=number)], NOW)
    files = content(path), content(path.with_name("router.db-wal"))
    await store.close()
    path.unlink()
    return files


def content(path: Path) -> bytes:
    return path.read_bytes()


def put(path: Path, database: bytes, wal: bytes = b"") -> None:
    """The two files, and none of SQLite's others."""
    path.write_bytes(database)
    path.with_name("router.db-wal").write_bytes(wal)
    path.with_name("router.db-shm").unlink(missing_ok=True)


def history(path: Path) -> int:
    """How many events are in the store, once it is open; and whatever belongs to them is, too."""
    db = open_writing(str(path))
    try:
        assert db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        numbers = [row["id"] for row in db.execute("SELECT id FROM events ORDER BY number")]
        assert numbers == [f"e{number}" for number in range(1, len(numbers) + 1)]
        assert [row["id"] for row in db.execute("SELECT id FROM deliveries ORDER BY number")] == [
            f"d{one[1:]}" for one in numbers
        ]
        assert len(db.execute("SELECT * FROM statuses").fetchall()) == len(numbers)
        cursor = db.execute("SELECT cursor FROM sources").fetchone()
        assert (cursor["cursor"] if cursor else 0) == len(numbers)
    finally:
        db.close()
    return len(numbers)


@pytest.mark.fault("T-02", "T-09")
async def test_a_wal_that_ends_anywhere_is_a_shorter_history(path: Path, killed: tuple[bytes, bytes]) -> None:
    """Cut at any offset, as by a power cut, each transaction is there whole or is not, and none without those before."""
    database, wal = killed
    seed = random.randrange(1 << 32)
    print("seed", seed)
    cuts = sorted({0, 1, 31, 32, 33, len(wal) - 1, len(wal), *random.Random(seed).sample(range(len(wal)), 120)})
    found = []
    for cut in cuts:
        put(path, database, wal[:cut])
        found.append(history(path))
    assert found == sorted(found)
    assert (found[0], found[-1]) == (0, EVENTS)
    assert len(set(found)) > EVENTS // 2


@pytest.mark.fault("T-09")
async def test_a_wal_that_is_damaged_is_a_shorter_history(path: Path, killed: tuple[bytes, bytes]) -> None:
    """What cannot be what was written ends it, wherever it is."""
    database, wal = killed
    seed = random.randrange(1 << 32)
    print("seed", seed)
    for at in sorted(random.Random(seed).sample(range(len(wal)), 30)):
        put(path, database, wal[:at] + bytes([wal[at] ^ 0xFF]) + wal[at + 1 :])
        assert history(path) <= EVENTS


@pytest.mark.fault("T-30")
async def test_damaged_pages_are_refused_and_left_alone(path: Path, killed: tuple[bytes, bytes]) -> None:
    """Whichever page lost its header. (What changes inside of a value, SQLite cannot see: pages have no checksums.)"""
    put(path, *killed)
    history(path)
    whole = content(path)
    pages = len(whole) // 4096
    for page in range(pages):
        damaged = bytearray(whole)
        damaged[page * 4096 : page * 4096 + 64] = b"\xff" * 64
        put(path, bytes(damaged))
        with pytest.raises(StoreCorrupt, match=f"{re.escape(RESTORE)}$"):
            open_writing(str(path))
        assert content(path) == bytes(damaged)


@pytest.mark.fault("T-30")
async def test_a_damaged_file_keeps_its_wal(path: Path, killed: tuple[bytes, bytes]) -> None:
    """Closing it moves nothing from the WAL into it: both are the operator's to save."""
    put(path, *killed)
    history(path)
    store = await open_store(path)
    await accept(store, "late", "late", workflow="ci")
    database, wal = content(path), content(path.with_name("router.db-wal"))
    await store.close()
    damaged = database[:8192] + b"\xff" * (len(database) - 8192)
    put(path, damaged, wal)
    with pytest.raises(StoreCorrupt):
        await open_store(path)
    assert content(path) == damaged
    assert content(path.with_name("router.db-wal")) == wal


@pytest.mark.fault("T-30")
@pytest.mark.parametrize("part", [0.01, 0.3, 0.5, 0.9, 0.999])
async def test_a_file_that_was_cut_off_is_refused(path: Path, killed: tuple[bytes, bytes], part: float) -> None:
    """Anywhere."""
    put(path, *killed)
    history(path)
    whole = content(path)
    put(path, whole[: int(len(whole) * part)])
    before = content(path)
    with pytest.raises(StoreCorrupt):
        await open_store(path)
    assert content(path) == before


@pytest.mark.fault("T-30")
@pytest.mark.parametrize("there", [True, False], ids=["empty", "gone"])
async def test_a_store_that_is_lost_is_not_made_anew(path: Path, killed: tuple[bytes, bytes], there: bool) -> None:  # noqa: FBT001
    """SQLite would delete a WAL that has no file, with all that is in it."""
    _, wal = killed
    put(path, b"", wal)
    if not there:
        path.unlink()
    with pytest.raises(StoreCorrupt, match="empty, and router.db-wal" if there else "gone, and router.db-wal"):
        await open_store(path)
    assert content(path.with_name("router.db-wal")) == wal
    assert path.exists() == there


@pytest.mark.fault("T-30")
async def test_an_empty_file_that_was_a_store_is_refused(path: Path) -> None:
    """Its ballast shows that it was one. Without the file somebody may have begun anew."""
    store = await open_store(path, ballast=4096)
    await store.close()
    path.write_bytes(b"")
    with pytest.raises(StoreCorrupt, match="is empty, and was not"):
        await open_store(path, ballast=4096)
    path.unlink()
    await (await open_store(path, ballast=4096)).close()


@pytest.mark.fault("T-30")
async def test_an_empty_wal_is_none(path: Path, killed: tuple[bytes, bytes]) -> None:
    """A file that was closed, and whose WAL was only begun."""
    put(path, *killed)
    history(path)
    put(path, content(path), b"")
    assert history(path) == EVENTS


@pytest.mark.fault("T-30")
async def test_damage_that_shows_later_ends_it_too(path: Path, killed: tuple[bytes, bytes]) -> None:
    """A page that goes bad under a running router: the error says corrupt, and nothing is written after it."""
    put(path, *killed)
    history(path)
    store = await open_store(path)
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))
    with pytest.raises(StoreCorrupt, match="router restore BACKUP"):
        await store.events()
    with pytest.raises(StoreCorrupt):
        await accept(store, "e99", "d99")
    with pytest.raises(StoreCorrupt):
        await store.failed()
    await store.close()


@pytest.mark.fault("T-28")
async def test_a_checkpoint_that_fails_is_not_passed_over(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite's own checkpoints forget that they failed, and the next one writes over the only good copy."""
    monkeypatch.setattr("router.engine.store.connection.CHECKPOINT", 1)
    failing = False

    def fail(self: Checkpoints, connection: sqlite3.Connection) -> None:
        if failing:
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
            raise error

    monkeypatch.setattr(Checkpoints, "after_commit", fail)
    store = await open_store(path)
    await accept(store, "e1", "d1")
    await store.cursor("")  # what comes after that commit is over
    failing = True
    await accept(store, "e2", "d2")  # it is in the WAL, and stays there
    with pytest.raises(StoreBroken):
        await store.failed()
    with pytest.raises(StoreBroken):
        await accept(store, "e3", "d3")
    wal = content(path.with_name("router.db-wal"))
    await store.close()
    assert content(path.with_name("router.db-wal")) == wal


@pytest.mark.fault("T-28")
async def test_the_wal_is_moved_to_its_place_as_it_grows(path: Path) -> None:
    """By the router, because SQLite does not any more: the WAL does not grow with what was ever written."""
    store = await open_store(path)
    sizes = []
    for number in range(300):
        await accept(store, f"e{number}", *(f"d{number}-{one}" for one in range(4)))
        sizes.append(path.with_name("router.db-wal").stat().st_size)
    assert sizes[-1] < 1.4 * sizes[150] < 16 << 20
    await store.close()


async def test_a_store_is_for_its_owner(path: Path) -> None:
    """And so is all that is beside it, whatever the umask; what an older version left open to others is closed."""
    before = os.umask(0)
    try:
        store = await open_store(path, ballast=4096)
        await accept(store, "e1", "d1")
        modes = {one.name: one.stat().st_mode & 0o777 for one in path.parent.iterdir()}
        await store.close()
    finally:
        os.umask(before)
    assert set(modes) >= {"router.db", "router.db-wal", "router.db-shm", "router.db.lock", "router.db.ballast"}
    assert set(modes.values()) == {0o600}
    path.chmod(0o664)
    await (await open_store(path)).close()
    assert path.stat().st_mode & 0o777 == 0o660


async def test_a_folder_is_no_store(path: Path) -> None:
    """And gets no lock beside it."""
    path.mkdir()
    for read_only in (False, True):
        with pytest.raises(StoreError, match=r"is a folder: `store\.path` names a file"):
            await open_store(path, read_only=read_only)
    assert [one.name for one in path.parent.iterdir()] == ["router.db"]


#: Opens a store as somebody for whom permissions count.
_NOBODY = """
import asyncio, os, sys
from router.core.errors import StoreError
from router.engine.store.sqlite import open_store
asyncio.run(asyncio.sleep(0))
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
try:
    asyncio.run(open_store(sys.argv[1]))
except StoreError as error:
    print(error)
"""


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Which anybody may look into: every run of pytest on a machine makes its own root its own again."""
    with TemporaryDirectory() as made:
        Path(made).chmod(0o755)
        yield Path(made)


async def test_what_may_not_be_written_is_a_sentence(open_folder: Path) -> None:
    """A folder, or a file, that is not ours to write."""
    folder = open_folder
    store = await open_store(folder / "router.db")
    await store.close()
    for mode, lock in ((0o555, True), (0o777, False)):
        folder.chmod(mode)
        (folder / "router.db").chmod(0o444)
        if not lock:
            (folder / "router.db.lock").unlink()
        told = subprocess.run(
            [sys.executable, "-c", _NOBODY, str(folder / "router.db")], capture_output=True, text=True, check=False, cwd=ROOT
        )
        assert "Traceback" not in told.stderr
        assert "cannot be opened: Permission denied" in told.stdout, told
