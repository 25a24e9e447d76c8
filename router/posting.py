"""A POST whose body is there, on a connection of a session of ours: a third of the instructions that `session.post` takes.

aiohttp's client can do much (cookies, redirects, proxies, bodies that are still being made, a task for each of them) that a
delivery never wants and yet pays for. So what makes its request is left out here, and all else is the session's own: its pool
of connections, its guards, its name for us, and aiohttp's writer of headers and parser of answers. A request that would be
made any other way is left to the session: see docs/adr/0035.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import aiohttp
from aiohttp.client_reqrep import ClientRequest
from aiohttp.http import HttpProcessingError, StreamWriter
from yarl import URL

from router.http import Session

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from aiohttp.connector import Connection

#: Methods that are sent once: aiohttp sends others again where a connection that was kept alive turns out to be closed.
_ONCE = frozenset(("POST", "PATCH"))
#: Addresses that are remembered for a session, and the longest of them.
MOST, LONGEST = 256, 2048
_lines: WeakKeyDictionary[aiohttp.ClientSession, _Line] = WeakKeyDictionary()


class _Line:
    """What is remembered of one session.

    Requests leave at the end of the loop's turn in which they were made, all in one go. To hand a request to the kernel wakes
    whoever waits for it, on this machine or by the network's card, and a few in a row wake them once.
    """

    def __init__(self) -> None:
        #: By method and address: a request that is never sent. It is what a connection is asked for with, and has the headers
        #: that all such requests have.
        self.asked: dict[tuple[str, str], ClientRequest] = {}
        self._leaving: list[tuple[Any, bytes]] = []

    def leave(self, protocol: Any, data: bytes, loop: asyncio.AbstractEventLoop) -> None:
        """Write it at the end of this turn."""
        if not self._leaving:
            loop.call_soon(self._go)
        self._leaving.append((protocol, data))

    def _go(self) -> None:
        leaving, self._leaving = self._leaving, []
        for protocol, data in leaving:
            transport = protocol.transport
            # Where the connection is gone, whoever waits for the answer is told.
            if transport is not None and not transport.is_closing():
                transport.write(data)
                protocol.start_timeout()


class _Written:
    """What a StreamWriter takes for a connection: it keeps the headers that are written."""

    def __init__(self) -> None:
        self.transport = self
        self.data = b""

    def is_closing(self) -> bool:
        return False

    def write(self, data: bytes) -> None:
        self.data += data


def posting(
    session: aiohttp.ClientSession,
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes | None,
    timeout: aiohttp.ClientTimeout,
) -> Posting | None:
    """Such a request, to be sent by entering it; None where it is to be made by the session."""
    if type(session) is not Session or method not in _ONCE or body is None:
        return None
    line = _lines.get(session)
    if line is None:
        line = _lines[session] = _Line()
    asked = line.asked.get((method, url))
    if asked is None:
        asked = _asked(session, method, url)
        if asked is None:
            return None
        if len(line.asked) >= MOST:
            line.asked.clear()
        line.asked[method, url] = asked
    return Posting(session, line, asked, headers, body, timeout)


def _asked(session: aiohttp.ClientSession, method: str, url: str) -> ClientRequest | None:
    """None where the address is odd: the session says what is wrong with it."""
    try:
        parsed = URL(url)
    except ValueError:
        return None
    usual = parsed.scheme in ("http", "https") and parsed.raw_host and parsed.raw_user is None and parsed.raw_password is None
    if not usual or len(url) > LONGEST:
        return None
    # Without its session, which would otherwise never be forgotten.
    return ClientRequest(method, parsed, headers=session.headers, loop=asyncio.get_running_loop())


class Posting:
    """One request, and its answer once it is entered: as much of `aiohttp.ClientResponse` as deliveries look at.

    Entering raises what `session.post` would, and never follows a redirect.
    """

    __slots__ = ("_asked", "_body", "_connection", "_given", "_line", "_session", "_timeout", "content", "headers", "status")

    status: int
    headers: Mapping[str, str]
    content: aiohttp.StreamReader

    def __init__(
        self,
        session: aiohttp.ClientSession,
        line: _Line,
        asked: ClientRequest,
        given: Mapping[str, str],
        body: bytes,
        timeout: aiohttp.ClientTimeout,
    ) -> None:
        self._session = session
        self._line = line
        self._asked = asked
        self._given = given
        self._body = body
        self._timeout = timeout
        self._connection: Connection | None = None

    async def __aenter__(self) -> Posting:
        connector = self._session.connector
        if connector is None:
            raise RuntimeError("Session is closed")
        try:
            connection = await connector.connect(self._asked, [], self._timeout)
        except TimeoutError as error:
            raise aiohttp.ConnectionTimeoutError(f"Connection timeout to host {self._asked.url}") from error
        try:
            await self._send(connection)
            await self._receive(connection)
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._connection is not None:
            # One whose answer was not read to its end is closed by it.
            self._connection.release()
            self._connection = None

    async def _send(self, connection: Connection) -> None:
        asked, body, protocol = self._asked, self._body, _protocol(connection)
        protocol.set_response_params(read_timeout=self._timeout.sock_read, read_until_eof=True)
        headers = asked.headers.copy()
        headers.update(self._given)
        headers["Content-Length"] = str(len(body))
        if "Content-Type" not in headers:
            headers["Content-Type"] = "application/octet-stream"
        if self._session.connector is not None and self._session.connector.force_close:
            headers["Connection"] = "close"
        written = _Written()
        writer = StreamWriter(written, asked.loop)  # type: ignore[arg-type]
        await writer.write_headers(f"{asked.method} {asked.url.raw_path_qs} HTTP/1.1", headers)
        writer.send_headers()
        self._line.leave(protocol, written.data + body, asked.loop)

    async def _receive(self, connection: Connection) -> None:
        protocol, code = _protocol(connection), 100
        try:
            while 100 <= code < 200 and code != 101:
                message, self.content = await protocol.read()
                code = message.code
        except HttpProcessingError as error:
            told = self._asked.request_info
            raise aiohttp.ClientResponseError(
                told, (), status=error.code, message=error.message, headers=error.headers
            ) from error
        self.status, self.headers = code, message.headers


def _protocol(connection: Connection) -> Any:
    protocol = connection.protocol
    if protocol is None:
        raise aiohttp.ClientConnectionResetError("Connection lost")
    return protocol
