"""Python's garbage, while the router builds or drops a great many objects and events must not wait.

A search for cycles through all objects takes a tenth of a second for some thousand rules, with everybody standing still. What
is to live as long as the router is therefore taken out of the search, and old rules are dropped a few at a time.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Seconds after which a thread that builds lets the event loop go on. Python's own is 5 ms.
TURN = 0.001
#: Objects that are dropped between two turns of the event loop.
DROPPED = 50
#: Objects that are made before the youngest are searched. With Python's own 700, that is a tenth of what a delivery takes.
YOUNG = 5_000
_NEVER = 1_000_000_000


@contextmanager
def building() -> Iterator[None]:
    """While a thread builds: only young objects are searched, and the event loop is let in often."""
    young, middle, old = gc.get_threshold()
    turn = sys.getswitchinterval()
    gc.set_threshold(young, middle, _NEVER)
    sys.setswitchinterval(TURN)
    try:
        yield
    finally:
        sys.setswitchinterval(turn)
        gc.set_threshold(young, middle, old)


def built() -> None:
    """What there is now is not searched any more. It is still freed when nobody refers to it, cycles excepted. What comes is
    searched less often."""
    gc.freeze()
    gc.set_threshold(YOUNG, *gc.get_threshold()[1:])


async def drop(objects: list[object]) -> None:
    """Let go of these, and of nothing else that refers to them, without keeping anybody waiting."""
    while objects:
        del objects[-DROPPED:]
        await asyncio.sleep(0)
