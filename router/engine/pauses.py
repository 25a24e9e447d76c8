"""What an operator has paused: sources that are not heard, rules whose deliveries wait. Kept by the store."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from router.core.model import Micros
    from router.engine.store.base import Store
    from router.host import Clock

SOURCE, RULE = "source", "rule"


class Pauses:
    """One for the process. Names need not be known: a source that is paused and removed is paused when it comes back."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.store = store
        self.clock = clock
        self._since: dict[str, dict[str, Micros]] = {SOURCE: {}, RULE: {}}
        self._changed = asyncio.Event()

    def since(self, kind: str) -> Mapping[str, Micros]:
        """Names of what is paused, and since when."""
        return self._since[kind]

    async def load(self) -> None:
        """What the store remembers from before."""
        for kind in self._since:
            self._since[kind] = dict(await self.store.paused(kind))

    async def pause(self, kind: str, name: str) -> bool:
        """Whether that was news."""
        now = self.clock.now()
        news = await self.store.pause(kind, name, now)
        self._since[kind].setdefault(name, now)
        self._tell()
        return news

    async def resume(self, kind: str, name: str) -> bool:
        """Whether that was news."""
        news = await self.store.resume(kind, name)
        self._since[kind].pop(name, None)
        self._tell()
        return news

    def _tell(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def until(self, source: str, *, paused: bool) -> None:
        """Return when the source is paused, or is not."""
        while (source in self._since[SOURCE]) is not paused:
            await self._changed.wait()
