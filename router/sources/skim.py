"""Reads past messages that are too large to be kept: their first and last bytes, in memory that does not grow.

A websocket library hands over whole messages or none. So the handshake is the session's, with all its guards, and the frames
that follow are walked here: lengths and opcodes, no more.
"""

from __future__ import annotations

import asyncio
import base64
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import aiohttp

from router.core.errors import RouterError
from router.core.torn import KEPT

if TYPE_CHECKING:
    from collections.abc import Callable

#: Bytes that are read of one connection for this, and seconds that it may take.
MOST, WITHIN = 256 << 20, 60.0
_FINAL, _OPCODE, _CONTROL, _MASKED = 0x80, 0x0F, 0x08, 0x80


@dataclass(frozen=True, slots=True)
class Skimmed:
    """A message that is too large: its beginning, and its place in the stream if that could be told."""

    head: bytes
    place: int | None


async def skim(
    session: aiohttp.ClientSession, url: str, limit: int, place: Callable[[bytes, bytes], int | None]
) -> Skimmed | None:
    """The first message of more than `limit` bytes that comes; None where there is none, or the peer does not let us read it.
    `place` tells from its first and last bytes (none, while they are not here) where it stands."""
    headers = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
    }
    walker = Walker(limit, place)
    try:
        async with (
            asyncio.timeout(WITHIN),
            session.get(url.replace("ws", "http", 1), headers=headers, allow_redirects=False, read_until_eof=False) as response,
        ):
            connection = response.connection
            if response.status != 101 or connection is None or connection.protocol is None:
                return None
            connection.protocol.read_timeout = WITHIN
            connection.protocol.set_parser(walker, walker.found)
            try:
                return await walker.found
            finally:
                response.close()
    except (aiohttp.ClientError, OSError, TimeoutError, RouterError):
        return None


class Walker:
    """Is fed what a server sends, as aiohttp feeds its own parser, and resolves `found`."""

    def __init__(self, limit: int, place: Callable[[bytes, bytes], int | None]) -> None:
        self.found: asyncio.Future[Skimmed | None] = asyncio.get_running_loop().create_future()
        self.limit = limit
        self.place = place
        self._header = b""
        #: Of the frame: bytes that are still to come, whether it ends its message, and whether it is no part of any.
        self._left = 0
        self._final = self._aside = True
        #: Of the message: its size as far as it is known, and its ends.
        self._size = 0
        self._head = self._tail = b""
        self._read = 0

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """Take these bytes; whether there is no need for more."""
        self._read += len(data)
        while data and not self.found.done():
            data = self._payload(data) if self._left else self._begin(data)
        if self._read > MOST:
            self._settle(None)
        return False, b""

    def feed_eof(self) -> None:
        """The connection is over."""
        self._settle(None)

    def _begin(self, data: bytes) -> bytes:
        """As much of a frame's header as there is; the rest of the data."""
        have = self._header + data[:10]
        size = 2 if len(have) < 2 else 2 + {126: 2, 127: 8}.get(have[1] & 0x7F, 0)
        if len(have) < size:
            self._header = have
            return data[10:]
        rest = data[size - len(self._header) :]
        first, length = have[0], have[1] & 0x7F if size == 2 else int.from_bytes(have[2:size], "big")
        self._header = b""
        if have[1] & _MASKED:
            self._settle(None)
            return b""
        self._left = length
        self._aside = bool(first & _CONTROL)
        if not self._aside:
            self._final = bool(first & _FINAL)
            if first & _OPCODE:
                self._size, self._head, self._tail = 0, b"", b""
            self._size += length
        if not length:
            self._ended()
        return rest

    def _payload(self, data: bytes) -> bytes:
        part, rest = data[: self._left], data[self._left :]
        self._left -= len(part)
        if not self._aside:
            if len(self._head) < KEPT:
                self._head += part[: KEPT - len(self._head)]
            self._tail = (self._tail + part[-KEPT:])[-KEPT:]
            self._look()
        if not self._left:
            self._ended()
        return rest

    def _look(self) -> None:
        """A message that says first where it stands need not be read to its end."""
        if self._size > self.limit and len(self._head) == KEPT and (place := self.place(self._head, b"")) is not None:
            self._settle(Skimmed(self._head, place))

    def _ended(self) -> None:
        if not self._aside and self._final and self._size > self.limit:
            self._settle(Skimmed(self._head, self.place(self._head, self._tail)))

    def _settle(self, found: Skimmed | None) -> None:
        if not self.found.done():
            self.found.set_result(found)
