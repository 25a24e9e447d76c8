"""A thousand knots at once: what they cost while nothing happens, and that all are heard when something does."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from router import limits
from router.core.bucket import Bucket
from router.host import Host
from router.http import open_session
from router.sources.knot import Knot, Settings
from tests.engine.way.parts import Told

if TYPE_CHECKING:
    from collections.abc import Iterator

KNOTS = 1000
#: Bytes of memory for one idle line, without TLS. Measured: about 20 kB.
EACH = 100_000
#: Knots in a process of their own: whoever connects is held, and told of one push when a line comes on stdin.
SERVER = r"""
import asyncio, json, sys, time
from aiohttp import web
from router import limits

limits.open_files(2000)

async def main():
    told = asyncio.Event()
    async def events(request):
        ws = web.WebSocketResponse(compress=False)
        await ws.prepare(request)
        await told.wait()
        at = time.time_ns()
        push = {"rkey": "k", "nsid": "sh.tangled.git.refUpdate", "event": {"ref": "refs/heads/main"}, "created": at}
        await ws.send_str(json.dumps(push))
        async for _ in ws:
            pass
        return ws
    runner = web.ServerRunner(web.Server(events))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=2000).start()
    print(runner.addresses[0][1], flush=True)
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    await reader.readline()
    told.set()
    await reader.read()

asyncio.run(main())
"""


@pytest.fixture
def knots() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        yield server
        server.kill()


def memory() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.scale
@pytest.mark.fault("T-37")
@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
async def test_a_thousand_knots(knots: subprocess.Popen[bytes]) -> None:
    """Each line costs less than 100 kB, and one push from each is heard."""
    if limits.open_files(KNOTS + limits.OWN):
        pytest.skip("this machine lets a process have too few files")
    assert knots.stdout is not None
    assert knots.stdin is not None
    port = int(knots.stdout.readline())
    told, heard = Told(), 0
    async with open_session() as http:
        host = Host(http=http, rng=random.Random(7), dials=Bucket(1000, KNOTS))

        async def listen(number: int) -> None:
            nonlocal heard
            source = Knot(f"k{number}", Settings(host=f"http://127.0.0.1:{port}"), host, told)
            async for batch in source.hear(None):
                heard += sum(one.event is not None for one in batch)
                told.news.set()

        async def until(state: str, count: int) -> None:
            while sum(one == state for _, one in told.states) < count:
                told.news.clear()
                await told.news.wait()

        warm = asyncio.create_task(listen(0))
        await until("up", 1)
        before = memory()
        lines = [warm, *(asyncio.create_task(listen(number)) for number in range(1, KNOTS))]
        await until("up", KNOTS)
        each = (memory() - before) / (KNOTS - 1)
        print(f"{each / 1000:.1f} kB for each idle knot")
        assert each < EACH
        knots.stdin.write(b"go\n")
        knots.stdin.flush()
        while heard < KNOTS:
            told.news.clear()
            await told.news.wait()
        for line in lines:
            line.cancel()
        await asyncio.gather(*lines, return_exceptions=True)
