"""Sockets that are told things: whoever does not read is cut, and nobody else notices."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp
import pytest
from aiohttp import web

from router.spindle import streams
from router.spindle.streams import Crowd, Line, serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

HANDSHAKE = (
    "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


@asynccontextmanager
async def telling(tell: Callable[[Line], Awaitable[tuple[int, str]]]) -> AsyncIterator[tuple[Crowd, int]]:
    """A server of this stream, and its port."""
    crowd = Crowd()

    async def answer(request: web.Request) -> web.StreamResponse:
        return await serve(request, crowd, tell)

    app = web.Application()
    app.add_routes([web.get("/", answer)])
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield crowd, runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def emptied(crowd: Crowd, left: int = 0) -> None:
    async with asyncio.timeout(10):
        while len(crowd) != left:
            await asyncio.sleep(0.01)


@pytest.mark.parity(58)
@pytest.mark.fault("T-38")
@pytest.mark.acceptance("A-09")
async def test_a_reader_that_does_not_read_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once its buffers are full, and after the time that a message may take; one that reads is told on."""
    monkeypatch.setattr(streams, "WRITE_WITHIN", 0.3)

    async def tell(line: Line) -> tuple[int, str]:
        while True:
            await line.send("x" * 65_536)
            await asyncio.sleep(0)

    async with telling(tell) as (crowd, port), aiohttp.ClientSession() as http:
        loop = asyncio.get_running_loop()
        with socket.socket() as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.settimeout(0)
            await loop.sock_connect(deaf, ("127.0.0.1", port))
            await loop.sock_sendall(deaf, HANDSHAKE.encode())
            async with http.ws_connect(f"http://127.0.0.1:{port}/", max_msg_size=0) as good:
                await good.receive()
                await emptied(crowd, 2)
                async with asyncio.timeout(10):
                    while len(crowd) > 1:
                        assert (await good.receive()).type == aiohttp.WSMsgType.TEXT
                assert (await good.receive()).type == aiohttp.WSMsgType.TEXT
        await emptied(crowd)


@pytest.mark.parity(57)
async def test_silence_is_pinged_and_the_end_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proxies cut what is silent; an appview looks at how a log was closed."""
    monkeypatch.setattr(streams, "PING_EVERY", 0.05)
    bell = asyncio.Event()

    async def tell(_line: Line) -> tuple[int, str]:
        await bell.wait()
        return 1000, "log ended"

    async with telling(tell) as (crowd, port), aiohttp.ClientSession() as http:
        async with http.ws_connect(f"http://127.0.0.1:{port}/", autoping=False, autoclose=False) as reader:
            assert (await reader.receive()).type == aiohttp.WSMsgType.PING
            bell.set()
            while (message := await reader.receive()).type == aiohttp.WSMsgType.PING:
                pass
            assert (message.type, message.data, message.extra) == (aiohttp.WSMsgType.CLOSE, 1000, "log ended")
            await reader.close()
        await emptied(crowd)


@pytest.mark.fault("T-38")
@pytest.mark.parametrize("bound", ["PER_PEER", "IN_ALL"])
async def test_too_many_are_turned_away(monkeypatch: pytest.MonkeyPatch, bound: str) -> None:
    """Of one address, or in all; and let in again when one has left."""
    monkeypatch.setattr(streams, bound, 1)
    bell = asyncio.Event()

    async def tell(_line: Line) -> tuple[int, str]:
        await bell.wait()
        return 1000, ""

    async with telling(tell) as (crowd, port), aiohttp.ClientSession() as http:
        url = f"http://127.0.0.1:{port}/"
        async with http.ws_connect(url):
            with pytest.raises(aiohttp.WSServerHandshakeError, match="503"):
                await http.ws_connect(url)
        await emptied(crowd)
        async with http.ws_connect(url):
            assert len(crowd) == 1
