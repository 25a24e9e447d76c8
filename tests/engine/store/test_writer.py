"""One thread, shared commits, and errors that hit whom they should."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from router.core.errors import StoreBroken, StoreError, StoreFull
from router.engine.store.connection import explain
from router.engine.store.writer import Then, Writer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

SOON = 5.0


class Bench:
    """A writer over a table of its own, and everything that SQLite was asked to do."""

    def __init__(self, path: Path, busy: float, patience: float) -> None:
        self.path = path
        self.busy = busy
        self.statements: list[str] = []
        self.thread: threading.Thread | None = None
        self.writer = Writer(self.open, partial(explain, path=str(path)), patience)

    def open(self) -> sqlite3.Connection:
        self.thread = threading.current_thread()
        connection = sqlite3.connect(self.path, timeout=self.busy, isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("CREATE TABLE IF NOT EXISTS words (word TEXT PRIMARY KEY)")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS uses (word TEXT REFERENCES words (word) DEFERRABLE INITIALLY DEFERRED, text BLOB)"
        )
        connection.set_trace_callback(self.statements.append)
        return connection

    async def add(self, word: str) -> None:
        await self.writer.do(lambda db: db.execute("INSERT INTO words VALUES (?)", (word,)), writes=True)

    async def words(self) -> list[str]:
        return await self.writer.do(lambda db: [row[0] for row in db.execute("SELECT word FROM words")], writes=False)

    async def block(self) -> tuple[threading.Event, asyncio.Task[None]]:
        """Keep the thread busy until the event is set, so that what is asked meanwhile shares a commit."""
        started, go = threading.Event(), threading.Event()

        def work(_: sqlite3.Connection) -> None:
            started.set()
            assert go.wait(SOON)

        task = asyncio.create_task(self.writer.do(work, writes=True))
        while not started.is_set():
            await asyncio.sleep(0)
        return go, task


@pytest.fixture
async def bench(path: Path) -> AsyncIterator[Bench]:
    made = Bench(path, busy=0.01, patience=60.0)
    await made.writer.start()
    yield made
    await made.writer.close()


async def test_what_came_meanwhile_shares_one_commit(bench: Bench) -> None:
    """On one thread that is not the loop's."""
    go, blocked = await bench.block()
    adding = asyncio.gather(*(bench.add(str(number)) for number in range(20)))
    await asyncio.sleep(0)
    go.set()
    await asyncio.gather(adding, blocked)
    assert bench.statements.count("COMMIT") == 2
    assert bench.thread is not threading.current_thread()
    assert len(await bench.words()) == 20


async def test_nobody_is_answered_before_the_commit(bench: Bench) -> None:
    """An answer means that it is on disk."""
    armed, committing, go = threading.Event(), threading.Event(), threading.Event()

    def hold(statement: str) -> None:
        if statement == "COMMIT" and armed.is_set():
            committing.set()
            assert go.wait(SOON)

    await bench.writer.do(lambda db: db.set_trace_callback(hold), writes=False)
    armed.set()
    adding = asyncio.create_task(bench.add("x"))
    while not committing.is_set():
        await asyncio.sleep(0)
    for _ in range(10):
        await asyncio.sleep(0)
    assert not adding.done()
    go.set()
    await asyncio.wait_for(adding, SOON)


async def test_a_request_that_fails_fails_alone(bench: Bench) -> None:
    """Nothing of it is kept, and everything of those that shared its commit is."""

    def half(db: sqlite3.Connection) -> None:
        db.execute("INSERT INTO words VALUES ('half')")
        raise ValueError("our own bug")

    go, blocked = await bench.block()
    results = asyncio.gather(
        bench.add("before"),
        bench.writer.do(half, writes=True),
        bench.add("before"),
        bench.add("after"),
        return_exceptions=True,
    )
    await asyncio.sleep(0)
    go.set()
    await blocked
    kinds = [type(result) for result in await results]
    assert kinds == [type(None), ValueError, sqlite3.IntegrityError, type(None)]
    assert await bench.words() == ["before", "after"]


async def test_savepoints_are_for_commits_of_which_something_fails(bench: Bench) -> None:
    """Nearly none does, and each statement is one more wait for Python's lock."""

    async def all_of_it(*more: Any) -> list[str]:
        del bench.statements[:]
        await asyncio.gather(bench.add(f"a{len(more)}"), bench.add(f"b{len(more)}"), *more, return_exceptions=True)
        return [statement.split()[0] for statement in bench.statements]

    go, blocked = await bench.block()
    adding = asyncio.create_task(all_of_it())
    await asyncio.sleep(0)
    go.set()
    await blocked
    assert [word for word in await adding if word != "COMMIT"] == ["BEGIN", "INSERT", "INSERT"]
    assert "SAVEPOINT" in await all_of_it(bench.add("a0"), bench.writer.do(lambda db: db.execute("no SQL"), writes=True))
    assert await bench.words() == ["a0", "b0", "a2", "b2"]


async def test_a_commit_that_fails_fails_for_all(bench: Bench) -> None:
    """Nobody is told that something is stored which is not; the next commit is another matter."""
    go, blocked = await bench.block()
    orphan = bench.writer.do(lambda db: db.execute("INSERT INTO uses VALUES ('nobody', '')"), writes=True)
    results = asyncio.gather(bench.add("fine"), orphan, return_exceptions=True)
    await asyncio.sleep(0)
    go.set()
    await blocked
    assert [type(result) for result in await results] == [StoreError, StoreError]
    await bench.add("later")
    assert await bench.words() == ["later"]


async def test_a_full_disk_says_so_and_can_be_mended(bench: Bench) -> None:
    """SQLite gives up the transaction by itself; with room made, the store goes on."""

    def fill(db: sqlite3.Connection) -> None:
        db.execute("INSERT INTO uses (text) VALUES (zeroblob(1000000))")

    await bench.writer.do(lambda db: db.execute("PRAGMA max_page_count = 10").fetchone(), writes=False)
    with pytest.raises(StoreError, match="is full"):
        await bench.writer.do(fill, writes=True)
    await bench.writer.do(lambda db: db.execute("PRAGMA max_page_count = 1000000").fetchone(), writes=False)
    await bench.writer.do(fill, writes=True)


async def test_a_full_disk_keeps_nobody_from_reading(bench: Bench) -> None:
    """Who only reads does not fail with those whose commit it shares: dispatch would end by it, and the router."""
    await bench.add("first")
    await bench.writer.do(lambda db: db.execute("PRAGMA max_page_count = 1").fetchall(), writes=False)
    go, task = await bench.block()
    large = bench.writer.do(lambda db: db.execute("INSERT INTO uses VALUES ('first', zeroblob(100000))"), writes=True)
    writing, reading = asyncio.create_task(large), asyncio.create_task(bench.words())
    await asyncio.sleep(0)
    go.set()
    await task
    with pytest.raises(StoreFull):
        await writing
    assert await reading == ["first"]


async def test_after_the_disk_failed_nothing_is_tried_again(bench: Bench) -> None:
    """A second fsync may lie about the first: everything is refused until a fresh start."""

    def fail(db: sqlite3.Connection) -> None:
        db.execute("INSERT INTO words VALUES ('lost')")
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
        raise error

    with pytest.raises(StoreBroken, match="disk failed"):
        await bench.writer.do(fail, writes=True)
    with pytest.raises(StoreBroken):
        await bench.words()
    with sqlite3.connect(bench.path) as other:
        assert other.execute("SELECT count(*) FROM words").fetchone() == (0,)
    other.close()


async def test_a_locked_store_is_waited_for(bench: Bench) -> None:
    """An operator's shell in the database delays writing, and neither reading nor anything for good."""
    other = sqlite3.connect(bench.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert await bench.words() == []
    adding = asyncio.create_task(bench.add("x"))
    while bench.statements.count("BEGIN IMMEDIATE") < 3:
        await asyncio.sleep(0.001)
    assert not adding.done()
    other.execute("ROLLBACK")
    other.close()
    await asyncio.wait_for(adding, SOON)
    assert await bench.words() == ["x"]


async def test_a_store_that_stays_locked_is_an_error(path: Path) -> None:
    """It names what to do; silence for ever would be worse."""
    bench = Bench(path, busy=0.001, patience=0.0)
    await bench.writer.start()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="locked by another program"):
        await bench.add("x")
    other.close()
    await bench.add("x")
    await bench.writer.close()


async def test_closing_finishes_what_was_asked_before(bench: Bench) -> None:
    """And refuses what comes after, however often it is closed."""
    go, blocked = await bench.block()
    adding = asyncio.create_task(bench.add("x"))
    await asyncio.sleep(0)
    closing = asyncio.gather(bench.writer.close(), bench.writer.close())
    await asyncio.sleep(0)
    with pytest.raises(StoreError, match="closed"):
        await bench.add("y")
    go.set()
    await asyncio.gather(adding, blocked, closing)
    other = sqlite3.connect(bench.path)
    assert other.execute("SELECT word FROM words").fetchall() == [("x",)]
    other.close()


async def test_who_gives_up_waiting_stops_nobody(bench: Bench) -> None:
    """A caller that is cancelled leaves its work to be committed, and the others' answers to come."""
    go, blocked = await bench.block()
    quitter, other = (asyncio.create_task(bench.add(word)) for word in ("quit", "stay"))
    await asyncio.sleep(0)
    quitter.cancel()
    await asyncio.gather(quitter, return_exceptions=True)
    go.set()
    await asyncio.gather(other, blocked)
    assert await bench.words() == ["quit", "stay"]


async def test_opening_errors_reach_who_opens(path: Path) -> None:
    """And leave no thread behind that anybody waits for."""

    def refuse() -> sqlite3.Connection:
        raise StoreError("no")

    with pytest.raises(StoreError, match="no"):
        await Writer(refuse, partial(explain, path=str(path))).start()


class Shares:
    """Work that is shared: it adds words, and knows how often it was called."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []

    def __call__(self, db: sqlite3.Connection, words: Sequence[str]) -> Sequence[str]:
        self.calls.append(list(words))
        for word in words:
            db.execute("INSERT INTO words VALUES (?)", (word,))
        return [word.upper() for word in words]


async def test_what_is_shared_is_done_in_one_go(bench: Bench) -> None:
    """Each is answered for itself, and what is asked for after it comes after it in the same commit."""
    shares = Shares()
    given = [bench.writer.share(shares, word) for word in ("a", "b", "c")]
    after = asyncio.create_task(bench.words())
    assert await asyncio.gather(*given) == ["A", "B", "C"]
    assert await after == ["a", "b", "c"]
    assert shares.calls == [["a", "b", "c"]]
    assert bench.statements.count("COMMIT") == 1


async def test_of_what_is_shared_one_fails_alone(bench: Bench) -> None:
    shares = Shares()
    given = [bench.writer.share(shares, word) for word in ("a", "b", "a")]
    first, second, third = await asyncio.gather(*given, return_exceptions=True)
    assert (first, second) == ("A", "B")
    assert isinstance(third, sqlite3.IntegrityError)
    assert await bench.words() == ["a", "b"]


async def test_what_is_shared_is_done_before_the_store_closes(bench: Bench) -> None:
    given = bench.writer.share(Shares(), "a")
    await bench.writer.close()
    assert await given == "A"


async def test_what_follows_is_in_the_same_commit(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """However full that is. It is told whether or not whoever asked for what came before it is still there."""
    monkeypatch.setattr("router.engine.store.writer.MOST", 1)
    told: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()

    def follow(db: sqlite3.Connection) -> str:
        return ",".join(row[0] for row in db.execute("SELECT word FROM words"))

    go, blocked = await bench.block()
    then = Then(follow, told.set_result)
    adding = asyncio.create_task(
        bench.writer.do(lambda db: db.execute("INSERT INTO words VALUES ('a')"), writes=True, then=then)
    )
    await asyncio.sleep(0)
    adding.cancel()
    before = bench.statements.count("COMMIT")
    go.set()
    assert await told == "a"
    await blocked
    assert bench.statements.count("COMMIT") - before == 2  # one of them is of what kept the thread busy
    assert adding.cancelled()


async def test_what_follows_fails_alone(bench: Bench) -> None:
    told: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    then: Then[Any] = Then(lambda db: db.execute("INSERT INTO words VALUES ('a')"), told.set_result)
    await bench.writer.do(lambda db: db.execute("INSERT INTO words VALUES ('a')"), writes=True, then=then)
    assert await told is None
    assert await bench.words() == ["a"]


async def test_what_follows_is_told_though_nothing_is_done(bench: Bench) -> None:
    """Who gave something for it gets it back."""
    told: list[object] = []
    await bench.writer.close()
    with pytest.raises(StoreError):
        await bench.writer.do(lambda _: None, writes=True, then=Then(lambda _: "done", told.append))
    assert told == [None]
