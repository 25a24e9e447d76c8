"""What was made and never heard of again comes to an end: a workflow that stays open holds up its group, and whoever waits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.core.model import Entry, Status

if TYPE_CHECKING:
    from router.engine.bell import Bell
    from router.engine.store.base import Store
    from router.host import Clock
    from router.observe import Observer

#: Seconds between two looks, and deliveries of one.
EVERY, BATCH = 300.0, 200


class Overdue:
    """Nothing may be heard of a delivery for `longest` seconds; then it has timed out."""

    def __init__(self, store: Store, bell: Bell, observer: Observer, clock: Clock, longest: float) -> None:
        self.store = store
        self.bell = bell
        self.observer = observer
        self.clock = clock
        self.longest = longest

    async def run(self) -> None:
        """For ever."""
        while True:
            while await self.once() == BATCH:
                pass
            await self.clock.sleep(EVERY)

    async def once(self) -> int:
        """How many there were."""
        now = self.clock.now()
        silent = await self.store.silent(now - round(self.longest * 1_000_000), BATCH)
        why = f"nothing was heard of it for {self.longest:g} s"
        entries = [
            Entry(delivery=one.delivery, workflow=one.workflow, status=Status.TIMEOUT, at=now, error=why) for one in silent
        ]
        told = await self.store.tell(entries, now) if entries else ()
        for entry in told:
            self.observer.reported(entry)
        if told:
            self.bell.ring()
        return len(told)
