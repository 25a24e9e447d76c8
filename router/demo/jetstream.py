"""A Jetstream: `GET /subscribe` with the filters, the replay and the refusals of today's servers."""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_left
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiohttp import WSMsgType, web

from router.demo.server import Server
from router.demo.stream import PING_EVERY, Farewell, Log, converse, quiet, send
from router.demo.wanted import NotWanted, Wanted
from router.demo.wire import Ticks, Tids, compact

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aiohttp import WSMessage

    from router.core.model import Tree

#: Cursors from here on are microseconds since 1970, smaller ones are sequence numbers.
FIRST_TIME_CURSOR = 10**15
#: The longest message that a client may send.
MAX_MESSAGE = 10_000_000


@dataclass(frozen=True, slots=True)
class _Kept:
    time_us: int
    seq: int
    frame: str | bytes
    #: Empty for a frame that is no event, which passes every filter.
    event: Mapping[str, Tree]

    @property
    def size(self) -> int:
        return len(self.frame.encode() if isinstance(self.frame, str) else self.frame)


@dataclass
class Jetstream(Server):
    """`look_back` is how many seconds of events are kept; an older cursor is clamped to that without a word, as it is
    there. `warming` answers 503, which a client has to take for "later".
    """

    look_back: float = 36 * 3600.0
    ping_every: float = PING_EVERY
    warming: bool = False
    log: Log[_Kept] = field(default_factory=Log)
    _ticks: Ticks = field(default_factory=Ticks)
    _tids: Tids = field(default_factory=Tids)
    _seq: int = 469_000

    @property
    def ws_url(self) -> str:
        """What a router's `hosts` names."""
        return f"ws://{self.host}"

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        return [web.get("/subscribe", self._subscribe)]

    def emit(self, frame: Mapping[str, Tree]) -> dict[str, Tree]:
        """Say that something happened: {"did", "kind", and "commit", "identity" or "account"}.

        `time_us` and a commit's `rev` are stamped where they are missing. Returns the frame as sent. Raises ValueError for
        a `time_us` before the last: a Jetstream's time does not run backwards.
        """
        time_us = frame.get("time_us") or self._ticks.next(1000) // 1000
        if self.log.entries and time_us < self.log.entries[-1].time_us:
            raise ValueError(f"time_us must be at least {self.log.entries[-1].time_us}: it is the cursor of this Jetstream.")
        self._ticks.last = max(self._ticks.last, time_us * 1000)
        self._seq += 1
        kind = frame["kind"]
        body = {"rev": self._tids.next()} | frame[kind] if kind == "commit" else frame[kind]
        # `cursor` is new in the servers of 2026; a client has to ignore keys that it does not know.
        sent = {"did": frame["did"], "time_us": time_us, "cursor": self._seq, "kind": kind, kind: body}
        self.log.append(_Kept(time_us, self._seq, compact(sent), sent))
        return sent

    def emit_raw(self, frame: str | bytes) -> None:
        """Send this as it is, to everyone: text as a text frame, bytes as a binary one. It is replayed in its place."""
        self._seq += 1
        self.log.append(_Kept(self._ticks.next(1000) // 1000, self._seq, frame, {}))

    async def _subscribe(self, request: web.Request) -> web.StreamResponse:
        if self.warming:
            raise web.HTTPServiceUnavailable(text="warming up\n")
        try:
            wanted = Wanted.of_query(request.query)
            position = self._start(request.query.get("cursor", ""))
        except NotWanted as refused:
            raise web.HTTPBadRequest(text=f"{refused}\n") from None
        if request.query.get("compress") == "true" or request.headers.get("Socket-Encoding") == "zstd":
            raise web.HTTPBadRequest(text="compression needs a dictionary that this demo does not have\n")
        ws = web.WebSocketResponse(timeout=1.0, max_msg_size=MAX_MESSAGE)
        await ws.prepare(request)
        peer = _Peer(wanted, position, ws, hello=request.query.get("requireHello") != "true")
        self.log.joined()
        try:
            await converse(ws, lambda: self._tell(peer), peer.hear)
        finally:
            self.log.left()
        return ws

    def _start(self, text: str) -> int:
        """The index in the log to begin at. Inclusive: the event at the cursor is sent again. Raises NotWanted."""
        end = len(self.log.entries)
        if text and not (text.isascii() and text.isdigit()):
            raise NotWanted("cursor must be a non-negative integer")
        if not text or self.look_back == 0:
            return end
        cursor = int(text)
        oldest = time.time_ns() // 1000 - int(self.look_back * 1e6)
        first = bisect_left(self.log.entries, oldest, key=lambda kept: kept.time_us)
        if cursor >= FIRST_TIME_CURSOR:
            return max(first, bisect_left(self.log.entries, cursor, key=lambda kept: kept.time_us))
        return max(first, bisect_left(self.log.entries, cursor, key=lambda kept: kept.seq))

    async def _tell(self, peer: _Peer) -> Farewell | None:
        await peer.greeted.wait()
        while True:
            grown = self.log.grown
            for kept in self.log.entries[peer.position :]:
                peer.position += 1
                if not kept.event or peer.wanted.takes(kept.event, kept.size):
                    await send(peer.ws, kept.frame)
            await quiet(peer.ws, grown, self.ping_every)


class _Peer:
    """One subscriber. Its filter may change while it listens."""

    def __init__(self, wanted: Wanted, position: int, ws: web.WebSocketResponse, *, hello: bool) -> None:
        self.wanted = wanted
        self.position = position
        self.ws = ws
        self.greeted = asyncio.Event()
        if hello:
            self.greeted.set()

    def hear(self, message: WSMessage) -> Farewell | None:
        """An `options_update` replaces the whole filter; other types are ignored, broken JSON and bad options end it."""
        if message.type is not WSMsgType.TEXT:
            return None
        try:
            told = message.json()
        except ValueError:
            return Farewell(1007, "invalid JSON")
        if not isinstance(told, dict) or told.get("type") != "options_update":
            return None
        try:
            self.wanted = Wanted.of_payload(told.get("payload"))
        except NotWanted as refused:
            return Farewell(1008, str(refused))
        self.greeted.set()
        return None
