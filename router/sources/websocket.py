"""A socket that comes back: dial, listen, back off, and dial again where the listener left off.

Nothing that a peer does ends it: refusals, silence, cut connections, oversized or binary messages. Its own waiting is bounded
too, so that a peer that never reads cannot keep it from closing.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias
from urllib.parse import urlsplit

import aiohttp
from msgspec import Struct

from router.core import envelope
from router.core.errors import BadFrame, RouterError
from router.core.model import Heard
from router.core.values import show
from router.sources.pace import Meter, Pace
from router.sources.skim import skim

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Sequence

    from router.core.model import Micros
    from router.host import Host
    from router.observe import Observer

WebSocket: TypeAlias = "aiohttp.ClientWebSocketResponse[Literal[False]]"

#: Bytes of one message. More is refused before it is read.
LIMIT = 1 << 20
#: Seconds. A half-open connection is noticed after one and a half heartbeats; knots and Jetstream ping every 30 s themselves.
DIAL_WITHIN, HEARTBEAT, PONG_WITHIN, CLOSE_WITHIN = 10.0, 25.0, 10.0, 3.0
#: Seconds: full jitter under a ceiling that doubles from the first to the last.
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
#: Microseconds of nothing but failures after which a peer is dialled once an hour, and seconds between two such dials. The same
#: for one that stands at a message that cannot even be passed over, once that was tried so many times in a row.
GIVEN_UP_AFTER, ONCE_AN_HOUR, STUCK = 7 * 86_400_000_000, 3600.0, 5
#: Microseconds after which a connection that said nothing new counts as a good one all the same.
PROVEN_AFTER = 60_000_000
#: Messages, and bytes, that are taken in one turn of the event loop, so that a flood from one peer does not starve the others.
TURN, TURN_BYTES = 256, 1 << 18
TRY_AGAIN_LATER = 1013


class Received(Struct, frozen=True, gc=False):
    """One message, or (`bad`) why it is none."""

    frame: bytes = b""
    bad: str = ""
    #: Where a message stands in its stream that could not be kept.
    cursor: int | None = None


@dataclass(frozen=True, slots=True)
class _Ended:
    """A connection is over. `at_once` where the peer wants us back without a pause."""

    why: str
    at_once: bool = False


class Line:
    """One peer's websocket, read no faster than its pace. `address` is asked before each dial, with the number of dials in a
    row that came to nothing; `place` tells where a message stands in its stream, from its first and last bytes."""

    def __init__(
        self,
        name: str,
        host: Host,
        observer: Observer,
        address: Callable[[int], str],
        place: Callable[[bytes, bytes], int | None],
        *,
        limit: int = LIMIT,
        pace: Pace | None = None,
        outside: bool = False,
    ) -> None:
        self.session = host.outside if outside else host.http
        self.place = place
        self.meter = Meter(pace or Pace())
        self.name = name
        self.host = host
        self.observer = observer
        self.address = address
        self.limit = limit
        #: Messages on this connection so far.
        self.received = 0
        #: Seconds of silence after which to hang up and dial again; None to wait for ever. The listener's, from `address` on.
        self.patience: float | None = None
        #: Whether the last connection ended so.
        self.fell_silent = False
        self._failures = 0
        #: When the first of them began; None where the peer is fine.
        self._failing: Micros | None = None
        #: Of this connection: whether the listener learned something, and whether it ended in a message that is too large.
        self._proven = self._oversized = False
        #: Connections in a row that ended so, and where the last such message stood that was passed over.
        self._too_large = 0
        self._passed = 0

    def prove(self) -> None:
        """The listener learned something new, so the peer is fine: the next drop starts the back-off from its beginning."""
        self._failures = self._too_large = 0
        self._failing = None
        self._proven = True

    async def messages(self) -> AsyncIterator[list[Received]]:
        """Every message, for ever: in batches of what had arrived, in order. Close it: it holds the connection."""
        while True:
            if (wait := self.host.dials.take(1, self.host.clock.now())) > 0:
                await self.host.clock.sleep(wait)
            self.received, self.patience = 0, None
            url = self.address(self._failures)
            peer = urlsplit(url).netloc
            if self._oversized:
                self._oversized = False
                yield [passed := await self._pass_over(url)]
                if passed.cursor is not None:
                    continue
            self.observer.source(self.name, "connecting", f"Dialling {peer}.")
            self._proven = self._oversized = self.fell_silent = False
            try:
                ws = await self._dial(url)
            except (aiohttp.ClientError, OSError, TimeoutError, RouterError) as error:
                await self._rest(peer, _Ended(_refusal(error)))
                continue
            # Asked now: a closed connection no longer tells.
            underneath = ws.get_extra_info("socket")
            since = self.host.clock.now()
            self.observer.source(self.name, "up", f"Listening to {peer}.")
            inbox = _Inbox(partial(self._read, ws))
            try:
                while batch := await self._next(inbox):
                    self.received += len(batch)
                    yield batch
                    if (pause := self._pause(batch)) > 0:
                        await self.host.clock.sleep(pause)
                ended = await inbox.ended()
            except TimeoutError:
                self.fell_silent = True
                ended = _Ended("it fell silent", at_once=True)
            finally:
                try:
                    await inbox.close()
                finally:
                    await _hang_up(ws, underneath)
            if self.host.clock.now() - since >= PROVEN_AFTER:
                self.prove()
            await self._rest(peer, ended)

    async def _pass_over(self, url: str) -> Received:
        """The message that met us last, as far as it can be known: it comes first again."""
        found = await skim(self.session, url, self.limit, self.place)
        if found is None or found.place is None:
            return Received(found.head if found is not None else b"", self._too_much)
        if found.place > self._passed:
            self._passed, self._too_large = found.place, 0
        return Received(found.head, self._too_much, found.place)

    async def _next(self, inbox: _Inbox) -> list[Received]:
        """The next batch: no more than the peer's pace allows, and one message in any case; empty at the connection's end.
        Raises TimeoutError where nothing came for longer than `patience`."""
        messages, size = self.meter.free(self.host.clock.now())
        inbox.make_room(min(TURN, int(messages)), min(TURN_BYTES, size))
        if self.patience is None or inbox.news.is_set():
            return await inbox.take()
        async with asyncio.timeout(self.patience):
            return await inbox.take()

    def _pause(self, batch: Sequence[Received]) -> float:
        """Seconds to read nothing, because the peer is faster than its pace."""
        return self.meter.wait(len(batch), sum([len(one.frame) for one in batch]), self.host.clock.now())

    async def _dial(self, url: str) -> WebSocket:
        async with asyncio.timeout(DIAL_WITHIN):
            return await self.session.ws_connect(
                url,
                autoping=False,
                autoclose=False,
                heartbeat=HEARTBEAT,
                max_msg_size=self.limit,
                compress=0,
                timeout=aiohttp.ClientWSTimeout(ws_close=2.0),
                decode_text=False,
            )

    async def _read(self, ws: WebSocket, inbox: _Inbox) -> _Ended:
        """Messages into the inbox, until the connection is over. Pings are answered here: aiohttp's own way waits without end
        for a peer that never reads."""
        text, receive, got = aiohttp.WSMsgType.TEXT, ws.receive, inbox.got
        try:
            while True:
                message = await receive()
                if message.type is text:
                    got.append(one := Received(message.data))
                elif message.type is aiohttp.WSMsgType.PING:
                    async with asyncio.timeout(PONG_WITHIN):
                        await ws.pong(message.data)
                    continue
                elif message.type is aiohttp.WSMsgType.PONG:
                    continue
                elif isinstance(other := self._sorted(ws, message), _Ended):
                    return other
                else:
                    got.append(one := other)
                inbox.bytes -= len(one.frame)
                count = len(got)
                if count == 1:
                    inbox.news.set()
                if count >= inbox.messages or inbox.bytes <= 0:
                    await inbox.room()
        except TimeoutError:
            self.fell_silent = self.patience is not None
            return _Ended("it fell silent", at_once=self.fell_silent)
        except (aiohttp.ClientError, OSError) as error:
            return _Ended(_refusal(error))

    def _sorted(self, ws: WebSocket, message: Any) -> Received | _Ended:
        """What is no text."""
        if message.type is aiohttp.WSMsgType.BINARY:
            return Received(message.data, "The message is binary, where only text is spoken.")
        if message.type is aiohttp.WSMsgType.ERROR and isinstance(message.data, aiohttp.WebSocketError):
            return self._broken(message.data.code)
        if message.type is aiohttp.WSMsgType.ERROR:
            return _Ended(_refusal(message.data))
        return _Ended(_farewell(ws.close_code, message.extra), at_once=ws.close_code == TRY_AGAIN_LATER)

    def _broken(self, code: int) -> Received | _Ended:
        """What the peer sent cannot be read at all. The connection is closed by now: the next receive says so."""
        if code != aiohttp.WSCloseCode.MESSAGE_TOO_BIG:
            return Received(bad=f"The message breaks the websocket protocol (close code {code}).")
        self._oversized = True
        self._too_large += 1
        again = f", {self._too_large} times in a row: what comes after it is not heard" if self._too_large > 1 else ""
        return _Ended(f"it sent a message larger than {self.limit} bytes{again}")

    @property
    def _too_much(self) -> str:
        return f"The message is larger than {self.limit} bytes."

    async def _rest(self, peer: str, ended: _Ended) -> None:
        if ended.at_once and self._proven:
            self.observer.source(self.name, "down", f"{peer}: {ended.why}; dialled again at once.")
            return
        self._failures += 1
        now = self.host.clock.now()
        self._failing = now if self._failing is None else self._failing
        if now - self._failing >= GIVEN_UP_AFTER or self._too_large >= STUCK:
            wait = self.host.rng.uniform(ONCE_AN_HOUR / 2, ONCE_AN_HOUR * 1.5)
            sentence = f"{peer}: {ended.why}; dialled once an hour from now on, next in {wait / 60:.0f} min."
            self.observer.source(self.name, "quarantined", sentence)
        else:
            ceiling = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(self._failures - 1, 16))
            wait = self.host.rng.uniform(0, ceiling)
            self.observer.source(self.name, "down", f"{peer}: {ended.why}; dialled again in {wait:.1f} s.")
        await self.host.clock.sleep(wait)


class _Inbox:
    """What a connection has brought and nobody has taken yet. `read` runs in a task of its own: it gets whatever has arrived
    without waiting, and whoever takes it gets all of that at once. No more is read than there is room for."""

    def __init__(self, read: Callable[[_Inbox], Coroutine[Any, Any, _Ended]]) -> None:
        #: What has come; for how many messages there is room in all, and for how many more bytes; and that something has come,
        #: or the connection is over.
        self.got: list[Received] = []
        self.messages = self.bytes = 0
        self.news = asyncio.Event()
        self._emptied = asyncio.Event()
        self._reading = asyncio.create_task(self._until_over(read))

    async def _until_over(self, read: Callable[[_Inbox], Coroutine[Any, Any, _Ended]]) -> _Ended:
        try:
            await self.room()
            return await read(self)
        finally:
            self.news.set()

    async def room(self) -> None:
        """Wait until there is some."""
        while len(self.got) >= self.messages or self.bytes <= 0:
            self._emptied.clear()
            await self._emptied.wait()

    def make_room(self, messages: int, size: float) -> None:
        """For so many messages and bytes, those that are there included, and for one in any case; until they are taken."""
        self.messages = max(1, messages)
        self.bytes = max(1, int(size)) - sum([len(one.frame) for one in self.got])
        self._emptied.set()

    async def take(self) -> list[Received]:
        """What has come, at least one message; empty where no more will."""
        await self.news.wait()
        if not self._reading.done():
            self.news.clear()
        got = self.got.copy()
        self.got.clear()
        self.messages = 0
        return got

    async def ended(self) -> _Ended:
        return await self._reading

    async def close(self) -> None:
        self._reading.cancel()
        await asyncio.wait((self._reading,))


def understand(received: Received, parse: Callable[[bytes], Heard]) -> Heard:
    """What was heard; a message that is none, or no event, is a bad frame. Its cursor is told where it can be read, so that it
    is passed over for good."""
    try:
        heard = parse(received.frame)
    except BadFrame as error:
        cursor = error.cursor if received.cursor is None else received.cursor
        return envelope.bad(BadFrame(received.bad or str(error), cursor=cursor), received.frame)
    return envelope.bad(BadFrame(received.bad, cursor=heard.cursor), received.frame) if received.bad else heard


async def _hang_up(ws: WebSocket, underneath: socket.socket | None) -> None:
    """Say goodbye for a moment, then cut: a transport with unsent bytes stays open for as long as its peer does not read."""
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_WITHIN):
                await ws.close()
    finally:
        if underneath is not None:
            with suppress(OSError):
                underneath.shutdown(socket.SHUT_RDWR)


def _farewell(code: int | None, reason: object) -> str:
    said = f" {show(reason)}" if isinstance(reason, str) and reason else ""
    return f"it closed the connection (code {code or 'none'}{said})"


def _refusal(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    if isinstance(error, aiohttp.WSServerHandshakeError):
        return f"it answered {error.status} instead of opening a websocket"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "its name cannot be resolved"
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"it cannot be reached ({show(error.strerror or type(error.os_error).__name__)[1:-1]})"
    if isinstance(error, RouterError):
        return str(error)
    return f"the connection failed ({type(error).__name__})"
