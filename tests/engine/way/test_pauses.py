"""What an operator pauses waits, through restarts, and nothing is lost by it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from router.core.model import Heard
from router.engine.intake import BATCH
from router.engine.pauses import RULE, SOURCE, Pauses
from router.engine.store.sqlite import open_store
from router.sources.base import everything
from router.testing import FakeClock
from tests.engine.way.parts import START, push

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from router.sources.base import Wants
    from tests.engine.way.parts import Engine


class Endless:
    """Hears a push after the cursor whenever it is told, and says where it began each time."""

    name = "endless"
    finite = False

    def __init__(self) -> None:
        self.begun: list[int | None] = []
        self.let = asyncio.Event()
        self.closed = 0

    async def hear(self, cursor: int | None, wants: Wants = everything) -> AsyncIterator[Sequence[Heard]]:
        self.begun.append(cursor)
        number = cursor or 0
        try:
            while True:
                await self.let.wait()
                self.let.clear()
                number += 1
                yield [Heard(event=push(number), cursor=number)]
        finally:
            self.closed += 1


async def until(condition: object) -> None:
    while not condition():  # type: ignore[operator]
        await asyncio.sleep(0)


async def test_a_paused_source_is_not_heard_and_goes_on_where_it_was(engine: Engine) -> None:
    """Its line is closed, its cursor stays, and what comes meanwhile is heard afterwards."""
    source, pauses = Endless(), engine.intake.pauses
    task = asyncio.create_task(engine.intake.listen(source))
    source.let.set()
    await until(lambda: len(engine.told.plans) == 1)
    assert await pauses.pause(SOURCE, "endless")
    assert not await pauses.pause(SOURCE, "endless")
    await until(lambda: ("endless", "paused") in engine.told.states)
    assert source.closed == 1
    source.let.set()
    await asyncio.sleep(0)
    assert await pauses.resume(SOURCE, "endless")
    assert not await pauses.resume(SOURCE, "endless")
    await until(lambda: len(engine.told.plans) == 2)
    assert source.begun == [None, 1]
    task.cancel()
    await asyncio.wait([task])
    assert source.closed == 2


@pytest.mark.parametrize("batch", [BATCH, 1])
async def test_a_source_that_is_stopped_tells_what_is_being_stored(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    """A commit that is under way is finished and told, also where the source waits for it: else the deliveries would wait for
    the next sweep, and what is kept in memory of it would be missing until the router starts again."""
    monkeypatch.setattr("router.engine.intake.BATCH", batch)
    source, store = Endless(), engine.store
    accepting, go = asyncio.Event(), asyncio.Event()
    accept = store.accept

    async def slowly(*given: object) -> object:
        accepting.set()
        await go.wait()
        return await accept(*given)  # type: ignore[arg-type]

    store.accept = slowly  # type: ignore[method-assign, assignment]
    task = asyncio.create_task(engine.intake.listen(source))
    source.let.set()
    await accepting.wait()
    rung = engine.bell.count
    task.cancel()
    await asyncio.sleep(0)
    go.set()
    await asyncio.wait([task])
    assert task.cancelled()
    assert len(engine.told.plans) == 1
    assert engine.bell.count > rung


async def test_deliveries_of_a_paused_rule_wait(engine: Engine) -> None:
    """Events are decided as ever; nothing of the rule is claimed or due until it is resumed."""
    pauses = engine.intake.pauses
    await pauses.pause(RULE, "test/build")
    await engine.hear(push(1))
    await engine.work()
    assert await engine.states() == ["ready"]
    assert await engine.store.next_due(-1) is None
    assert (await engine.store.backlog(engine.time.now())).due is None
    await pauses.resume(RULE, "test/build")
    assert (await engine.store.backlog(engine.time.now())).due == START
    await engine.work()
    assert await engine.states() == ["done"]


async def test_other_rules_do_not_wait(engine: Engine) -> None:
    """Only what is paused."""
    await engine.intake.pauses.pause(RULE, "test/other")
    await engine.hear(push(1))
    await engine.work()
    assert await engine.states() == ["done"]


async def test_a_restart_finds_what_was_paused(tmp_path: Path) -> None:
    """It is a row before it is an effect."""
    for _ in range(2):
        store = await open_store(tmp_path / "router.db")
        pauses = Pauses(store, FakeClock(START))
        await pauses.load()
        if not pauses.since(SOURCE):
            await pauses.pause(SOURCE, "knot")
            await pauses.pause(RULE, "ci/build")
        assert (dict(pauses.since(SOURCE)), dict(pauses.since(RULE))) == ({"knot": START}, {"ci/build": START})
        await store.close()


async def test_matches_are_counted_once(engine: Engine) -> None:
    """By event, however often it is heard, and whether or not the rules are asked again."""
    await engine.hear(push(1), push(2), push(2), push(3, "topic"))
    hits = await engine.store.hits()
    assert {rule: (one.count, one.last) for rule, one in hits.items()} == {"test/build": (2, START)}
    assert len(await engine.store.events(rule="test/build")) == 2
    assert [row.number for row in await engine.store.events(before=2)] == [1]
