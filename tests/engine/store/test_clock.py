"""A clock that leaps a day ahead or is put back a day: nothing is lost, nothing is made twice, nothing waits for the leap."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from router.core.model import Gates, State
from tests.engine.store.parts import NOW, SECOND, accept, claim, claimed, done, ready, row, state, verify

if TYPE_CHECKING:
    from router.engine.store.base import Store

pytestmark = pytest.mark.fault("T-19")

DAY = 86_400 * SECOND


@pytest.mark.parametrize("leap", [DAY, -DAY], ids=["ahead", "back"])
async def test_what_is_under_way_is_nobody_elses(store: Store, leap: int) -> None:
    """Its lease is over by the clock, or never will be: this process is still at it, and settles it."""
    await accept(store, "e1", "d1")
    [held] = await claim(store)
    assert await store.recover(NOW + leap, ["d1"]) == 0
    assert await claimed(store, now=NOW + leap) == []
    assert await store.settle(held, done(), NOW + leap)
    assert await state(store, "d1") is State.DONE


async def test_after_a_leap_ahead_a_lost_claim_is_looked_up(store: Store) -> None:
    """And only that: what waits is simply due."""
    await accept(store, "e1", "lost", "waits")
    [_] = await claim(store, 1)
    assert await store.recover(NOW + DAY) == 1
    assert sorted((one.delivery.id, one.verify) for one in await claim(store, now=NOW + DAY)) == [
        ("lost", True),
        ("waits", False),
    ]


async def test_after_the_clock_was_put_back_nothing_waits_a_day(store: Store) -> None:
    """What waits for its next attempt, or for its look-up, waits as long as it would have."""
    ahead = NOW + DAY
    await accept(store, "e1", "again", "looked", now=ahead)
    for held in await claim(store, now=ahead):
        again = held.delivery.id == "again"
        await store.settle(held, ready(ahead + 5 * SECOND) if again else verify(ahead + 9 * SECOND), ahead)
    assert await claimed(store, now=NOW + 9 * SECOND) == []
    await store.recover(NOW)
    assert [(await row(store, name)).due - NOW for name in ("again", "looked")] == [5 * SECOND, 9 * SECOND]
    assert await claimed(store, now=NOW + 5 * SECOND) == ["again"]
    [looked] = await claim(store, now=NOW + 9 * SECOND)
    assert (looked.delivery.id, looked.verify, looked.failed_at) == ("looked", True, NOW)


async def test_a_lease_from_the_future_ends_in_time(store: Store) -> None:
    """Of a claim that nobody is at any more: it was made a day ahead, and is not held for that day."""
    ahead = NOW + DAY
    await accept(store, "e1", "d1", now=ahead)
    [held] = await claim(store, now=ahead)
    length = held.lease_until - ahead
    assert await store.recover(NOW) == 0
    assert await store.recover(NOW + length) == 1


async def test_a_window_of_dedupe_is_not_a_day_longer(store: Store) -> None:
    """A key that was seen a day ahead is remembered from now on, for its window."""
    ahead = NOW + DAY
    gates = Gates(dedupe_key="k", dedupe_within=60.0)
    await accept(store, "e1", "first", now=ahead, gates=gates)
    await store.recover(NOW)
    await accept(store, "e2", "second", now=NOW + 30 * SECOND, gates=gates)
    await accept(store, "e3", "third", now=NOW + 61 * SECOND, gates=gates)
    assert [await state(store, name) for name in ("second", "third")] == [State.SKIPPED, State.READY]


async def test_small_corrections_change_nothing(store: Store) -> None:
    """Clocks are set right by seconds all the time."""
    await accept(store, "e1", "d1")
    [held] = await claim(store)
    await store.settle(held, ready(NOW + 30 * SECOND), NOW)
    await store.recover(NOW - 10 * SECOND)
    assert (await row(store, "d1")).due == NOW + 30 * SECOND
