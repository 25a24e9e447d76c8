"""Whether the event loop goes on: it leaves a mark every second, and a thread looks at the mark.

A loop that stands still cannot say so itself. The thread says it once, with what every thread is doing, and again when it is
over. Whoever answers a supervisor (a systemd watchdog) asks `alive`.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
import traceback
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

#: Seconds between two marks, and without one until it is told.
EVERY, STALLED_AFTER = 1.0, 10.0


class Pulse:
    """`told` is called by the thread: a sentence, and the stacks (empty when the stall is over). `now` is in seconds."""

    def __init__(
        self,
        told: Callable[[str, str], object],
        now: Callable[[], float] = time.monotonic,
        stalled_after: float = STALLED_AFTER,
    ) -> None:
        self.told = told
        self.now = now
        self.stalled_after = stalled_after
        #: Stalls so far, and the seconds of the longest that is over.
        self.stalls = 0
        self.longest = 0.0
        self._beaten = now()
        self._stalled = 0.0
        self._ended = threading.Event()

    @property
    def age(self) -> float:
        """Seconds since the last mark."""
        return self.now() - self._beaten

    @property
    def alive(self) -> bool:
        """Whether the loop has left a mark lately."""
        return self.age < self.stalled_after

    def beat(self) -> None:
        """Leave a mark."""
        self._beaten = self.now()

    async def run(self) -> None:
        """Leave marks until cancelled, with the thread beside."""
        self.beat()
        watcher = threading.Thread(target=self._watch, name="pulse", daemon=True)
        watcher.start()
        try:
            while True:
                await asyncio.sleep(min(EVERY, self.stalled_after / 4))
                self.beat()
        finally:
            self._ended.set()

    def _watch(self) -> None:
        while not self._ended.wait(min(EVERY, self.stalled_after / 4)):
            self.look()

    def look(self) -> None:
        """What the thread does each time."""
        age = self.age
        if age >= self.stalled_after:
            if not self._stalled:
                self.stalls += 1
                self.told(f"The event loop has stood still for {age:.0f} s: nothing is heard or delivered.", stacks())
            self._stalled = age
        elif self._stalled:
            self.longest = max(self.longest, self._stalled)
            self.told(f"The event loop goes on; it stood still for {self._stalled:.0f} s or more.", "")
            self._stalled = 0.0


def stacks() -> str:
    """Where every thread is: files, lines and functions, and no values."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    parts = []
    for ident, frame in sys._current_frames().items():  # noqa: SLF001 - the documented way
        lines = traceback.format_stack(frame)
        parts.append(f"Thread {names.get(ident, ident)}:\n{''.join(lines)}")
    return "\n".join(parts)
