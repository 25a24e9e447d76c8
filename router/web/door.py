"""The door of a listener: how many may be connected, and how long they may take to say what they want.

The HTTP library waits without end for the rest of a request. So between it and the network stands a protocol that counts
connections and looks at the clock; and where there is no room left, whoever has waited the longest without asking anything
makes room for whoever comes.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator


@dataclass(frozen=True, slots=True)
class Bounds:
    """Connections in all and of one address; seconds for a request's head, for its body, and of rest between two requests. An
    address may be a proxy's, and then all peers have it."""

    in_all: int = 2048
    per_address: int = 512
    head: float = 10.0
    body: float = 10.0
    rest: float = 75.0


class Door:
    """`told` hears once for each time that there is no room, until there is room again."""

    def __init__(self, server: Callable[[], asyncio.Protocol], bounds: Bounds, told: Callable[[str], object]) -> None:
        self.server = server
        self.bounds = bounds
        self.told = told
        self.turned_away = 0
        self._of: Counter[str] = Counter()
        self._open: set[_Visit] = set()
        #: Those that ask nothing now; who has done so the longest is first.
        self._idle: dict[_Visit, None] = {}
        self._crowded = False

    def __len__(self) -> int:
        return len(self._open)

    def __contains__(self, visit: _Visit) -> bool:
        return visit in self._open

    def __call__(self) -> asyncio.Protocol:
        """The protocol of one connection."""
        return _Visit(self, self.server())

    def enter(self, visit: _Visit) -> bool:
        """Let it in, where there is room or somebody can make some."""
        of_address = self._of[visit.address] >= self.bounds.per_address
        if of_address or len(self) >= self.bounds.in_all:
            self.turned_away += 1
            self._tell()
            idle = next((one for one in self._idle if not of_address or one.address == visit.address), None)
            if idle is None:
                return False
            idle.cut()
        self._open.add(visit)
        self._of[visit.address] += 1
        self._idle[visit] = None
        return True

    def leave(self, visit: _Visit) -> None:
        self._open.discard(visit)
        self._idle.pop(visit, None)
        self._of[visit.address] -= 1
        if not self._of[visit.address]:
            del self._of[visit.address]
        self._crowded = self._crowded and len(self) > self.bounds.in_all * 3 // 4

    @contextmanager
    def busy(self, visit: _Visit) -> Iterator[None]:
        """While a request of this connection is answered."""
        self._idle.pop(visit, None)
        visit.wait(None)
        try:
            yield
        finally:
            if visit in self:
                self._idle[visit] = None
                visit.wait(self.bounds.rest)

    def _tell(self) -> None:
        if not self._crowded:
            self._crowded = True
            bounds = f"{self.bounds.in_all} in all, {self.bounds.per_address} of one address"
            self.told(f"There are too many connections ({bounds}): those that ask nothing are cut.")


class _Visit(asyncio.Protocol):
    """One connection: everything goes on to the library's own protocol, unless it was not let in."""

    def __init__(self, door: Door, inner: asyncio.Protocol) -> None:
        self.door = door
        self.inner = inner
        self.address = ""
        self._transport: asyncio.Transport | None = None
        self._entered = False
        self._timer: asyncio.TimerHandle | None = None
        #: Whether something of the next request has come.
        self._begun = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        name = transport.get_extra_info("peername")
        self.address = name[0] if isinstance(name, tuple) else ""
        self._entered = self.door.enter(self)
        if not self._entered:
            self._transport.abort()
            return
        self.inner.connection_made(transport)
        self.wait(self.door.bounds.head)
        self._begun = True

    def data_received(self, data: bytes) -> None:
        if not self._entered:
            return
        if self._timer is not None and not self._begun:
            self._begun = True
            self.wait(self.door.bounds.head)
        self.inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self.inner.eof_received() if self._entered else None

    def pause_writing(self) -> None:
        self.inner.pause_writing()

    def resume_writing(self) -> None:
        self.inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._entered:
            self._forget()
            self.inner.connection_lost(exc)

    def wait(self, seconds: float | None) -> None:
        """Cut it after so many seconds, unless it asks something; None: it has asked."""
        if self._timer is not None:
            self._timer.cancel()
        self._begun = False
        self._timer = None if seconds is None else asyncio.get_running_loop().call_later(seconds, self.cut)

    def cut(self) -> None:
        """No goodbye: whoever does not ask need not be told."""
        self._forget()
        if self._transport is not None:
            self._transport.abort()

    def _forget(self) -> None:
        self.wait(None)
        if self in self.door:
            self.door.leave(self)


@web.middleware
async def heeded(request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> web.StreamResponse:
    """Tells the door that a request's head is whole. How long its body may take is the handler's affair."""
    visit = _visit(request)
    if visit is None:
        return await handler(request)
    with visit.door.busy(visit):
        return await handler(request)


@web.middleware
async def minded(request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> web.StreamResponse:
    """The same, and reads its body in time: handlers find it read."""
    visit = _visit(request)
    if visit is None:
        return await handler(request)
    with visit.door.busy(visit):
        try:
            async with asyncio.timeout(visit.door.bounds.body):
                if request.body_exists:
                    await request.read()
        except TimeoutError:
            late = web.Response(status=408, text="the request did not come in time\n")
            late.force_close()
            return late
        return await handler(request)


def _visit(request: web.Request) -> _Visit | None:
    """Whose request it is; None where no door was passed, or the connection is gone."""
    visit = request.transport.get_protocol() if request.transport is not None else None
    return visit if isinstance(visit, _Visit) else None


@asynccontextmanager
async def listening(
    app: web.Application,
    host: str | None,
    port: int,
    told: Callable[[str], object],
    bounds: Bounds | None = None,
    *,
    cancels: bool = True,
) -> AsyncIterator[tuple[Door, str]]:
    """Serve `app`, which has `minded` or `heeded` among its middlewares; the door and the `host:port` that it is at. Where it
    `cancels`, what is done for a client ends when that hangs up. Raises OSError where the address cannot be had."""
    bounds = bounds or Bounds()
    runner = web.AppRunner(
        app,
        access_log=None,
        handler_cancellation=cancels,
        shutdown_timeout=2.0,
        keepalive_timeout=bounds.rest,
        lingering_time=bounds.body,
    )
    await runner.setup()
    try:
        door = Door(cast("Callable[[], asyncio.Protocol]", runner.server), bounds, told)
        server = await asyncio.get_running_loop().create_server(door, host, port)
        try:
            yield door, ":".join(map(str, server.sockets[0].getsockname()[:2]))
        finally:
            server.close()
    finally:
        await runner.cleanup()
