"""What the demo's servers have in common: a loopback port of the OS's choosing, a record of requests, and being cut."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aiohttp.typedefs import Handler

LOOPBACK = "127.0.0.1"


@dataclass(slots=True)
class Seen:
    """One request that a server got, for whoever asserts on it. The token in `Authorization` is left out.

    `status` is 0 until it is answered, and stays 0 where the connection was cut instead.
    """

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    body: str
    status: int = 0


@dataclass
class Server(ABC):
    """An HTTP server that can go away and come back under the same address."""

    name: str
    port: int = 0
    requests: list[Seen] = field(default_factory=list)
    _runner: web.AppRunner | None = field(default=None, init=False, repr=False)
    _open: set[asyncio.Transport] = field(default_factory=set, init=False, repr=False)

    @abstractmethod
    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """What is served; each server says."""

    @property
    def host(self) -> str:
        """`127.0.0.1:PORT`: how the others call this server."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    @property
    def is_up(self) -> bool:
        return self._runner is not None

    async def up(self) -> None:
        """Listen: on a port of the OS's choosing the first time, on the same one after that. Raises OSError if it is taken."""
        if self._runner is not None:
            return
        app = web.Application(middlewares=[self._record])
        app.router.add_routes(self.routes())
        # A peer that is gone ends what was being done for it, so that nothing is left running when the demo stops.
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, LOOPBACK, self.port).start()
        self.port = self._runner.addresses[0][1]

    async def down(self) -> None:
        """Stop listening and cut whoever is connected."""
        runner, self._runner = self._runner, None
        if runner is None:
            return
        for site in list(runner.sites):
            await site.stop()
        self.cut()
        await runner.cleanup()

    def cut(self) -> None:
        """Break every connection that is in use, as a network does: without a word."""
        for transport in list(self._open):
            transport.abort()

    async def __aenter__(self) -> Self:
        await self.up()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.down()

    @web.middleware
    async def _record(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        transport = request.transport
        if transport is None:
            raise web.HTTPBadRequest
        self._open.add(transport)
        try:
            seen = await _seen(request)
            self.requests.append(seen)
            try:
                response = await handler(request)
            except web.HTTPException as refused:
                seen.status = refused.status
                raise
            seen.status = 0 if transport.is_closing() and not response.prepared else response.status
            return response
        finally:
            self._open.discard(transport)


def hang_up(request: web.Request) -> web.Response:
    """The answer that is lost on its way."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


async def _seen(request: web.Request) -> Seen:
    headers = {name.lower(): value for name, value in request.headers.items() if name.lower() != "authorization"}
    body = (await request.read()).decode("utf-8", "replace") if request.can_read_body else ""
    return Seen(request.method, request.path, tuple(request.query.items()), headers, body)
