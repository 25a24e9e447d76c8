"""The spindle as a process that is killed at each step between a push and its build: one build, one run, its end told."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from router.demo.ci import Ci
from tests import canaries
from tests.e2e.processes import ROUTER
from tests.e2e.test_main_job import STEPS
from tests.spindle.test_building import BUILDKITE, FILES
from tests.spindle.world import World

if TYPE_CHECKING:
    from pathlib import Path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Process:
    """`router run` over the world's configuration, again and again."""

    def __init__(self, world: World, ci: Ci) -> None:
        port = free_port()
        world.listen, world.url = f"127.0.0.1:{port}", f"http://127.0.0.1:{port}"
        self.world = world
        self.ci = ci
        self.configure(poll="100ms")
        self.log = (world.folder / "log").open("ab")
        self.process: asyncio.subprocess.Process | None = None

    def configure(self, poll: str) -> None:
        """Written for the next start; `poll` is how often the CI is asked about builds."""
        self.world.more = (
            f"providers: {{buildkite: {{token: {{env: TEST_TOKEN}}, url: {self.ci.url}/v2, settle: 200ms, "
            f"webhook_secrets: [{{env: TEST_TOKEN}}], per_org: 10000, per_token: 10000}}}}\ndelivery: {{poll: {poll}}}\n"
        )
        self.file = self.world.write()

    async def start(self, **environ: str) -> None:
        self.process = await asyncio.create_subprocess_exec(
            *(str(ROUTER), "run", "--config", str(self.file)),
            env={**os.environ, "TEST_TOKEN": canaries.TOKEN, **environ},
            stdout=self.log,
            stderr=self.log,
        )

    async def end(self, number: int = signal.SIGTERM) -> int:
        assert self.process is not None
        with suppress(ProcessLookupError):
            self.process.send_signal(number)
        return await self.process.wait()


#: Seconds for a start and its first step. On a machine that has ten other things to do, importing alone takes half a minute.
PATIENCE = 120.0

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(420)]


@pytest.mark.parity(22, 76)
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.acceptance("A-12")
async def test_a_kill_at_any_step_leaves_one_build(tmp_path: Path, step: str) -> None:
    """Whatever was done before is known after the restart, and what was not is done."""
    async with (
        Ci("ci", token=canaries.TOKEN) as ci,
        World(tmp_path, rules=BUILDKITE.replace("secrets: [DEPLOY_KEY]", ""), patience=PATIENCE) as world,
    ):
        router = Process(world, ci)
        try:
            await router.start()
            await world.ours()
            await world.until(lambda: answers(world))
            assert await router.end() == 0
            await router.start(ROUTER_CRASH_AT=step)
            world.push(files=FILES)
            async with asyncio.timeout(PATIENCE):
                assert router.process is not None
                assert await router.process.wait() == -signal.SIGKILL
            await router.start()
            await world.until(lambda: ci.builds)
            ci.advance()
            ci.advance()
            await world.until(lambda: answers(world))
            assert await world.statuses() == [{"ci.yml": "success"}]
            assert len(ci.builds) == 1
        finally:
            await router.end(signal.SIGKILL)
            router.log.close()


@pytest.mark.fault("T-07")
async def test_a_kill_while_a_webhook_is_answered_loses_no_status(tmp_path: Path) -> None:
    """The CI tells once, gets no answer, and never tells again: the end of the build is asked for after the restart."""
    async with (
        Ci("ci", token=canaries.TOKEN) as ci,
        World(tmp_path, rules=BUILDKITE.replace("secrets: [DEPLOY_KEY]", ""), patience=PATIENCE) as world,
    ):
        router = Process(world, ci)
        router.configure(poll="1h")
        try:
            await router.start(ROUTER_CRASH_AT="before_told")
            await world.ours()
            await world.until(lambda: answers(world))
            world.push(files=FILES)
            await world.until(lambda: ci.builds)
            ci.advance()
            ci.advance()
            (build,) = ci.builds
            body = {"event": "build.finished", "build": build.shape(ci.url), "pipeline": {"slug": "core"}}
            with pytest.raises(aiohttp.ClientError):
                await world.http.post(
                    f"{world.url}/webhooks/buildkite", json=body, headers={"X-Buildkite-Token": canaries.TOKEN}
                )
            assert router.process is not None
            assert await router.process.wait() == -signal.SIGKILL
            router.configure(poll="100ms")
            await router.start()
            await world.until(lambda: answers(world))

            async def ended() -> bool:
                return bool(await world.statuses() == [{"ci.yml": "success"}])

            await world.until(ended)
            assert len(ci.builds) == 1
        finally:
            await router.end(signal.SIGKILL)
            router.log.close()


async def answers(world: World) -> Any:
    """Whether the spindle is served."""
    try:
        return (await world.get("sh.tangled.owner"))[0] == 200
    except OSError:
        return False
