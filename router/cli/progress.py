"""A bar on stderr for work that takes a while, drawn only where a person watches a terminal."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: Seconds of work before a bar appears: most runs are over by then, and never load what draws it.
PATIENCE = 0.5


@contextmanager
def progress(total: int | None, label: str) -> Iterator[Callable[[], None]]:
    """A function to call after each step, of `total` where that is known. Where nobody watches it does nothing."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    bar = _Bar(total, label)
    try:
        yield bar.step
    finally:
        bar.close()


class _Bar:
    def __init__(self, total: int | None, label: str) -> None:
        self.total = total
        self.label = label
        self.done = 0
        self.began = time.monotonic()
        self.advance: Callable[[int], None] | None = None
        self.stop: Callable[[], None] = lambda: None

    def step(self) -> None:
        self.done += 1
        if self.advance is not None:
            self.advance(self.done)
        elif time.monotonic() - self.began > PATIENCE:
            self._open()

    def _open(self) -> None:
        from rich.console import Console  # noqa: PLC0415 - only a long run draws
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

        known = (MofNCompleteColumn(), TimeRemainingColumn())
        counted = known if self.total is not None else (TextColumn("{task.completed}"),)
        columns = (TextColumn("{task.description}"), BarColumn(), *counted)
        drawn = Progress(*columns, console=Console(stderr=True), transient=True)
        task = drawn.add_task(self.label, total=self.total, completed=self.done)
        drawn.start()
        self.advance = lambda done: drawn.update(task, completed=done)
        self.stop = drawn.stop

    def close(self) -> None:
        """Take the bar away: what was found is what stays."""
        self.stop()
