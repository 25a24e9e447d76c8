"""What the router lends to its sources and providers: time, HTTP, chance.

Given, never reached for, so that tests can give others."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Protocol, TypeAlias

from router.core.bucket import Bucket

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    import aiohttp

    from router.core.model import LogLine, Micros
    from router.deadlines import Deadlines, Within
    from router.posting import Posting


class Clock(Protocol):
    """Wall time for what is stored, and a sleep that a test can shorten."""

    def now(self) -> Micros: ...

    def steady(self) -> float:
        """Seconds since some moment, by a clock that nobody sets: for how long something took."""

    async def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """The real one."""

    def now(self) -> Micros:
        return time.time_ns() // 1000

    def steady(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        import asyncio  # noqa: PLC0415 - validating rules imports this module, and needs no loop

        await asyncio.sleep(seconds)


class Scribe(Protocol):
    """Keeps what a delivery says while it is made."""

    def write(self, delivery: str, lines: Sequence[LogLine]) -> None:
        """Append these lines to the delivery's log. Returns at once; what is over the limit of one log is left out."""

    def once(self, kind: str, key: str, seconds: float) -> Awaitable[bool]:
        """Whether this is the first time; remembered, by the store, for so long."""


class Deaf:
    """Keeps nothing: a router that tells nobody, and tests."""

    def write(self, delivery: str, lines: Sequence[LogLine]) -> None: ...

    async def once(self, kind: str, key: str, seconds: float) -> bool:
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """What another side counts: at most `rate` requests in any `per` seconds, by whatever has this name. `reserve` of them are
    kept for look-ups."""

    name: str
    rate: int
    per: float = 60.0
    reserve: int = 0


class Meter(Protocol):
    """Counts the requests that a provider makes beside deliveries and look-ups: those the router counts itself."""

    def spend(self, limits: Sequence[Limit]) -> bool:
        """Whether one request may be made now that can as well be made later. It leaves deliveries half of each limit."""

    def count(self, limits: Sequence[Limit]) -> None:
        """One request is made, whatever is left."""

    def drain(self, limits: Sequence[Limit], seconds: float) -> None:
        """The other side takes no more for so long."""


class Unmetered:
    """Counts nothing: tests of single providers."""

    def spend(self, limits: Sequence[Limit]) -> bool:
        return True

    def count(self, limits: Sequence[Limit]) -> None: ...

    def drain(self, limits: Sequence[Limit], seconds: float) -> None: ...


def _deadlines() -> Deadlines:
    from router.deadlines import Deadlines  # noqa: PLC0415 - validating rules imports this module, and needs no loop

    return Deadlines()


@cache
def _posting() -> Callable[..., Posting | None]:
    from router.posting import posting  # noqa: PLC0415 - validating rules imports this module, and asks nobody

    return posting


class Answering(Protocol):
    """The answer to a request: as much of `aiohttp.ClientResponse` as `Host.request` promises."""

    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def content(self) -> aiohttp.StreamReader: ...


Asking: TypeAlias = "AbstractAsyncContextManager[Answering]"


@dataclass(frozen=True, slots=True)
class Host:
    """Handed to every source and provider when it is opened.

    `http` is shared, follows no redirects by default of ours (pass allow_redirects=False all the same: aiohttp's default
    is per request) and reads no proxy from the environment. It lives as long as the router does.
    """

    http: aiohttp.ClientSession
    clock: Clock = field(default_factory=SystemClock)
    rng: random.Random = field(default_factory=random.Random)
    scribe: Scribe = field(default_factory=Deaf)
    #: For what strangers name: it connects to public addresses alone. The same as `http` where nobody is a stranger: in tests.
    guarded: aiohttp.ClientSession | None = None
    meter: Meter = field(default_factory=Unmetered)
    #: Turns of all who dial peers: after a start, or when the network is back, a thousand dials come one by one.
    dials: Bucket = field(default_factory=lambda: Bucket(rate=50, burst=50))
    deadlines: Deadlines = field(default_factory=_deadlines)

    def within(self, seconds: float) -> Within:
        """`with host.within(seconds):` is `async with asyncio.timeout(seconds):`, for what is done many times a second."""
        return self.deadlines.within(seconds)

    def request(
        self, method: str, url: str, *, headers: Mapping[str, str], data: bytes | None, timeout: aiohttp.ClientTimeout
    ) -> Asking:
        """`async with host.request(...) as answer:` is that of `http` with allow_redirects=False, and sends a POST whose body
        is there for a third of the work. An answer has `status`, `headers` and `content`, to be read within."""
        made = _posting()(self.http, method, url, headers, data, timeout)
        return made or self.http.request(method, url, headers=headers, data=data, timeout=timeout, allow_redirects=False)

    @property
    def outside(self) -> aiohttp.ClientSession:
        return self.guarded or self.http
