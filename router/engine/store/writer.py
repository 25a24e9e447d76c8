"""The one connection on the one thread of its own, and its commits.

A commit waits for the disk, and the default thread pool may be full of slow DNS look-ups. So everything that was asked for
while the last commit was under way goes into the next one: the slower the disk, the larger the groups.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from router.core.errors import StoreBroken, StoreCorrupt, StoreError, StoreFull
from router.engine.crash import crash_point
from router.engine.store.connection import code

T = TypeVar("T")
GivenT = TypeVar("GivenT")
Work: TypeAlias = Callable[[sqlite3.Connection], T]
#: What takes as long for many as for a few: one answer for each that is given.
Shared: TypeAlias = Callable[[sqlite3.Connection, Sequence[GivenT]], Sequence[T]]
#: After these nothing is tried again: a second fsync may lie about the first, and what is damaged is not to be written on.
Fatal: TypeAlias = StoreBroken | StoreCorrupt

#: Requests in one commit: enough to share an fsync among everybody, few enough that none waits long for the others' work.
MOST = 256
#: Seconds for which a store that another program keeps locked is tried again.
PATIENCE = 60.0
#: After these SQLite has given up the transaction, or cannot be trusted with it: the whole commit fails, not one request.
_ENDS_ALL = (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_NOMEM)


@dataclass(slots=True)
class _Request:
    work: Shared[Any, Any]
    given: Any
    answer: asyncio.Future[Any] | _Told
    writes: bool
    committed: str
    lasting: bool
    result: Any = None
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class Then(Generic[T]):
    """Work that writes and that nobody waits for. `told` is called on the loop with what came of it once that is committed, or
    with None where it failed, whether or not whoever asked for what came before it is still there."""

    work: Work[T]
    told: Callable[[T | None], object]
    committed: str = ""


class _Told:
    """Where nobody waits for an answer. Told in its turn: who asked before it goes on before what this starts."""

    def __init__(self, told: Callable[[Any], object]) -> None:
        self.told = told

    def done(self) -> bool:
        return False

    def set_result(self, result: Any) -> None:
        self.told(result)

    def set_exception(self, _error: Exception) -> None:
        self.told(None)


def _following(then: Then[Any]) -> _Request:
    return _Request(_Alone(then.work), None, _Told(then.told), writes=True, committed=then.committed, lasting=False)


class Writer:
    """Does each piece of work in a shared transaction, as if it were in a savepoint, and answers after the commit. Where one
    fails, all of it is done again, each in a savepoint: work may be called twice, and what it put into the store is taken back.

    `opening`, `committed` and `spend` are called on the thread: `committed` after each commit, and `spend` where the disk is
    full, to find some room; whether it did. `full` says why nothing `lasting` is stored now. `explain` turns SQLite's errors
    into ours.
    """

    def __init__(
        self,
        opening: Callable[[], sqlite3.Connection],
        explain: Callable[[sqlite3.Error], StoreError],
        patience: float = PATIENCE,
        committed: Callable[[sqlite3.Connection], None] | None = None,
        spend: Callable[[sqlite3.Connection], bool] | None = None,
        full: Callable[[], StoreFull | None] = lambda: None,
    ) -> None:
        self._opening = opening
        self._explain = explain
        self._patience = patience
        self._committed = committed
        self._spend = spend
        self._full = full
        self._queue: queue.SimpleQueue[Sequence[_Request] | None] = queue.SimpleQueue()
        self._gathered: list[_Request] = []
        self._loop = asyncio.get_running_loop()
        self._opened: asyncio.Future[Any] = self._loop.create_future()
        self._ended: asyncio.Future[Any] = self._loop.create_future()
        #: Told how many seconds each commit that wrote took, on the writer's thread.
        self.committed: Callable[[float], object] | None = None
        self._closing = False
        self._last = False
        self._broken: Fatal | None = None
        self._failed: asyncio.Future[Any] = self._loop.create_future()
        # A daemon: what is not committed when the interpreter exits was never promised to anybody.
        self._thread = threading.Thread(target=self._main, name="store", daemon=True)

    async def start(self) -> None:
        """Raises what `opening` raises."""
        self._thread.start()
        await self._opened

    async def do(
        self, work: Work[T], *, writes: bool, committed: str = "", lasting: bool = False, then: Then[Any] | None = None
    ) -> T:
        """The work's result, once it is committed. Its error, if it raised one: then nothing of it is in the store.

        `committed` names the crash point between the commit and the answer. What is `lasting` may not use up the room that is
        found on a full disk. Cancelling gives up the answer, not the work. `then` comes after it, in the same commit.
        """
        answer: asyncio.Future[T] = self._loop.create_future()
        asked = _Request(_Alone(work), None, answer, writes, committed, lasting)
        self._ask(*((asked,) if then is None else (asked, _following(then))))
        return await answer

    def share(self, work: Shared[GivenT, T], given: GivenT, *, committed: str = "") -> asyncio.Future[T]:
        """As `do`, of work that writes: what is given to the same work for one commit is done in one go. Where that fails, each
        is done by itself, and fails alone."""
        if not self._gathered:
            self._loop.call_soon(self._hand_over)
        answer: asyncio.Future[T] = self._loop.create_future()
        request = _Request(work, given, answer, writes=True, committed=committed, lasting=False)
        self._ask(request, gather=True)
        return answer

    def _ask(self, *requests: _Request, gather: bool = False) -> None:
        """What is shared waits for the loop's next turn: many outcomes come in one, and the claim for their places comes after
        them in the same commit."""
        if self._closing:
            error = StoreError("The store is closed.")
            for request in requests[1:]:
                request.answer.set_exception(error)
            raise error
        if gather or self._gathered:
            self._gathered += requests
        else:
            self._queue.put(requests)

    def _hand_over(self) -> None:
        if self._gathered:
            self._queue.put(self._gathered)
            self._gathered = []

    async def failed(self) -> None:
        """Waits until nothing can be stored any more, and raises why: StoreBroken or StoreCorrupt."""
        error: Fatal = await asyncio.shield(self._failed)
        raise error

    async def close(self) -> None:
        """Finish what was asked before, then close the connection."""
        if not self._closing:
            self._closing = True
            self._hand_over()
            self._queue.put(None)
        await asyncio.shield(self._ended)

    def _main(self) -> None:
        try:
            connection = self._opening()
        except Exception as error:  # noqa: BLE001 - whoever opens the store gets it
            self._tell(self._opened, None, error)
            return
        self._tell(self._opened, None, None)
        while batch := self._take():
            begun = time.monotonic()
            stored = self._commit(connection, batch)
            taken = time.monotonic() - begun
            answers = [(one.answer, one.result, one.error) for one in batch]
            self._call(_answer, answers)
            wrote = any(one.writes for one in batch)
            if self.committed is not None and wrote:
                self.committed(taken)
            del batch, answers
            if stored and wrote:
                self._tend(connection)
        if self._broken is not None:
            # Closing would move the WAL into the file: the process ends with the connection open, as if it had been killed.
            self._tell(self._ended, None, None)
            threading.Event().wait()
        try:
            connection.close()
        except sqlite3.Error as error:
            self._tell(self._ended, None, self._explain(error))
        else:
            self._tell(self._ended, None, None)

    def _take(self) -> list[_Request]:
        """Everything that was asked for meanwhile, at least one request; nothing once the store is closed."""
        batch: list[_Request] = []
        while not self._last and len(batch) < MOST:
            try:
                asked = self._queue.get(block=not batch)
            except queue.Empty:
                break
            if asked is None:
                self._last = True
            else:
                batch += asked
        return batch

    def _commit(self, connection: sqlite3.Connection, batch: Sequence[_Request]) -> bool:
        """Whether anything was."""
        # Some were on their way when the disk became full: the room that was found then is not for them.
        full = self._full()
        for request in batch if full is not None else ():
            request.error = full if request.lasting else None
        batch = [request for request in batch if request.error is None]
        if not batch:
            return False
        try:
            if self._broken is not None:
                raise self._broken
            writes, groups = any(request.writes for request in batch), _groups(batch)
            self._begin(connection, writes=writes)
            if not _all_at_once(connection, groups):
                connection.execute("ROLLBACK")
                self._begin(connection, writes=writes)
                for group in groups:
                    _run(connection, group)
            connection.execute("COMMIT")
        except (sqlite3.Error, StoreBroken, StoreCorrupt) as error:
            return self._fail(connection, batch, error)
        for request in batch:
            if request.error is None:
                crash_point(request.committed)
        return True

    def _tend(self, connection: sqlite3.Connection) -> None:
        """What is committed stays so, whatever happens here; but a disk that fails now is not written to any more."""
        try:
            if self._committed is not None:
                self._committed(connection)
        except sqlite3.Error as error:
            self._give_up(self._explain(error))

    def _begin(self, connection: sqlite3.Connection, *, writes: bool) -> None:
        """Waits while another program keeps the store locked. Reading needs no lock in a WAL database."""
        end = time.monotonic() + self._patience
        while True:
            try:
                connection.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
            except sqlite3.OperationalError as error:
                if code(error) != sqlite3.SQLITE_BUSY or time.monotonic() >= end:
                    raise
            else:
                return

    def _fail(self, connection: sqlite3.Connection, batch: Sequence[_Request], error: sqlite3.Error | Fatal) -> bool:
        """Nobody's work is in the store. After the disk failed, none will be; on a full disk what may use its last room is,
        and who only reads is answered. Whether any was is returned."""
        told = self._explain(error) if isinstance(error, sqlite3.Error) else error
        self._give_up(told)
        for request in batch:
            request.result, request.error = None, told
        with suppress(sqlite3.Error):
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        if isinstance(told, StoreFull):
            # Reading needs no room, so whoever only reads does not fail with those whose commit it shares.
            writing = any(request.writes for request in batch)
            found = self._spend is not None and self._spend(connection)
            again = [one for one in batch if (found and not one.lasting) or (writing and not one.writes)]
            for request in again:
                request.error = None
            if again:
                return self._commit(connection, again)
        return False

    def _give_up(self, error: StoreError) -> None:
        if isinstance(error, StoreBroken | StoreCorrupt) and self._broken is None:
            self._broken = error
            self._tell(self._failed, error, None)

    def _tell(self, answer: asyncio.Future[Any], result: Any, error: Exception | None) -> None:
        self._call(_answer, [(answer, result, error)])

    def _call(self, tell: Callable[[Any], None], told: Any) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(tell, told)


class _Alone:
    """Work that nobody shares."""

    def __init__(self, work: Work[Any]) -> None:
        self.work = work

    def __call__(self, connection: sqlite3.Connection, given: Sequence[Any]) -> Sequence[Any]:
        return (self.work(connection),)


def _groups(batch: Sequence[_Request]) -> Collection[Sequence[_Request]]:
    """What shares its work, where the first of it stands: all of it was asked for while the last commit was under way."""
    groups: dict[Shared[Any, Any], list[_Request]] = {}
    for request in batch:
        groups.setdefault(request.work, []).append(request)
    return groups.values()


def _all_at_once(connection: sqlite3.Connection, groups: Iterable[Sequence[_Request]]) -> bool:
    """Do all of it without savepoints, which are a third of a small commit's statements and hardly ever needed: whether all of
    it could be done. If not, nothing of it may stay. Raises only what the whole commit fails by."""
    for group in groups:
        try:
            results = group[0].work(connection, [request.given for request in group])
        except Exception as error:
            if _ends_all(connection, error):
                raise
            return False
        for request, result in zip(group, results, strict=True):
            request.result = result
    return True


def _ends_all(connection: sqlite3.Connection, error: Exception) -> bool:
    return isinstance(error, sqlite3.Error) and (code(error) in _ENDS_ALL or not connection.in_transaction)


def _run(connection: sqlite3.Connection, group: Sequence[_Request]) -> None:
    """One piece of work in its savepoint: if it fails, it fails alone. Raises only what the whole commit fails by."""
    connection.execute("SAVEPOINT request")
    try:
        results = group[0].work(connection, [request.given for request in group])
    except Exception as error:
        if _ends_all(connection, error):
            raise
        connection.execute("ROLLBACK TO request")
        if len(group) == 1:
            group[0].error = error
        else:
            for request in group:
                _run(connection, [request])
    else:
        for request, result in zip(group, results, strict=True):
            request.result = result
    connection.execute("RELEASE request")


def _answer(told: Sequence[tuple[asyncio.Future[Any] | _Told, Any, Exception | None]]) -> None:
    for answer, result, error in told:
        if answer.done():
            continue
        if error is None:
            answer.set_result(result)
        else:
            answer.set_exception(error)
