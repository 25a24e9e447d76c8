"""The composition root: opens everything, runs it as one group of tasks, and stops it in order.

Stopping: stop hearing, stop claiming, finish what is under way, leave the rest to its lease, and stop telling last.
"""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import AsyncExitStack, suppress
from functools import partial
from typing import TYPE_CHECKING

from router import limits, otlp
from router.draining import drained
from router.egress import Egress
from router.engine import heap
from router.engine.approvals import Approvals
from router.engine.audit import Audit
from router.engine.bell import Bell
from router.engine.cancelling import Cancelling
from router.engine.destinations import Destinations
from router.engine.directory import Directory
from router.engine.dispatch import Dispatch
from router.engine.echo import Echo
from router.engine.follow import Follow
from router.engine.hushed import Hushed
from router.engine.intake import Intake
from router.engine.limits import Limits
from router.engine.logbook import Logbook
from router.engine.overdue import Overdue
from router.engine.pulse import Pulse
from router.engine.relief import Relief
from router.engine.retention import Retention
from router.engine.scribe import StoreScribe
from router.engine.store.sqlite import open_store
from router.exchange import exchange, knots
from router.guests import open_guests
from router.health import Health, Sources
from router.host import Host, SystemClock
from router.http import open_outside, open_session
from router.listening import Listening
from router.metrics import Metrics
from router.observe import several
from router.provider import Follows
from router.recent import Recent
from router.reload import Reload
from router.scrape import Scrape
from router.sections import PLC
from router.systemd import Systemd, stuck
from router.terms import destinations_of, policy_of, trip_of
from router.watch import Watch
from router.web import opening
from router.web.desk import Desk

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator, Mapping
    from typing import Any

    from router.config import Config
    from router.core.rulebook import Rulebook
    from router.engine.store.base import Store
    from router.identity.handles import Handles
    from router.loaded import Loaded
    from router.observe import Observer
    from router.sources.base import Source
    from router.spindle.spindle import Spindle
    from router.tracing import Tracing

#: Seconds after which events that could not be decided are planned again even if nothing new is known to be known.
PLAN_AGAIN = 600.0
#: Seconds that the store, and deliveries while there is a free place, may stand still before systemd hears no sign of life.
PATIENCE = 20.0
#: Seconds for which a start waits for the handles that rules name.
RESOLVE_WITHIN = 10.0
#: Seconds after which a start is over.
SETTLED = 3.0


async def run(
    config: Config,
    rulebook: Rulebook,
    observer: Observer,
    *,
    stop: asyncio.Event,
    drain: bool = False,
    loaded: Loaded | None = None,
    asked: asyncio.Event | None = None,
) -> None:
    """Run until `stop` is set or, with `drain`, until every source has ended and nothing is left to deliver.

    With `loaded`, which is where `config` and `rulebook` were read from, they are read again when the files change, whenever
    `asked` is set, and on demand. Raises BadInput where a rule's provider is not configured, and StoreError where the store
    cannot be used.
    """
    if short := limits.open_files(_files(config)):
        observer.fault("limits", short)
    async with AsyncExitStack() as opened:
        store = await open_store(config.store_path, ballast=config.store.ballast, policy=policy_of(config))
        opened.push_async_callback(store.close)
        http = await opened.enter_async_context(open_session())
        clock = SystemClock()
        egress = Egress(config.egress.allow)
        outside = await opened.enter_async_context(open_outside(egress))
        host = Host(http, clock, scribe=StoreScribe(clock), guarded=outside, meter=Limits(clock))
        tracing = await opened.enter_async_context(otlp.tracing(os.environ, clock, observer))
        router = Router(config, rulebook, observer, store, host, egress, tracing)
        store.committed(router.metrics.committed)
        if loaded is not None:
            router.reloads(loaded, asked or asyncio.Event())
        try:
            await router.run(stop, drain=drain)
        except BaseExceptionGroup as group:
            raise _first(group) from None


class Router:
    def __init__(
        self,
        config: Config,
        rulebook: Rulebook,
        observer: Observer,
        store: Store,
        host: Host,
        egress: Egress | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        self.config = config
        self.store = store
        self.host = host
        self.metrics = Metrics(host.clock)
        self.sources = Sources(host.clock)
        self.recent = Recent(host.clock)
        self.tracing = tracing
        traced = () if tracing is None else (tracing,)
        self.observer = observer = several(*traced, Hushed(observer, host.clock), self.metrics, self.sources, self.recent)
        self.egress = egress or Egress()
        self.bell = Bell()
        self.guests = {guest.name: guest for guest in open_guests(config, rulebook, host)}
        self.destinations = Destinations(
            self.guests,
            host.clock,
            observer,
            each=config.delivery.each,
            terms=destinations_of(config),
            limits=host.meter if isinstance(host.meter, Limits) else None,
            trip=trip_of(config),
        )
        self.directory = Directory(store, host, observer, config.identity.resolver, config.identity.pins)
        self.directory.handles = self.handles_of(config)
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
        self.dispatch.trace = tracing.traceparent if tracing is not None else None
        self.pulse = Pulse(observer)
        self.started = host.clock.now()
        self.scrape = Scrape(
            self.metrics,
            store,
            host.clock,
            self.intake.pauses,
            self.sources,
            self.pulse,
            lambda: self.config,
            lambda: self.intake.rulebook,
            lambda: self.reload.running.digest if self.reload is not None else "",
        )
        self.retention = Retention(store, host.clock, observer, config.store.keep, config.store.keep_dead)
        self.listening = Listening(self.intake, host, observer)
        self.following: dict[str, tuple[Follow, asyncio.Task[None]]] = {}
        self.reload: Reload | None = None
        self.asked = asyncio.Event()
        delivery = config.delivery
        self.overdue = Overdue(store, self.bell, observer, host.clock, delivery.longest)
        self.audit = Audit(self.guests, store, self.bell, observer, host.clock, delivery.audit)
        self.learned = asyncio.Event()
        self.spindle = self._spindle()
        self.group = asyncio.TaskGroup()
        self.systemd = Systemd()
        #: What goes on until the last delivery is told of.
        self._telling: list[asyncio.Task[None]] = []
        self._keeping: asyncio.Task[None] | None = None

    def reloads(self, loaded: Loaded, asked: asyncio.Event) -> None:
        """Have what runs exchanged while it runs."""
        self.asked = asked
        self.reload = Reload(
            loaded, self.store, self.host.clock, self.observer, lambda: self.directory.identities, partial(exchange, self)
        )

    def handles_of(self, config: Config) -> Handles | None:
        if config.identity.resolver != "direct":
            return None
        from router.identity.documents import Documents  # noqa: PLC0415 - only those who ask for it pay for it
        from router.identity.handles import Handles  # noqa: PLC0415 - as above

        spindle = config.spindle
        plc, dev = (spindle.plc, spindle.dev) if spindle is not None else (PLC, False)
        return Handles(self.host, Documents(self.host, plc, dev=dev), dev=dev)

    def _spindle(self) -> Spindle | None:
        if self.config.spindle is None:
            return None
        from router.spindle.spindle import Spindle  # noqa: PLC0415 - a router that is none pays nothing for it

        return Spindle(
            self.config.spindle,
            self.store,
            self.intake,
            self.dispatch,
            self.guests,
            self.host,
            self.bell,
            self.observer,
            knots(self.config),
        )

    async def run(self, stop: asyncio.Event, *, drain: bool) -> None:
        if lost := await self.store.recover(self.host.clock.now()):
            self.observer.recovered(lost)
        await self.directory.load()
        await self.intake.pauses.load()
        if self.spindle is not None:
            await self.spindle.load()
        opened = self.listening.opened(self.config.sources)
        await self._resolve(stop)
        try:
            await self._together(opened, stop, drain=drain)
        finally:
            # Where a part failed there was no stop, and the session and the store close now.
            await self.dispatch.finish(0)

    async def _together(self, opened: Mapping[str, Source], stop: asyncio.Event, *, drain: bool) -> None:
        async with self.group as group:
            for job in self._background():
                self._tell(job)
            self.keep_handles()
            self.follow()
            if self.spindle is not None:
                for name, job in self.spindle.telling():
                    self._tell(job, name)
            hearing = self.listening.start(group, self.config.sources, opened, again=not drain)
            if self.spindle is not None:
                hearing = [*hearing, *(group.create_task(job, name=name) for name, job in self.spindle.jobs())]
            echo = group.create_task(self.intake.listen(Echo(self.store, self.bell)), name="source spindle")
            delivering = group.create_task(self.dispatch.run(stop), name="dispatch")
            reloading = [group.create_task(job, name="reload") for job in self._reloading()]
            self.systemd.ready(self._said())
            if drain:
                await drained(stop, hearing, self.store, self.bell)
                stop.set()
            await stop.wait()
            self.systemd.stopping()
            self.listening.stop()
            for task in (*reloading, *hearing, echo):
                task.cancel()
            self.bell.ring()
            await delivering
            await self.dispatch.finish(self.config.delivery.shutdown)
            for task in self._telling:
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

    # --- the tasks

    def _tell(self, job: Coroutine[Any, Any, None], name: str | None = None) -> asyncio.Task[None]:
        task = self.group.create_task(job, name=name)
        self._telling = [*(one for one in self._telling if not one.done()), task]
        return task

    def _background(self) -> Iterator[Coroutine[Any, Any, None]]:
        yield self._plan_again()
        yield self._settled()
        if isinstance(self.host.scribe, StoreScribe):
            yield self.host.scribe.run(self.store)
        yield self.pulse.run()
        yield self.systemd.watch(self._stuck)
        yield from self._answering()
        yield self.retention.run()
        if self.tracing is not None:
            yield self.tracing.run(self.store)
        yield Relief(self.store, self.retention, self.bell, self.host.clock, self.observer).run()
        yield self.store.failed()
        yield self.overdue.run()
        yield self.audit.run()
        yield Cancelling(self.guests, self.dispatch, self.store, self.bell, self.observer, self.host.clock).run()

    def _answering(self) -> Iterator[Coroutine[Any, Any, None]]:
        desk = Desk(
            store=self.store,
            bell=self.bell,
            clock=self.host.clock,
            observer=self.observer,
            pauses=self.intake.pauses,
            approvals=Approvals(self.store, self.intake, self.host.clock),
            sources=self.sources,
            health=Health(self.store, self.host.clock, self.sources),
            pulse=self.pulse,
            recent=self.recent,
            logbook=Logbook(self.store, self.guests, self.bell, self.host.clock),
            config=lambda: self.config,
            rulebook=lambda: self.intake.rulebook,
            identities=lambda: self.directory.identities,
            metrics=self.scrape.text,
            refused=self.metrics.refused_request,
            started=self.started,
            reload=self.reload,
            destinations=self.destinations,
        )
        yield opening.serve(desk, self.config.store_path)
        if self.config.admin.listen:
            from router.web import admin  # noqa: PLC0415 - see `opening`

            yield admin.serve_address(desk, self.config.admin, self._serving)

    def _serving(self, address: str) -> None:
        self.observer.source("admin", "up", f"Answering operators on {address}.")

    def _reloading(self) -> Iterator[Coroutine[Any, Any, None]]:
        if self.reload is not None:
            yield self._when_asked(self.reload)
            yield Watch(self.reload, self.observer).run()

    async def _when_asked(self, reload: Reload) -> None:
        while True:
            await self.asked.wait()
            self.asked.clear()
            self.systemd.reloading()
            await reload.again()
            self.systemd.ready(self._said())

    def _said(self) -> str:
        return f"{len(self.intake.rulebook.rules)} rules, {len(self.config.sources)} sources."

    async def _stuck(self) -> str:
        if self.dispatch.stands(PATIENCE):
            return f"Nothing was looked for that is due, for {PATIENCE:g} s."
        return await stuck({"The store": self._store_answers}, PATIENCE)

    async def _store_answers(self) -> None:
        await self.store.cursor("")

    def keep_handles(self, *, at_once: bool = False) -> None:
        """Keep the handles of the rules as they are now; `at_once` asks for those that nobody asked for yet."""
        if self._keeping is not None:
            self._keeping.cancel()
        handles = self.intake.rulebook.handles

        async def keep() -> None:
            if at_once:
                await self.directory.resolve(handles - set(self.directory.identities))
                self.learned.set()
            await self.directory.keep(handles, self.learned.set)

        self._keeping = self._tell(keep(), "handles")

    def follow(self) -> None:
        """Ask those providers about their builds that there are now, as they are opened now."""
        poll = self.config.delivery.poll
        for name in [name for name in self.following if name not in self.guests]:
            self.following.pop(name)[1].cancel()
        for guest in self.guests.values():
            if not isinstance(guest.provider, Follows):
                continue
            if guest.name in self.following:
                follow = self.following[guest.name][0]
                follow.guest, follow.provider, follow.every = guest, guest.provider, poll
            else:
                follow = Follow(guest, guest.provider, self.store, self.bell, self.observer, self.host, poll)
                self.following[guest.name] = follow, self._tell(follow.run(), f"follow {guest.name}")

    async def _settled(self) -> None:
        """What only a start needs is given back."""
        await self.host.clock.sleep(SETTLED)
        heap.trim()

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


def _files(config: Config) -> int:
    """Sockets and files that may be open at once."""
    if config.spindle is None:
        return limits.OWN + len(config.sources)
    from router.spindle.knots import MOST  # noqa: PLC0415 - a router that is no spindle pays nothing for it
    from router.web.door import Bounds  # noqa: PLC0415 - as above

    return limits.OWN + len(config.sources) + MOST + Bounds().in_all


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first thing that went wrong: what follows it in a group of tasks is its echo."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
