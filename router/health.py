"""How the router is: its sources, its store, its event loop. What probes, metrics and people are told is made of this."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from router.core.errors import StoreError
from router.observe import Silent

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from router.core.model import Event, Micros, Passed, Plan
    from router.engine.store.base import Store
    from router.host import Clock

#: Microseconds for which it is believed that the store can be written.
BELIEVED: Micros = 10_000_000
#: Seconds that the store may take.
WITHIN = 5.0
FINE = "ok"
FULL = "The disk is full: nothing new is heard until there is room again."
#: Sources that are remembered.
MOST = 4096


@dataclass(frozen=True, slots=True)
class SourceState:
    """`connecting`, `up`, `down`, `quarantined`, `paused` or `ended`, since when, and why; and since the router started: the
    last failure and when it was, gaps and the last of them, and by how many microseconds the last event was late (None: there
    was none)."""

    state: str
    since: Micros
    sentence: str = ""
    last_error: str = ""
    failed: Micros = 0
    gaps: int = 0
    last_gap: str = ""
    lag: Micros | None = None


class Sources(Silent):
    """An observer that knows how each source is now."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.states: dict[str, SourceState] = {}

    def source(self, name: str, state: str, sentence: str = "") -> None:
        known, now = self._of(name), self.clock.now()
        since = known.since if known.state == state else now
        made = replace(known, state=state, since=since, sentence=sentence)
        if state in ("down", "quarantined"):
            made = replace(made, last_error=sentence, failed=now)
        self.states[name] = made

    def gap(self, source: str, sentence: str) -> None:
        known = self._of(source)
        self.states[source] = replace(known, gaps=known.gaps + 1, last_gap=sentence)

    def planned(self, event: Event, plan: Plan, fresh: bool) -> None:  # noqa: FBT001 - the observer's signature
        self._late(event.source, event.time)

    def unmatched(self, events: Sequence[Event]) -> None:
        self._late(events[-1].source, events[-1].time)

    def passed(self, source: str, passed: Passed) -> None:
        self._late(source, max(map(max, passed.times.values())))

    def _late(self, source: str, time: Micros) -> None:
        known = self.states.get(source)
        if known is not None:
            self.states[source] = replace(known, lag=max(0, self.clock.now() - time))

    def _of(self, name: str) -> SourceState:
        """Knots come and go: one that ended makes room."""
        if name not in self.states and len(self.states) >= MOST:
            ended = (one for one, state in self.states.items() if state.state == "ended")
            del self.states[next(ended, next(iter(self.states)))]
        return self.states.get(name) or SourceState("connecting", self.clock.now())

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
        """Written, and not only read: a disk that is full can be read all day. What is written then is written in the room of
        the ballast, and nothing new is heard."""
        if self.store.full:
            return FULL
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
