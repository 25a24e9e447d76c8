"""The world as a process: knots of both generations, a Jetstream, a directory, a CI and a webhook sink, on loopback.

`python -m tests.faults.simulator` obeys one JSON object a line, and says to `begin` where they are. It is seeded by whoever
speaks to it: nothing here is left to chance.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from router.demo.ci import Ci
from router.demo.directory import Directory, Identity
from router.demo.jetstream import Jetstream
from router.demo.knot import Knot, KnotRepo
from router.demo.sink import Sink
from router.demo.wire import compact
from tests.faults.scene import JETSTREAM, KNOTS, OWNERS, REPOS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from router.demo.server import Server

#: Of the CI and of the sink.
TOKEN, SECRET = "bkua_faults", "whsec_c2VjcmV0c2VjcmV0c2VjcmV0"
LONGEST = 16_000_000


class Simulator:
    """Inside of it everything listens."""

    def __init__(self) -> None:
        self.knots = {
            name: Knot(
                name,
                older=name.startswith("older"),
                repos=tuple(KnotRepo(repo.did, repo.owner, repo.name) for repo in REPOS if repo.knot == name),
            )
            for name in KNOTS
        }
        self.jetstream = Jetstream(JETSTREAM)
        self.directory = Directory("directory")
        # What is built is over as soon as somebody looks.
        self.ci = Ci("ci", token=TOKEN, pace=(0.0, 0.0), window=1.0)
        self.sink = Sink("sink", secret=SECRET, retry_after="1")
        everyone: tuple[Server, ...] = (*self.knots.values(), self.jetstream, self.directory, self.ci, self.sink)
        self.servers = {server.name: server for server in everyone}
        self._known: dict[str, Callable[..., Awaitable[dict[str, Any] | None]]] = {
            "say": self._say,
            "disturb": self._disturb,
            "cut": self._cut,
            "failing": self._failing,
            "seen": self._seen,
            "attended": self._attended,
            "pace": self._pace,
        }

    async def __aenter__(self) -> Simulator:
        self._stack = AsyncExitStack()
        for server in self.servers.values():
            await self._stack.enter_async_context(server)
        self.directory.identities = tuple(Identity(did, handle, pds=self.directory.url) for did, handle in OWNERS.items())
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._stack.aclose()

    @property
    def addresses(self) -> dict[str, str]:
        return {name: server.url for name, server in self.servers.items()} | {JETSTREAM: self.jetstream.ws_url}

    async def obey(self, line: bytes) -> str:
        for server in self.servers.values():
            server.requests.clear()
        told = json.loads(line)
        return compact(await self._known[told.pop("do")](**told) or {})

    async def _say(self, frames: list[tuple[str, Any]]) -> None:
        """Frames to their servers, in this order; a text is sent as it is."""
        for on, frame in frames:
            server: Any = self.servers[on]
            if "raw" in frame:
                server.emit_raw(frame["raw"], **({"created": frame["created"]} if "created" in frame else {}))
            else:
                server.emit(frame)

    async def _disturb(self, ci: dict[str, Any], sink: dict[str, Any], rewind: int) -> None:
        await self.ci.disturb(**ci)
        self.sink.answers.clear()
        self.sink.answers.extend(sink["answers"])
        self.sink.drop_before, self.sink.drop_after = sink["drop_before"], sink["drop_after"]
        for knot in self.knots.values():
            knot.rewind = rewind

    async def _cut(self, on: list[str]) -> None:
        for name in on:
            self.servers[name].cut()

    async def _failing(self, commits: list[str]) -> None:
        self.ci.failing |= set(commits)

    async def _seen(self) -> dict[str, Any]:
        builds = [[one.asked.message, one.asked.commit, one.asked.meta_data["router:delivery"]] for one in self.ci.builds]
        made = [[*build, one.created] for build, one in zip(builds, self.ci.builds, strict=True)]
        return {"builds": builds, "built": made, "received": [[one.id, one.path, one.body] for one in self.sink.received]}

    async def _pace(self, seconds: float) -> None:
        """How long builds run from now on."""
        self.ci.pace = (0.0, seconds)

    async def _attended(self) -> None:
        logs = [knot.log for knot in self.knots.values()]
        await asyncio.gather(self.jetstream.log.attended.wait(), *(log.attended.wait() for log in logs))


async def serve() -> None:
    """Run until stdin ends: one world after the other, each from one `begin` to the next."""
    lines = asyncio.StreamReader(limit=LONGEST)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    with contextlib.closing(transport):
        line = await lines.readline()
        while line:
            async with Simulator() as simulator:
                say(compact(simulator.addresses))
                while (line := await lines.readline()) and b'"begin"' not in line:
                    say(await simulator.obey(line))


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(serve())
