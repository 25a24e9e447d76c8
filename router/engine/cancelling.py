"""What nobody wants any more: asked of its provider until that is told, or it is over anyway."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.core.errors import RouterError
from router.core.model import Entry, State, Status
from router.provider import Cancels

if TYPE_CHECKING:
    from collections.abc import Mapping

    from router.engine.bell import Bell
    from router.engine.dispatch import Dispatch, Guest
    from router.engine.store.base import Run, Store
    from router.host import Clock
    from router.observe import Observer

#: Seconds until a provider that could not tell is asked again.
AGAIN = 10.0


class Cancelling:
    """One for all providers."""

    def __init__(
        self, guests: Mapping[str, Guest], dispatch: Dispatch, store: Store, bell: Bell, observer: Observer, clock: Clock
    ) -> None:
        self.guests = guests
        self.dispatch = dispatch
        self.store = store
        self.bell = bell
        self.observer = observer
        self.clock = clock

    async def run(self) -> None:
        """For ever."""
        while True:
            rung = self.bell.count
            left = [await self._one(run) for guest in tuple(self.guests) for run in await self.store.to_cancel(guest)]
            if not all(left):
                await self.clock.sleep(AGAIN)
            elif self.bell.count == rung:
                await self.bell.wait(rung)

    async def _one(self, run: Run) -> bool:
        """Whether nothing is left to do."""
        if run.state is State.CLAIMED:
            # What runs on this machine is ended here; what is on its way to a CI is known, and cancelled there, in a moment.
            return self.dispatch.cancel(run.delivery, run.why)
        guest = self.guests.get(run.provider)
        if run.receipt is None or guest is None or not isinstance(guest.provider, Cancels):
            return True
        try:
            agreed = await guest.provider.cancel(run.receipt)
        except RouterError as error:
            self.observer.fault(f"provider {run.provider}", f"{run.delivery} cannot be cancelled now: {error}", None)
            return False
        if not agreed:
            return False  # it is over: its own end is told by whoever follows it
        now = self.clock.now()
        entry = Entry(delivery=run.delivery, workflow=run.workflow, status=Status.CANCELLED, at=now, error=run.why)
        for told in await self.store.tell([entry], now):
            self.observer.reported(told)
            self.bell.ring()
        return True
