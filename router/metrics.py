"""What Prometheus is told. What happens is counted as it is observed; what is so is asked of the store when somebody looks.

Labels are bounded by what the operator configured: no DID, repo, knot, branch or text of a stranger is ever one.
"""

from __future__ import annotations

import platform
from bisect import bisect_left
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any, TypeAlias

from router.core.lexicons import KNOWN
from router.core.model import State
from router.counters import Counter, Gauge, Histogram
from router.http import product
from router.observe import Silent

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from router.core.model import Delivery, Entry, Event, Micros, Outcome, Passed, Plan, Tree
    from router.core.problems import Problem
    from router.counters import Spread, Told
    from router.host import Clock

OTHER = "other"
LAG = "router_event_lag_seconds"
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_LAG = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 3600, 86400)
_COMMIT = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)

Kind: TypeAlias = "type[Counter | Gauge | Histogram]"


@dataclass(frozen=True, slots=True)
class Metric:
    """One family, as the reference page shows it."""

    name: str
    kind: Kind
    about: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


CATALOGUE = (
    Metric("router_build_info", Gauge, "1, with the version that runs.", ("version", "python")),
    Metric(
        "router_events_received_total",
        Counter,
        "Events that were heard for the first time. An nsid that no lexicon of ours has is `other`.",
        ("source_kind", "nsid"),
    ),
    Metric("router_events_known_total", Counter, "Events that were heard once more.", ("source_kind",)),
    Metric(
        "router_events_refused_total", Counter, "Events that no rule was to see, by what the spindle knows.", ("source_kind",)
    ),
    Metric("router_events_undecided", Gauge, "Events that wait to be planned because something is not known yet."),
    Metric(
        LAG,
        Histogram,
        "From the time that an event says to when it was heard.",
        ("source_kind",),
        _LAG,
    ),
    Metric(
        "router_event_ahead_seconds",
        Gauge,
        "How far in the future the last event of this kind was: somebody's clock is wrong, here or there.",
        ("source_kind",),
    ),
    Metric("router_bad_frames_total", Counter, "Frames that were no events.", ("source",)),
    Metric("router_source_up", Gauge, "1 while a source of router.yaml is connected, at its end or paused.", ("source",)),
    Metric("router_source_last_event_timestamp_seconds", Gauge, "When something was last heard of a source.", ("source",)),
    Metric("router_paused", Gauge, "Sources and rules that an operator has paused.", ("kind",)),
    Metric("router_rule_matches_total", Counter, "Events that a rule matched, ever.", ("rule",)),
    Metric("router_rule_last_match_timestamp_seconds", Gauge, "When a rule matched last.", ("rule",)),
    Metric("router_outbox_rows", Gauge, "Deliveries by state.", ("state",)),
    Metric(
        "router_outbox_oldest_ready_age_seconds",
        Gauge,
        "For how long the delivery has been due that waits the longest; 0 where none does. Those of paused rules do not count.",
    ),
    Metric(
        "router_delivery_duration_seconds",
        Histogram,
        "How long an attempt or a look-up took, by provider.",
        ("action",),
        _SECONDS,
    ),
    Metric(
        "router_delivery_attempts_total",
        Counter,
        "Attempts and look-ups by provider and by what the delivery came to: done, ready (again, later), verify, dead.",
        ("action", "outcome"),
    ),
    Metric("router_ambiguous_total", Counter, "Attempts that may have happened and are looked up.", ("action",)),
    Metric("router_duplicates_cancelled_total", Counter, "Builds that were one too many and that the audit cancelled."),
    Metric(
        "router_deliveries_held_total",
        Counter,
        "Deliveries that a gate of their rule held back for another of the same key, ever (dedupe, debounce, concurrency).",
    ),
    Metric("router_statuses_total", Counter, "Statuses in the journal.", ("status",)),
    Metric("router_faults_total", Counter, "Faults in the log, by where they came from.", ("where",)),
    Metric("router_config_last_reload_successful", Gauge, "1 unless the last reload was refused."),
    Metric("router_config_last_reload_success_timestamp_seconds", Gauge, "When what is in force was put in force."),
    Metric("router_config_hash", Gauge, "A number made of the files in force: the same on two routers with the same files."),
    Metric("router_db_commit_seconds", Histogram, "How long a commit of the store took.", (), _COMMIT),
    Metric("router_store_bytes", Gauge, "The size of the store with its log of writes."),
    Metric("router_disk_free_bytes", Gauge, "What is free for us on the store's disk."),
    Metric("router_disk_full", Gauge, "1 while the disk under the store is full: nothing new is heard meanwhile."),
    Metric("router_loop_lag_seconds", Gauge, "How late the event loop was at its last beat, which is one each second."),
    Metric("router_loop_lag_max_seconds", Gauge, "How late it ever was."),
    Metric("router_admin_refused_total", Counter, "Requests that the admin listener refused.", ("status",)),
)
#: Counted by the store, so set and not counted here.
STORED = frozenset(("router_bad_frames_total", "router_rule_matches_total", "router_deliveries_held_total"))


class Metrics(Silent):
    """An observer that counts."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._made: dict[str, Any] = {}
        self._of: dict[str, _OfKind] = {}
        #: By provider (and state), what is counted for each delivery.
        self._attempts: dict[tuple[str, str], Any] = {}
        self._durations: dict[str, Any] = {}
        for one in CATALOGUE:
            if one.name not in STORED:
                self._made[one.name] = one.kind(one.name, one.about, one.labels, one.buckets)
        self["router_build_info"].labels(product().rpartition("/")[2], platform.python_version()).set(1)
        self["router_config_last_reload_successful"].set(1)
        self["router_config_last_reload_success_timestamp_seconds"].set(clock.now() / 1e6)

    def __getitem__(self, name: str) -> Any:
        return self._made[name]

    def told(self) -> Iterator[Told]:
        """Everything that was counted, as it is now."""
        for one in self._made.values():
            yield one.told()

    def planned(self, event: Event, plan: Plan, fresh: bool) -> None:  # noqa: FBT001
        of = self._of_kind(event.kind)
        if not fresh:
            of.known.inc()
            return
        of.came(event.nsid, 1)
        of.late((event.time,), self.clock.now())
        if event.fields.get("refused"):
            self["router_events_refused_total"].labels(event.kind).inc()

    def unmatched(self, events: Sequence[Event]) -> None:
        times: dict[tuple[str, str], list[Micros]] = {}
        for event in events:
            times.setdefault((event.kind, event.nsid), []).append(event.time)
        for (kind, nsid), heard in times.items():
            self._came(kind, nsid, heard)

    def passed(self, source: str, passed: Passed) -> None:
        for nsid, times in passed.times.items():
            self._came(passed.kind, nsid, times)

    def _came(self, kind: str, nsid: str, times: Sequence[Micros]) -> None:
        of = self._of_kind(kind)
        of.came(nsid, len(times))
        of.late(times, self.clock.now())

    def _of_kind(self, kind: str) -> _OfKind:
        of = self._of.get(kind)
        if of is None:
            of = self._of[kind] = _OfKind(self, kind)
        return of

    def attempted(self, delivery: Delivery[Tree], outcome: Outcome) -> None:
        said = delivery.provider, outcome.state
        counted = self._attempts.get(said)
        if counted is None:
            counted = self["router_delivery_attempts_total"].labels(delivery.provider, str(outcome.state))
            self._attempts[said] = counted
        counted.inc()
        if outcome.state is State.VERIFY and outcome.counts:
            self["router_ambiguous_total"].labels(delivery.provider).inc()

    def took(self, delivery: Delivery[Tree], seconds: float) -> None:
        spread = self._durations.get(delivery.provider)
        if spread is None:
            spread = self._durations[delivery.provider] = self["router_delivery_duration_seconds"].labels(delivery.provider)
        spread.observe(seconds)

    def disk(self, state: str, sentence: str) -> None:
        self["router_disk_full"].set(state == "full")

    def committed(self, seconds: float) -> None:
        self["router_db_commit_seconds"].observe(seconds)

    def reported(self, entry: Entry) -> None:
        self["router_statuses_total"].labels(str(entry.status)).inc()

    def doubled(self, delivery: str) -> None:
        self["router_duplicates_cancelled_total"].inc()

    def refused_request(self, status: int) -> None:
        self["router_admin_refused_total"].labels(str(status)).inc()

    def reloaded(
        self,
        ok: bool,  # noqa: FBT001 - the observer's signature
        sentence: str,
        found: Sequence[Problem] = (),
        kept: Sequence[str] = (),
    ) -> None:
        self["router_config_last_reload_successful"].set(ok)
        if ok:
            self["router_config_last_reload_success_timestamp_seconds"].set(self.clock.now() / 1e6)

    def fault(self, what: str, sentence: str, error: BaseException | None = None) -> None:
        # What follows the first word is the name of a source or a provider, and knots bring sources of their own.
        self["router_faults_total"].labels(what.partition(" ")[0]).inc()


class _OfKind:
    """What every event of a kind of source is counted by: looking that up takes longer than counting."""

    def __init__(self, metrics: Metrics, kind: str) -> None:
        self.known = metrics["router_events_known_total"].labels(kind)
        self.ahead = metrics["router_event_ahead_seconds"].labels(kind)
        self._lags = _Lags(metrics[LAG].labels(kind))
        self._received = cache(partial(metrics["router_events_received_total"].labels, kind))

    def came(self, nsid: str, count: int) -> None:
        self._received(nsid if nsid in KNOWN else OTHER).inc(count)

    def late(self, times: Sequence[Micros], now: Micros) -> None:
        """By how much, of events that happened then."""
        self._lags.add(times, now)
        self.ahead.set(max(times[-1] - now, 0) / 1e6)


class _Lags:
    """How late events were, of one kind of source: by the batch, since one by one takes longer than passing them over."""

    def __init__(self, series: Spread) -> None:
        self._series = series
        self._bounds = [round(bound * 1e6) for bound in series.buckets]

    def add(self, times: Sequence[Micros], now: Micros) -> None:
        series = self._series
        least, most = now - max(times), now - min(times)
        bucket = bisect_left(self._bounds, least)
        if least >= 0 and bucket == bisect_left(self._bounds, most):
            # Nearly always: those of a batch happened about the same time.
            series.counts[bucket] += len(times)
            series.sum += (len(times) * now - sum(times)) / 1e6
            return
        for time in times:
            lag = max(now - time, 0)
            series.counts[bisect_left(self._bounds, lag)] += 1
            series.sum += lag / 1e6
