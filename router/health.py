"""How the router is: its sources, its store, its event loop. What probes, metrics and people are told is made of this."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from router.core.errors import StoreError
from router.observe import Silent

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from router.core.model import Micros
    from router.engine.store.base import Store
    from router.host import Clock

#: Microseconds for which it is believed that the store can be written.
BELIEVED: Micros = 10_000_000
#: Seconds that the store may take.
WITHIN = 5.0
FINE = "ok"


@dataclass(frozen=True, slots=True)
class SourceState:
    """`connecting`, `up`, `down`, `paused` or `ended`, since when, and why."""

    state: str
    since: Micros
    sentence: str = ""


class Sources(Silent):
    """An observer that knows how each source is now."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.states: dict[str, SourceState] = {}

    def source(self, name: str, state: str, sentence: str = "") -> None:
        known = self.states.get(name)
        since = known.since if known is not None and known.state == state else self.clock.now()
        self.states[name] = SourceState(state, since, sentence)

    def forget(self, kept: Collection[str]) -> None:
        """Only these are left."""
        self.states = {name: state for name, state in self.states.items() if name in kept}


class Health:
    """Whether the router does what it is there for."""

    def __init__(self, store: Store, clock: Clock, sources: Sources) -> None:
        self.store = store
        self.clock = clock
        self.sources = sources
        self._written: Micros | None = None

    async def checks(self, configured: Collection[str]) -> Mapping[str, str]:
        """By name `ok`, or a sentence. `configured` are the sources of router.yaml: one that is up, at its end or paused is
        enough, so that a knot that is down takes no router out of service."""
        return {"store": await self._store(), "sources": self._sources(configured)}

    def _sources(self, configured: Collection[str]) -> str:
        states = [self.sources.states.get(name) for name in configured]
        fine = [one for one in states if one is not None and one.state in ("up", "ended", "paused")]
        return FINE if fine or not states else f"None of {len(states)} sources is up."

    async def _store(self) -> str:
        """Written, and not only read: a disk that is full can be read all day."""
        now = self.clock.now()
        if self._written is not None and self._written + BELIEVED > now:
            return FINE
        try:
            async with asyncio.timeout(WITHIN):
                await self.store.remember("probe", {"written": now}, now)
        except TimeoutError:
            return f"The store has not answered for {WITHIN:g} s."
        except StoreError as error:
            return str(error)
        self._written = now
        return FINE
