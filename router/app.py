"""The composition root: opens everything, runs it as one group of tasks, and stops it in order.

Stopping: stop hearing, stop claiming, finish what is under way, leave the rest to its lease, and stop telling last.
"""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING

from router import plugins
from router.core.errors import BadInput
from router.core.members import canonical_host
from router.core.model import Retry
from router.egress import Egress
from router.engine.audit import Audit
from router.engine.bell import Bell
from router.engine.cancelling import Cancelling
from router.engine.destinations import Destinations, Terms
from router.engine.directory import Directory
from router.engine.dispatch import Dispatch, Guest
from router.engine.echo import Echo
from router.engine.follow import Follow
from router.engine.intake import Intake
from router.engine.limits import Limits
from router.engine.overdue import Overdue
from router.engine.retention import Retention
from router.engine.scribe import StoreScribe
from router.engine.store.policy import Policy, Quota
from router.engine.store.sqlite import open_store
from router.host import Host, Limit, SystemClock
from router.http import open_outside, open_session
from router.provider import Follows
from router.sections import PLC
from router.sources.knot import Knot
from router.web import admin

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator, Mapping, Sequence
    from typing import Any

    from pydantic import BaseModel

    from router.config import Config
    from router.core.rulebook import Rulebook
    from router.engine.store.base import Store
    from router.identity.handles import Handles
    from router.observe import Observer
    from router.sections import RetrySection
    from router.sources.base import Source
    from router.spindle.spindle import Spindle

#: Seconds after which events that could not be decided are planned again even if nothing new is known to be known.
PLAN_AGAIN = 600.0
#: Before any moment at which a delivery was or will be due.
BEFORE_ALL = -1
#: Seconds for which a start waits for the handles that rules name.
RESOLVE_WITHIN = 10.0


async def run(config: Config, rulebook: Rulebook, observer: Observer, *, stop: asyncio.Event, drain: bool = False) -> None:
    """Run until `stop` is set or, with `drain`, until every source has ended and nothing is left to deliver.

    Raises BadInput where a rule's provider is not configured, and StoreError where the store cannot be used.
    """
    async with AsyncExitStack() as opened:
        store = await open_store(config.store_path, policy=_policy(config))
        opened.push_async_callback(store.close)
        http = await opened.enter_async_context(open_session())
        clock = SystemClock()
        outside = await opened.enter_async_context(open_outside(Egress(config.egress.allow)))
        host = Host(http, clock, scribe=StoreScribe(clock), guarded=outside, meter=Limits(clock))
        router = _Router(config, rulebook, observer, store, host)
        try:
            await router.run(stop, drain=drain)
        except BaseExceptionGroup as group:
            raise _first(group) from None


class _Router:
    def __init__(self, config: Config, rulebook: Rulebook, observer: Observer, store: Store, host: Host) -> None:
        self.config = config
        self.observer = observer
        self.store = store
        self.host = host
        self.bell = Bell()
        self.guests = {guest.name: guest for guest in _guests(config, rulebook, host)}
        self.destinations = _destinations(config, self.guests, host, observer)
        self.directory = Directory(store, host, observer, config.identity.resolver, config.identity.pins)
        if config.identity.resolver == "direct":
            self.directory.handles = self._handles()
        self.intake = Intake(store, rulebook, self.directory, observer, host.clock, self.bell, config.store.record)
        self.dispatch = Dispatch(
            store,
            self.guests,
            host,
            self.bell,
            observer,
            owner=f"{socket.gethostname()}:{os.getpid()}",
            concurrency=config.delivery.concurrency,
            lease=config.delivery.lease,
            destinations=self.destinations,
        )
        self.intake.destination = self.destinations.name
        self.learned = asyncio.Event()
        self.spindle = self._spindle()

    def _handles(self) -> Handles:
        from router.identity.documents import Documents  # noqa: PLC0415 - only those who ask for it pay for it
        from router.identity.handles import Handles  # noqa: PLC0415 - as above

        spindle = self.config.spindle
        plc, dev = (spindle.plc, spindle.dev) if spindle is not None else (PLC, False)
        return Handles(self.host, Documents(self.host, plc, dev=dev), dev=dev)

    def _spindle(self) -> Spindle | None:
        if self.config.spindle is None:
            return None
        from router.spindle.spindle import Spindle  # noqa: PLC0415 - a router that is none pays nothing for it

        knots = [_knot_of(source.settings) for source in self.config.sources if source.kind == "knot"]
        return Spindle(
            self.config.spindle,
            self.store,
            self.intake,
            self.dispatch,
            self.guests,
            self.host,
            self.bell,
            self.observer,
            knots,
        )

    async def run(self, stop: asyncio.Event, *, drain: bool) -> None:
        await self.store.recover(self.host.clock.now())
        await self.directory.load()
        if self.spindle is not None:
            await self.spindle.load()
        await self._resolve(stop)
        try:
            await self._together(self._sources(), stop, drain=drain)
        finally:
            # Where a part failed there was no stop, and the session and the store close now.
            await self.dispatch.finish(0)

    async def _together(self, sources: Sequence[Source], stop: asyncio.Event, *, drain: bool) -> None:
        async with asyncio.TaskGroup() as group:
            telling = [group.create_task(job) for job in self._background(stop)]
            if self.spindle is not None:
                telling += [group.create_task(job, name=name) for name, job in self.spindle.telling()]
            hearing = [
                group.create_task(self.intake.listen(source, again=not drain), name=f"source {source.name}")
                for source in sources
            ]
            if self.spindle is not None:
                hearing += [group.create_task(job, name=name) for name, job in self.spindle.jobs()]
            echo = group.create_task(self.intake.listen(Echo(self.store, self.bell)), name="source spindle")
            delivering = group.create_task(self.dispatch.run(stop), name="dispatch")
            if drain:
                await self._drained(stop, hearing)
                stop.set()
            await stop.wait()
            for task in (*hearing, echo):
                task.cancel()
            self.bell.ring()
            await delivering
            await self.dispatch.finish(self.config.delivery.shutdown)
            for task in telling:
                task.cancel()

    async def _resolve(self, stop: asyncio.Event) -> None:
        """Handles before events, so that few are undecided; a resolver that hangs keeps the router neither from starting nor
        from stopping: `Directory.keep` asks again."""
        resolving = asyncio.create_task(self.directory.resolve(self.intake.rulebook.handles))
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait((resolving, stopped), timeout=RESOLVE_WITHIN, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        resolving.cancel()
        with suppress(asyncio.CancelledError):
            await resolving

    def _sources(self) -> Sequence[Source]:
        opened = [
            plugins.source_kind(source.kind).open(source.name, source.settings, self.host, self.observer)
            for source in self.config.sources
        ]
        self.directory.knots = {source.knot: source.url for source in opened if isinstance(source, Knot)}
        return opened

    def _background(self, stop: asyncio.Event) -> Iterator[Coroutine[Any, Any, None]]:
        yield self.directory.keep(self.intake.rulebook.handles, self.learned.set)
        yield self._plan_again()
        if isinstance(self.host.scribe, StoreScribe):
            yield self.host.scribe.run(self.store)
        yield admin.serve(
            self.store,
            self.bell,
            self.config.store_path,
            self.host.clock,
            self.observer,
            lambda: self.intake.rulebook,
            self.destinations,
        )
        keep, delivery = self.config.store, self.config.delivery
        yield Retention(self.store, self.host.clock, self.observer, keep.keep, keep.keep_dead).run()
        yield Overdue(self.store, self.bell, self.observer, self.host.clock, delivery.longest).run()
        yield Audit(self.guests, self.store, self.bell, self.observer, self.host.clock, delivery.audit).run()
        yield Cancelling(self.guests, self.dispatch, self.store, self.bell, self.observer, self.host.clock).run()
        for guest in self.guests.values():
            if isinstance(guest.provider, Follows):
                yield Follow(guest, guest.provider, self.store, self.bell, self.observer, self.host, delivery.poll).run()

    async def _plan_again(self) -> None:
        """At the start too: the crash may have come between learning something and using it."""
        while True:
            self.learned.clear()
            await self.intake.plan_again()
            try:
                async with asyncio.timeout(PLAN_AGAIN):
                    await self.learned.wait()
            except TimeoutError:
                continue

    async def _drained(self, stop: asyncio.Event, hearing: Sequence[asyncio.Task[None]]) -> None:
        """Until the sources have ended, their deliveries are settled and our own statuses are heard; or until `stop`."""
        stopped = asyncio.create_task(stop.wait())
        waiting: asyncio.Task[Any] = asyncio.create_task(asyncio.wait(hearing))
        try:
            await asyncio.wait((stopped, waiting), return_when=asyncio.FIRST_COMPLETED)
            while not stop.is_set():
                rung = self.bell.count
                if await self._quiet():
                    return
                waiting = asyncio.create_task(self.bell.wait(rung))
                await asyncio.wait((stopped, waiting), return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopped.cancel()
            waiting.cancel()

    async def _quiet(self) -> bool:
        # Asked after each delivery, so of an index: counting them all would make a long file a day's work.
        if await self.store.next_due(BEFORE_ALL) is not None:
            return False
        return not await self.store.journal(await self.store.cursor(Echo.name) or 0, limit=1)


def _guests(config: Config, rulebook: Rulebook, host: Host) -> Iterator[Guest]:
    """Every installed provider that can be opened: the store may hold deliveries for those that no rule uses any more."""
    used = {step.provider for rule in rulebook.rules for step in rule.steps}
    for name in plugins.installed(plugins.PROVIDERS):
        plugin = plugins.provider(name)
        try:
            settings = config.provider_settings(name)
        except BadInput:
            if name in used:
                raise
            continue
        yield Guest(name, plugin, plugin.open(settings, host), _retry(config.delivery.retry.get(name)))


def _retry(said: RetrySection | None) -> Retry | None:
    """What router.yaml says of a provider's attempts, complete."""
    if said is None:
        return None
    default = Retry()
    return Retry(
        attempts=said.attempts or (len(said.schedule) + 1 if said.schedule else default.attempts),
        base=default.base if said.base is None else said.base,
        factor=said.factor or default.factor,
        cap=default.cap if said.cap is None else said.cap,
        schedule=tuple(said.schedule),
    )


def _destinations(config: Config, guests: Mapping[str, Guest], host: Host, observer: Observer) -> Destinations:
    terms = {
        name: Terms(
            concurrency=said.concurrency,
            limit=None if said.rate is None else Limit(name=f"{name} of router.yaml", rate=said.rate, per=said.per),
        )
        for name, said in config.delivery.destinations.items()
    }
    limits = host.meter if isinstance(host.meter, Limits) else None
    return Destinations(guests, host.clock, observer, each=config.delivery.each, terms=terms, limits=limits)


def _policy(config: Config) -> Policy:
    account, knot, everybody = (
        Quota(actions=said.actions, in_flight=said.in_flight, bytes=said.bytes)
        for said in (config.account_quota, config.quotas.knot, config.quotas.all)
    )
    loop, hold = config.delivery.loop, config.delivery.hold
    return Policy(account=account, knot=knot, all=everybody, loop_events=loop.events, loop_within=loop.within, hold=hold)


def _knot_of(settings: BaseModel) -> str:
    return canonical_host(getattr(settings, "host", "")) or ""


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first thing that went wrong: what follows it in a group of tasks is its echo."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
