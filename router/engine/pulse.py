"""The event loop's heartbeat: how late it is, and where it stands when it stands still."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
import traceback
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from router.observe import Observer

#: Seconds between two beats, and without any after which the loop stands still.
EVERY, STILL = 1.0, 10.0


class Pulse:
    """One for the process. `lag` is how many seconds later than it was to the last beat came, `longest` the most ever, `stalls`
    how often the loop stood still. Whoever answers a supervisor asks `alive`. `now` is in seconds."""

    def __init__(
        self, observer: Observer, every: float = EVERY, still: float = STILL, now: Callable[[], float] = time.monotonic
    ) -> None:
        self.observer = observer
        self.every = every
        self.still = still
        self.now = now
        self.lag = 0.0
        self.longest = 0.0
        self.stalls = 0
        self.beaten = now()
        #: Seconds of the stall that was told and is not over.
        self._stood = 0.0

    @property
    def alive(self) -> bool:
        """Whether there was a beat lately."""
        return self.now() - self.beaten < self.still

    def beat(self) -> None:
        """The loop goes on."""
        now = self.now()
        self.lag = max(0.0, now - self.beaten - self.every)
        self.longest = max(self.longest, self.lag)
        self.beaten = now

    async def run(self) -> None:
        """For ever, with a thread that watches."""
        over = threading.Event()
        watching = threading.Thread(target=self._watch, args=(asyncio.get_running_loop(), over), name="pulse", daemon=True)
        self.beaten = self.now()
        watching.start()
        try:
            while True:
                await asyncio.sleep(self.every)
                self.beat()
        finally:
            over.set()

    def _watch(self, loop: asyncio.AbstractEventLoop, over: threading.Event) -> None:
        while not over.wait(self.every) and not loop.is_closed():
            self.look()

    def look(self) -> None:
        """What the thread does each time: a stall is told once, with what every thread is doing, and its end."""
        since = self.now() - self.beaten
        if since >= self.still:
            told, self._stood = bool(self._stood), since
            if not told:
                self.stalls += 1
                sentence = f"The event loop has stood still for {since:g} s: nothing is heard or delivered."
                self.observer.fault("event loop", f"{sentence}\n{stacks()}", None)
        elif self._stood:
            self.observer.fault("event loop", f"The event loop goes on. It stood still for {self._stood:g} s or more.", None)
            self._stood = 0.0


def stacks() -> str:
    """Where every thread is: files, lines and functions, and no values."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    frames = sys._current_frames()  # noqa: SLF001 - the one way to another thread's stack
    return "\n".join(
        f"Thread {names.get(thread, thread)}:\n{''.join(traceback.format_stack(frame))}" for thread, frame in frames.items()
    )
