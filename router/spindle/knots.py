"""Lines to knots: one is opened with the first repo of ours that lives there, and closed with the last."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

from router.sources.knot import Knot, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from router.engine.intake import Intake
    from router.host import Host
    from router.observe import Observer
    from router.sources.pace import Pace
    from router.spindle.roster import Roster

#: Nanoseconds before the first contact that are asked for: whoever chooses us pushes at once, and Jetstream takes its time.
A_LITTLE_BEFORE = 60 * 10**9
#: Lines at once, and of them those that one account's repos ask for. Strangers cannot open any: only repos of members count.
MOST, OF_ONE_OWNER = 1000, 100


def source_name(knot: str) -> str:
    """No source in router.yaml can have it: it has a colon."""
    return f"knot:{knot}"


class Knots:
    """`configured` are hosts that the operator listens to anyway; `opened` is told the name of each source, and none is read
    faster than its `pace`."""

    def __init__(
        self,
        roster: Roster,
        intake: Intake,
        host: Host,
        observer: Observer,
        configured: Collection[str],
        opened: Callable[[str], object],
        pace: Pace,
    ) -> None:
        self.roster = roster
        self.intake = intake
        self.host = host
        self.observer = observer
        self.configured = frozenset(configured)
        self.opened = opened
        self.pace = pace
        self._lines: dict[str, asyncio.Task[None]] = {}
        self._left_out = 0
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
        wanted = self.roster.knots - self.configured
        chosen = self._chosen(wanted)
        left_out = len(wanted) - len(chosen)
        if left_out > self._left_out:
            bounds = f"{MOST} in all, {OF_ONE_OWNER} of one account"
            self.observer.fault("roster", f"{left_out} of {len(wanted)} knots are not listened to: at most {bounds}.", None)
        self._left_out = left_out
        left = set(self._lines) - set(chosen)
        await self._close(left)
        for knot in left:
            # Whoever comes back after a month must not have a month of pushes built.
            await self.intake.store.forget_cursor(source_name(knot))
            self.observer.source(source_name(knot), "ended", "No repo of ours lives there any more.")
        for knot in chosen:
            if knot not in self._lines:
                self._lines[knot] = self._open(knot)

    def _chosen(self, wanted: Collection[str]) -> list[str]:
        """Those that are heard already stay, so that no account can push out another's by names that come first."""
        repos = sorted(self.roster.repos, key=lambda repo: (repo.knot not in self._lines, repo.knot))
        owners: Counter[str] = Counter()
        chosen: dict[str, None] = {}
        for repo in repos:
            if repo.knot not in wanted or repo.knot in chosen or len(chosen) >= MOST:
                continue
            if owners[repo.owner] < OF_ONE_OWNER and not self.roster.objection(repo):
                owners[repo.owner] += 1
                chosen[repo.knot] = None
        return list(chosen)

    def _open(self, knot: str) -> asyncio.Task[None]:
        name = source_name(knot)
        self.opened(name)
        since = self.host.clock.now() * 1000 - A_LITTLE_BEFORE
        settings = Settings(host=self.roster.knot_url(knot).removeprefix("https://"), since=since, pace=self.pace)
        source = Knot(name, settings, self.host, self.observer, outside=True)
        return asyncio.create_task(self.intake.listen(source), name=f"source {name}")

    async def _close(self, knots: Collection[str]) -> None:
        closing = [self._lines.pop(knot) for knot in list(knots)]
        for task in closing:
            task.cancel()
        await asyncio.gather(*closing, return_exceptions=True)
