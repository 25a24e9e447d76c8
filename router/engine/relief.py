"""A full disk: told once, relieved by forgetting what is old, and looked at until there is room again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.core.errors import StoreFull

if TYPE_CHECKING:
    from router.engine.bell import Bell
    from router.engine.retention import Retention
    from router.engine.store.base import Store
    from router.host import Clock
    from router.observe import Observer

#: Seconds between two looks, at first and at most.
SOON, LATE = 1.0, 15.0
_FULL = (
    "The disk that holds the store is full. Nothing new is heard, and nothing is lost: what is under way goes on, in the room "
    "of the ballast. Make room there; hearing goes on by itself."
)


class Relief:
    """One for the store."""

    def __init__(self, store: Store, retention: Retention, bell: Bell, clock: Clock, observer: Observer) -> None:
        self.store = store
        self.retention = retention
        self.bell = bell
        self.clock = clock
        self.observer = observer

    async def run(self) -> None:
        """For ever."""
        while True:
            await self.store.filled()
            await self._relieve()

    async def _relieve(self) -> None:
        """Until everything is as it was. Hearing may go on before the ballast is back: in room that deletions left."""
        told, pause = False, SOON
        while True:
            if self.store.full and not told:
                self.observer.disk("full", _FULL)
                told = True
            if self.store.full:
                await self.retention.once()
            whole = await self._look()
            if not self.store.full and told:
                self.observer.disk("well", "There is room again: hearing goes on.")
                told = False
            self.bell.ring()
            if whole:
                return
            await self.clock.sleep(pause)
            pause = min(2 * pause, LATE)

    async def _look(self) -> bool:
        try:
            return await self.store.regain()
        except StoreFull:
            return False
        except OSError as error:
            self.observer.fault("store", f"The ballast cannot be made: {error.strerror}: {error.filename}.", None)
            return False
