"""Websockets that are told things: pinged while nothing happens, cut when they do not read, closed with a word at the end."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from aiohttp import WSMsgType, web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

#: Seconds of silence until a ping, and that a peer may take to read one message.
PING_EVERY, WRITE_WITHIN = 30.0, 10.0
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

    async def send(self, message: str | bytes) -> None:
        try:
            async with asyncio.timeout(WRITE_WITHIN):
                await (self.ws.send_str(message) if isinstance(message, str) else self.ws.send_bytes(message))
        except TimeoutError:
            raise ConnectionError("it does not read") from None

    async def rest(self, wake: Awaitable[object]) -> None:
        """Until `wake`, pinging meanwhile."""
        waiting = asyncio.ensure_future(wake)
        try:
            while not (await asyncio.wait((waiting,), timeout=PING_EVERY))[0]:
                async with asyncio.timeout(WRITE_WITHIN):
                    await self.ws.ping()
        except TimeoutError:
            raise ConnectionError("it does not read") from None
        finally:
            waiting.cancel()


async def serve(request: web.Request, crowd: Crowd, tell: Callable[[Line], Awaitable[tuple[int, str]]]) -> web.StreamResponse:
    """Upgrade, and tell until `tell` returns the close code and its reason, or the peer leaves."""
    peer = request.remote or ""
    crowd.enter(peer)
    try:
        ws = web.WebSocketResponse(autoping=True, timeout=3.0, max_msg_size=65_536)
        await ws.prepare(request)
        telling = asyncio.ensure_future(tell(Line(ws)))
        listening = asyncio.ensure_future(_listen(ws))
        try:
            await asyncio.wait((telling, listening), return_when=asyncio.FIRST_COMPLETED)
            if telling.done():
                with suppress(ConnectionError, TimeoutError):
                    code, reason = telling.result()
                    await ws.close(code=code, message=reason.encode())
        finally:
            for task in (telling, listening):
                task.cancel()
            await asyncio.gather(telling, listening, return_exceptions=True)
            if request.transport is not None and not ws.closed:
                request.transport.abort()
        return ws
    finally:
        crowd.leave(peer)


async def _listen(ws: web.WebSocketResponse) -> None:
    """What the peer says is nothing to us, except that it leaves."""
    while (await ws.receive()).type in (WSMsgType.TEXT, WSMsgType.BINARY):
        continue
