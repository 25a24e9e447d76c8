"""Websockets that are told things: pinged while nothing happens, cut when they do not read, closed with a word at the end."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

from aiohttp import WSMsgType, web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

#: Seconds of silence until a ping, and that a peer may take to read one message.
PING_EVERY, WRITE_WITHIN = 30.0, 10.0
#: Milliseconds for which what was sent may stay unacknowledged.
UNACKNOWLEDGED = 60_000
#: Sockets of one address, and in all. An appview asks for all its viewers from one address, and so does a proxy.
PER_PEER, IN_ALL = 512, 1024


class Crowd:
    """How many are connected, and from where."""

    def __init__(self) -> None:
        self._peers: dict[str, int] = {}

    def __len__(self) -> int:
        return sum(self._peers.values())

    def enter(self, peer: str) -> None:
        """Raises HTTPServiceUnavailable where there are too many."""
        if len(self) >= IN_ALL or self._peers.get(peer, 0) >= PER_PEER:
            raise web.HTTPServiceUnavailable(text="too many connections\n")
        self._peers[peer] = self._peers.get(peer, 0) + 1

    def leave(self, peer: str) -> None:
        self._peers[peer] -= 1
        if not self._peers[peer]:
            del self._peers[peer]


class Line:
    """One websocket. `send` raises ConnectionError when the peer does not read, or is gone."""

    def __init__(self, ws: web.WebSocketResponse) -> None:
        self.ws = ws
        self._sent = 0

    async def send(self, message: str | bytes) -> None:
        self._sent += 1
        try:
            async with asyncio.timeout(WRITE_WITHIN):
                await (self.ws.send_str(message) if isinstance(message, str) else self.ws.send_bytes(message))
        except TimeoutError:
            raise ConnectionError("it does not read") from None

    async def ping(self) -> None:
        """For ever, whenever nothing was sent for a while. Ends with TimeoutError when it does not read."""
        while True:
            before = self._sent
            await asyncio.sleep(PING_EVERY)
            if self._sent == before:
                async with asyncio.timeout(WRITE_WITHIN):
                    await self.ws.ping()


def _give_up_on_the_dead(request: web.Request) -> None:
    """A peer whose machine is gone says nothing, not even that it leaves: the pings that nobody acknowledges tell."""
    sock = request.transport.get_extra_info("socket") if request.transport is not None else None
    if sock is not None and hasattr(socket, "TCP_USER_TIMEOUT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED)


async def serve(request: web.Request, crowd: Crowd, tell: Callable[[Line], Awaitable[tuple[int, str]]]) -> web.StreamResponse:
    """Upgrade, and tell until `tell` returns the close code and its reason, or the peer leaves."""
    peer = request.remote or ""
    crowd.enter(peer)
    try:
        ws = web.WebSocketResponse(autoping=True, timeout=3.0, max_msg_size=65_536)
        await ws.prepare(request)
        _give_up_on_the_dead(request)
        line = Line(ws)
        telling, listening = asyncio.ensure_future(tell(line)), asyncio.ensure_future(_listen(ws))
        pinging = asyncio.ensure_future(line.ping())
        try:
            await asyncio.wait((telling, listening, pinging), return_when=asyncio.FIRST_COMPLETED)
            if telling.done():
                # Whoever listens no more leaves the peer's own word of farewell to `close`, which waits for it.
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)
                with suppress(ConnectionError, TimeoutError):
                    code, reason = telling.result()
                    await ws.close(code=code, message=reason.encode())
        finally:
            for task in (telling, listening, pinging):
                task.cancel()
            await asyncio.gather(telling, listening, pinging, return_exceptions=True)
            if request.transport is not None and not ws.closed:
                request.transport.abort()
        return ws
    finally:
        crowd.leave(peer)


async def _listen(ws: web.WebSocketResponse) -> None:
    """What the peer says is nothing to us, except that it leaves."""
    while (await ws.receive()).type in (WSMsgType.TEXT, WSMsgType.BINARY):
        continue
