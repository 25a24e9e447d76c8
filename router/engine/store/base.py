"""The store's contract. What matters is a row here before it is an effect; every wake-up re-reads the store.

All times are microseconds since 1970 and all clock comparisons use the `now` that is passed in, one clock for everything.
Every method that writes is one transaction; concurrent calls may share one commit, and none returns before its commit.

On a full disk `accept` and `mirror` wait until there is room. `settle`, `tell` and what else must not be lost use the room of
the ballast, and wait where that is used up. Other methods that write raise StoreFull.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from msgspec import Struct

from router.core.model import (
    Delivery,
    Entry,
    Event,
    LogLine,
    Micros,
    Outcome,
    Pipeline,
    Plan,
    Receipt,
    RecordChange,
    State,
    Status,
    Tree,
)
from router.engine.store.policy import Policy


class Arrival(Struct, frozen=True, kw_only=True, gc=False):
    """One thing heard, with what was decided of it. `keep` asks to record an event that led to nothing.

    `records` are mirrored with it, and `pipeline` is the run that it makes, with the workflows that nobody runs; its others are
    those of the plan's deliveries. `unkept` counts events that led to nothing and are not kept: an arrival without an event may
    stand for any number of them.
    """

    source: str
    cursor: int | None = None
    event: Event | None = None
    plan: Plan | None = None
    keep: bool = False
    bad: str | None = None
    frame: bytes = b""
    records: Sequence[RecordChange] = ()
    pipeline: Pipeline | None = None
    unkept: int = 0


class Accepted(Struct, frozen=True, kw_only=True, gc=False):
    """What became of one arrival: `fresh` is false for an event already planned; `entries` are those newly in the journal;
    `ready` tells that something new waits to be claimed, now or when it is due, which whoever stands by has not taken already;
    `held` are deliveries that a gate held back, and why."""

    fresh: bool
    ready: bool = False
    entries: tuple[Entry, ...] = ()
    held: tuple[tuple[Delivery[Tree], str], ...] = ()


class Claim(Struct, frozen=True, kw_only=True):
    """A delivery in this process's hands until `lease_until`. `delivery.attempt` is already counted.

    `verify` says that an earlier attempt may have happened: look it up first. `failed_at` is when it may have failed.
    Settling is fenced by (number, owner, delivery.attempt). `number` is the delivery's place among all deliveries.
    """

    delivery: Delivery[Tree]
    number: int
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
    """A delivery that was made and whose outcome is not final yet. `number` is its place among all deliveries."""

    number: int
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
    `run` counts the delivery's rebuilds and retries; each tells a status once.
    """

    number: int
    entry: Entry
    rule: str
    event: Event
    run: int = 0
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
class Announcement:
    """One frame of the spindle's `/events`. `created` is its cursor, in nanoseconds; `event` is a record without `$type`."""

    created: int
    nsid: str
    rkey: str
    event: Mapping[str, Tree]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A delivery's part in a pipeline: who does it, and how far it is. `run` counts its rebuilds and retries from 0."""

    delivery: str
    run: int
    workflow: str
    provider: str
    state: State
    status: Status | None
    receipt: Receipt | None
    options: Tree
    #: Why it is to be cancelled; empty where nobody asked.
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedSecret:
    """A repo's secret as it is kept: `sealed` is encrypted."""

    repo: str
    key: str
    sealed: bytes
    created: Micros
    creator: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRow:
    """What is remembered of a source by name."""

    name: str
    cursor: int | None
    updated: Micros
    events: int = 0
    bad_frames: int = 0
    last_bad: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hits:
    """How many events a rule matched, whether or not they are kept, and when the last of them was heard."""

    count: int
    last: Micros


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """How many events are undecided; since when the delivery has been due that waits the longest, None where none is; and how
    many deliveries a gate held back, ever."""

    undecided: int
    due: Micros | None
    skipped: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a claim asks for: see Store.claim. `idle` says that nothing is under way and that the last look found nothing that
    waits: what comes finds a place, whoever comes first."""

    owner: str
    count: int
    lease: float
    now: Micros
    room: Mapping[str, int]
    each: int | None = None
    looking: Collection[str] = ()
    idle: bool = False


class StandsBy(Protocol):
    """Whoever has places free, and claims when something comes. Both are called on the event loop."""

    def wants(self) -> Wanted | None:
        """What may be claimed now of what is being stored; None: nothing. Else `took` is called, once, whatever comes of it."""

    def took(self, claims: Sequence[Claim]) -> None:
        """These were claimed, and that is committed."""


class Store(Protocol):
    """Used from the event loop. Closed by `close()`, which finishes what was asked before."""

    def hold_back(self, policy: Policy) -> None:
        """What is held back from now on, whatever rules say."""

    async def accept(self, arrivals: Sequence[Arrival], now: Micros) -> Sequence[Accepted]:
        """Bad frames, events, deliveries, first statuses and each source's cursor (never moved back): one transaction.

        An event is known by (origin, id). One that is known and was `undecided` gets the deliveries that it lacks; any other
        known one gets nothing. Deliveries are inserted by id, once. Gates are applied here: a dedupe or a full throttle makes
        a delivery skipped or due later, a debounce supersedes those waiting under its key.
        """

    async def claim(
        self,
        owner: str,
        count: int,
        lease: float,
        now: Micros,
        room: Mapping[str, int],
        *,
        each: int | None = None,
        looking: Collection[str] = (),
    ) -> Sequence[Claim]:
        """At most `count` deliveries that are due, oldest first and fair between repos, leased for their own timeout plus
        `lease` seconds. `room` bounds how many more each destination named in it may take; any other takes `each`. Of the
        destinations in `looking` only those are claimed that may have happened. Respects concurrency groups (one delivery of a
        group at a time, the oldest), the order of lanes, and quotas of what is in flight."""

    def stand_by(self, by: StandsBy | None) -> None:
        """Have `accept` claim, in its own transaction, what it makes claimable, for whoever stands by: what finds a free place
        needs no commit of its own before it is made. With None nobody stands by any more."""

    async def settle(self, claim: Claim, outcome: Outcome, now: Micros) -> bool:
        """The attempt's outcome, its receipt and its statuses: one transaction. False (and nothing written) if the claim is
        no longer ours."""

    async def recover(self, now: Micros, held: Collection[str] = ()) -> int:
        """Every claimed delivery whose process is gone, or whose lease is over, to verify. Called at start with the store's
        lock held, when nothing else can hold a lease, and then as time passes for leases that ran out. `held` are the ids of
        those that this process is still at: their leases hold, whatever the clock says. In a store that is a copy, everything
        else that waits, too, once (see `restores`). Where the clock was put back, nothing waits longer for that. Returns how
        many."""

    async def next_due(self, now: Micros) -> Micros | None:
        """The first moment after `now` at which a delivery that is waiting will be due or a lease ends; None if there is none.
        What is due already and was not claimed waits for a group or a provider, so for no moment."""

    async def tell(self, entries: Sequence[Entry], now: Micros) -> Sequence[Entry]:
        """Statuses to the journal; returns those that were news (legal transitions: a final status never leaves, a repeated
        one is no news, running never goes back to pending)."""

    async def journal(self, after: int, limit: int = 200) -> Sequence[Told]:
        """The journal's rows whose number is greater than `after`, in order."""

    async def open_receipts(self, provider: str, after: int = 0, limit: int = 500) -> Sequence[OpenReceipt]:
        """Deliveries of this provider that are done and whose status is not final, oldest first, from after this number."""

    async def silent(self, since: Micros, limit: int = 200) -> Sequence[OpenReceipt]:
        """Deliveries that are done, whose status is not final, and of which nothing was heard from `since` on, oldest first."""

    async def made_since(self, provider: str, since: Micros, limit: int = 500) -> Sequence[Receipt]:
        """The receipts of this provider's deliveries that were made at `since` or later, newest first."""

    async def adopt(self, delivery: str, receipt: Receipt, now: Micros) -> None:
        """The delivery's effect is another than the one that its receipt names."""

    async def cursor(self, source: str) -> int | None: ...

    async def forget_cursor(self, source: str) -> None:
        """The source is not heard any more; whoever hears it again begins anew."""

    async def undecided(self, after: int = 0, limit: int = 500) -> Sequence[EventRow]:
        """Events that were kept because a rule could not be decided and whose number is greater than `after`, oldest first."""

    async def facts(self, kind: str) -> Mapping[str, Tree]:
        """Small remembered facts by kind (`handle`, `repo`): key to value."""

    async def remember(self, kind: str, facts: Mapping[str, Tree | None], now: Micros) -> None:
        """Replace these facts; None forgets one."""

    async def chosen(
        self, state: State, *, rule: str = "", provider: str = "", repo: str = "", since: Micros = 0, limit: int = 10_000
    ) -> Sequence[str]:
        """The ids of the deliveries in this state, of this rule, provider and repo, that came into it at `since` or later,
        oldest first."""

    async def retry(self, ids: Sequence[str], now: Micros) -> Sequence[str]:
        """Dead, discarded or waiting deliveries to ready (those that may have happened: to verify), due now, their attempts
        counted anew, and `asked`. Not those that could not be rendered. Returns the ids that changed."""

    async def discard(self, ids: Sequence[str], reason: str, now: Micros) -> Sequence[str]:
        """Deliveries that are waiting or dead, never to be made; a status that is not final becomes cancelled. Returns the ids
        that changed."""

    async def deliveries(
        self, *, state: State | None = None, rule: str = "", repo: str = "", event: int = 0, limit: int = 50
    ) -> Sequence[DeliveryRow]:
        """Newest first, without options, attempts and statuses. `event` is a number."""

    async def delivery(self, delivery_id: str) -> DeliveryRow | None:
        """One, whole; an unambiguous prefix of at least 6 characters will do."""

    async def event_of(self, delivery_id: str) -> Event | None:
        """The event that a delivery came from."""

    async def events(
        self, *, nsid: str = "", repo: str = "", rule: str = "", matched: bool = False, before: int = 0, limit: int = 50
    ) -> Sequence[EventRow]:
        """Newest first; with `before`, those whose number is smaller."""

    async def events_since(self, since: Micros, after: int = 0, limit: int = 500) -> Sequence[EventRow]:
        """Events that were heard at `since` or later and whose number is greater than `after`, oldest first."""

    async def count_since(self, since: Micros) -> int:
        """How many events were heard at `since` or later."""

    async def event(self, number_or_id: str) -> EventRow | None: ...

    async def waiting(self, mark: str, limit: int = 200) -> Sequence[EventRow]:
        """Events that wait for approval, newest first: there is none of the same id with `mark` at its end, and no fact of the
        kind `approval` about its number. Looks through all events: for a connection that nobody waits for."""

    # --- the spindle's

    async def records(self, collection: str) -> Sequence[RecordChange]:
        """All mirrored records of a collection, by did and rkey."""

    async def mirror(self, changes: Sequence[RecordChange], now: Micros) -> None:
        """Write and delete mirrored records, outside of any event (a listing). One whose `rev` is older than what is known of
        the record changes nothing; an empty `rev` always counts."""

    async def pipeline(self, name: str, knot: str = "") -> Pipeline | None:
        """A run with its workflows, by its TID, or by the name that a knot gave it. None where it has no workflow."""

    async def pipeline_of(self, key: str) -> Pipeline | None:
        """The run that triggers of this key led to, shown or not."""

    async def pipelines(
        self,
        repo: str,
        *,
        commits: Sequence[str] = (),
        kinds: Sequence[str] = (),
        before: int | None = None,
        limit: int = 50,
    ) -> tuple[Sequence[Pipeline], int]:
        """A repo's runs, newest first, and how many there are in all after `before` (a `created`) is applied. With `commits`,
        the newest of each commit alone, whatever the limit."""

    async def latest_pipelines(self, before: int | None = None, limit: int = 50) -> Sequence[Pipeline]:
        """Runs of all repos, newest first; with `before` (a `created`) those from before it."""

    async def name_pipeline(self, pipeline: str, knot: str, rkey: str, now: Micros) -> bool:
        """Remember that a knot announced this run by another name, and announce its statuses under it; whether it was news."""

    async def announcements(self, after: int, limit: int = 100) -> Sequence[Announcement]:
        """What was announced after this cursor (nanoseconds), in order."""

    async def last_announced(self) -> int:
        """The newest announcement's cursor, 0 where there is none."""

    async def announce_again(self, pipeline: str, now: Micros) -> int:
        """The present statuses of a run once more, under new rkeys: an appview may have heard them before it knew the run. How
        many there were."""

    async def runs(self, pipeline: str) -> Sequence[Run]:
        """The deliveries that report to a run, in order."""

    async def run_of(self, delivery: str) -> Run | None:
        """One delivery, whether or not it belongs to a pipeline."""

    async def rerun(self, delivery: str, receipt: Receipt | None, key: str, now: Micros) -> bool:
        """What was over goes on: the delivery becomes part of a new pipeline of the same commit, with its statuses from the
        beginning (and this receipt). False where it is not over, or `key` was seen already."""

    async def ask_cancel(self, pipeline: str, workflows: Sequence[str], why: str, now: Micros) -> Sequence[str]:
        """Nobody wants these workflows (none: all) any more. What waits is discarded and cancelled at once; what is under way
        is marked, for `to_cancel`. Returns the names of the workflows that are not over."""

    async def to_cancel(self, provider: str, limit: int = 100) -> Sequence[Run]:
        """Deliveries of this provider that are under way (claimed, or made), not over, and not wanted any more, oldest
        first."""

    async def write_log(self, delivery: str, run: int, first: int, lines: Sequence[LogLine], now: Micros) -> None:
        """Keep these lines as number `first` and following of that run; what is there already stays."""

    async def log(self, delivery: str, run: int, after: int = 0, limit: int = 1000) -> Sequence[LogLine]:
        """The kept lines whose number is at least `after`, in order."""

    async def forget(
        self, before: Micros, after: int = 0, limit: int = 200, *, dead_before: Micros | None = None
    ) -> tuple[int, int | None]:
        """Of the next `limit` events that were heard after event number `after`, drop those from before that moment of which
        nothing is left to do, with everything that they led to. Those with dead letters stay until they are from before
        `dead_before`. How many went, and where to go on; None at the end."""

    async def use(self, kind: str, key: str, until: Micros, now: Micros) -> bool:
        """Whether this is the first time; remembered until `until`."""

    async def secrets(self, repo: str) -> Sequence[SealedSecret]:
        """A repo's secrets, by key."""

    async def add_secret(self, secret: SealedSecret) -> bool:
        """False where there is one of this key already."""

    async def remove_secret(self, repo: str, key: str) -> bool:
        """False where there is none of this key."""

    async def refused(self, since: Micros) -> Mapping[str, int]:
        """How many events were refused since then, by reason."""

    async def sources(self) -> Sequence[SourceRow]: ...

    async def bad_frames(self, source: str, limit: int = 20) -> Sequence[Mapping[str, Tree]]: ...

    async def counts(self) -> Mapping[str, int]:
        """Deliveries by state."""

    async def pause(self, kind: str, name: str, now: Micros) -> bool:
        """A `source` is not to be heard, or a `rule` not to be acted on: its deliveries are not claimed. False where that is so
        already."""

    async def resume(self, kind: str, name: str) -> bool:
        """False where it is not paused."""

    async def paused(self, kind: str) -> Mapping[str, Micros]:
        """Names, and since when."""

    async def hits(self) -> Mapping[str, Hits]:
        """By rule id, of rules that ever matched."""

    async def backlog(self, now: Micros) -> Backlog:
        """What has to be done and is not. Deliveries of paused rules do not count."""

    @property
    def full(self) -> bool:
        """Whether the disk is full: nothing new is heard until it is not."""

    async def filled(self) -> None:
        """Waits until the disk becomes full, or until the next call where it did since the last."""

    async def regain(self) -> bool:
        """Look whether there is room again, and let whoever waits for it try. True once everything is as it was."""

    async def failed(self) -> None:
        """Waits until nothing can be stored any more, and raises why: StoreBroken or StoreCorrupt. For ever, as a rule."""

    async def close(self) -> None: ...
