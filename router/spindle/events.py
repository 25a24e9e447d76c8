"""`/events`: every pipeline and status that was announced, from a cursor on. Both generations of appviews read it.

A cursor is exclusive, in nanoseconds; none, zero or nonsense is the beginning, as today's servers have it. One that is no
announcement's is the time of its owner's clock, as older readers keep it: it may run ahead, and what was announced while they
came back would be skipped, so they are told the last minute again. They know what they have by its rkey.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from router.spindle.streams import serve

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp import web

    from router.engine.store.base import Announcement
    from router.spindle.server import Desk
    from router.spindle.streams import Crowd, Line

BATCH = 100
#: Batches on one connection before its reader has to come back.
MOST = 1000
#: Nanoseconds before a cursor of somebody's clock from which on they are told.
AGAIN = 60 * 10**9
_INTEGER = re.compile(r"[0-9]{1,19}")


def route(desk: Desk, crowd: Crowd) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Serves one reader."""

    async def answer(request: web.Request) -> web.StreamResponse:
        text = request.query.get("cursor", "")
        cursor = int(text) if _INTEGER.fullmatch(text) else 0
        begin = await _begin(desk, cursor)

        async def tell(line: Line) -> tuple[int, str]:
            return await _tell(desk, line, begin)

        return await serve(request, crowd, tell)

    return answer


async def _begin(desk: Desk, cursor: int) -> int:
    """Behind the announcement that the cursor is of, or a little before the time that it is."""
    if any(one.created == cursor for one in await desk.store.announcements(cursor - 1, 1)):
        return cursor
    return max(0, min(cursor, await desk.store.last_announced()) - AGAIN)


async def _tell(desk: Desk, line: Line, cursor: int) -> tuple[int, str]:
    while True:
        rung = desk.bell.count
        for _ in range(MOST):
            batch = await desk.store.announcements(cursor, BATCH)
            for one in batch:
                await line.send(_frame(one))
                cursor = one.created
            if len(batch) < BATCH:
                break
        else:
            return 1013, "drain cap reached, reconnect to continue"
        if desk.bell.count == rung:
            await desk.bell.wait(rung)


def _frame(one: Announcement) -> str:
    frame = {"rkey": one.rkey, "nsid": one.nsid, "event": one.event, "created": one.created}
    return json.dumps(frame, separators=(",", ":"), ensure_ascii=False)
