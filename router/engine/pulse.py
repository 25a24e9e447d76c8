"""The event loop's heartbeat: how late it is, and where it stands when it stands still."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
import traceback
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from router.observe import Observer

#: Seconds between two beats, and without any after which the loop stands still.
EVERY, STILL = 1.0, 10.0


class Pulse:
    """One for the process. `lag` is how many seconds later than it was to the last beat came, `longest` the most ever."""

    def __init__(self, observer: Observer, every: float = EVERY, still: float = STILL) -> None:
        self.observer = observer
        self.every = every
        self.still = still
        self.lag = 0.0
        self.longest = 0.0
        self.beaten = time.monotonic()

    @property
    def alive(self) -> bool:
        """Whether there was a beat lately."""
        return time.monotonic() - self.beaten < self.still

    async def run(self) -> None:
        """For ever, with a thread that watches."""
        loop, over = asyncio.get_running_loop(), threading.Event()
        watching = threading.Thread(target=self._watch, args=(loop, threading.get_ident(), over), name="pulse", daemon=True)
        self.beaten = time.monotonic()
        watching.start()
        try:
            while True:
                await asyncio.sleep(self.every)
                now = time.monotonic()
                self.lag = max(0.0, now - self.beaten - self.every)
                self.longest = max(self.longest, self.lag)
                self.beaten = now
        finally:
            over.set()

    def _watch(self, loop: asyncio.AbstractEventLoop, thread: int, over: threading.Event) -> None:
        """Once for each stall: who reads the log sees what the loop was doing."""
        told = False
        while not over.wait(self.every):
            if self.alive:
                told = False
            elif not told and not loop.is_closed():
                told = True
                frame = sys._current_frames().get(thread)  # noqa: SLF001 - the one way to another thread's stack
                where = "".join(traceback.format_stack(frame)) if frame is not None else ""
                sentence = f"The event loop has stood still for {self.still:g} s. It is here:\n{where}"
                self.observer.fault("event loop", sentence, None)
