"""A growing log of frames, told to websockets: what a knot and a Jetstream have in common."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from aiohttp import WSMsgType, web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp import WSMessage

EntryT = TypeVar("EntryT")
#: Seconds, as the real servers have them.
PING_EVERY = 30.0
WRITE_TIMEOUT = 5.0


class Log(Generic[EntryT]):
    """What a server has said so far, and who listens."""

    def __init__(self) -> None:
        self.entries: list[EntryT] = []
        #: Set when something is appended after it was looked at; take it before reading the entries, or an append is missed.
        self.grown = asyncio.Event()
        self.listeners = 0
        self.attended = asyncio.Event()

    def append(self, entry: EntryT) -> None:
        self.entries.append(entry)
        grown, self.grown = self.grown, asyncio.Event()
        grown.set()

    def joined(self) -> None:
        self.listeners += 1
        self.attended.set()

    def left(self) -> None:
        self.listeners -= 1
        if not self.listeners:
            self.attended.clear()


@dataclass(frozen=True, slots=True)
class Farewell:
    """A close frame to end with."""

    code: int
    reason: str


async def converse(
    ws: web.WebSocketResponse,
    tell: Callable[[], Awaitable[Farewell | None]],
    hear: Callable[[WSMessage], Farewell | None],
) -> None:
    """Tell and hear side by side until either ends: one that only sends never sees the other side close."""
    tasks = [asyncio.ensure_future(tell()), asyncio.ensure_future(_listen(ws, hear))]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        if isinstance(task.exception(), ConnectionError):
            return
        if (farewell := task.result()) is not None:
            await ws.close(code=farewell.code, message=farewell.reason.encode())


async def _listen(ws: web.WebSocketResponse, hear: Callable[[WSMessage], Farewell | None]) -> Farewell | None:
    async for message in ws:
        if (farewell := hear(message)) is not None:
            return farewell
    return None


async def send(ws: web.WebSocketResponse, frame: str | bytes) -> None:
    """Raises ConnectionError where the other side is gone, or does not read for WRITE_TIMEOUT seconds."""
    try:
        async with asyncio.timeout(WRITE_TIMEOUT):
            await (ws.send_str(frame) if isinstance(frame, str) else ws.send_bytes(frame))
    except TimeoutError:
        raise ConnectionError("The other side does not read.") from None


async def quiet(ws: web.WebSocketResponse, grown: asyncio.Event, ping_every: float) -> None:
    """Wait for the log to grow, and say every `ping_every` seconds that we are alive."""
    while True:
        try:
            async with asyncio.timeout(ping_every):
                await grown.wait()
        except TimeoutError:
            await ws.ping()
        else:
            return


def ignore(message: WSMessage) -> Farewell | None:
    """Knots read what clients send, and do nothing with it."""
    return None if message.type in (WSMsgType.TEXT, WSMsgType.BINARY) else Farewell(1002, "")
