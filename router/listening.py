"""The sources of router.yaml while the router runs: each is a task, started, stopped and exchanged while the others go on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from router import plugins
from router.sources.knot import Knot

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from router.engine.intake import Intake
    from router.host import Host
    from router.observe import Observer
    from router.sections import SourceConfig
    from router.sources.base import Source

#: Seconds that a source has to end, and what it heard to be stored, before others start without it.
ENDS_WITHIN = 10.0


class Listening:
    """One for the process. A source's cursor is known by its name, so one that starts again goes on where it was."""

    def __init__(self, intake: Intake, host: Host, observer: Observer) -> None:
        self.intake = intake
        self.host = host
        self.observer = observer
        self.configured: dict[str, SourceConfig] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def opened(self, configured: Iterable[SourceConfig]) -> Mapping[str, Source]:
        """Those that are not running already as they are configured, opened and not started. Raises what opening raises."""
        new = [one for one in configured if self.configured.get(one.name) != one]
        return {one.name: self._open(one) for one in new}

    def _open(self, one: SourceConfig) -> Source:
        return plugins.source_kind(one.kind).open(one.name, one.settings, self.host, self.observer)

    def start(
        self, group: asyncio.TaskGroup, configured: Sequence[SourceConfig], opened: Mapping[str, Source], *, again: bool = True
    ) -> Sequence[asyncio.Task[None]]:
        """Hear these. `again` starts one again that broke."""
        for name, source in opened.items():
            job = self.intake.listen(source, again=again)
            self._tasks[name] = group.create_task(job, name=f"source {name}")
            if isinstance(source, Knot):
                self.intake.directory.knots[source.knot] = source.url
        self.configured = {one.name: one for one in configured}
        return list(self._tasks.values())

    async def exchange(
        self, group: asyncio.TaskGroup, configured: Sequence[SourceConfig], opened: Mapping[str, Source]
    ) -> Sequence[str]:
        """Stop those that are not in `configured`, or are in `opened` anew, and start these. Says what changed."""
        wanted = {one.name for one in configured}
        before = set(self.configured)
        gone = [name for name in self._tasks if name in opened or name not in wanted]
        await self._stop(gone)
        self.start(group, configured, opened)
        added = [f"source {name} added" for name in opened if name not in before]
        changed = [f"source {name} changed" for name in opened if name in before]
        return [*added, *changed, *(f"source {name} removed" for name in before if name not in wanted)]

    async def _stop(self, names: Sequence[str]) -> None:
        tasks = [self._tasks.pop(name) for name in names]
        for task in tasks:
            task.cancel()
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=ENDS_WITHIN)
        for task in late:
            self.observer.fault("reload", f"{task.get_name()} does not end; what follows it has begun all the same.", None)

    def stop(self) -> None:
        """Ask all to end."""
        for task in self._tasks.values():
            task.cancel()
