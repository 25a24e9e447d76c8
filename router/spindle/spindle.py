"""The spindle, put together: its parts, and the tasks that it goes on with."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from router.core.closest import closest
from router.engine.logbook import Logbook
from router.identity.documents import Documents
from router.sources.jetstream import Jetstream
from router.sources.jetstream import Settings as JetstreamSettings
from router.spindle import server
from router.spindle.asking import Asking
from router.spindle.auth import Authority
from router.spindle.checkout import Checkout
from router.spindle.complete import Completer
from router.spindle.files import Files
from router.spindle.knots import Knots
from router.spindle.permits import Permits
from router.spindle.pulls import Pulls
from router.spindle.reconcile import Reconcile
from router.spindle.records import Records
from router.spindle.roster import COLLABORATOR, MEMBER, PULL, PULL_STATUS, REPO, Roster
from router.spindle.triggers import Triggers
from router.spindle.vault import Vault
from router.spindle.verify import Verifier
from router.spindle.webhooks import Webhooks

if TYPE_CHECKING:
    from collections.abc import Collection, Coroutine, Iterator, Mapping
    from typing import Any

    from router.core.model import Event
    from router.engine.bell import Bell
    from router.engine.dispatch import Dispatch, Guest
    from router.engine.intake import Intake
    from router.engine.store.base import Store
    from router.host import Host
    from router.observe import Observer
    from router.sections import SpindleSection

#: No source in router.yaml can have this name: it has a colon.
JETSTREAM = "spindle:jetstream"
#: Seconds that triggers wait for the first listing.
FIRST_LOOK = 20.0
COLLECTIONS = [REPO, MEMBER, COLLABORATOR, PULL, PULL_STATUS]


class Spindle:
    """`knots` are the hosts that router.yaml listens to anyway."""

    def __init__(
        self,
        settings: SpindleSection,
        store: Store,
        intake: Intake,
        dispatch: Dispatch,
        guests: Mapping[str, Guest],
        host: Host,
        bell: Bell,
        observer: Observer,
        knots: Collection[str],
    ) -> None:
        self.settings = settings
        self.store = store
        self.intake = intake
        self.host = host
        self.observer = observer
        clock, dev = host.clock, settings.dev
        documents = Documents(host, settings.plc, dev=dev)
        self.roster = Roster(settings.hostname, settings.owner, Verifier(host, documents, dev=dev), dev=dev)
        records = Records(self.roster)
        files = Files(host)
        checkout = Checkout(files, self.roster)
        permits = Permits(self.roster, host)
        completer = Completer(store, self.roster, checkout, Pulls(host, documents), permits, clock)
        self.triggers = Triggers(
            store,
            intake,
            self.roster,
            records,
            completer,
            clock,
            observer,
            closest=self._closest,
            silent=settings.silent,
            tells=settings.unmatched == "report",
        )
        self.triggers.own_sources.add(JETSTREAM)
        self.reconcile = Reconcile(store, self.roster, records, host, documents, observer, settings.reconcile)
        self.knots = Knots(self.roster, intake, host, observer, knots, self.triggers.own_sources.add, settings.pace)
        self.vault = Vault(store, settings.secrets_key, clock)
        dispatch.vault = self.vault
        self.desk = server.Desk(
            settings=settings,
            store=store,
            bell=bell,
            clock=clock,
            roster=self.roster,
            authority=Authority(settings.hostname, documents, store, clock),
            permits=permits,
            vault=self.vault,
            asking=Asking(store, intake, self.roster, completer, checkout, clock),
            files=files,
            logbook=Logbook(store, guests, bell, clock),
            webhooks=Webhooks(store, guests, bell, clock, observer),
        )
        self.roster.watchers += [self.triggers.wake, self.reconcile.look]
        intake.spindle = self.triggers
        intake.missed.append(self.reconcile.again)

    async def load(self) -> None:
        """What the store remembers from before."""
        await self.roster.load(self.store)

    def change(self, settings: SpindleSection, knots: Collection[str]) -> None:
        """What may be another while it serves: who is told what, and the hosts that router.yaml listens to."""
        self.triggers.silent, self.triggers.tells = frozenset(settings.silent), settings.unmatched == "report"
        self.knots.configure(knots)

    def jobs(self) -> Iterator[tuple[str, Coroutine[Any, Any, None]]]:
        """What goes on until the router stops: what hears first, and what tells last."""
        settings = JetstreamSettings(hosts=list(self.settings.jetstream), collections=COLLECTIONS)
        yield "source jetstream", self.intake.listen(Jetstream(JETSTREAM, settings, self.host, self.observer))
        yield "knots", self.knots.run()
        yield "reconcile", self.reconcile.run()
        yield "triggers", self._completing()

    async def _completing(self) -> None:
        """Not before records were listed: the mirror is of when we stopped, and who was a member then need be none now. Servers
        that do not answer are not waited for."""
        with suppress(TimeoutError):
            async with asyncio.timeout(FIRST_LOOK):
                await self.reconcile.looked.wait()
        await self.triggers.run()

    def telling(self) -> Iterator[tuple[str, Coroutine[Any, Any, None]]]:
        """What peers are told by, for as long as there is anything to tell."""
        yield "server", server.serve(self.desk, self._listening, lambda sentence: self.observer.fault("listener", sentence))

    def _listening(self, address: str) -> None:
        self.observer.source("spindle", "up", f"Serving {self.settings.hostname} on {address}.")

    def _closest(self, event: Event) -> str:
        return closest(event, self.intake.rulebook, self.intake.directory.identities)
