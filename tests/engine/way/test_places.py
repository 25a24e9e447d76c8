"""Places for attempts: taken with what is stored, free once an attempt is over, and never more than there are."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from router.core.model import Receipt
from router.engine.store.base import Store
from router.testing import FakeClock
from tests.engine.way.parts import Engine, Options, Told, Toy, assemble, push

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from router.core.model import Delivery

#: Turns of the loop, and of the store, after which nothing more happens by itself.
TURNS = 30


class Gate(Toy):
    """Lets attempts end one by one, and knows how many are under way."""

    def __init__(self) -> None:
        super().__init__()
        self.under_way = self.most = 0
        self.go = asyncio.Semaphore(0)

    async def deliver(self, delivery: Delivery[Options], /) -> Receipt:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await self.go.acquire()
            return await super().deliver(delivery)
        finally:
            self.under_way -= 1


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def engine(store: Store, time: FakeClock, told: Told, gate: Gate) -> Engine:
    made = assemble(store, time, told, gate)
    made.dispatch.concurrency = 2
    return made


@pytest.fixture
async def stop(engine: Engine) -> AsyncIterator[asyncio.Event]:
    stop = asyncio.Event()
    running = asyncio.create_task(engine.dispatch.run(stop))
    await rest(engine.store)
    yield stop
    stop.set()
    engine.bell.ring()
    await running
    await engine.dispatch.finish(0)


async def rest(store: Store) -> None:
    for _ in range(TURNS):
        await store.cursor("")
        await asyncio.sleep(0)


def pushes(count: int, first: int = 1) -> list[Any]:
    """Of a branch each would be of a lane; of one they would wait for each other."""
    return [push(number, repo=f"did:plc:{number:a>24}") for number in range(first, first + count)]


async def no_claims(*_: object, **__: object) -> tuple[()]:
    return ()


async def test_what_is_stored_for_a_free_place_is_made_without_another_claim(
    engine: Engine, gate: Gate, stop: asyncio.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One commit between a frame and its request."""
    monkeypatch.setattr(engine.store, "claim", no_claims)
    await engine.hear(push())
    await rest(engine.store)
    assert gate.under_way == 1


async def test_there_are_never_more_than_there_are_places(engine: Engine, gate: Gate, stop: asyncio.Event) -> None:
    """Whoever claims, and however fast it comes."""
    await asyncio.gather(engine.hear(*pushes(5)), engine.hear(*pushes(5, 6), first=6))
    await rest(engine.store)
    assert gate.under_way == 2
    for done in range(1, 11):
        gate.go.release()
        await rest(engine.store)
        assert len(gate.made) == done
    assert gate.most == 2
    assert await engine.states() == ["done"] * 10


async def test_a_place_is_free_once_its_attempt_is_over(
    engine: Engine, gate: Gate, stop: asyncio.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While its outcome is on its way into the store, the next is claimed: behind it, so in its commit or a later one."""
    settled = asyncio.Event()
    settle: Callable[..., Any] = engine.store.settle

    async def slowly(*given: Any) -> bool:
        await settled.wait()
        return bool(await settle(*given))

    monkeypatch.setattr(engine.store, "settle", slowly)
    await engine.hear(*pushes(4))
    await rest(engine.store)
    gate.go.release()
    await rest(engine.store)
    assert (len(gate.made), gate.under_way, engine.told.outcomes) == (1, 2, [])
    settled.set()
    for _ in range(3):
        gate.go.release()
    await rest(engine.store)
    assert await engine.states() == ["done"] * 4


async def test_what_is_claimed_with_the_last_event_before_a_stop_is_made(engine: Engine, gate: Gate) -> None:
    """It was claimed before the stop, and is under way like everything else then."""
    stop = asyncio.Event()
    running = asyncio.create_task(engine.dispatch.run(stop))
    await rest(engine.store)
    hearing = asyncio.create_task(engine.hear(push()))
    while not engine.dispatch._claiming:
        await asyncio.sleep(0)
    stop.set()
    engine.bell.ring()
    await running
    gate.go.release()
    await engine.dispatch.finish(5)
    await hearing
    assert await engine.states() == ["done"]


async def test_after_the_end_nothing_is_claimed(engine: Engine, stop: asyncio.Event) -> None:
    stop.set()
    engine.bell.ring()
    await rest(engine.store)
    await engine.hear(push())
    await rest(engine.store)
    assert await engine.states() == ["ready"]


async def test_whoever_is_cancelled_leaves_no_attempt_behind(engine: Engine, gate: Gate) -> None:
    """A router that fails does not begin what was claimed for it: its lease says that it may have happened."""
    running = asyncio.create_task(engine.dispatch.run(asyncio.Event()))
    await rest(engine.store)
    running.cancel()
    await asyncio.wait((running,))
    await engine.hear(push())
    engine.dispatch.took(await engine.store.claim("me", 1, 30.0, engine.time.now(), {}))
    await rest(engine.store)
    assert (await engine.states(), gate.under_way) == (["claimed"], 0)


async def test_a_clock_that_leaps_takes_nothing_that_is_just_being_claimed(engine: Engine, gate: Gate) -> None:
    """Between the commit that claims and the start of the attempt nobody holds it yet, and its lease is over by the clock."""
    dispatch = engine.dispatch
    await engine.hear(push())
    wanted = dispatch.wants()
    assert wanted is not None
    claims = await engine.store.claim(wanted.owner, wanted.count, wanted.lease, wanted.now, wanted.room)
    engine.time.leap(3600)
    await dispatch._sweep()
    dispatch.took(claims)
    await dispatch._sweep()
    gate.go.release()
    await dispatch.finish(5)
    assert (await engine.states(), len(gate.made)) == (["done"], 1)
