"""The whole network: one Jetstream, two knots of different generations, a directory, a CI and a webhook sink."""

from __future__ import annotations

import asyncio
import base64
import secrets
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Self

from router.demo.cast import ALICE, BOB, HANDLES, HELLO, SITE
from router.demo.ci import Ci
from router.demo.directory import Directory, Identity
from router.demo.jetstream import Jetstream
from router.demo.knot import Knot, KnotRepo
from router.demo.script import Played, filled
from router.demo.sink import Sink
from router.demo.wire import rfc3339

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

    from router.core.model import Tree
    from router.demo.script import Line
    from router.demo.server import Server

#: What router.yaml.tmpl calls the environment variables that hold the two secrets.
CI_TOKEN = "DEMO_CI_TOKEN"  # noqa: S105 - the name of a variable
SINK_SECRET = "DEMO_SINK_SECRET"  # noqa: S105 - as above


class Network:
    """An async context manager: inside it everything listens, and after it nothing is left.

    `pace` is the CI's: (seconds scheduled, seconds running), or None for builds that move when told. The secrets are new
    every time; `environment` is what a router has to be started with.
    """

    def __init__(self, *, pace: tuple[float, float] | None = None) -> None:
        self.environment = {
            CI_TOKEN: "bkua_" + secrets.token_hex(20),
            SINK_SECRET: "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode(),
        }
        self.jetstream = Jetstream("jetstream")
        self.knot_a = Knot("knot-a", repos=(KnotRepo(HELLO, ALICE, "hello"),))
        self.knot_b = Knot("knot-b", repos=(KnotRepo(SITE, BOB, "site"),), older=True)
        self.directory = Directory("directory")
        self.ci = Ci("ci", token=self.environment[CI_TOKEN], pace=pace)
        self.sink = Sink("sink", secret=self.environment[SINK_SECRET])
        everyone: tuple[Server, ...] = (self.jetstream, self.knot_a, self.knot_b, self.directory, self.ci, self.sink)
        self.servers: Mapping[str, Server] = {server.name: server for server in everyone}
        self._stack = AsyncExitStack()

    @property
    def addresses(self) -> dict[str, str]:
        """The URL of each server by name: `ws://` for the Jetstream, `http://` for the others."""
        return {name: server.url for name, server in self.servers.items()} | {"jetstream": self.jetstream.ws_url}

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            for server in self.servers.values():
                await stack.enter_async_context(server)
            self._stack = stack.pop_all()
        self.directory.identities = (
            *(Identity(did, handle, pds=self.directory.url) for did, handle in HANDLES.items()),
            Identity(HELLO, knot=self.knot_a.url),
            Identity(SITE, knot=self.knot_b.url),
        )
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._stack.aclose()

    async def attended(self) -> None:
        """Return when somebody listens to the Jetstream and to both knots: what is said earlier, an older knot forgets."""
        logs = (self.jetstream.log, self.knot_a.log, self.knot_b.log)
        await asyncio.gather(*(log.attended.wait() for log in logs))

    async def play(
        self,
        lines: Sequence[Line],
        *,
        speed: float = 1.0,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> AsyncIterator[Played]:
        """Say the lines one after the other, `speed` times as fast as written, and yield each just before it is heard."""
        for line in lines:
            await sleep(line.after / speed)
            if line.breaks:
                self.ci.failing.add(line.breaks)
            yield Played(line, self.say(line.on, line.frame, line.raw))

    def say(self, on: str, frame: Mapping[str, Tree] | None = None, raw: str | bytes | None = None, created: int = 0) -> str:
        """Emit a frame, or something that is none, on a server that streams; `created` is where a knot keeps the latter.

        Returns a text that the event's id contains: a knot event's rkey, a commit's rev, another event's seq. Raises
        ValueError for a server that does not stream, or a frame that it would never send.
        """
        server = self.servers.get(on)
        if not isinstance(server, (Knot, Jetstream)):
            raise ValueError(f"{on!a} has no stream; jetstream, knot-a and knot-b have.")  # noqa: TRY004 - what is wrong is a name
        if frame is None:
            server.emit_raw(raw or "", **({"created": created} if created and isinstance(server, Knot) else {}))
            return ""
        try:
            sent = server.emit(filled(dict(frame), self._values()))
        except (KeyError, TypeError) as error:
            raise ValueError(f"The frame lacks a key, or has it in another type: {error}.") from None
        if isinstance(server, Knot):
            return str(sent["rkey"])
        return str(sent["commit"]["rev"] if sent["kind"] == "commit" else sent[sent["kind"]].get("seq", sent["time_us"]))

    def _values(self) -> dict[str, str]:
        return {"$now": rfc3339(), "$knot-a": self.knot_a.host, "$knot-b": self.knot_b.host}
