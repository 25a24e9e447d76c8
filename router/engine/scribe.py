"""Keeps what deliveries say while they are made, in order and within bounds, without making them wait."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from router.core.errors import StoreFull
from router.core.model import LogLine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from router.engine.store.base import Store
    from router.host import Clock

#: Lines and characters of one log.
LINES, CHARACTERS = 5000, 4 << 20
#: Seconds until what a full disk had no room for is tried again.
AGAIN = 15.0


class StoreScribe:
    """One for the process; `run` writes what was said."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.store: Store | None = None
        self._waiting: dict[str, list[LogLine]] = {}
        #: Lines and characters so far, by delivery.
        self._written: dict[str, tuple[int, int]] = {}
        self._news = asyncio.Event()

    def write(self, delivery: str, lines: Sequence[LogLine]) -> None:
        self._waiting.setdefault(delivery, []).extend(lines)
        self._news.set()

    async def once(self, kind: str, key: str, seconds: float) -> bool:
        if self.store is None:
            return True
        now = self.clock.now()
        return await self.store.use(kind, key, now + int(seconds * 1_000_000), now)

    async def run(self, store: Store) -> None:
        """For ever; what waits is written when this is cancelled, too."""
        self.store = store
        try:
            while True:
                await self._news.wait()
                self._news.clear()
                try:
                    await self._write(store)
                except StoreFull:
                    self._news.set()
                    await self.clock.sleep(AGAIN)
        finally:
            with suppress(StoreFull):
                await asyncio.shield(self._write(store))

    async def _write(self, store: Store) -> None:
        """What a full disk has no room for waits on, the newest lines of it."""
        waiting, self._waiting = self._waiting, {}
        while waiting:
            delivery, lines = next(iter(waiting.items()))
            try:
                await self._append(store, delivery, lines)
            except StoreFull:
                for one, said in waiting.items():
                    self._waiting[one] = (said + self._waiting.get(one, []))[-LINES:]
                raise
            del waiting[delivery]

    async def _append(self, store: Store, delivery: str, lines: Sequence[LogLine]) -> None:
        run = await store.run_of(delivery)
        if run is None:
            return
        count, size = self._written.get(f"{delivery} {run.run}", (0, 0))
        kept = _bounded(lines, count, size)
        await store.write_log(delivery, run.run, count, kept, self.clock.now())
        self._written[f"{delivery} {run.run}"] = count + len(kept), size + sum(len(one.text) for one in kept)
        if len(self._written) > 10_000:
            self._written = dict(list(self._written.items())[-5000:])


def _bounded(lines: Sequence[LogLine], count: int, size: int) -> list[LogLine]:
    """As many as there is room for, and once a line that says that there is none; ends of steps always."""
    kept: list[LogLine] = []
    for line in lines:
        if line.part != "said" or (count + len(kept) < LINES and size < CHARACTERS):
            kept.append(line)
            size += len(line.text)
        elif count + len(kept) == LINES:
            kept.append(LogLine(step=line.step, part="said", text="[the rest is left out]", at=line.at, system=True))
    return kept
