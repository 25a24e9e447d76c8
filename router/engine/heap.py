"""Python's garbage, while the router builds or drops a great many objects and events must not wait.

A search for cycles through all objects takes a tenth of a second for some thousand rules, with everybody standing still. What
is to live as long as the router is therefore taken out of the search, and old rules are dropped a few at a time.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Seconds after which a thread that builds lets others go on. Python's own is 5 ms. The store's thread lets go at each
#: statement, and is back no sooner than that: with 1 ms its commits fell behind 5,000 events a second, and sources waited.
TURN = 0.0003
#: Objects that are dropped between two turns of the event loop.
DROPPED = 50
#: Objects that are made before the youngest are searched. With Python's own 700, that is a tenth of a delivery on the loop.
YOUNG = 5_000
#: Searches of the youngest after which those that are left of them are searched, while a thread builds: nearly all are, and
#: after Python's own ten they are 50,000, for which everybody stands still for 50 to 80 ms.
SEARCHES = 2
_NEVER = 1_000_000_000
#: glibc's numbers of what `mallopt` sets: heaps, and bytes from which on memory is asked of the system by itself.
_ARENAS, _MAPPED = -8, -3


@contextmanager
def building() -> Iterator[None]:
    """While a thread builds: only young objects are searched, few at a time, and other threads are let in often."""
    young, middle, old = gc.get_threshold()
    turn = sys.getswitchinterval()
    gc.set_threshold(young, SEARCHES, _NEVER)
    sys.setswitchinterval(TURN)
    try:
        yield
    finally:
        sys.setswitchinterval(turn)
        gc.set_threshold(young, middle, old)


def lean() -> None:
    """Have the C library share one heap among our few threads, and give back what is large. Before any thread starts."""
    with suppress(OSError, AttributeError):
        ours = _library()
        ours.mallopt(_ARENAS, 1)
        ours.mallopt(_MAPPED, 1 << 17)


def built() -> None:
    """What there is now is not searched any more. It is still freed when nobody refers to it, cycles excepted. What comes is
    searched less often."""
    gc.freeze()
    gc.set_threshold(YOUNG, *gc.get_threshold()[1:])
    trim()


def trim() -> None:
    """What was needed to build goes back to the system, as far as the C library has it."""
    with suppress(OSError, AttributeError):
        _library().malloc_trim(0)


def _library() -> Any:
    """The C library: glibc has what is called here, and others lack it."""
    import ctypes  # noqa: PLC0415 - only a running router needs it

    return ctypes.CDLL(None)


async def drop(objects: list[object]) -> None:
    """Let go of these, and of nothing else that refers to them, without keeping anybody waiting."""
    while objects:
        del objects[-DROPPED:]
        await asyncio.sleep(0)
