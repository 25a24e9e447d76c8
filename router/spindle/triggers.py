"""Triggers on their way to the rules: held in the store as they are heard, completed here, and planned as one event each.

A trigger waits for what a peer has to tell (its workflow files, the patch of a pull request), for as long as that takes; others
do not wait for it. Those of one repo are begun in their order, one after the other. A crash finds it where it was: held.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from functools import partial
from typing import TYPE_CHECKING

from router.core.errors import RouterError
from router.core.match import keeps_silent
from router.core.wire import PIPELINE
from router.spindle import compose
from router.spindle.complete import PULL, PULL_STATUS, REF_UPDATE, is_older, refused
from router.spindle.roster import MIRRORED

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from router.core.model import Event, Micros, Pipeline, Plan, RecordChange
    from router.engine.intake import Intake
    from router.engine.store.base import Arrival, EventRow, Store
    from router.host import Clock
    from router.observe import Observer
    from router.spindle.complete import Completer
    from router.spindle.records import Records
    from router.spindle.roster import Roster

#: Repos whose triggers are completed at once, and strangers whose pull requests are: those have lanes of their own, because
#: their servers may answer as slowly as they like.
LANES, STRANGERS_LANES = 8, 3
#: Triggers that are held in memory; the store has the others. Of strangers' pull requests no more than so many wait.
REMEMBERED, STRANGERS = 2000, 500
#: Seconds between two looks at what is held, where nothing woke us earlier.
SWEEP = 30.0
#: Seconds until a peer that had no answer is asked again: twice as long each time, up to the last.
FIRST_WAIT, LONGEST_WAIT = 2.0, 300.0
#: Microseconds after which a trigger whose peer never answers is given up.
GIVE_UP: Micros = 86_400_000_000
#: Microseconds that an older knot's push waits for the pipeline which the knot makes of it.
GRACE: Micros = 10_000_000
#: Microseconds after which a new run's statuses are told once more.
TOLD_AGAIN: Micros = 5_000_000
#: Pushes to repos that we do not know yet, and microseconds for which they are remembered: a knot may be faster than Jetstream.
STRANGE, STRANGE_FOR = 512, 300_000_000
#: What triggers are, and what says whose word counts.
_NEEDED = frozenset((REF_UPDATE, PIPELINE, PULL, PULL_STATUS, *MIRRORED))
_WAITS = "It is a trigger, and what it asks for is being fetched."


class Triggers:
    """What the spindle makes of events: `engine.intake` asks it of each, and `run` goes on with those that are held."""

    def __init__(
        self,
        store: Store,
        intake: Intake,
        roster: Roster,
        records: Records,
        completer: Completer,
        clock: Clock,
        observer: Observer,
        *,
        closest: Callable[[Event], str],
        silent: Collection[str] = (),
        tells: bool = True,
    ) -> None:
        """`closest` says why no rule acts on an event; of pushes to the repos in `silent` (or, without `tells`, to any) that is
        not told."""
        self.store = store
        self.intake = intake
        self.roster = roster
        self.mirrored = records
        self.completer = completer
        self.clock = clock
        self.observer = observer
        self.closest = closest
        self.silent = frozenset(silent)
        self.tells = tells
        #: Names of the sources that the spindle itself opened: what they tell of strangers' repos is nobody's business.
        self.own_sources: set[str] = set()
        self._woken = asyncio.Event()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._strangers: dict[str, asyncio.Task[None]] = {}
        #: What is held, by number, as far as it was read, and when each may be looked at again after how many failures.
        self._rows: dict[int, EventRow] = {}
        self._of_strangers: set[int] = set()
        self._after = 0
        self._due: dict[int, tuple[Micros, int]] = {}
        self._strange: OrderedDict[str, tuple[Micros, Event]] = OrderedDict()
        #: Runs whose first statuses are told once more, and when.
        self._fresh: dict[str, Micros] = {}

    # --- what intake asks

    def passes(self, event: Event) -> bool:
        """Whatever an operator listens to passes; of what the spindle listens to, what is about repos of ours."""
        if event.source not in self.own_sources or not self._is_trigger(event) or self.roster.repo_of(event) is not None:
            return True
        if event.kind == "knot":
            self._remember(event)
        return False

    def _remember(self, event: Event) -> None:
        """It may be the first push of a repo whose record is on its way."""
        self._strange[f"{event.origin} {event.id}"] = self.clock.now(), event
        while len(self._strange) > STRANGE:
            self._strange.popitem(last=False)

    def needs(self, nsid: str) -> bool:
        return nsid in _NEEDED

    def records(self, event: Event) -> Sequence[RecordChange]:
        return self.mirrored.of(event)

    def precede(self, records: Sequence[RecordChange]) -> bool:
        return any(change.collection != PULL for change in records)

    def holds(self, event: Event) -> str:
        known = "pipeline" in event.fields or "refused" in event.fields
        return _WAITS if not known and self._is_trigger(event) and self.roster.repo_of(event) is not None else ""

    def pipeline(self, event: Event, plan: Plan) -> Pipeline | None:
        repo = event.fields.get("repo") or {}
        names = {repo.get("did"), f"{repo.get('owner')}/{repo.get('name')}"}
        tells = self.tells and not names & self.silent and not self._silent(event)
        return compose.pipeline(event, plan, lambda: self.closest(event), self.clock.now(), tells=tells)

    def _silent(self, event: Event) -> bool:
        return keeps_silent(event, self.intake.rulebook, self.intake.directory.identities)

    def stored(self, arrivals: Sequence[Arrival]) -> None:
        changes = [change for arrival in arrivals for change in arrival.records]
        if changes:
            self.roster.apply(changes)
            self.mirrored.stored(changes)
        if changes or any(arrival.plan and arrival.plan.troubles for arrival in arrivals):
            self.wake()

    async def admitted(self, event: Event) -> Event:
        return await self.completer.admitted(event)

    def wake(self) -> None:
        """Something that a trigger may wait for has changed."""
        self._woken.set()

    def _is_trigger(self, event: Event) -> bool:
        fields = event.fields
        if event.kind == "knot":
            return event.nsid in (REF_UPDATE, PIPELINE) and "trigger" in fields
        if event.kind != "jetstream":
            return False
        return (event.nsid == PULL and "trigger" in fields) or event.nsid == PULL_STATUS

    # --- what goes on afterwards

    async def run(self) -> None:
        """For ever."""
        async with asyncio.TaskGroup() as group:
            while True:
                self._woken.clear()
                await self._admit()
                seconds = min(await self._tell_again(), self._start(await self._held(), group))
                try:
                    async with asyncio.timeout(seconds):
                        await self._woken.wait()
                except TimeoutError:
                    continue

    async def _admit(self) -> None:
        """What came too early for us to know that it is ours."""
        now = self.clock.now()
        for name, (heard, event) in list(self._strange.items()):
            if heard + STRANGE_FOR < now:
                del self._strange[name]
            elif self.roster.repo_of(event) is not None:
                del self._strange[name]
                await self.intake.conclude(event)

    async def _tell_again(self) -> float:
        """What the older appview heard of a run before it knew the run is lost there: it is told again. Seconds to the next."""
        now = self.clock.now()
        for name in [name for name, due in self._fresh.items() if due <= now]:
            del self._fresh[name]
            if await self.store.announce_again(name, now):
                self.intake.bell.ring()
        return min(((due - now) / 1_000_000 for due in self._fresh.values()), default=SWEEP)

    async def _held(self) -> Sequence[EventRow]:
        """Those that are held, oldest first: what came since the last look is read, and no more than we care to remember."""
        while len(self._rows) < REMEMBERED and (page := await self.store.undecided(self._after)):
            self._after = page[-1].number
            for row in page:
                if self.holds(row.event):
                    await self._hold(row)
        return list(self._rows.values())

    async def _hold(self, row: EventRow) -> None:
        strangers = self._is_strangers(row.event)
        if not strangers or len(self._of_strangers) < STRANGERS:
            self._rows[row.number] = row
            if strangers:
                self._of_strangers.add(row.number)
        else:
            why = f"More than {STRANGERS} pull requests of strangers wait to be looked at."
            await self.intake.conclude(refused(self.completer.named(row.event), why))

    def _is_strangers(self, event: Event) -> bool:
        """Whether somebody wrote it who may not push."""
        repo, actor = self.roster.repo_of(event), str(event.fields.get("actor") or "")
        if event.kind != "jetstream" or repo is None:
            return False
        return actor != repo.owner and actor not in self.roster.collaborators(repo.id)

    def _lane(self, event: Event) -> str:
        """What waits for each other: what one knot tells of a repo, and what one account asks of it."""
        return _repo_name(event) + (f" {event.fields.get('actor')}" if event.kind == "jetstream" else "")

    def _start(self, rows: Sequence[EventRow], group: asyncio.TaskGroup) -> float:
        """Begin with what can be begun: the first of each repo. Seconds until the next may be."""
        now, waits = self.clock.now(), [SWEEP]
        compiled = {self._run_of(row.event) for row in rows if row.event.nsid == PIPELINE}
        for row in rows:
            lane, strangers = self._lane(row.event), self._is_strangers(row.event)
            tasks = self._strangers if strangers else self._tasks
            due = self._due_at(row, compiled)
            if lane in tasks or due is None:
                continue
            if due > now:
                waits.append((due - now) / 1_000_000)
            elif len(tasks) < (STRANGERS_LANES if strangers else LANES):
                tasks[lane] = task = group.create_task(self._work(row), name=f"trigger {row.number}")
                task.add_done_callback(partial(self._done, tasks, lane))
        return min(waits)

    def _due_at(self, row: EventRow, compiled: Collection[str]) -> Micros | None:
        """When it may be looked at. An older knot tells of a push, and then what it compiled of it: that is the trigger, if it
        comes; None where it has come and goes first."""
        due = self._due.get(row.number, (0, 0))[0]
        if row.event.nsid == REF_UPDATE and is_older(row.event):
            return None if self._run_of(row.event) in compiled else max(due, row.heard + GRACE)
        return due

    def _run_of(self, event: Event) -> str:
        return compose.key(self.completer.named(event))

    def _done(self, tasks: dict[str, asyncio.Task[None]], lane: str, _task: asyncio.Task[None]) -> None:
        del tasks[lane]
        self._woken.set()

    async def _work(self, row: EventRow) -> None:
        try:
            event = await self.completer.complete(row.event)
        except RouterError as error:
            if row.heard + GIVE_UP > self.clock.now():
                self._later(row, str(error))
                return
            event = await self.completer.given_up(row.event, str(error))
        except Exception as error:  # noqa: BLE001 - one trigger that meets a bug must not end the others
            self.observer.fault("trigger", f"A bug, met by the event {row.event.id}, which is kept.", error)
            self._later(row, "")
            return
        await self.intake.conclude(event)
        if "pipeline" in event.fields:
            self._fresh[event.fields["pipeline"]["id"]] = self.clock.now() + TOLD_AGAIN
        self._due.pop(row.number, None)
        del self._rows[row.number]
        self._of_strangers.discard(row.number)

    def _later(self, row: EventRow, why: str) -> None:
        failures = self._due.get(row.number, (0, 0))[1]
        wait = min(LONGEST_WAIT, FIRST_WAIT * 2.0**failures)
        self._due[row.number] = self.clock.now() + int(wait * 1_000_000), failures + 1
        if why:
            self.observer.fault("trigger", f"The event {row.event.id} waits {wait:g} s more: {why}", None)


def _repo_name(event: Event) -> str:
    repo: Mapping[str, str] = event.fields.get("repo") or {}
    return str(repo.get("did") or f"{repo.get('owner')}/{repo.get('name')}")
