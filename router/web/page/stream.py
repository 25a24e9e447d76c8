"""That something has changed, told to pages that are open: they ask for themselves again. The stream carries nothing else."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from router.web.desk import Desk

#: Pages that may be open, seconds between two looks, and looks after which one is told although nothing changed: ages grow.
MOST, EVERY, QUIET = 32, 1.0, 5


class Streams:
    """Those of one listener."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Until the browser goes, or the router ends."""
        if len(self._tasks) >= MOST:
            raise web.HTTPServiceUnavailable(text=f"{MOST} pages are open already.")
        answer = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
        )
        await answer.prepare(request)
        telling = asyncio.create_task(self._tell(request, answer))
        self._tasks.add(telling)
        try:
            await asyncio.wait([telling])
        finally:
            telling.cancel()
            self._tasks.discard(telling)
        return answer

    async def end(self, _app: web.Application) -> None:
        for task in self._tasks:
            task.cancel()

    async def _tell(self, request: web.Request, answer: web.StreamResponse) -> None:
        with suppress(ConnectionError):
            await answer.write(b"retry: 3000\n\n")
            seen, quiet = self._mark(), 0
            while request.transport is not None and not request.transport.is_closing():
                await self.desk.clock.sleep(EVERY)
                mark = self._mark()
                quiet = 0 if mark != seen else quiet + 1
                if mark != seen or quiet >= QUIET:
                    seen, quiet = mark, 0
                    await answer.write(b"event: changed\ndata: \n\n")

    def _mark(self) -> tuple[int, int]:
        return self.desk.bell.count, self.desk.recent.count
