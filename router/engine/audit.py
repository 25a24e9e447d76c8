"""Looks for what was made twice, and cancels the later one: the last line where a look-up was believed too early."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.core.errors import RouterError
from router.provider import Audits, Cancels

if TYPE_CHECKING:
    from collections.abc import Mapping

    from router.engine.bell import Bell
    from router.engine.dispatch import Guest
    from router.engine.store.base import Store
    from router.host import Clock
    from router.observe import Observer
    from router.provider import Doubled

#: Audits that an effect is in the view of, and seconds beyond them: one that is missed is seen by the next.
LOOKS, SLACK = 3, 600.0
#: Receipts that say where to look.
RECEIPTS = 500


class Audit:
    """One for all providers, every `every` seconds while something is delivered. `cancelled` counts what was one too many."""

    def __init__(
        self, guests: Mapping[str, Guest], store: Store, bell: Bell, observer: Observer, clock: Clock, every: float
    ) -> None:
        self.guests = guests
        self.store = store
        self.bell = bell
        self.observer = observer
        self.clock = clock
        self.every = every
        self.cancelled = 0
        #: Those of which there was nothing left to do.
        self._seen: dict[str, None] = {}

    async def run(self) -> None:
        """For ever."""
        while True:
            await self.clock.sleep(self.every)
            await self.once()

    async def once(self) -> None:
        """Every provider that can tell."""
        since = self.clock.now() - round((LOOKS * self.every + SLACK) * 1_000_000)
        for guest in tuple(self.guests.values()):
            if isinstance(guest.provider, Audits):
                try:
                    await self._one(guest, guest.provider, since)
                except RouterError as error:
                    self.observer.fault(f"provider {guest.name}", f"What it made cannot be audited now: {error}", None)
                except Exception as error:  # noqa: BLE001 - a provider's bug ends neither this loop nor the router
                    self.observer.fault(f"provider {guest.name}", "A bug, met while auditing what it made.", error)

    async def _one(self, guest: Guest, provider: Audits, since: int) -> None:
        receipts = await self.store.made_since(guest.name, since, RECEIPTS)
        if not receipts:
            return
        for double in await provider.audit(receipts, since):
            if double.extra.id not in self._seen:
                await self._resolve(guest, double)

    async def _resolve(self, guest: Guest, double: Doubled) -> None:
        """The delivery is the first one's from now on; the other goes."""
        run = await self.store.run_of(double.delivery)
        # Whoever may start builds may write our meta-data: only what is a delivery of ours to this provider counts, and only
        # where the one that we know of is one of the two.
        if run is None or run.provider != guest.name or run.receipt is None:
            return
        if run.receipt.id not in (double.first.id, double.extra.id):
            return
        if run.receipt.id == double.extra.id:
            await self.store.adopt(double.delivery, double.first, self.clock.now())
            self.bell.ring()
        agreed = isinstance(guest.provider, Cancels) and await guest.provider.cancel(double.extra)
        self._remember(double.extra.id)
        self.cancelled += agreed
        if agreed:
            self.observer.doubled(double.delivery)
        ended = "is cancelled" if agreed else "is over already"
        sentence = f"{double.delivery} happened twice: {double.extra.url or double.extra.id} is one too many, and {ended}."
        self.observer.fault(f"provider {guest.name}", f"{sentence} {self.cancelled} were cancelled since the start.", None)

    def _remember(self, extra: str) -> None:
        self._seen[extra] = None
        if len(self._seen) > RECEIPTS:
            del self._seen[next(iter(self._seen))]
