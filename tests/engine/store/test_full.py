"""A full disk, as SQLite tells of it: what may use the ballast's room does, what is new waits, and nothing is lost.

The disk is a bound on the store's pages that the ballast is part of.
"""

from __future__ import annotations

import asyncio
import os
import threading
from typing import TYPE_CHECKING, Any

import pytest

from router.core.errors import StoreFull
from router.core.model import LogLine, RecordChange, State, changed
from router.engine.store import space
from router.engine.store.ballast import SPARE, Ballast
from router.engine.store.sqlite import SqliteStore, open_store
from tests.engine.store.parts import NOW, accept, arrival, claim, claimed, delivery, done, entry, state

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import AsyncIterator
    from pathlib import Path

#: Bytes of the ballast, and the pages that its room is.
BALLAST, PAGES = 40 * 4096, 40
BIG = "x" * 3000


class Disk:
    """How many pages the store may have, and how many bytes the file system says that are free."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.store: SqliteStore | None = None
        self.free = 1 << 30
        #: Set when the disk is found full; what is found there goes on once `go` is.
        self.found, self.go = threading.Event(), threading.Event()
        self.go.set()
        spend = space.Space.spend

        def spending(this: space.Space, connection: sqlite3.Connection) -> bool:
            self.found.set()
            assert self.go.wait(30)
            taken = spend(this, connection)
            if taken:
                pages = connection.execute("PRAGMA page_count").fetchone()[0]
                connection.execute(f"PRAGMA max_page_count = {pages + PAGES}").fetchall()
            return taken

        monkeypatch.setattr(space.Space, "spend", spending)
        monkeypatch.setattr(Ballast, "_free", lambda _: self.free)

    async def fill(self) -> None:
        """No page more."""
        self.free = 0
        await self._bound(0)

    async def empty(self) -> None:
        self.free = 1 << 30
        await self._bound(1 << 20)

    async def _bound(self, more: int) -> None:
        def work(db: sqlite3.Connection) -> None:
            pages = db.execute("PRAGMA page_count").fetchone()[0]
            db.execute(f"PRAGMA max_page_count = {pages + more}").fetchall()

        assert self.store is not None
        await self.store._writer.do(work, writes=False)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


@pytest.fixture
async def store(path: Path, disk: Disk) -> AsyncIterator[SqliteStore]:
    disk.store = await open_store(path, ballast=BALLAST)
    yield disk.store
    await disk.store.close()


def big(name: str) -> Any:
    """An event that needs pages of its own, with its delivery."""
    return arrival(name, delivery(f"of-{name}", name, workflow="ci", options={"text": BIG}), cursor=int(name))


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0.005)


@pytest.mark.fault("T-27")
async def test_what_is_new_waits_and_what_is_under_way_goes_on(store: SqliteStore, disk: Disk, path: Path) -> None:
    """An outcome and a status are stored in the ballast's room, while an event waits; its cursor moves with it, later."""
    ballast = path.with_name("router.db.ballast")
    assert ballast.stat().st_size == BALLAST
    await store.accept([big("1")], NOW)
    [held] = await claim(store)
    await disk.fill()
    hearing = asyncio.create_task(store.accept([big(str(number)) for number in range(2, 12)], NOW))
    await store.filled()
    assert (store.full, ballast.exists()) == (True, False)
    assert await store.settle(held, done(), NOW)
    assert await store.tell([entry(held.delivery)], NOW) == []
    assert await state(store, "of-1") is State.DONE
    assert await store.regain() is False
    await settled()
    assert not hearing.done()
    assert await store.cursor("a") == 1

    await disk.empty()
    assert await store.regain() is True
    assert [one.fresh for one in await hearing] == [True] * 10
    assert await store.cursor("a") == 11
    assert (store.full, ballast.stat().st_size) == (False, BALLAST)


@pytest.mark.fault("T-27")
async def test_what_shares_a_commit_with_what_is_new_is_stored_all_the_same(store: SqliteStore, disk: Disk) -> None:
    """The commit fails for both, and is made again with what may use the last room."""
    await store.accept([big("1")], NOW)
    [held] = await claim(store)
    await disk.fill()
    hearing = asyncio.create_task(store.accept([big(str(number)) for number in range(2, 12)], NOW))
    settling = asyncio.create_task(store.settle(held, done(), NOW))
    assert await settling
    assert not hearing.done()
    await disk.empty()
    await store.regain()
    await hearing


@pytest.mark.fault("T-27")
async def test_what_was_on_its_way_when_the_disk_became_full_waits_too(store: SqliteStore, disk: Disk) -> None:
    """An event that the writer had been given before anybody knew: the room that is found is not for it."""
    await store.accept([big("1")], NOW)
    await disk.fill()
    disk.go.clear()
    hearing = asyncio.create_task(store.accept([big(str(number)) for number in range(2, 12)], NOW))
    assert await asyncio.to_thread(disk.found.wait, 30)
    later = asyncio.create_task(store.accept([big("12")], NOW))
    await settled()
    disk.go.set()
    await store.filled()
    await settled()
    assert not later.done()
    assert await store.cursor("a") == 1
    await disk.empty()
    await store.regain()
    await asyncio.gather(hearing, later)
    assert await store.cursor("a") == 12


@pytest.mark.fault("T-27")
async def test_with_no_room_at_all_an_outcome_waits(store: SqliteStore, disk: Disk) -> None:
    """It stays with its lease, and is stored when there is room; what need not wait says that the disk is full."""
    await store.accept([big("1")], NOW)
    [held] = await claim(store)
    await disk.fill()
    lines = [LogLine(step=0, part="said", text=BIG) for _ in range(400)]
    with pytest.raises(StoreFull, match="is full"):
        await store.write_log("of-1", 0, 0, lines, NOW)
    settling = asyncio.create_task(store.settle(held, changed(done(), reason=BIG * 100), NOW))
    await settled()
    assert not settling.done()
    assert await state(store, "of-1") is State.CLAIMED
    assert await store.recover(NOW, ["of-1"]) == 0
    await disk.empty()
    await store.regain()
    assert await settling


@pytest.mark.fault("T-27")
async def test_hearing_goes_on_in_room_that_was_forgotten(store: SqliteStore, disk: Disk, path: Path) -> None:
    """SQLite gives nothing back to the disk: what deletions left in the file is enough, and the ballast comes later."""
    for number in range(1, 81):
        await store.accept([big(str(number))], NOW)
    for held in await claim(store, 80):
        await store.settle(held, done(), NOW)
    await disk.fill()
    hearing = asyncio.create_task(store.accept([big(str(number)) for number in range(81, 91)], NOW))
    await store.filled()
    assert await store.regain() is False
    assert (await store.forget(NOW + 1))[0] == 80
    assert await store.regain() is False
    assert not store.full
    assert len(await hearing) == 10
    assert not path.with_name("router.db.ballast").exists()
    disk.free = 1 << 30
    assert await store.regain() is True
    assert path.with_name("router.db.ballast").exists()


@pytest.mark.fault("T-27")
async def test_without_its_ballast_a_start_hears_nothing(path: Path, disk: Disk) -> None:
    """A disk with too little room for it is as good as full; what is stored is delivered."""
    first = await open_store(path, ballast=BALLAST)
    await accept(first, "e1", "d1")
    await first.close()
    path.with_name("router.db.ballast").unlink()
    disk.free = 2 * BALLAST - 1
    store = await open_store(path, ballast=BALLAST)
    await store.filled()
    mirrored = asyncio.create_task(store.mirror([RecordChange(did="did:plc:a", collection="x.y", rkey="r", record={})], NOW))
    assert await claimed(store) == ["d1"]
    await settled()
    assert (store.full, mirrored.done()) == (True, False)
    disk.free = 2 * BALLAST
    assert await store.regain() is True
    await mirrored
    await store.close()


async def test_a_ballast_is_made_whole_or_not_at_all(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that was cut off is made again, one of another size as well; where the disk is full meanwhile, none is left."""
    ballast = Ballast(path, BALLAST)
    ballast.path.write_bytes(b"cut off")
    assert (ballast.there, ballast.put_back(), ballast.there) == (False, True, True)
    content = ballast.path.read_bytes()
    assert len(set(content[:4096])) > 200  # noise: zeros would be no room on some file systems
    assert Ballast(path, BALLAST // 2).put_back()
    assert ballast.path.stat().st_size == BALLAST // 2
    write, calls = os.write, iter(range(9))

    def full(fd: int, some: bytes) -> int:
        if next(calls):
            raise OSError(28, "No space left on device")
        return write(fd, some[:4096])

    monkeypatch.setattr(os, "write", full)
    assert ballast.put_back() is False
    assert not ballast.path.exists()


async def test_no_ballast_is_a_choice(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then there is no file, and hearing needs a little room all the same."""
    ballast = Ballast(path, 0)
    assert (ballast.there, ballast.take()) == (True, False)
    for free, enough in ((SPARE - 1, False), (SPARE, True)):
        monkeypatch.setattr(Ballast, "_free", lambda _, free=free: free)
        assert ballast.put_back() is enough
    assert not ballast.path.exists()
