"""A wake-up, never a message: whoever wakes reads the store again from where they were.

So a ring that is missed costs nothing but time, two rings are as good as one, and there is no queue to overflow.
"""

from __future__ import annotations

import asyncio


class Bell:
    """Read `count` first, then the store, then `wait` with that count: a ring in between is not slept through.

    For one event loop; `ring` is not for other threads.
    """

    def __init__(self) -> None:
        self._count = 0
        self._next = asyncio.Event()
        self._waited = False

    @property
    def count(self) -> int:
        """How often it has rung."""
        return self._count

    def ring(self) -> None:
        """Wake everybody who waits."""
        self._count += 1
        if self._waited:
            self._waited = False
            rung, self._next = self._next, asyncio.Event()
            rung.set()

    async def wait(self, after: int) -> None:
        """Return at once if it has rung since `count` was `after`, else when it rings."""
        if self._count == after:
            self._waited = True
            await self._next.wait()
