"""What a router weighs that has nothing to do: `router run` with the bundled rules and one knot, which says nothing."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web

from bench.harness import Row, Times

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
CONFIG = """
sources: {{quiet: {{knot: {{host: "http://127.0.0.1:{port}"}}}}}}
providers: {{buildkite: {{token: {{env: TOKEN}}, org: acme}}}}
rules: [bundled:tangled]
"""
RUN = "from router.cli import main; main(['run'])"
#: Seconds after the knot was dialled, in which what a start does comes to its end.
SETTLE = 5.0


def rows() -> Iterator[Row]:
    weight = Times((asyncio.run(_megabytes()),))
    yield Row("memory of an idle router with the bundled rules, MB", weight.median, 60, sides={"router run": weight}, unit="MB")


async def _megabytes() -> float:
    dialled = asyncio.Event()

    async def events(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        dialled.set()
        async for _ in socket:
            pass
        return socket

    knot = web.Application()
    knot.router.add_get("/{path:.*}", events)
    runner = web.AppRunner(knot, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "router.yaml").write_text(CONFIG.format(port=port))
        environment = os.environ | {"PYTHONPATH": str(ROOT), "TOKEN": "none"}
        # The first start makes the store, which is done once.
        for _ in range(2):
            dialled.clear()
            router = await asyncio.create_subprocess_exec(
                sys.executable, "-c", RUN, cwd=folder, env=environment, stderr=asyncio.subprocess.DEVNULL
            )
            try:
                await asyncio.wait_for(dialled.wait(), 60)
                await asyncio.sleep(SETTLE)
                resident = _resident(router.pid)
            finally:
                router.terminate()
                await router.wait()
    await runner.cleanup()
    return resident


def _resident(pid: int) -> float:
    """Megabytes, as the system counts them."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
