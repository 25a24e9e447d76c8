"""The other side of what is measured, in a process of its own so that its work is not counted: `python -m bench.peer WHAT ...`.

`feed FILE [RATE]`: a websocket that sends the file's lines, as fast as they are read or so many a second, and then is silent.
`silent`: the same without a file, at every address of this machine. `sink`: an HTTP server that answers every request with
200. `both FILE`: for each line of its input it sends one, and tells how many seconds later the sink heard of it.

The first line of standard output is the ports. It ends with its standard input.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import sys
import time
from pathlib import Path

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#: Bytes that are handed to the kernel at once; seconds of rest between two frames of `both`.
PIECE, REST = 1 << 18, 0.02


def framed(line: bytes) -> bytes:
    """The line as a text message of a server."""
    size = len(line)
    head = bytes((0x81, size)) if size < 126 else b"\x81\x7e" + size.to_bytes(2, "big")
    return head + line


async def shake(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Take the client's handshake."""
    asked = await reader.readuntil(b"\r\n\r\n")
    key = next(line.split(b":", 1)[1].strip() for line in asked.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key"))
    accept = base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())
    head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
    writer.write(head + accept + b"\r\n\r\n")


class Feed:
    """Sends all lines to everybody who comes."""

    def __init__(self, lines: list[bytes], rate: float) -> None:
        self.frames = [framed(line) for line in lines]
        self.whole = b"".join(self.frames)
        self.rate = rate

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await shake(reader, writer)
            await (self._paced(writer) if self.rate else self._flood(writer))
            while await reader.read(1 << 16):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _flood(self, writer: asyncio.StreamWriter) -> None:
        for at in range(0, len(self.whole), PIECE):
            writer.write(self.whole[at : at + PIECE])
            await writer.drain()

    async def _paced(self, writer: asyncio.StreamWriter) -> None:
        begun, sent = time.monotonic(), 0
        while sent < len(self.frames):
            due = min(len(self.frames), int((time.monotonic() - begun) * self.rate))
            writer.write(b"".join(self.frames[sent:due]))
            await writer.drain()
            sent = due
            await asyncio.sleep(0.001)


class Sink(asyncio.Protocol):
    """Answers requests; `heard` is told of each."""

    def __init__(self, heard: asyncio.Queue[float] | None = None) -> None:
        self.heard = heard
        self.rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, received: bytes) -> None:
        got = self.rest + received
        while (end := got.find(b"\r\n\r\n")) >= 0:
            at = got.lower().find(b"content-length:", 0, end)
            size = int(got[at + 15 : got.index(b"\r\n", at)]) if at >= 0 else 0
            if len(got) < end + 4 + size:
                break
            if self.heard is not None:
                self.heard.put_nowait(time.perf_counter())
            self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")  # type: ignore[attr-defined]
            got = got[end + 4 + size :]
        self.rest = got


class Ping:
    """One frame after the other, each when the one before has led to a request."""

    def __init__(self, lines: list[bytes], heard: asyncio.Queue[float]) -> None:
        self.frames = [framed(line) for line in lines]
        self.heard = heard
        self.go = asyncio.Semaphore(0)
        self.taken: list[float] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await shake(reader, writer)
        for frame in self.frames:
            await self.go.acquire()
            await asyncio.sleep(REST)
            while not self.heard.empty():
                self.heard.get_nowait()
            begun = time.perf_counter()
            writer.write(frame)
            print(json.dumps(await self.heard.get() - begun), flush=True)


async def main(what: str, lines: list[bytes], *more: str) -> None:
    heard: asyncio.Queue[float] | None = asyncio.Queue() if what == "both" else None
    ping = Ping(lines, heard) if heard is not None else None
    loop, ports = asyncio.get_running_loop(), []
    if what != "sink":
        feed = ping or Feed(lines, float(more[0]) if more else 0.0)
        served = await asyncio.start_server(feed, "0.0.0.0" if what == "silent" else "127.0.0.1", 0)
        ports.append(served.sockets[0].getsockname()[1])
    if what in ("sink", "both"):
        answered = await loop.create_server(lambda: Sink(heard), "127.0.0.1", 0)
        ports.append(answered.sockets[0].getsockname()[1])
    print(json.dumps(ports), flush=True)
    # A line asks for one more frame; the end of the input for the end.
    while await asyncio.to_thread(sys.stdin.readline):
        if ping is not None:
            ping.go.release()


if __name__ == "__main__":
    given = sys.argv[2:]
    asyncio.run(main(sys.argv[1], Path(given[0]).read_bytes().splitlines() if given else [], *given[1:]))
