"""Connections that lead nowhere: each request of a provider gets the next answer of a script, and no socket is opened.

Both ends are aiohttp's own, joined in memory: its client as the provider uses it, and its server, which reads the whole request
and writes the answer. So names are not resolved, TLS is not spoken, and all else is as it would be.
"""

from __future__ import annotations

import asyncio
import errno
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp import web
from aiohttp.client_proto import ResponseHandler

if TYPE_CHECKING:
    from aiohttp.client_reqrep import ClientRequest
    from aiohttp.tracing import Trace

    from router.host import Clock
    from router.ruletests.answers import Answer
    from router.ruletests.script import Script


class Wire(aiohttp.BaseConnector):
    """A connector for one session. Every connection serves one request, so that answers are given one by one.

    `script` is whose turn it is; before the first one's, there is nobody to connect to.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__(force_close=True, limit=0)
        self.script: Script | None = None
        self._clock = clock

    async def _create_connection(
        self, req: ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout
    ) -> ResponseHandler:
        script = self.script
        answer = script.take(request=True) if script is not None else None
        if script is None or answer is None or answer.word == "refused":
            nobody = ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
            raise aiohttp.ClientConnectorError(req.connection_key, nobody)
        response = _response(answer, script, self._clock)

        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            await request.content.read()
            if answer.word and request.transport is not None:
                request.transport.abort()
            return response

        near, far = ResponseHandler(self._loop), web.Server(handle, access_log=None)()
        _join(near, far, self._loop)
        return near


def _response(answer: Answer, script: Script, clock: Clock) -> web.Response:
    body = script.sample(answer.status) if answer.body is None else answer.body
    response = web.Response(status=answer.status or 200, headers=answer.headers, body=body)
    response.headers.setdefault("Content-Type", answer.kind)
    # The test's own time: a Retry-After that is a date is read against it.
    response.headers.setdefault("Date", formatdate(clock.now() / 1_000_000, usegmt=True))
    return response


class _End(asyncio.Transport):
    """One end of a connection in memory: what is written here is read by the protocol at the other."""

    def __init__(self, protocol: asyncio.Protocol, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self.protocol = protocol
        self.loop = loop
        self.other: _End = self
        self.closed = False

    def write(self, data: Any) -> None:
        if not self.closed:
            self.loop.call_soon(self.other.read, bytes(data))

    def read(self, data: bytes) -> None:
        if not self.closed:
            self.protocol.data_received(data)

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self._end(None)

    def abort(self) -> None:
        # Not an OSError: aiohttp sends a GET again after those, and the script would lose an answer unseen.
        self._end(aiohttp.ClientConnectionError("The connection broke."))

    def _end(self, error: Exception | None) -> None:
        """Both ends are told, once, after what was written before."""
        for end in (self, self.other):
            if not end.closed:
                self.loop.call_soon(end.lose, error)

    def lose(self, error: Exception | None) -> None:
        if not self.closed:
            self.closed = True
            self.protocol.connection_lost(error)

    def pause_reading(self) -> None:
        """Nothing is held back: what is read here is in memory already."""

    def resume_reading(self) -> None:
        """As above."""


def _join(near: asyncio.Protocol, far: asyncio.Protocol, loop: asyncio.AbstractEventLoop) -> None:
    ends = _End(near, loop), _End(far, loop)
    ends[0].other, ends[1].other = ends[1], ends[0]
    for end in ends:
        end.protocol.connection_made(end)
