"""Forgets what is old, a little at a time, for as long as the router runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.core.errors import StoreBroken, StoreCorrupt, StoreError

if TYPE_CHECKING:
    from router.engine.store.base import Store
    from router.host import Clock
    from router.observe import Observer

#: Seconds between two looks, and between two batches of one look: whoever has something to store goes first.
EVERY, PAUSE = 3600.0, 0.05
BATCH = 200


class Retention:
    """Keeps events and what they led to for `keep` seconds, and those with dead letters for `keep_dead`, if that is longer."""

    def __init__(self, store: Store, clock: Clock, observer: Observer, keep: float, keep_dead: float | None = None) -> None:
        self.store = store
        self.clock = clock
        self.observer = observer
        self.keep = keep
        self.keep_dead = keep if keep_dead is None else max(keep, keep_dead)

    async def run(self) -> None:
        """For ever."""
        while True:
            await self.once()
            await self.clock.sleep(EVERY)

    async def once(self) -> int:
        """How many events were forgotten."""
        now = self.clock.now()
        before, dead_before = (now - round(seconds * 1_000_000) for seconds in (self.keep, self.keep_dead))
        after: int | None = 0
        forgotten = 0
        while after is not None:
            try:
                gone, after = await self.store.forget(before, after, BATCH, dead_before=dead_before)
            except (StoreBroken, StoreCorrupt):
                raise
            except StoreError as error:
                self.observer.fault("store", f"What is old cannot be forgotten now: {error}", None)
                return forgotten
            forgotten += gone
            if after is not None:
                await self.clock.sleep(PAUSE)
        return forgotten
