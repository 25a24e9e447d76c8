"""When a router that hears only files is done."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from router.engine.echo import Echo

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from router.engine.bell import Bell
    from router.engine.store.base import Store

#: Before any moment at which a delivery was or will be due.
BEFORE_ALL = -1


async def drained(stop: asyncio.Event, hearing: Sequence[asyncio.Task[None]], store: Store, bell: Bell) -> None:
    """Until the sources have ended, their deliveries are settled and our own statuses are heard; or until `stop`."""
    stopped = asyncio.create_task(stop.wait())
    waiting: asyncio.Task[Any] = asyncio.create_task(asyncio.wait(hearing))
    try:
        await asyncio.wait((stopped, waiting), return_when=asyncio.FIRST_COMPLETED)
        while not stop.is_set():
            rung = bell.count
            if await _quiet(store):
                return
            waiting = asyncio.create_task(bell.wait(rung))
            await asyncio.wait((stopped, waiting), return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopped.cancel()
        waiting.cancel()


async def _quiet(store: Store) -> bool:
    # Asked after each delivery, so of an index: counting them all would make a long file a day's work.
    if await store.next_due(BEFORE_ALL) is not None:
        return False
    return not await store.journal(await store.cursor(Echo.name) or 0, limit=1)
