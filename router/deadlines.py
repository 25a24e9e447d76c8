"""Timeouts that mostly are not reached, for less than a third of what `asyncio.timeout` takes: one timer for all of them.

Those of one length end in the order in which they began, so each length is a queue, and to begin and to end are an entry of a
dictionary.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType


class Deadlines:
    """Of one event loop: `with deadlines.within(seconds):` cancels what the present task does in it when that takes longer, and
    raises TimeoutError then, as `async with asyncio.timeout(seconds):` does."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._queues: dict[float, dict[Within, float]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def within(self, seconds: float) -> Within:
        return Within(self, seconds)

    def add(self, one: Within) -> None:
        """It begins."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop, self._queues, self._timer = loop, {}, None
        at, queue = loop.time() + one.seconds, self._queues.get(one.seconds)
        if queue:
            # The timer is for its first, or for somebody who is sooner.
            queue[one] = at
            return
        self._queues[one.seconds] = {one: at}
        if self._timer is None or at < self._timer.when():
            self._set(at)

    def remove(self, one: Within) -> None:
        """It ended in time."""
        queue = self._queues.get(one.seconds)
        if queue is not None:
            queue.pop(one, None)

    def _set(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(at, self._ring)

    def _ring(self) -> None:
        """End those whose time is up, and be called again for the next."""
        self._timer = None
        now = asyncio.get_running_loop().time()
        for queue in self._queues.values():
            while queue and (first := next(iter(queue.items())))[1] <= now:
                del queue[first[0]]
                first[0].expire()
        self._queues = {seconds: queue for seconds, queue in self._queues.items() if queue}
        if self._queues:
            self._set(min(next(iter(queue.values())) for queue in self._queues.values()))


class Within:
    """See Deadlines. `expired` tells whether the time was up."""

    __slots__ = ("_before", "_deadlines", "_task", "expired", "seconds")

    def __init__(self, deadlines: Deadlines, seconds: float) -> None:
        self.expired = False
        self.seconds = seconds
        self._deadlines = deadlines

    def __enter__(self) -> Within:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("Only a task can be given a time.")
        self._task, self._before = task, task.cancelling()
        self._deadlines.add(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if not self.expired:
            self._deadlines.remove(self)
        elif self._task.uncancel() <= self._before and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def expire(self) -> None:
        """The time is up."""
        self.expired = True
        self._task.cancel()
