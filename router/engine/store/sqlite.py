"""The store in SQLite: one file, one writing process. `:memory:` is the same without the file, for tests."""

from __future__ import annotations

import asyncio
import secrets as chance
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from router.core.errors import StoreError, StoreFull
from router.core.model import changed
from router.engine.crash import crash_point
from router.engine.store import (
    connection,
    journal,
    lists,
    logs,
    mirror,
    once,
    operator,
    outbox,
    pipelines,
    retention,
    runs,
    sealed,
)
from router.engine.store.arrivals import accept
from router.engine.store.backup import refuse_half_restored
from router.engine.store.ballast import Ballast
from router.engine.store.base import Wanted
from router.engine.store.facts import facts, remember
from router.engine.store.lock import Lock
from router.engine.store.policy import Policy
from router.engine.store.space import Space
from router.engine.store.turns import Turns
from router.engine.store.writer import PATIENCE, Then, Work, Writer

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

    from router.core.model import Entry, Event, LogLine, Micros, Outcome, Pipeline, Receipt, RecordChange, State, Tree
    from router.engine.store.base import (
        Accepted,
        Announcement,
        Arrival,
        Backlog,
        Claim,
        DeliveryRow,
        EventRow,
        Hits,
        OpenReceipt,
        Run,
        SealedSecret,
        SourceRow,
        StandsBy,
        Store,
        Told,
    )

T = TypeVar("T")


async def open_store(
    path: str | Path,
    *,
    read_only: bool = False,
    busy: float = connection.BUSY,
    patience: float = PATIENCE,
    policy: Policy | None = None,
    ballast: int = 0,
) -> SqliteStore:
    """Open the store, and make it where there is none. Raises StoreError.

    `read_only` is for the command line, beside a running router or without one: it needs no lock, upgrades nothing, and every
    method that writes raises StoreError. A store that another program locks is waited for `busy` seconds at a time, and
    `patience` seconds in all. `ballast` bytes are kept beside it for a full disk. `policy` is what is held back whatever rules
    say; by default nothing.
    """
    name, explain = str(path), partial(connection.explain, path=str(path))
    if read_only or name == connection.MEMORY:
        opening = connection.open_reading if read_only else connection.open_writing
        writer = Writer(partial(opening, name, busy), explain, patience)
        await writer.start()
        return SqliteStore(writer, read_only=read_only, policy=policy)
    lock, filled, loop = _locked(Path(path)), asyncio.Event(), asyncio.get_running_loop()

    def tell() -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(filled.set)

    space = Space(Ballast(Path(path), ballast), tell)
    writer = Writer(
        partial(_open, name, busy, space),
        explain,
        patience,
        committed=connection.Checkpoints().after_commit,
        spend=space.spend,
        full=lambda: connection.full(name) if space.full else None,
    )
    try:
        refuse_half_restored(Path(path))
        await writer.start()
    except BaseException:
        lock.release()
        raise
    return SqliteStore(writer, lock=lock, space=space, filled=filled, policy=policy)


def _open(path: str, busy: float, space: Space) -> sqlite3.Connection:
    """On a disk that has no room even for opening it, the ballast's."""
    try:
        opened = connection.open_writing(path, busy)
    except StoreFull:
        if not space.ballast.take():
            raise
        opened = connection.open_writing(path, busy)
    try:
        space.open()
    except OSError as error:
        opened.close()
        raise StoreError(f"The ballast of the store {path} cannot be made: {error.strerror}: {error.filename}.") from None
    return opened


def _locked(path: Path) -> Lock:
    lock = Lock(path.with_name(path.name + ".lock"))
    connection.refuse_folder(path)
    try:
        lock.take(f"The store {path}")
    except OSError as error:
        raise StoreError(f"The store {path} cannot be opened: {error.strerror}: {error.filename}.") from None
    return lock


class SqliteStore:
    """What each method promises is said in `base.Store`; how, in the module that it calls."""

    def __init__(
        self,
        writer: Writer,
        *,
        lock: Lock | None = None,
        space: Space | None = None,
        filled: asyncio.Event | None = None,
        read_only: bool = False,
        policy: Policy | None = None,
    ) -> None:
        self._policy = policy or Policy()
        self._writer = writer
        self._lock = lock
        self._space = space
        self._filled = filled or asyncio.Event()
        self._looked = asyncio.Event()
        self._read_only = read_only
        self._session = chance.token_hex(8)
        self._turns = Turns()
        self._stands_by: StandsBy | None = None

    def committed(self, told: Callable[[float], object]) -> None:
        """Have `told` called with the seconds that each commit took, on another thread."""
        self._writer.committed = told

    @property
    def full(self) -> bool:
        return self._space is not None and self._space.full

    async def filled(self) -> None:
        await self._filled.wait()
        self._filled.clear()

    async def regain(self) -> bool:
        room = self._space is None or await self._read(self._space.regain)
        self._looked.set()
        self._looked = asyncio.Event()
        return room

    async def failed(self) -> None:
        await self._writer.failed()

    async def close(self) -> None:
        try:
            await self._writer.close()
        finally:
            if self._lock is not None:
                self._lock.release()

    def hold_back(self, policy: Policy) -> None:
        self._policy = policy

    async def accept(self, arrivals: Sequence[Arrival], now: Micros) -> Sequence[Accepted]:
        crash_point("before_accept")
        return await self._until_room(lambda: self._accepting(arrivals, now), lasting=True)

    async def _accepting(self, arrivals: Sequence[Arrival], now: Micros) -> Sequence[Accepted]:
        self._refuse_read_only()
        accepted: list[Accepted] = []
        work = partial(self._accept, arrivals=arrivals, policy=self._policy, now=now, accepted=accepted)
        then, by = None, self._stands_by
        acts = by is not None and any(one.plan is not None and one.plan.deliveries for one in arrivals)
        if by is not None and acts and (wanted := by.wants()) is not None:
            claim = partial(self._claim_new, arrivals=arrivals, accepted=accepted, wanted=wanted, policy=self._policy)
            then = Then(claim, lambda claims: by.took(claims or ()), "after_claim")
        return await self._writer.do(work, writes=True, committed="after_accept", lasting=True, then=then)

    def _accept(
        self,
        db: sqlite3.Connection,
        arrivals: Sequence[Arrival],
        policy: Policy,
        now: Micros,
        accepted: list[Accepted],
    ) -> list[Accepted]:
        accepted[:] = accept(db, arrivals, policy, now)
        if any(one.ready for one in accepted):
            self._turns.forget()
        return accepted

    def _claim_new(
        self,
        db: sqlite3.Connection,
        arrivals: Sequence[Arrival],
        accepted: list[Accepted],
        wanted: Wanted,
        policy: Policy,
    ) -> Sequence[Claim]:
        """After `accept`, in its transaction. What is taken now waits no more, and nobody need be told of it."""
        if not any(one.ready for one in accepted):
            return ()
        ids = [made.id for one in arrivals if one.plan is not None for made in one.plan.deliveries]
        if wanted.idle and len(ids) <= wanted.count:
            claims = outbox.claim_these(db, self._session, wanted, policy, ids)
        else:
            claims = outbox.claim(db, self._session, wanted, policy, self._turns)
        taken = {claim.delivery.id for claim in claims}
        for at, (arrival, one) in enumerate(zip(arrivals, accepted, strict=True)):
            if one.ready and arrival.plan is not None and all(made.id in taken for made in arrival.plan.deliveries):
                accepted[at] = changed(one, ready=False)
        return claims

    def stand_by(self, by: StandsBy | None) -> None:
        self._stands_by = by

    async def claim(
        self,
        owner: str,
        count: int,
        lease: float,
        now: Micros,
        room: Mapping[str, int],
        *,
        each: int | None = None,
        looking: Collection[str] = (),
    ) -> Sequence[Claim]:
        wanted = Wanted(owner=owner, count=count, lease=lease, now=now, room=room, each=each, looking=looking)
        work = partial(outbox.claim, session=self._session, wanted=wanted, policy=self._policy, turns=self._turns)
        return await self._write(work, "after_claim", sooner=False)

    async def settle(self, claim: Claim, outcome: Outcome, now: Micros) -> bool:
        crash_point("before_settle")
        self._refuse_read_only()
        settling = outbox.Settling(claim, outcome, now)
        try:
            return await self._writer.share(self._settle, settling, committed="after_settle")
        except StoreFull:
            return await self._until_room(lambda: self._writer.share(self._settle, settling, committed="after_settle"))

    def _settle(self, db: sqlite3.Connection, all_of_them: Sequence[outbox.Settling]) -> Sequence[bool]:
        return outbox.settle(db, all_of_them, self._policy)

    async def recover(self, now: Micros, held: Collection[str] = ()) -> int:
        return await self._write(partial(outbox.recover, session=self._session, now=now, held=tuple(held)))

    async def next_due(self, now: Micros) -> Micros | None:
        return await self._read(partial(outbox.next_due, now=now))

    async def tell(self, entries: Sequence[Entry], now: Micros) -> Sequence[Entry]:
        return await self._patiently(partial(journal.tell, entries=entries, now=now))

    async def journal(self, after: int, limit: int = 200) -> Sequence[Told]:
        return await self._read(partial(journal.journal, after=after, limit=limit))

    async def open_receipts(self, provider: str, after: int = 0, limit: int = 500) -> Sequence[OpenReceipt]:
        return await self._read(partial(journal.open_receipts, provider=provider, after=after, limit=limit))

    async def silent(self, since: Micros, limit: int = 200) -> Sequence[OpenReceipt]:
        return await self._read(partial(journal.silent, since=since, limit=limit))

    async def made_since(self, provider: str, since: Micros, limit: int = 500) -> Sequence[Receipt]:
        return await self._read(partial(runs.made_since, provider=provider, since=since, limit=limit))

    async def adopt(self, delivery: str, receipt: Receipt, now: Micros) -> None:
        await self._write(partial(runs.adopt, delivery=delivery, receipt=receipt, now=now))

    async def cursor(self, source: str) -> int | None:
        return await self._read(partial(lists.cursor, source=source))

    async def forget_cursor(self, source: str) -> None:
        await self._patiently(partial(lists.forget_cursor, source=source))

    async def undecided(self, after: int = 0, limit: int = 500) -> Sequence[EventRow]:
        return await self._read(partial(lists.undecided, after=after, limit=limit))

    async def facts(self, kind: str) -> Mapping[str, Tree]:
        return await self._read(partial(facts, kind=kind))

    async def remember(self, kind: str, facts: Mapping[str, Tree | None], now: Micros) -> None:
        await self._patiently(partial(remember, kind=kind, facts=facts, now=now))

    async def chosen(
        self, state: State, *, rule: str = "", provider: str = "", repo: str = "", since: Micros = 0, limit: int = 10_000
    ) -> Sequence[str]:
        wanted = partial(lists.chosen, state=state, rule=rule, provider=provider, repo=repo, since=since, limit=limit)
        return await self._read(wanted)

    async def retry(self, ids: Sequence[str], now: Micros) -> Sequence[str]:
        return await self._write(partial(outbox.retry, ids=ids, now=now))

    async def discard(self, ids: Sequence[str], reason: str, now: Micros) -> Sequence[str]:
        return await self._write(partial(outbox.discard, ids=ids, reason=reason, now=now))

    async def deliveries(
        self, *, state: State | None = None, rule: str = "", repo: str = "", event: int = 0, limit: int = 50
    ) -> Sequence[DeliveryRow]:
        wanted = partial(lists.deliveries, state=state, rule=rule, repo=repo, event=event, limit=limit, policy=self._policy)
        return await self._read(wanted)

    async def delivery(self, delivery_id: str) -> DeliveryRow | None:
        return await self._read(partial(lists.delivery, beginning=delivery_id, policy=self._policy))

    async def event_of(self, delivery_id: str) -> Event | None:
        return await self._read(partial(lists.event_of, delivery_id=delivery_id))

    async def events(
        self, *, nsid: str = "", repo: str = "", rule: str = "", matched: bool = False, before: int = 0, limit: int = 50
    ) -> Sequence[EventRow]:
        wanted = partial(lists.events, nsid=nsid, repo=repo, rule=rule, matched=matched, before=before, limit=limit)
        return await self._read(wanted)

    async def events_since(self, since: Micros, after: int = 0, limit: int = 500) -> Sequence[EventRow]:
        return await self._read(partial(lists.events_since, since=since, after=after, limit=limit))

    async def count_since(self, since: Micros) -> int:
        return await self._read(partial(lists.count_since, since=since))

    async def waiting(self, mark: str, limit: int = 200) -> Sequence[EventRow]:
        return await self._read(partial(lists.waiting, mark=mark, limit=limit))

    async def event(self, number_or_id: str) -> EventRow | None:
        return await self._read(partial(lists.event, number_or_id=number_or_id))

    async def records(self, collection: str) -> Sequence[RecordChange]:
        return await self._read(partial(mirror.records, collection=collection))

    async def mirror(self, changes: Sequence[RecordChange], now: Micros) -> None:
        await self._patiently(partial(mirror.write, changes=changes, now=now), lasting=True)

    async def pipeline(self, name: str, knot: str = "") -> Pipeline | None:
        return await self._read(partial(pipelines.pipeline, name=name, knot=knot))

    async def pipeline_of(self, key: str) -> Pipeline | None:
        return await self._read(partial(pipelines.pipeline_of, key=key))

    async def pipelines(
        self,
        repo: str,
        *,
        commits: Sequence[str] = (),
        kinds: Sequence[str] = (),
        before: int | None = None,
        limit: int = 50,
    ) -> tuple[Sequence[Pipeline], int]:
        wanted = partial(pipelines.pipelines, repo=repo, commits=commits, kinds=kinds, before=before, limit=limit)
        return await self._read(wanted)

    async def latest_pipelines(self, before: int | None = None, limit: int = 50) -> Sequence[Pipeline]:
        return await self._read(partial(pipelines.latest, before=before, limit=limit))

    async def name_pipeline(self, pipeline: str, knot: str, rkey: str, now: Micros) -> bool:
        work = partial(pipelines.name_pipeline, pipeline=pipeline, knot=knot, rkey=rkey, now=now)
        return await self._patiently(work)

    async def announcements(self, after: int, limit: int = 100) -> Sequence[Announcement]:
        return await self._read(partial(pipelines.announcements, after=after, limit=limit))

    async def last_announced(self) -> int:
        return await self._read(pipelines.last_announced)

    async def announce_again(self, pipeline: str, now: Micros) -> int:
        return await self._patiently(partial(pipelines.announce_again, pipeline=pipeline, now=now))

    async def runs(self, pipeline: str) -> Sequence[Run]:
        return await self._read(partial(runs.runs, pipeline=pipeline))

    async def run_of(self, delivery: str) -> Run | None:
        return await self._read(partial(runs.run_of, delivery=delivery))

    async def rerun(self, delivery: str, receipt: Receipt | None, key: str, now: Micros) -> bool:
        return await self._write(partial(runs.rerun, delivery=delivery, receipt=receipt, key=key, now=now))

    async def ask_cancel(self, pipeline: str, workflows: Sequence[str], why: str, now: Micros) -> Sequence[str]:
        return await self._write(partial(runs.ask_cancel, pipeline=pipeline, names=workflows, why=why, now=now))

    async def to_cancel(self, provider: str, limit: int = 100) -> Sequence[Run]:
        return await self._read(partial(runs.to_cancel, provider=provider, limit=limit))

    async def write_log(self, delivery: str, run: int, first: int, lines: Sequence[LogLine], now: Micros) -> None:
        work = partial(logs.write_log, delivery=delivery, run=run, first=first, lines=lines, policy=self._policy, now=now)
        await self._write(work, lasting=True)

    async def log(self, delivery: str, run: int, after: int = 0, limit: int = 1000) -> Sequence[LogLine]:
        return await self._read(partial(logs.log, delivery=delivery, run=run, after=after, limit=limit))

    async def forget(
        self, before: Micros, after: int = 0, limit: int = 200, *, dead_before: Micros | None = None
    ) -> tuple[int, int | None]:
        dead = before if dead_before is None else min(before, dead_before)
        return await self._write(partial(retention.forget, before=before, dead_before=dead, after=after, limit=limit))

    async def use(self, kind: str, key: str, until: Micros, now: Micros) -> bool:
        return await self._write(partial(once.use, kind=kind, key=key, until=until, now=now))

    async def secrets(self, repo: str) -> Sequence[SealedSecret]:
        return await self._read(partial(sealed.secrets, repo=repo))

    async def add_secret(self, secret: SealedSecret) -> bool:
        return await self._write(partial(sealed.add_secret, secret=secret))

    async def remove_secret(self, repo: str, key: str) -> bool:
        return await self._write(partial(sealed.remove_secret, repo=repo, key=key))

    async def refused(self, since: Micros) -> Mapping[str, int]:
        return await self._read(partial(lists.refused, since=since))

    async def sources(self) -> Sequence[SourceRow]:
        return await self._read(lists.sources)

    async def bad_frames(self, source: str, limit: int = 20) -> Sequence[Mapping[str, Tree]]:
        return await self._read(partial(lists.bad_frames, source=source, limit=limit))

    async def counts(self) -> Mapping[str, int]:
        return await self._read(lists.counts)

    async def pause(self, kind: str, name: str, now: Micros) -> bool:
        return await self._write(partial(operator.pause, kind=kind, name=name, now=now))

    async def resume(self, kind: str, name: str) -> bool:
        return await self._write(partial(operator.resume, kind=kind, name=name))

    async def paused(self, kind: str) -> Mapping[str, Micros]:
        return await self._read(partial(operator.paused, kind=kind))

    async def hits(self) -> Mapping[str, Hits]:
        return await self._read(operator.hits)

    async def backlog(self, now: Micros) -> Backlog:
        return await self._read(partial(operator.backlog, now=now))

    async def _read(self, work: Work[T]) -> T:
        return await self._writer.do(work, writes=False)

    async def _write(self, work: Work[T], committed: str = "", *, lasting: bool = False, sooner: bool = True) -> T:
        """`sooner` says that it may make something claimable whose turn is sooner than that of what was found to be next."""
        self._refuse_read_only()
        if sooner:
            work = partial(self._forgetting, work=work)
        return await self._writer.do(work, writes=True, committed=committed, lasting=lasting)

    def _forgetting(self, db: sqlite3.Connection, work: Work[T]) -> T:
        self._turns.forget()
        return work(db)

    async def _patiently(self, work: Work[T], committed: str = "", *, lasting: bool = False, sooner: bool = True) -> T:
        return await self._until_room(lambda: self._write(work, committed, lasting=lasting, sooner=sooner), lasting=lasting)

    async def _until_room(self, attempt: Callable[[], Awaitable[T]], *, lasting: bool = False) -> T:
        """Again whenever somebody looked for room, for as long as there is none."""
        while True:
            looked = self._looked
            if not (lasting and self.full):
                try:
                    return await attempt()
                except StoreFull:
                    pass
            await looked.wait()

    def _refuse_read_only(self) -> None:
        if self._read_only:
            raise StoreError("The store is open for reading only.")


if TYPE_CHECKING:
    _kept: type[Store] = SqliteStore
