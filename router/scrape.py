"""The page that Prometheus reads: what was counted, and what the store says now."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from router import counters
from router.core.errors import StoreError
from router.core.model import State
from router.engine.pauses import RULE, SOURCE
from router.metrics import CATALOGUE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from router.config import Config
    from router.core.model import Micros
    from router.core.rulebook import Rulebook
    from router.engine.pauses import Pauses
    from router.engine.pulse import Pulse
    from router.engine.store.base import Hits, SourceRow, Store
    from router.health import Sources
    from router.host import Clock
    from router.metrics import Metrics

#: Microseconds for which what the store said is told again: many who look must not keep it from its work.
FRESH: Micros = 2_000_000
#: Hexadecimal digits of a digest that a float holds exactly.
_DIGITS = 12
_ABOUT = {one.name: one.about for one in CATALOGUE}


class Scrape:
    """One for the process."""

    def __init__(
        self,
        metrics: Metrics,
        store: Store,
        clock: Clock,
        pauses: Pauses,
        sources: Sources,
        pulse: Pulse,
        config: Callable[[], Config],
        rulebook: Callable[[], Rulebook],
        digest: Callable[[], str],
    ) -> None:
        self.metrics = metrics
        self.store = store
        self.clock = clock
        self.pauses = pauses
        self.sources = sources
        self.pulse = pulse
        self.config = config
        self.rulebook = rulebook
        self.digest = digest
        self._asked: Micros | None = None
        self._rows: Mapping[str, SourceRow] = {}
        self._hits: Mapping[str, Hits] = {}
        self._skipped = 0

    async def text(self) -> bytes:
        """Where the store does not answer, all that is known without it."""
        now = self.clock.now()
        if self._asked is None or self._asked + FRESH <= now:
            with suppress(StoreError):
                await self._ask(now)
        self._set()
        return counters.text((*counters.process(), *self.metrics.told(), *self._stored()))

    def _stored(self) -> Iterator[counters.Told]:
        """Counters that the store keeps: they go on where they were after a restart."""
        rows, hits = self._rows, self._hits
        bad = {one.name: rows[one.name].bad_frames if one.name in rows else 0 for one in self.config().sources}
        yield _counter("router_bad_frames_total", "source", bad)
        matches = {rule.id: hits[rule.id].count if rule.id in hits else 0 for rule in self.rulebook().rules}
        yield _counter("router_rule_matches_total", "rule", matches)
        name = "router_deliveries_held_total"
        yield counters.Told(name, "counter", _ABOUT[name], [("", {}, self._skipped)])

    async def _ask(self, now: Micros) -> None:
        self._rows = {row.name: row for row in await self.store.sources()}
        self._hits = await self.store.hits()
        counts = await self.store.counts()
        for state in State:
            self.metrics["router_outbox_rows"].labels(str(state)).set(counts.get(state, 0))
        backlog = await self.store.backlog(now)
        self._skipped = backlog.skipped
        self.metrics["router_events_undecided"].set(backlog.undecided)
        oldest = max(0, now - backlog.due) if backlog.due is not None else 0
        self.metrics["router_outbox_oldest_ready_age_seconds"].set(oldest / 1e6)
        self._asked = now

    def _set(self) -> None:
        up, heard = self.metrics["router_source_up"], self.metrics["router_source_last_event_timestamp_seconds"]
        up.clear()
        heard.clear()
        for source in self.config().sources:
            state, row = self.sources.states.get(source.name), self._rows.get(source.name)
            up.labels(source.name).set(state is not None and state.state in ("up", "ended", "paused"))
            if row is not None:
                heard.labels(source.name).set(row.updated / 1e6)
        last = self.metrics["router_rule_last_match_timestamp_seconds"]
        last.clear()
        for rule in self.rulebook().rules:
            if rule.id in self._hits:
                last.labels(rule.id).set(self._hits[rule.id].last / 1e6)
        for kind in (SOURCE, RULE):
            self.metrics["router_paused"].labels(kind).set(len(self.pauses.since(kind)))
        self.metrics["router_config_hash"].set(int(self.digest()[:_DIGITS] or "0", 16))
        self.metrics["router_loop_lag_seconds"].set(self.pulse.lag)
        self.metrics["router_loop_lag_max_seconds"].set(self.pulse.longest)
        for name, value in _disk(self.config().store_path).items():
            self.metrics[name].set(value)


def _counter(name: str, label: str, values: Mapping[str, float]) -> counters.Told:
    return counters.Told(name, "counter", _ABOUT[name], [("", {label: one}, value) for one, value in values.items()])


def _disk(store: Path) -> dict[str, Any]:
    """Of the store's files, and of the disk that they are on."""
    size = 0
    for ending in ("", "-wal", "-shm"):
        with suppress(OSError):
            size += store.with_name(store.name + ending).stat().st_size
    made = {"router_store_bytes": size}
    with suppress(OSError):
        disk = os.statvfs(store.parent)
        made["router_disk_free_bytes"] = disk.f_bavail * disk.f_frsize
    return made
