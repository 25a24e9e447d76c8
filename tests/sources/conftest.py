"""A clock that never waits, an observer that remembers, and peers that follow a script, on loopback."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import random
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from router.host import Host
from router.http import open_session
from router.observe import Silent
from tests.sources.each import one_by_one

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from router.core.model import Heard
    from router.sources.base import Source

START = 1_789_380_100_000_000


class FakeClock:
    """Sleeping moves it, and takes no time."""

    def __init__(self) -> None:
        self.time = START
        self.slept: list[float] = []

    def now(self) -> int:
        return self.time

    def steady(self) -> float:
        return self.time / 1e6

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += round(seconds * 1e6)
        await asyncio.sleep(0)


class Remembering(Silent):
    """Every change of a source, in order."""

    def __init__(self) -> None:
        self.changes: list[tuple[str, str, str]] = []
        self._changed = asyncio.Event()

    def source(self, name: str, state: str, sentence: str = "") -> None:
        self.changes.append((name, state, sentence))
        self._changed.set()

    async def until(self, state: str) -> None:
        """Wait until the source has been in this state."""
        while state not in self.states():
            self._changed.clear()
            await self._changed.wait()

    def states(self) -> list[str]:
        return [state for _, state, _ in self.changes]

    def sentences(self, state: str) -> list[str]:
        return [sentence for _, given, sentence in self.changes if given == state]


@dataclass
class Visit:
    """What a peer does with one connection: refuse it, or send messages (text as str, anything else as JSON, bytes as binary)
    and close with a code, or (0) hold it until the client goes."""

    messages: list[Any] = field(default_factory=list)
    close: int = 0
    refuse: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    reason: bytes = b""


class Peer:
    """A websocket server. Its visits are used up in order; when there are no more, it holds connections and says nothing."""

    def __init__(self) -> None:
        self.visits: list[Visit] = []
        self.requests: list[web.BaseRequest] = []
        self.left: asyncio.Queue[int] = asyncio.Queue()
        self.port = 0

    @property
    def netloc(self) -> str:
        return f"127.0.0.1:{self.port}"

    def cursors(self) -> list[str | None]:
        """The cursor of each request so far."""
        return [request.query.get("cursor") for request in self.requests]

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        self.requests.append(request)
        visit = self.visits.pop(0) if self.visits else Visit()
        if visit.refuse:
            return web.Response(status=visit.refuse, headers=visit.headers)
        ws = web.WebSocketResponse(compress=False)
        await ws.prepare(request)
        for message in visit.messages:
            if isinstance(message, bytes):
                await ws.send_bytes(message)
            else:
                await ws.send_str(message if isinstance(message, str) else json.dumps(message))
        if visit.close:
            await ws.close(code=visit.close, message=visit.reason)
        async for _ in ws:
            pass
        self.left.put_nowait(ws.close_code or 0)
        return ws


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def seen() -> Remembering:
    return Remembering()


@pytest.fixture
async def host(clock: FakeClock) -> AsyncIterator[Host]:
    async with open_session() as session:
        yield Host(http=session, clock=clock, rng=random.Random(7))


@pytest.fixture
async def peers() -> AsyncIterator[Callable[[], Awaitable[Peer]]]:
    """Starts a peer; all are stopped afterwards."""
    runners: list[web.ServerRunner] = []

    async def start() -> Peer:
        peer = Peer()
        runner = web.ServerRunner(web.Server(peer.serve), shutdown_timeout=0.1)
        await runner.setup()
        runners.append(runner)
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        peer.port = runner.addresses[0][1]
        return peer

    yield start
    for runner in runners:
        await runner.cleanup()


@pytest.fixture
async def peer(peers: Callable[[], Awaitable[Peer]]) -> Peer:
    return await peers()


@pytest.fixture
def visit() -> type[Visit]:
    return Visit


@pytest.fixture
async def raw_peer() -> AsyncIterator[Callable[[Any], Awaitable[int]]]:
    """Starts a server that opens a websocket and then runs a script on the bare connection; returns its port."""
    servers: list[asyncio.Server] = []
    tasks: set[asyncio.Task[Any]] = set()

    async def start(script: Any) -> int:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            tasks.add(task)
            asked = (await reader.readuntil(b"\r\n\r\n")).decode()
            key = next(line.split(": ")[1] for line in asked.split("\r\n") if line.lower().startswith("sec-websocket-key"))
            accept = base64.b64encode(hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()).decode()
            head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            writer.write(f"{head}Sec-WebSocket-Accept: {accept}\r\n\r\n".encode())
            try:
                await script(reader, writer)
            finally:
                writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        servers.append(server)
        port: int = server.sockets[0].getsockname()[1]
        return port

    yield start
    for server in servers:
        server.close()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture
def take() -> Callable[[Source, int | None, int], Awaitable[list[Heard]]]:
    """The first so many things that a source hears; then it is closed."""

    async def first(source: Source, cursor: int | None, count: int) -> list[Heard]:
        async with aclosing(one_by_one(source.hear(cursor))) as heard:
            return [await anext(heard) for _ in range(count)]

    return first
