"""What a workflow says, from its first line to its last: as the store keeps it, or else as its provider tells it."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from router.core.errors import RouterError, StoreFull
from router.core.model import LogLine
from router.provider import Logs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from router.engine.bell import Bell
    from router.engine.dispatch import Guest
    from router.engine.store.base import Run, Store
    from router.host import Clock

#: Seconds between two looks at a workflow that runs, and microseconds for which an answer of a provider serves all who watch.
EVERY, FRESH = 3.0, 2_500_000
PAGE = 1000


class Logbook:
    """Several may follow one workflow: its provider is asked once for all of them."""

    def __init__(self, store: Store, guests: Mapping[str, Guest], bell: Bell, clock: Clock) -> None:
        self.store = store
        self.guests = guests
        self.bell = bell
        self.clock = clock
        self._asked: dict[tuple[str, int], tuple[int, asyncio.Task[Sequence[LogLine]]]] = {}

    async def follow(self, pipeline: str, workflow: str) -> AsyncIterator[LogLine]:
        """Every line, and those to come; ends when the workflow is over and everything was said."""
        said: dict[str, int] = {}
        first: dict[str, int] = {}
        heard: dict[tuple[str, int], int] = {}
        steps = 0
        while True:
            over = await self._over(pipeline, workflow)
            for run in await self.store.runs(pipeline):
                if run.workflow != workflow:
                    continue
                offset = first.setdefault(run.delivery, steps)
                for line in await self._news(run, said, heard, over=over):
                    steps = max(steps, offset + line.step + 1)
                    yield replace(line, step=offset + line.step)
            if over:
                return
            await self.clock.sleep(EVERY)

    async def so_far(self, run: Run) -> Sequence[LogLine]:
        """What one run has said until now."""
        kept = await self._kept(run, 0)
        return kept or await self._told(run, over=run.status is not None and run.status.final)

    async def _news(
        self, run: Run, said: dict[str, int], heard: dict[tuple[str, int], int], *, over: bool
    ) -> Sequence[LogLine]:
        """What was not told yet. What the store keeps is in order; what a provider tells is in the order of its steps, of which
        several may speak at the same time. What was heard of it stays told where the store has it by now."""
        kept = await self._kept(run, said.get(run.delivery, 0))
        if kept or run.delivery in said:
            said[run.delivery] = said.get(run.delivery, 0) + len(kept)
            lines: Sequence[LogLine] = kept
            if not any(name == run.delivery for name, _ in heard):
                return lines
        else:
            lines = await self._told(run, over=over)
        fresh: list[LogLine] = []
        counts: Counter[int] = Counter()
        for line in lines:
            counts[line.step] += 1
            if counts[line.step] > heard.get((run.delivery, line.step), 0):
                fresh.append(line)
        for step, count in counts.items():
            heard[run.delivery, step] = max(count, heard.get((run.delivery, step), 0))
        return fresh

    async def _over(self, pipeline: str, workflow: str) -> bool:
        found = await self.store.pipeline(pipeline)
        one = next((one for one in found.workflows if one.name == workflow), None) if found is not None else None
        return one is None or (one.status is not None and one.status.final)

    async def _kept(self, run: Run, after: int) -> list[LogLine]:
        """Those that the store has, from number `after` on."""
        kept: list[LogLine] = []
        while page := await self.store.log(run.delivery, run.run, after + len(kept), PAGE):
            kept += page
        return kept

    async def _told(self, run: Run, *, over: bool) -> Sequence[LogLine]:
        """All that the provider has; of what is over the store keeps it from then on."""
        guest = self.guests.get(run.provider)
        if guest is None or run.receipt is None or not isinstance(guest.provider, Logs):
            return ()
        try:
            lines = await self._ask(run, guest.provider)
        except RouterError as error:
            said = LogLine(step=0, part="said", text=f"[the log cannot be read: {error}]", system=True)
            return [said] if over else []
        if over and lines:
            with suppress(StoreFull):  # its provider has them still
                await self.store.write_log(run.delivery, run.run, 0, lines, self.clock.now())
        return lines

    async def _ask(self, run: Run, provider: Logs) -> Sequence[LogLine]:
        key, now = (run.delivery, run.run), self.clock.now()
        asked = self._asked.get(key)
        if asked is None or (asked[1].done() and asked[0] + FRESH <= now):
            assert run.receipt is not None  # noqa: S101 - seen by the caller
            asked = now, asyncio.ensure_future(provider.logs(run.receipt))
            self._asked = {name: one for name, one in self._asked.items() if one[0] + FRESH > now or not one[1].done()}
            self._asked[key] = asked
        return await asyncio.shield(asked[1])
