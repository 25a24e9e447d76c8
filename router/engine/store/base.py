"""The store's contract. What matters is a row here before it is an effect; every wake-up re-reads the store.

All times are microseconds since 1970 and all clock comparisons use the `now` that is passed in, one clock for everything.
Every method that writes is one transaction; concurrent calls may share one commit, and none returns before its commit.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from router.core.model import Delivery, Entry, Event, Micros, Outcome, Plan, Receipt, State, Status, Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One thing heard, with what was decided of it. `keep` asks to record an event that led to nothing."""

    source: str
    cursor: int | None = None
    event: Event | None = None
    plan: Plan | None = None
    keep: bool = False
    bad: str | None = None
    frame: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """What became of one arrival: `fresh` is false for an event already planned; `entries` are those newly in the journal;
    `ready` tells that something new waits to be claimed, now or when it is due."""

    fresh: bool
    ready: bool = False
    entries: tuple[Entry, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A delivery in this process's hands until `lease_until`. `delivery.attempt` is already counted.

    `verify` says that an earlier attempt may have happened: look it up first. `failed_at` is when it may have failed.
    Settling is fenced by (delivery.id, owner, delivery.attempt).
    """

    delivery: Delivery[Tree]
    owner: str
    lease_until: Micros
    verify: bool = False
    failed_at: Micros = 0
    #: Attempts that count against the retry policy, this one included.
    tries: int = 1
    #: An operator asked for it once more: where it may have happened and cannot be looked up, that is their decision.
    asked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenReceipt:
    """A delivery that was made and whose outcome is not final yet."""

    delivery: str
    provider: str
    workflow: str
    receipt: Receipt
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One row of the journal, with the event that its delivery came from. `number` grows by the order of commits.

    Of a verdict (success, failed or timeout), `previous` is the last one that the same step of the same rule came to for the
    same repo, ref and workflow; `outdated` says that a later delivery's was told before it, and then there is no `previous`.
    """

    number: int
    entry: Entry
    rule: str
    event: Event
    previous: Status | None = None
    outdated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRow:
    """A delivery as people and tools see it. `receipt` and `options` are plain trees; `attempts` newest last."""

    id: str
    state: State
    rule: str
    step: str
    item: str | None
    provider: str
    repo: str
    ref: str
    sha: str
    workflow: str
    event: int
    event_origin: str
    event_id: str
    nsid: str
    attempt: int
    due: Micros
    created: Micros
    updated: Micros
    reason: str
    status: str
    options: Tree = None
    receipt: Tree = None
    attempts: Sequence[Mapping[str, Tree]] = ()
    statuses: Sequence[Mapping[str, Tree]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """A recorded event. `number` is its row: what `router events show` and `explain --event-id` take, beside the id."""

    number: int
    event: Event
    heard: Micros
    matched: Sequence[str] = ()
    deliveries: int = 0
    troubles: Sequence[Mapping[str, Tree]] = ()
    undecided: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRow:
    """What is remembered of a source by name."""

    name: str
    cursor: int | None
    updated: Micros
    events: int = 0
    bad_frames: int = 0
    last_bad: str = ""


class Store(Protocol):
    """Used from the event loop. Closed by `close()`, which finishes what was asked before."""

    async def accept(self, arrivals: Sequence[Arrival], now: Micros) -> Sequence[Accepted]:
        """Bad frames, events, deliveries, first statuses and each source's cursor (never moved back): one transaction.

        An event is known by (origin, id). One that is known and was `undecided` gets the deliveries that it lacks; any other
        known one gets nothing. Deliveries are inserted by id, once. Gates are applied here: a dedupe or a full throttle makes
        a delivery skipped or due later, a debounce supersedes those waiting under its key.
        """

    async def claim(self, owner: str, count: int, lease: float, now: Micros, busy: Mapping[str, int]) -> Sequence[Claim]:
        """At most `count` deliveries that are due, oldest first and fair between repos, leased for their own timeout plus
        `lease` seconds. `busy` bounds how many more each provider named in it may take; others are unbounded. Respects
        concurrency groups: one delivery of a group at a time, the oldest."""

    async def settle(self, claim: Claim, outcome: Outcome, now: Micros) -> bool:
        """The attempt's outcome, its receipt and its statuses: one transaction. False (and nothing written) if the claim is
        no longer ours."""

    async def recover(self, now: Micros, held: Collection[str] = ()) -> int:
        """Every claimed delivery whose process is gone, or whose lease is over, to verify. Called at start with the store's
        lock held, when nothing else can hold a lease, and then as time passes for leases that ran out. `held` are the ids of
        those that this process is still at: their leases hold, whatever the clock says. Returns how many."""

    async def next_due(self, now: Micros) -> Micros | None:
        """The first moment after `now` at which a delivery that is waiting will be due or a lease ends; None if there is none.
        What is due already and was not claimed waits for a group or a provider, so for no moment."""

    async def tell(self, entries: Sequence[Entry], now: Micros) -> Sequence[Entry]:
        """Statuses to the journal; returns those that were news (legal transitions: a final status never leaves, a repeated
        one is no news, running never goes back to pending)."""

    async def journal(self, after: int, limit: int = 200) -> Sequence[Told]:
        """The journal's rows whose number is greater than `after`, in order."""

    async def open_receipts(self, provider: str, limit: int = 500) -> Sequence[OpenReceipt]:
        """Deliveries of this provider that are done and whose status is not final."""

    async def cursor(self, source: str) -> int | None: ...

    async def undecided(self, after: int = 0, limit: int = 500) -> Sequence[EventRow]:
        """Events that were kept because a rule could not be decided and whose number is greater than `after`, oldest first."""

    async def facts(self, kind: str) -> Mapping[str, Tree]:
        """Small remembered facts by kind (`handle`, `repo`): key to value."""

    async def remember(self, kind: str, facts: Mapping[str, Tree | None], now: Micros) -> None:
        """Replace these facts; None forgets one."""

    async def retry(self, ids: Sequence[str], now: Micros) -> Sequence[str]:
        """Dead, discarded or waiting deliveries to ready (those that may have happened: to verify), due now, their attempts
        counted anew, and `asked`. Not those that could not be rendered. Returns the ids that changed."""

    async def discard(self, ids: Sequence[str], reason: str, now: Micros) -> Sequence[str]:
        """Deliveries that are waiting or dead, never to be made; a status that is not final becomes cancelled. Returns the ids
        that changed."""

    async def deliveries(
        self, *, state: State | None = None, rule: str = "", repo: str = "", limit: int = 50
    ) -> Sequence[DeliveryRow]:
        """Newest first, without options, attempts and statuses."""

    async def delivery(self, delivery_id: str) -> DeliveryRow | None:
        """One, whole; an unambiguous prefix of at least 6 characters will do."""

    async def event_of(self, delivery_id: str) -> Event | None:
        """The event that a delivery came from."""

    async def events(self, *, nsid: str = "", repo: str = "", matched: bool = False, limit: int = 50) -> Sequence[EventRow]:
        """Newest first."""

    async def events_since(self, since: Micros, after: int = 0, limit: int = 500) -> Sequence[EventRow]:
        """Events that were heard at `since` or later and whose number is greater than `after`, oldest first."""

    async def count_since(self, since: Micros) -> int:
        """How many events were heard at `since` or later."""

    async def event(self, number_or_id: str) -> EventRow | None: ...

    async def sources(self) -> Sequence[SourceRow]: ...

    async def bad_frames(self, source: str, limit: int = 20) -> Sequence[Mapping[str, Tree]]: ...

    async def counts(self) -> Mapping[str, int]:
        """Deliveries by state."""

    async def close(self) -> None: ...
