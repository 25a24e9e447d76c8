"""The bell wakes, and no ring is slept through."""

from __future__ import annotations

import asyncio

from router.engine.bell import Bell

SOON = 5.0


async def test_a_ring_wakes_everybody() -> None:
    """However many wait."""
    bell = Bell()
    waiting = [asyncio.create_task(bell.wait(bell.count)) for _ in range(3)]
    await asyncio.sleep(0)
    assert not any(task.done() for task in waiting)
    bell.ring()
    async with asyncio.timeout(SOON):
        await asyncio.gather(*waiting)


async def test_a_ring_between_reading_and_waiting_is_not_slept_through() -> None:
    """The lost wake-up: count, read, ring, wait returns at once."""
    bell = Bell()
    rung = bell.count
    bell.ring()
    await asyncio.wait_for(bell.wait(rung), SOON)


async def test_an_old_ring_wakes_nobody() -> None:
    """Who has seen the count waits for the next."""
    bell = Bell()
    bell.ring()
    waiting = asyncio.create_task(bell.wait(bell.count))
    for _ in range(10):
        await asyncio.sleep(0)
    assert not waiting.done()
    bell.ring()
    await asyncio.wait_for(waiting, SOON)


async def test_a_reader_that_counts_first_sees_everything() -> None:
    """A writer that rings after each write, and a reader that counts, reads and waits, at every interleaving of their steps."""
    bell, written, read = Bell(), 0, 0

    async def write() -> None:
        nonlocal written
        for number in range(200):
            for _ in range(number % 4):
                await asyncio.sleep(0)
            written += 1
            bell.ring()

    async def look() -> None:
        nonlocal read
        while read < 200:
            rung = bell.count
            read = written
            for _ in range(read % 3):
                await asyncio.sleep(0)
            if read < 200:
                await bell.wait(rung)

    async with asyncio.timeout(SOON):
        await asyncio.gather(write(), look())
    assert read == 200


async def test_giving_up_waiting_harms_nobody_else() -> None:
    """A wait that is cancelled by a timeout leaves the others waiting, and the bell whole."""
    bell = Bell()
    quitter, other = (asyncio.create_task(bell.wait(0)) for _ in range(2))
    await asyncio.sleep(0)
    quitter.cancel()
    await asyncio.gather(quitter, return_exceptions=True)
    assert not other.done()
    bell.ring()
    await asyncio.wait_for(other, SOON)
