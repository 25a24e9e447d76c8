"""A full disk, as the engine lives with it: told once, relieved by forgetting, waited for by whoever has something to store."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from router.core.errors import StoreBroken, StoreCorrupt, StoreError, StoreFull
from router.core.model import LogLine, State
from router.engine.bell import Bell
from router.engine.relief import LATE, SOON, Relief
from router.engine.retention import Retention
from router.engine.scribe import StoreScribe
from router.observe import Silent
from router.testing import FakeClock
from tests.engine.way.parts import push

if TYPE_CHECKING:
    from collections.abc import Sequence

    from router.engine.store.base import Store
    from tests.engine.way.parts import Engine

pytestmark = pytest.mark.fault("T-27")


class Disk(Silent):
    """A store on a disk that fills up, as `Relief` sees it; what it says; and how many looks it takes to be well."""

    def __init__(self, looks: Sequence[tuple[bool, bool]]) -> None:
        self.full = False
        #: What each look finds: whether all is as it was, and whether it is still full.
        self.looks = list(looks)
        self.news = asyncio.Event()
        self.over = asyncio.Event()
        self.told: list[str] = []
        self.forgot = 0

    async def filled(self) -> None:
        await self.news.wait()
        self.news.clear()

    async def regain(self) -> bool:
        whole, self.full = self.looks.pop(0)
        if not self.looks:
            self.over.set()
        return whole

    async def forget(self, before: int, after: int = 0, limit: int = 200, **_more: Any) -> tuple[int, int | None]:
        self.forgot += 1
        return 0, None

    def disk(self, state: str, sentence: str) -> None:
        self.told.append(state)

    def fault(self, what: str, sentence: str, error: BaseException | None = None) -> None:
        raise AssertionError(sentence)


async def relieved(disk: Any, time: FakeClock) -> Bell:
    bell = Bell()
    relief = Relief(disk, Retention(disk, time, disk, 86400.0), bell, time, disk)
    running = asyncio.create_task(relief.run())
    disk.full = True
    disk.news.set()
    await asyncio.wait_for(disk.over.wait(), 5)
    for _ in range(5):
        await asyncio.sleep(0)
    running.cancel()
    return bell


async def test_it_is_told_once_and_looked_at_until_there_is_room(time: FakeClock) -> None:
    """What is old is forgotten before each look; looks become rare; whoever waits for the bell tries again."""
    disk = Disk([(False, True)] * 6 + [(True, False)])
    bell = await relieved(disk, time)
    assert disk.told == ["full", "well"]
    assert disk.forgot == 7
    assert time.slept == [SOON, 2.0, 4.0, 8.0, LATE, LATE]
    assert bell.count == 7


async def test_hearing_may_go_on_before_the_ballast_is_back(time: FakeClock) -> None:
    """That is told, and looked after all the same; a disk that fills up again meanwhile is told again."""
    disk = Disk([(False, True), (False, False), (False, True), (True, False)])
    await relieved(disk, time)
    assert disk.told == ["full", "well", "full", "well"]


@pytest.mark.parametrize("error", [StoreBroken("the disk"), StoreCorrupt("the file")])
async def test_what_ends_the_process_is_not_a_fault_of_forgetting(store: Store, time: FakeClock, error: StoreError) -> None:
    """Only what passes is passed over."""

    class Failing(Silent):
        async def forget(self, *_: Any, **_more: Any) -> Any:
            raise error

    failing: Any = Failing()
    with pytest.raises(type(error)):
        await Retention(failing, time, Silent(), 86400.0).once()


async def test_claims_wait_for_room(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing ends for want of room to claim or to sweep; with room, what waits is delivered."""
    full = True
    claim, recover = engine.store.claim, engine.store.recover

    async def claiming(*given: Any, **more: Any) -> Any:
        if full:
            raise StoreFull("full")
        return await claim(*given, **more)

    async def recovering(*given: Any) -> Any:
        if full:
            raise StoreFull("full")
        return await recover(*given)

    monkeypatch.setattr(engine.store, "claim", claiming)
    monkeypatch.setattr(engine.store, "recover", recovering)
    await engine.hear(push())
    stop = asyncio.Event()
    running = asyncio.create_task(engine.dispatch.run(stop))
    await engine.dispatch._sweep()
    for _ in range(10):
        await asyncio.sleep(0.001)
    assert not running.done()
    assert engine.toy.made == []
    full = False
    engine.bell.ring()
    async with asyncio.timeout(5):
        while not await engine.store.deliveries(state=State.DONE):
            await asyncio.sleep(0.001)
    stop.set()
    engine.bell.ring()
    await running


async def test_what_is_said_waits_for_room(time: FakeClock) -> None:
    """In order, the newest lines of it; and a stop does not wait for the disk."""

    class Log:
        full = True
        kept: list[str] = []  # noqa: RUF012 - of this test alone

        async def run_of(self, delivery: str) -> Any:
            return type("Run", (), {"run": 0})

        async def write_log(self, delivery: str, run: int, first: int, lines: Sequence[LogLine], now: int) -> None:
            if self.full:
                raise StoreFull("full")
            assert first == len(self.kept)
            self.kept.extend(line.text for line in lines)

    log: Any = Log()
    scribe = StoreScribe(time)
    writing = asyncio.create_task(scribe.run(log))
    for text in ("one", "two"):
        scribe.write("d", [LogLine(step=0, part="said", text=text)])
        while not time.slept or scribe._waiting.get("d") is None:
            await asyncio.sleep(0)
    log.full = False
    async with asyncio.timeout(5):
        while len(log.kept) < 2:
            await asyncio.sleep(0)
    assert log.kept == ["one", "two"]
    log.full = True
    scribe.write("d", [LogLine(step=0, part="said", text="lost")])
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
