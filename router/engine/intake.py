"""The way in: what a source hears is decided on and stored, in batches that form while the one before is committed.

A cursor is stored with what it stands for, in one transaction; so a crash hears again what was not stored, and the store knows
again what was.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Protocol

from router.core.errors import RouterError, StoreError
from router.core.model import Plan, Trouble
from router.core.plan import plan
from router.engine.crash import crash_point
from router.engine.echo import Echo
from router.engine.pauses import SOURCE, Pauses
from router.engine.store.base import Arrival

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from router.core.model import Event, Heard, Pipeline, RecordChange
    from router.core.plan import Address
    from router.core.rulebook import Rulebook
    from router.engine.bell import Bell
    from router.engine.directory import Directory
    from router.engine.store.base import Accepted, Store
    from router.host import Clock
    from router.observe import Observer
    from router.sources.base import LeavesOut, Source

#: Arrivals in one commit, and so those of a source that wait in memory.
BATCH = 512
#: Seconds from the beginning of a source's commit to that of its next one.
REST = 0.01
#: How many of our own statuses may have led to an event before rules no longer see it: a rule that feeds itself stops here.
DEEPEST = 4
#: Seconds until a source that broke (a bug, not a peer's mistake: those are its own affair) is started again.
RESTART = 60.0


class Spindle(Protocol):
    """What a spindle makes of what is heard, before rules see it."""

    def passes(self, event: Event) -> bool:
        """Whether the event is any of our business."""

    def needs(self, nsid: str) -> bool:
        """Whether events of this nsid may be, whatever rules ask for."""

    def records(self, event: Event) -> Sequence[RecordChange]:
        """What is to be mirrored of it."""

    def precede(self, records: Sequence[RecordChange]) -> bool:
        """Whether these must be stored before the next event is looked at: they may say whose it is."""

    def holds(self, event: Event) -> str:
        """Why rules must wait: it is a trigger, and what it asks for is not known yet. Empty where they need not."""

    def pipeline(self, event: Event, plan: Plan) -> Pipeline | None:
        """The run that the event and its plan are."""

    def stored(self, arrivals: Sequence[Arrival]) -> None:
        """These are committed."""

    async def admitted(self, event: Event) -> Event:
        """An event that waited and is approved now, with the run that it makes. Raises RouterError where there can be none."""


class Plain:
    """A router that is no spindle."""

    def passes(self, event: Event) -> bool:
        return True

    def needs(self, nsid: str) -> bool:
        return False

    def records(self, event: Event) -> Sequence[RecordChange]:
        return ()

    def precede(self, records: Sequence[RecordChange]) -> bool:
        return False

    def holds(self, event: Event) -> str:
        return ""

    def pipeline(self, event: Event, plan: Plan) -> Pipeline | None:
        return None

    def stored(self, arrivals: Sequence[Arrival]) -> None: ...

    async def admitted(self, event: Event) -> Event:
        return event


class Intake:
    """Shared by all sources. `rulebook` may be exchanged between two events."""

    def __init__(
        self,
        store: Store,
        rulebook: Rulebook,
        directory: Directory,
        observer: Observer,
        clock: Clock,
        bell: Bell,
        record: str = "wanted",
    ) -> None:
        self.spindle: Spindle = Plain()
        #: Called when a source missed something that it will not send again.
        self.missed: list[Callable[[], object]] = []
        self.store = store
        self.rulebook = rulebook
        self.directory = directory
        self.observer = observer
        self.clock = clock
        self.bell = bell
        self.record = record
        #: Where a delivery goes, as far as its provider says; set by whoever delivers.
        self.destination: Address | None = None
        self.pauses = Pauses(store, clock)

    async def listen(self, source: Source, *, again: bool = True) -> None:
        """Everything from one source. Ends with a finite source; raises only when the store fails or, where it is not to start
        `again`, RouterError when the source does."""
        while True:
            try:
                ended = await self._hear_unless_paused(source)
            except* StoreError as broken:
                raise broken.exceptions[0] from None
            except* Exception as errors:  # noqa: BLE001 - one source that breaks must not end the others
                self._broke(source, errors.exceptions[0], again=again)
            else:
                if not ended:
                    continue
                self.observer.source(source.name, "ended")
                return
            await self.clock.sleep(RESTART)

    async def _hear_unless_paused(self, source: Source) -> bool:
        """Whether it came to its end; else it was paused."""
        if source.name in self.pauses.since(SOURCE):
            self.observer.source(source.name, "paused")
            await self.pauses.until(source.name, paused=False)
        hearing = asyncio.create_task(self._hear_all(source), name=f"hear {source.name}")
        pausing = asyncio.create_task(self.pauses.until(source.name, paused=True))
        try:
            await asyncio.wait((hearing, pausing), return_when=asyncio.FIRST_COMPLETED)
            if hearing.done():
                await hearing
            return hearing.done()
        finally:
            pausing.cancel()
            hearing.cancel()
            await asyncio.wait((hearing,))
            if not hearing.cancelled():
                hearing.exception()

    def _broke(self, source: Source, error: Exception, *, again: bool) -> None:
        if not again and isinstance(error, RouterError):
            raise error
        sentence = f"The source {source.name} broke" + (f" and starts again in {RESTART:g} s." if again else ".")
        self.observer.source(source.name, "down", sentence)
        self.observer.fault(f"source {source.name}", sentence, error)
        if not again:
            raise RouterError(f"{sentence} The log says how.")

    def wants(self, nsid: str) -> bool | LeavesOut:
        """Whether an event of a knot or of Jetstream may lead to anything: else it need not be decoded. Where that is a
        match at most, what leaves out those that match nothing."""
        if self.record == "all" or self.spindle.needs(nsid):
            return True
        if not self.rulebook.heeds(nsid):
            return False
        sieve = self.rulebook.sieve(nsid) if self.record == "matched" else None
        return True if sieve is None else partial(sieve.leaves_out, self.directory.identities)

    async def _hear_all(self, source: Source) -> None:
        broken: Exception | None = None
        cursor = await self.store.cursor(source.name)
        async with asyncio.TaskGroup() as group, aclosing(source.hear(cursor, self.wants)) as heard:  # type: ignore[type-var]
            way = _Way(self, source.name, group)
            try:
                async for batch in heard:
                    crash_point("after_heard")
                    await self._decide(way, batch)
            except asyncio.CancelledError:
                # What is being stored will be, so it is told as well: a source may be stopped while the router goes on. On a
                # full disk it is not, and is heard again.
                while (commit := way.commit) is not None and not commit.done() and not self.store.full:
                    await asyncio.wait([commit], timeout=0.1)
                raise
            except Exception as error:  # noqa: BLE001 - raised below: what the source said before it broke is stored first
                broken = error
                way.store()
        if broken is not None:
            raise broken

    async def _decide(self, way: _Way, batch: Sequence[Heard]) -> None:
        """On each in its order. Nothing is awaited where nobody has to be asked and the store keeps up."""
        name, spindle = way.source, self.spindle
        passes, mirrored, run = spindle.passes, spindle.records, spindle.pipeline
        told, lacks, decide, keeps = self.observer.heard, self.directory.lacks, self._plan, self._keeps
        unmatched: list[Event] = []
        #: Of what leads to nothing: where the last of it stood, and how many nobody looked at.
        cursor, unkept = None, 0
        for heard in batch:
            if heard.gap:
                self._missed(name, heard.gap)
            event = heard.event
            if event is None:
                if heard.passed is not None:
                    self.observer.passed(name, heard.passed)
                    cursor, unkept = heard.cursor, unkept + heard.passed.count
                else:
                    await way.put(Arrival(source=name, cursor=heard.cursor, bad=heard.bad, frame=heard.frame))
                continue
            if (event.depth and self._is_too_deep(event)) or not passes(event):
                cursor = heard.cursor
                continue
            told(event)
            records = mirrored(event)
            if lacks(event):
                # Its knot may take its time to answer: what came before is stored meanwhile.
                way.move(cursor, unkept)
                cursor, unkept = None, 0
                way.store()
                event, made = await self._completed(event)
            else:
                made = decide(event)
            pipeline = run(event, made)
            if made.matched or records or pipeline is not None or keeps(made):
                await way.put(self._arrival(name, event, made, records, pipeline, heard.cursor))
                if records and self.spindle.precede(records):
                    await way.stored()
            else:
                unmatched.append(event)
                cursor = heard.cursor
        if unmatched:
            self.observer.unmatched(unmatched)
        way.move(cursor, unkept + len(unmatched))
        way.store()
        await way.keep_up()

    def _missed(self, source: str, gap: str) -> None:
        self.observer.gap(source, gap)
        for look in self.missed:
            look()

    def _is_too_deep(self, event: Event) -> bool:
        if event.depth <= DEEPEST:
            return False
        sentence = f"An event that {event.depth} of our own statuses led to is not looked at: a rule feeds itself."
        self.observer.fault("loop guard", sentence)
        return True

    def _keeps(self, made: Plan) -> bool:
        """Whether the event is recorded."""
        if made.matched or made.troubles:
            return True
        return self.record == "all" or (made.wanted and self.record == "wanted")

    def _arrival(
        self,
        source: str,
        event: Event,
        made: Plan,
        records: Sequence[RecordChange],
        pipeline: Pipeline | None,
        cursor: int | None,
    ) -> Arrival:
        return Arrival(
            source=source,
            cursor=cursor,
            event=event,
            plan=made,
            keep=self._keeps(made),
            records=records,
            pipeline=pipeline,
        )

    async def _again(self, event: Event) -> Arrival:
        """Of an event that waited."""
        if self._is_too_deep(event) or not self.spindle.passes(event):
            return Arrival(source=event.source)
        self.observer.heard(event)
        records = self.spindle.records(event)
        event, made = await self._completed(event)
        # The store is told even that it leads to nothing now: it is undecided there.
        return self._arrival(event.source, event, made, records, self.spindle.pipeline(event, made), None)

    async def _completed(self, event: Event) -> tuple[Event, Plan]:
        """The event, with what its knot knows of it, and its plan."""
        try:
            if self.rulebook.asks_for(event.nsid) and not self.spindle.holds(event):
                event = await self.directory.complete(event)
        except Exception as error:  # noqa: BLE001 - see _plan
            return event, self._bug(event, error)
        return event, self._plan(event)

    def _plan(self, event: Event) -> Plan:
        """A bug of ours, met by one event, must neither stop the source that it came from nor lose it: the event is kept as
        undecided, and planned again, at the latest by the version that has the bug no more."""
        try:
            if why := self.spindle.holds(event):
                return Plan(troubles=(Trouble(rule="", sentence=why, undecided=True),), wanted=True)
            return plan(event, self.rulebook, self.directory.identities, self.destination)
        except Exception as error:  # noqa: BLE001 - whatever it is, the next event is not to suffer from it
            return self._bug(event, error)

    def _bug(self, event: Event, error: Exception) -> Plan:
        self.observer.fault("intake", f"A bug, met by the event {event.id}, which is kept.", error)
        sentence = f"a bug in the router: {type(error).__name__}"
        return Plan(troubles=(Trouble(rule="", sentence=sentence, undecided=True),), wanted=True)

    async def commit(self, batch: Sequence[Arrival]) -> None:
        """Store them, and tell of them."""
        results = await self.store.accept(batch, self.clock.now())
        self.spindle.stored(batch)
        self._tell(batch, results)

    def _tell(self, batch: Sequence[Arrival], results: Sequence[Accepted]) -> None:
        for arrival, result in zip(batch, results, strict=True):
            if arrival.bad is not None:
                self.observer.bad_frame(arrival.source, arrival.bad)
            if arrival.event is not None and arrival.plan is not None:
                self.observer.planned(arrival.event, arrival.plan, result.fresh)
            for delivery, why in result.held:
                self.observer.held(delivery, why)
            for entry in result.entries:
                self.observer.reported(entry)
        # A status that was heard rings too: a router that drains waits until all are, and they may lead to no delivery.
        heard_own = any(arrival.source == Echo.name for arrival in batch)
        if heard_own or any(result.ready or result.entries for result in results):
            self.bell.ring()

    async def conclude(self, event: Event) -> None:
        """An event that was held, now with what was missing."""
        await self.commit([await self._again(event)])

    async def plan_again(self) -> None:
        """Every event that a rule could not be decided for, once more: something that was missing may be known now."""
        after = 0
        while rows := await self.store.undecided(after):
            after = rows[-1].number
            await self.commit([await self._again(row.event) for row in rows])


class _Way:
    """What one source said and is not stored yet, in order. Of events that led to nothing there is only their number, and where
    the last one stood."""

    def __init__(self, intake: Intake, source: str, group: asyncio.TaskGroup) -> None:
        self.source = source
        self.commit: asyncio.Task[None] | None = None
        self._intake = intake
        self._group = group
        self._waiting: list[Arrival] = []
        self._unkept = 0
        self._cursor: int | None = None
        #: When the last commit did, on the event loop's clock.
        self._begun = float("-inf")

    async def put(self, arrival: Arrival) -> None:
        """One more. Waits where too much waits."""
        self._waiting.append(arrival)
        await self.keep_up()

    async def keep_up(self) -> None:
        """Wait until no more than one commit waits: a source that says nothing of interest is read no further than others."""
        if len(self._waiting) >= BATCH:
            self.store()
            if self.commit is not None:
                # Whoever stops the source does not stop the commit, as awaiting it would; that it failed, the group tells.
                await asyncio.wait((self.commit,))

    async def stored(self) -> None:
        """Wait until all of it is, without the rest between two commits."""
        while self._waiting:
            self._begun = float("-inf")
            self.store()
            if self.commit is not None:
                await asyncio.wait((self.commit,))

    def move(self, cursor: int | None, unkept: int = 0) -> None:
        """Past so many events that led to nothing."""
        self._unkept += unkept
        self._cursor = cursor if cursor is not None else self._cursor

    def store(self) -> None:
        """What waits, when what is being stored now is."""
        if self._unkept or self._cursor is not None:
            self._waiting.append(Arrival(source=self.source, cursor=self._cursor, unkept=self._unkept))
            self._unkept, self._cursor = 0, None
        if self._waiting and (self.commit is None or self.commit.done()):
            self.commit = self._group.create_task(self._commit(), name=f"commit {self.source}")

    async def _commit(self) -> None:
        """Store what waits, and what comes to wait meanwhile."""
        time = asyncio.get_running_loop().time
        while self._waiting:
            # At once where nothing came lately. A commit costs as much as hearing dozens of events does.
            if (rest := self._begun + REST - time()) > 0 and len(self._waiting) < BATCH:
                await asyncio.sleep(rest)
            self._begun = time()
            batch = self._waiting[:BATCH]
            del self._waiting[: len(batch)]
            await self._intake.commit(batch)
