"""The router at a glance, as `router top` draws it: asked of the running one, else read from the store."""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from router.cli.asking import asked
from router.core.model import State

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from router.config import Config
    from router.engine.store.base import Store

#: Deliveries among which the newest statuses are looked for, and of each state those among which there may be trouble.
NEWEST, TROUBLED = 50, 20
#: Microseconds over which rates are told.
WINDOW = 60_000_000
_DELIVERIES = "/api/v1/deliveries"
_ASKED = (
    *("/api/v1/status", "/api/v1/sources", "/api/v1/destinations", "/metrics"),
    f"{_DELIVERIES}?limit={NEWEST}",
    *(f"{_DELIVERIES}?state={state}&limit={TROUBLED}" for state in ("dead", "verify", "ready")),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What fails, and why."""

    what: str
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """`counters` grow while the router runs; `due` are the seconds for which the oldest delivery has been due. Of a store
    without a router there is no `status`, no counter, and `now` is our own clock's."""

    now: int
    status: Mapping[str, Any] | None
    sources: Sequence[Mapping[str, Any]]
    deliveries: Mapping[str, int]
    due: float
    troubles: Sequence[Trouble]
    statuses: Sequence[Mapping[str, Any]]
    counters: Mapping[str, float] = field(default_factory=dict)


class Rates:
    """How fast counters grow, by what was seen of them. Of the first glance: since the router's start."""

    def __init__(self) -> None:
        self._seen: deque[tuple[int, Mapping[str, float]]] = deque()

    def of(self, seen: Glance) -> tuple[float, dict[str, float]]:
        """Over how many seconds, and by name how many a minute. Nothing of a store without a router."""
        if seen.status is None:
            return 0.0, {}
        started = int(seen.status["started"])
        if self._seen and (started > self._seen[-1][0] or seen.now < self._seen[-1][0]):
            self._seen.clear()  # another router, or another clock
        while len(self._seen) > 1 and self._seen[1][0] <= seen.now - WINDOW:
            self._seen.popleft()
        since, before = self._seen[0] if self._seen else (started, {})
        self._seen.append((seen.now, seen.counters))
        seconds = max(seen.now - since, 1_000_000) / 1e6
        grown = {name: count - before.get(name, 0.0) for name, count in seen.counters.items()}
        return seconds, {name: max(0.0, more) * 60 / seconds for name, more in grown.items()}


async def glance(settings: Config) -> Glance:
    """Raises StoreError where there is neither a router nor a store, and RouterError where a router refuses."""
    told = await asked(settings, _ASKED)
    if told is None:
        return await _stored(settings)
    status, sources, destinations, metrics, newest, *troubled = told
    counters, due = _measured(metrics)
    troubles = [Trouble(what=name, sentence=said) for name, said in status["checks"].items() if said != "ok"]
    troubles += [_source(row) for row in sources if row["state"] in ("down", "quarantined")]
    shut = (row for row in destinations if row["state"] not in ("closed", "paused"))
    troubles += [Trouble(what=row["name"], sentence=row.get("reason") or f"is {row['state']}") for row in shut]
    last = status["reload"]
    if last is not None and not last["ok"]:
        troubles.append(Trouble(what="reload", sentence=last["sentence"]))
    return Glance(
        now=status["now"],
        status=status,
        sources=sources,
        deliveries=status["deliveries"],
        due=due,
        troubles=troubles + _failing(row for rows in troubled for row in rows),
        statuses=_newest(newest),
        counters=counters,
    )


def _source(row: Mapping[str, Any]) -> Trouble:
    return Trouble(what=row["name"], sentence=row["sentence"] or f"is {row['state']}")


def _measured(metrics: str) -> tuple[dict[str, float], float]:
    """The counters that rates are made of, and for how long the oldest delivery has been due."""
    from prometheus_client.parser import text_string_to_metric_families  # noqa: PLC0415 - only who watches pays for it

    counters, due = dict.fromkeys(("events", "delivered", "failed"), 0.0), 0.0
    for family in text_string_to_metric_families(metrics):
        for sample in family.samples:
            if sample.name == "router_events_received_total":
                counters["events"] += sample.value
            elif sample.name == "router_delivery_attempts_total":
                counters["delivered" if sample.labels["outcome"] == "done" else "failed"] += sample.value
            elif sample.name == "router_outbox_oldest_ready_age_seconds":
                due = sample.value
    return counters, due


async def _stored(settings: Config) -> Glance:
    from router.cli.opening import reading  # noqa: PLC0415 - only where no router runs
    from router.cli.sources import remembered  # noqa: PLC0415 - as above
    from router.host import SystemClock  # noqa: PLC0415 - as above

    now = SystemClock().now()

    async def read(store: Store) -> Glance:
        newest = [asdict(row) for row in await store.deliveries(limit=NEWEST)]
        states = (State.DEAD, State.VERIFY, State.READY)
        troubled = [asdict(row) for state in states for row in await store.deliveries(state=state, limit=TROUBLED)]
        oldest = (await store.backlog(now)).due
        return Glance(
            now=now,
            status=None,
            sources=await remembered(settings, store, now),
            deliveries=await store.counts(),
            due=0.0 if oldest is None else max(0, now - oldest) / 1e6,
            troubles=_failing(troubled),
            statuses=_newest(newest),
        )

    return await reading(settings, read)


def _failing(rows: Iterable[Mapping[str, Any]]) -> list[Trouble]:
    """Deliveries that failed, the latest first: those that have not been tried yet only wait."""
    failed = [row for row in rows if row["state"] != State.READY or (row["attempt"] and row["reason"])]
    failed.sort(key=lambda row: -row["updated"])
    return [
        Trouble(what=f"{row['id'][:12]} {row['rule']}", sentence=f"{row['state']}: {row['reason']}".removesuffix(": "))
        for row in failed
    ]


def _newest(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Those that have a status, the latest news first."""
    return sorted((row for row in rows if row["status"]), key=lambda row: -row["updated"])
