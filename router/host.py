"""What the router lends to its sources and providers: time, HTTP, chance.

Given, never reached for, so that tests can give others."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import aiohttp

    from router.core.model import Micros


class Clock(Protocol):
    """Wall time for what is stored, and a sleep that a test can shorten."""

    def now(self) -> Micros: ...

    async def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """The real one."""

    def now(self) -> Micros:
        return time.time_ns() // 1000

    async def sleep(self, seconds: float) -> None:
        import asyncio  # noqa: PLC0415 - validating rules imports this module, and needs no loop

        await asyncio.sleep(seconds)


@dataclass(frozen=True, slots=True)
class Host:
    """Handed to every source and provider when it is opened.

    `http` is shared, follows no redirects by default of ours (pass allow_redirects=False all the same: aiohttp's default
    is per request) and reads no proxy from the environment. It lives as long as the router does.
    """

    http: aiohttp.ClientSession
    clock: Clock = field(default_factory=SystemClock)
    rng: random.Random = field(default_factory=random.Random)
