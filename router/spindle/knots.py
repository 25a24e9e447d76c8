"""Lines to knots: one is opened with the first repo of ours that lives there, and closed with the last."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from router.sources.knot import Knot, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from router.engine.intake import Intake
    from router.host import Host
    from router.observe import Observer
    from router.spindle.roster import Roster

#: Nanoseconds before the first contact that are asked for: whoever chooses us pushes at once, and Jetstream takes its time.
A_LITTLE_BEFORE = 60 * 10**9
#: Lines at once. Strangers cannot open any: only repos of members count.
MOST = 1000


def source_name(knot: str) -> str:
    """No source in router.yaml can have it: it has a colon."""
    return f"knot:{knot}"


class Knots:
    """`configured` are hosts that the operator listens to anyway; `opened` is told the name of each source."""

    def __init__(
        self,
        roster: Roster,
        intake: Intake,
        host: Host,
        observer: Observer,
        configured: Collection[str],
        opened: Callable[[str], object],
    ) -> None:
        self.roster = roster
        self.intake = intake
        self.host = host
        self.observer = observer
        self.configured = frozenset(configured)
        self.opened = opened
        self._lines: dict[str, asyncio.Task[None]] = {}
        self._changed = asyncio.Event()

    def configure(self, hosts: Collection[str]) -> None:
        """The operator listens to these now."""
        self.configured = frozenset(hosts)
        self._changed.set()

    @property
    def lines(self) -> frozenset[str]:
        """Hosts that are listened to now."""
        return frozenset(self._lines)

    async def run(self) -> None:
        """For ever."""
        self.roster.watchers.append(self._changed.set)
        try:
            while True:
                self._changed.clear()
                await self.look()
                await self._changed.wait()
        finally:
            await self._close(self._lines)

    async def look(self) -> None:
        """Open and close what the roster says, and leave the others alone."""
        wanted = sorted(self.roster.knots - self.configured)
        if len(wanted) > MOST:
            self.observer.fault("roster", f"Only {MOST} of {len(wanted)} knots are listened to.", None)
        left = set(self._lines) - set(wanted[:MOST])
        await self._close(left)
        for knot in left:
            # Whoever comes back after a month must not have a month of pushes built.
            await self.intake.store.forget_cursor(source_name(knot))
        for knot in wanted[:MOST]:
            if knot not in self._lines:
                self._lines[knot] = self._open(knot)

    def _open(self, knot: str) -> asyncio.Task[None]:
        name = source_name(knot)
        self.opened(name)
        since = self.host.clock.now() * 1000 - A_LITTLE_BEFORE
        settings = Settings(host=self.roster.knot_url(knot).removeprefix("https://"), since=since)
        source = Knot(name, settings, self.host, self.observer, outside=True)
        return asyncio.create_task(self.intake.listen(source), name=f"source {name}")

    async def _close(self, knots: Collection[str]) -> None:
        closing = [self._lines.pop(knot) for knot in list(knots)]
        for task in closing:
            task.cancel()
        await asyncio.gather(*closing, return_exceptions=True)
