"""For whoever writes a provider: a clock, a delivery, a host, a server with bad manners, and a check of the contract.

Used in a test, which pytest-asyncio runs:

    from router.provider import Secret
    from router.testing import Peer, Reply, check_provider

    async def test_it_keeps_the_contract(monkeypatch):
        monkeypatch.setenv("CHAT_TOKEN", "canary")
        async with Peer(accepts=Reply(200, '{"ok": true}')) as peer:
            settings = Settings(url=peer.url, token=Secret("env", "CHAT_TOKEN"))
            await check_provider(plugin, settings, Options(room="builds", text="hello"), peer)

`plugin`, `Settings` and `Options` are the provider module's own.
"""

from __future__ import annotations

import asyncio
import random
import traceback
from collections import deque
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Generic, Literal

from aiohttp import web
from pydantic import BaseModel

from router.core.errors import Ambiguous, DeliveryError, Transient
from router.core.model import Delivery, Micros, Receipt
from router.demo.server import Server
from router.host import Host
from router.http import open_session
from router.provider import OptionsT, Plugin, Reconciles, SettingsT
from router.secret import Secret

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Iterable, Iterator, Mapping

    from router.host import Clock

#: Seconds that a check waits for what must happen at once.
_PATIENCE = 10.0
_ID = "0123456789abcdef0123456789abcdef"


class FakeClock:
    """A clock that stands still until somebody sleeps or moves it: `forward` as time does, `leap` as whoever sets a clock.
    `slept` has every sleep, in seconds."""

    def __init__(self, now: Micros = 1_795_435_200_000_000) -> None:
        self.micros = now
        self._leapt: Micros = 0
        self.slept: list[float] = []

    def now(self) -> Micros:
        return self.micros

    def steady(self) -> float:
        return (self.micros - self._leapt) / 1_000_000

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.forward(seconds)
        await asyncio.sleep(0)

    def forward(self, seconds: float) -> None:
        self.micros += int(seconds * 1_000_000)

    def leap(self, seconds: float) -> None:
        self._leapt += int(seconds * 1_000_000)
        self.forward(seconds)


def delivery(options: OptionsT, **over: Any) -> Delivery[OptionsT]:
    """A first attempt with these options; `over` replaces fields of it."""
    fields: dict[str, Any] = {
        "id": _ID,
        "rule": "test/rule",
        "step": "0",
        "provider": "test",
        "event_origin": "knot:knot.example",
        "event_id": "sh.tangled.git.refUpdate/3mvhu2kwuyh22",
        "nsid": "sh.tangled.git.refUpdate",
        "attempt": 1,
    }
    return Delivery(options=options, **{**fields, **over})


@asynccontextmanager
async def host(clock: Clock | None = None) -> AsyncIterator[Host]:
    """What a provider is opened with: a session as the router's, a clock that stands still, and chance that repeats itself."""
    async with open_session() as http:
        yield Host(http, clock or FakeClock(), random.Random(7))  # noqa: S311 - chance for tests


@dataclass(frozen=True, slots=True)
class Reply:
    """What a peer answers.

    `cut` breaks the connection `before` a word of the answer, or `within` it. `echo` repeats the request's headers, the token
    among them, as some servers do in their errors. `hold` answers never.
    """

    status: int = 204
    body: str | bytes = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: Literal["", "before", "within"] = ""
    echo: bool = False
    hold: bool = False


@dataclass
class Peer(Server):
    """A server on loopback that answers as told: the `replies` one after the other, then always `accepts`.

    `requests` has what it was asked (see `Seen`), without the Authorization header; `up()` and `down()` start and stop it.
    """

    name: str = "peer"
    accepts: Reply = field(default_factory=Reply)
    replies: deque[Reply] = field(default_factory=deque)
    #: Set when a request has come.
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        return [web.route("*", "/{path:.*}", self._answer)]

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.set()
        reply = self.replies.popleft() if self.replies else self.accepts
        if reply.hold:
            await asyncio.Event().wait()
        body = reply.body.encode() if isinstance(reply.body, str) else reply.body
        if reply.echo:
            body += "".join(f"{name}: {value}\n" for name, value in request.headers.items()).encode()
        if reply.cut:
            _cut(request, reply, body)
        return web.Response(status=reply.status, headers=reply.headers, body=body)


def _cut(request: web.Request, reply: Reply, body: bytes) -> None:
    if request.transport is None:
        return
    if reply.cut == "within":
        status = 200 if reply.status == 204 else reply.status
        head = f"HTTP/1.1 {status} Said\r\nContent-Length: {len(body) + 100}\r\n\r\n"
        request.transport.write(head.encode() + body)
        request.transport.close()
    else:
        request.transport.abort()


async def check_provider(plugin: Plugin[SettingsT, OptionsT], settings: SettingsT, options: OptionsT, peer: Peer) -> None:
    """Try what every provider that speaks HTTP must get right. Raises AssertionError, with a sentence, at the first mistake.

    `settings` or `options` lead to `peer`, whose `accepts` is how success looks. Every Secret of the settings must have a
    value, which is then looked for in all that the provider says.
    """
    check = _Check(plugin, settings, options, peer)
    await check.the_same_id_twice()
    await check.trouble_of_theirs()
    await check.too_often()
    await check.a_lost_answer()
    await check.nobody_there()
    await check.an_echo_of_the_request()
    await check.a_cancellation()
    await check.a_look_up_that_fails()


@dataclass(frozen=True, slots=True)
class _Check(Generic[SettingsT, OptionsT]):
    plugin: Plugin[SettingsT, OptionsT]
    settings: SettingsT
    options: OptionsT
    peer: Peer

    async def the_same_id_twice(self) -> None:
        for attempt in (1, 2):
            self.peer.requests.clear()
            outcome = await self._deliver(attempt=attempt)
            _must(isinstance(outcome, Receipt), f"What the peer accepts is delivered; it was {outcome!r}.")
            told = any(_ID in request.body + request.path + repr(request.headers) for request in self.peer.requests)
            promises = self.plugin.idempotent or await self._reconciles()
            _must(told or not promises, "Idempotent, or looked up, is only what passes the delivery's id on in every attempt.")

    async def trouble_of_theirs(self) -> None:
        outcome = await self._deliver(Reply(503))
        _must(isinstance(outcome, Transient | Ambiguous), f"503 is Transient or Ambiguous, not {outcome!r}.")

    async def too_often(self) -> None:
        outcome = await self._deliver(Reply(429, headers={"Retry-After": "7"}))
        _must(isinstance(outcome, Transient), f"429 is Transient, not {outcome!r}.")
        if isinstance(outcome, Transient):
            _must((outcome.retry_after or 0) >= 7, "429 with Retry-After is tried again no sooner than that.")
            _must(not outcome.counts, "429 with Retry-After uses up no attempt.")

    async def a_lost_answer(self) -> None:
        for cut in ("before", "within"):
            outcome = await self._deliver(replace(self.peer.accepts, cut=cut))
            # Where doing it again would do no harm, the answer's status may decide without its body.
            again = self.plugin.idempotent and (
                isinstance(outcome, Transient) or (cut == "within" and isinstance(outcome, Receipt))
            )
            _must(again or isinstance(outcome, Ambiguous), f"An answer that is cut off is Ambiguous, not {outcome!r}.")

    async def nobody_there(self) -> None:
        await self.peer.down()
        outcome = await self._deliver()
        await self.peer.up()
        _must(isinstance(outcome, Transient), f"A refused connection is Transient, not {outcome!r}.")

    async def an_echo_of_the_request(self) -> None:
        for status in (400, 401, 429, 500, self.peer.accepts.status):
            await self._deliver(Reply(status, echo=status != 204))

    async def a_cancellation(self) -> None:
        self.peer.asked.clear()
        task = asyncio.create_task(self._deliver(Reply(hold=True)))
        await asyncio.wait_for(self.peer.asked.wait(), _PATIENCE)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.wait_for(task, _PATIENCE)
        _must(task.cancelled(), "A cancellation goes through.")

    async def a_look_up_that_fails(self) -> None:
        for reply in (Reply(503), Reply(429), Reply(401), Reply(200, "<html>"), Reply(cut="before")):
            async with host() as lent:
                provider = self.plugin.open(self.settings, lent)
                if not isinstance(provider, Reconciles):
                    return
                self.peer.replies.append(reply)
                outcome = await self._outcome(provider.find(delivery(self.options, id=_ID, attempt=2)))
            _must(isinstance(outcome, Transient), f"A look-up that fails is Transient, not {outcome!r}: it proves nothing.")

    async def _reconciles(self) -> bool:
        async with host() as lent:
            return isinstance(self.plugin.open(self.settings, lent), Reconciles)

    async def _deliver(self, *replies: Reply, attempt: int = 1) -> Receipt | DeliveryError | None:
        """What comes of one attempt, over connections of its own."""
        self.peer.replies.clear()
        self.peer.replies.extend(replies)
        async with host() as lent:
            provider = self.plugin.open(self.settings, lent)
            return await self._outcome(provider.deliver(delivery(self.options, id=_ID, attempt=attempt)))

    async def _outcome(self, doing: Awaitable[Receipt | None]) -> Receipt | DeliveryError | None:
        outcome: Receipt | DeliveryError | None
        try:
            outcome = await doing
            said = repr(outcome)
        except DeliveryError as error:
            outcome = error
            said = f"{error!r} {error.response} {''.join(traceback.format_exception(error))}"
        for secret in _secrets(self.settings):
            _must(secret not in said, f"A secret is in what the provider says: {type(outcome).__name__}.")
        return outcome


def _must(kept: bool, promise: str) -> None:  # noqa: FBT001 - reads as a sentence
    if not kept:
        raise AssertionError(promise)


def _secrets(value: Any) -> Iterator[str]:
    """The values of every Secret in a tree of settings."""
    if isinstance(value, Secret):
        yield value.reveal()
    elif isinstance(value, BaseModel):
        for _, inner in value:
            yield from _secrets(inner)
    elif isinstance(value, dict | list | tuple):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _secrets(inner)
