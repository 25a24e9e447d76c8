"""The router as a spindle that is killed at random moments, and an appview that follows what it tells: it hears of each push's
run, its statuses in order, and its end; and there is one build."""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from router.demo.ci import Ci
from tests.e2e.test_spindle_kills import free_port
from tests.spindle.appview import Appview
from tests.spindle.test_building import BUILDKITE, FILES
from tests.spindle.world import OWNER, World

if TYPE_CHECKING:
    import random
    from pathlib import Path

    from tests.faults.world import Pipe

pytestmark = pytest.mark.faults

KILLS = max(1, int(os.environ.get("FAULTS_KILLS") or 300) // 6)
PUSHES_EACH = 6
TOKEN = "bkua_test"


async def watch(view: Appview) -> None:
    """For ever, from its own cursor, through every cut connection. Raises what the appview finds wrong."""
    while True:
        with suppress(aiohttp.ClientError, OSError):
            async with view.http.ws_connect(f"{view.url}/events?cursor={view.cursor}") as stream:
                async for message in stream:
                    view.hear(json.loads(message.data))
        await asyncio.sleep(0.02)


class Spindle:
    """A router in the nursery, over the world's folder, told to on a thread: our loop serves its peers meanwhile."""

    def __init__(self, nursery: Pipe, world: World, ci: Ci) -> None:
        self.nursery, self.world = nursery, world
        port = free_port()
        world.listen, world.url = f"127.0.0.1:{port}", f"http://127.0.0.1:{port}"
        world.more = (
            f"providers: {{buildkite: {{token: {{env: TEST_TOKEN}}, url: {ci.url}/v2, settle: 700ms, "
            "per_org: 10000, per_token: 10000}}\n"
            "delivery: {poll: 100ms, loop: {events: 0}, circuit: {wait: 100ms, longest: 400ms}}\n"
            "log: {format: json, level: warning}\n"
        )
        world.write()
        self.alive = False

    async def start(self) -> None:
        await self._ask("start", folder=str(self.world.folder), TEST_TOKEN=TOKEN)
        self.alive = True

    async def end(self, how: str) -> int:
        code: int = (await self._ask(how))["code"]
        self.alive = False
        return code

    async def _ask(self, do: str, **given: Any) -> Any:
        return await asyncio.to_thread(self.nursery.ask, do, **given)


def push(world: World, chance: random.Random, number: int) -> str:
    """One commit, sometimes said twice."""
    sha = f"{number + 1:040x}"
    frame = world.pushed(sha=sha, files=FILES)
    said = world.knot.emit(frame)
    if chance.random() < 0.3:
        world.knot.emit({**frame, "rkey": said["rkey"]})
    return sha


async def disturb(world: World, ci: Ci, chance: random.Random) -> None:
    await ci.disturb(
        answers=[chance.choice((500, 503, 429)) for _ in range(chance.randrange(3))],
        look_answers=[503] * chance.randrange(2),
        drop_before=chance.randrange(2),
        drop_after=chance.randrange(2),
        truncate=chance.randrange(2),
        index_lag=chance.uniform(0, 0.25),
    )
    world.knot.rewind = chance.choice((0, 0, 20))


@pytest.mark.timeout(480)
@pytest.mark.fault("T-06", "T-08", "T-38")
async def test_an_appview_hears_the_end_of_every_push(folder: Path, chance: random.Random, nursery: Pipe) -> None:
    """Fifty kills, three hundred pushes: as many builds, and as many runs whose statuses came in order to their end."""
    rules = BUILDKITE.replace("        secrets: [DEPLOY_KEY]\n", "")
    async with Ci("ci", token=TOKEN, pace=(0.0, 0.0), window=1.0) as ci, World(folder, rules=rules) as world:
        spindle = Spindle(nursery, world, ci)
        view = Appview(world.http, world.url)
        await spindle.start()
        watching = asyncio.create_task(watch(view))
        try:
            await world.ours()
            await world.until(world.jetstream.log.attended.is_set)
            said: list[str] = []
            for _ in range(KILLS):
                await disturb(world, ci, chance)
                for _ in range(PUSHES_EACH):
                    said.append(push(world, chance, len(said)))
                    if chance.random() < 0.25:
                        ci.failing.add(said[-1])
                    await asyncio.sleep(chance.uniform(0, 0.1))
                if chance.random() < 0.3:
                    chance.choice((world.knot, world.jetstream, world.pds, ci)).cut()
                assert await spindle.end("kill") == -9
                await spindle.start()
            await calm(world, ci)
            await over(view, watching, len(said))
            await view.verify(OWNER)
            judge(view, ci, said)
            assert await spindle.end("end") == 0
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            if spindle.alive:
                await spindle.end("kill")
    print(f"{KILLS} kills of a spindle, {len(said)} pushes: {len(ci.builds)} builds, {view.over()} ends heard by an appview")


async def calm(world: World, ci: Ci) -> None:
    none = dict.fromkeys(("drop_before", "drop_after", "truncate"), 0)
    await ci.disturb(answers=[], look_answers=[], index_lag=0.0, **none)
    world.knot.rewind = 0


async def over(view: Appview, watching: asyncio.Task[None], count: int) -> None:
    """Until so many runs are over; at once where the appview found something wrong."""
    async with asyncio.timeout(240):
        while view.over() < count:
            if watching.done():
                watching.result()
            await asyncio.sleep(0.05)


def judge(view: Appview, ci: Ci, said: list[str]) -> None:
    assert sorted(build.asked.commit for build in ci.builds) == sorted(said)
    assert view.dropped == []
    assert len(view.seen) == len(said)
    ends = sorted(statuses[-1] for statuses in view.seen.values())
    assert ends == sorted("failed" if sha in ci.failing else "success" for sha in said)
    for statuses in view.seen.values():
        assert statuses == [status for status in ("pending", "running", "failed", "success") if status in statuses]
