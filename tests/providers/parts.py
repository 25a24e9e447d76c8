"""A server whose answers a test chooses, and what providers are opened with."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web

from router.core.model import Delivery
from router.host import Host
from router.http import open_session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

NOW = 1_795_435_200_000_000


class Still:
    """A clock that stands still."""

    def now(self) -> int:
        return NOW

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Server:
    """Answers (status, headers, body) one after the other; None cuts the connection after the request was read."""

    url: str
    answers: deque[tuple[int, dict[str, str], bytes] | None] = field(default_factory=deque)
    asked: list[Asked] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.asked.append(Asked(request.method, request.path, dict(request.query), dict(request.headers), body))
        answer = self.answers.popleft() if self.answers else (204, {}, b"")
        if answer is None:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        status, headers, told = answer
        return web.Response(status=status, headers=headers, body=told)


@asynccontextmanager
async def serving() -> AsyncIterator[Server]:
    server = Server("")
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(app, shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        await runner.cleanup()


@asynccontextmanager
async def hosting() -> AsyncIterator[Host]:
    async with open_session() as http:
        yield Host(http, Still())


def delivery(options: Any, *, attempt: int = 1, timeout: float = 30.0, identity: str = "d" * 32) -> Delivery[Any]:
    return Delivery(
        id=identity,
        rule="test/rule",
        step="0",
        provider="test",
        options=options,
        event_origin="knot:k",
        event_id="1",
        nsid="sh.tangled.git.refUpdate",
        attempt=attempt,
        timeout=timeout,
    )
