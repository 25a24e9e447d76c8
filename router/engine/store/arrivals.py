"""`accept`: what was heard and what was decided of it, with the cursor that stands for it, in one transaction."""

from __future__ import annotations

from dataclasses import asdict
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from msgspec import Struct

from router.core.model import Delivery, Entry, Event, Micros, Pipeline, Plan, State, Tree, changed
from router.engine.crash import crash_point
from router.engine.store import gates, journal, mirror, operator, pipelines, quotas, restores, sql
from router.engine.store.base import Accepted, Arrival
from router.engine.store.bulk import Insertion
from router.engine.store.rows import (
    DELIVERY,
    EVENT,
    LARGEST,
    as_json,
    delivery_values,
    event_values,
    fit,
    integer,
    members_of,
    text,
)

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Sequence

    from router.engine.store.policy import Policy

#: Bad frames that are kept of each source, and of all together, and bytes of each.
RING, RINGS = 100, 2000
FRAME = 16384
_TRIM_ALL = "DELETE FROM bad_frames WHERE number <= (SELECT number FROM bad_frames ORDER BY number DESC LIMIT 1 OFFSET :keep)"


_STORED = "SELECT id, number, undecided FROM events WHERE origin = ? AND id IN (SELECT value FROM json_each(?))"
_STORED_ONE = "SELECT id, number, undecided FROM events WHERE origin = ? AND id = ?"
_PLANNED = ("matched", "troubles", "undecided")
_EVENTS = Insertion("events", ("number", "heard", *EVENT, *_PLANNED))
_QUEUE = ("repo", "account", "knot", "destination")
_QUEUES = Insertion("queues", _QUEUE, more="ON CONFLICT DO NOTHING")
_DELIVERIES = Insertion(
    "deliveries",
    (*DELIVERY, "event", "pipeline", "at", "created", "updated", "state", "reason", "due", "failed_at", "queue"),
    of={"queue": f"(SELECT number FROM queues WHERE {' AND '.join(f'{name} = ?' for name in _QUEUE)})"},  # noqa: S608
)
#: What an event that is planned again changes.
_AGAIN = ("repo", "fields", "refused", *_PLANNED)
_CHANGE = f"UPDATE events SET {', '.join(f'{name} = :{name}' for name in _AGAIN)} WHERE number = :number"  # noqa: S608


def accept(db: sqlite3.Connection, arrivals: Sequence[Arrival], policy: Policy, now: Micros) -> list[Accepted]:
    """See Store.accept."""
    gates.forget(db, now)
    quotas.forget(db, now)
    batch = _Batch(db, policy, now, _known(db, arrivals))
    accepted = [batch.accept(arrival) for arrival in arrivals]
    batch.store()
    operator.count_hits(db, batch.hits, now)
    for source in dict.fromkeys(arrival.source for arrival in arrivals):
        heard = [pair for pair in zip(arrivals, accepted, strict=True) if pair[0].source == source]
        _remember_source(db, source, heard, now)
    crash_point("in_accept")
    return accepted


class _Known(Struct):
    number: int
    undecided: bool


#: What an event is known by: its origin and its id, as columns hold them.
_Key: TypeAlias = tuple[str, str]


class _Batch:
    """What is asked for once for all arrivals of a transaction, and what it is to store. Rows wait until the end, or until
    somebody looks for them: few statements are faster than many."""

    def __init__(self, db: sqlite3.Connection, policy: Policy, now: Micros, known: dict[_Key, _Known]) -> None:
        self.db = db
        self.policy = policy
        self.now = now
        #: Those of the batch's events that are stored; those that the batch stores are added.
        self.known = known
        #: Whether this store was ever a copy: see restores.
        self.restored = restores.began(db) is not None
        self.limited = quotas.are_there(policy)
        #: Of the rules that new events matched; of known ones that are planned again, a trigger counts.
        self.hits: dict[str, int] = {}
        self.events: list[tuple[Any, ...]] = []
        self.deliveries: list[tuple[Any, ...]] = []
        self._numbers: Iterator[int] | None = None

    def accept(self, arrival: Arrival) -> Accepted:
        """One after the other, in their order."""
        if arrival.records:
            mirror.write(self.db, arrival.records, self.now)
        event, plan = arrival.event, arrival.plan
        if event is None or plan is None:
            return _NOTHING
        key = _key(event)
        known = self.known.get(key)
        if known is None:
            if not (arrival.keep or plan.deliveries):
                return _NOTHING
            return self._new(key, event, plan, arrival.pipeline)
        if not known.undecided:
            return _KNOWN
        # It may come again in this batch, and is then as decided as the plan left it.
        known.undecided = any(trouble.undecided for trouble in plan.troubles)
        self.store()
        return _enter_again(self._entrance(event, known.number, None), event, plan, arrival.pipeline)

    def store(self) -> None:
        """Everything that waits for it."""
        if self.events:
            _EVENTS.insert(self.db, self.events)
            self.events.clear()
        if self.deliveries:
            _QUEUES.insert(self.db, list(dict.fromkeys(row[-len(_QUEUE) :] for row in self.deliveries)))
            _DELIVERIES.insert(self.db, self.deliveries)
            self.deliveries.clear()

    def _new(self, key: _Key, event: Event, plan: Plan, pipeline: Pipeline | None) -> Accepted:
        number = self._next()
        values = event_values(event)
        planned = _planned(plan)
        self.events.append((number, self.now, *values, *planned))
        self.known[key] = _Known(number, bool(planned[-1]))
        entrance = self._entrance(event, number, set())
        if self.limited:
            owner = entrance.owner
            quotas.store(self.db, self.policy, owner.account, owner.knot, len(values[_RECORD]) + len(values[_FIELDS]), self.now)
        for rule in plan.matched:
            self.hits[rule] = self.hits.get(rule, 0) + 1
        return entrance.enter(plan, pipeline)

    def _next(self) -> int:
        """The number of the next event, which SQLite would give it: more than any ever was."""
        if self._numbers is None:
            last = self.db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'events'").fetchone()
            self._numbers = count(last["seq"] + 1 if last is not None else 1)
        return next(self._numbers)

    def _entrance(self, event: Event, number: int, entered: set[str] | None) -> _Entrance:
        guarded = event.fields.get("trigger") != "manual"
        at = min(integer(event.time), self.now)
        return _Entrance(self, Owner.of(event), number, at, guarded, entered)


#: Of what is not kept or makes nothing, of what was there, and of most that make something.
_NOTHING, _KNOWN, _READY = Accepted(fresh=True), Accepted(fresh=False), Accepted(fresh=True, ready=True)
_RECORD, _FIELDS = EVENT.index("record"), EVENT.index("fields")


def _key(event: Event) -> _Key:
    return text(event.origin), text(event.id)


def _known(db: sqlite3.Connection, arrivals: Sequence[Arrival]) -> dict[_Key, _Known]:
    """Those of these events that are stored already."""
    asked: dict[str, list[str]] = {}
    for origin, event_id in (_key(arrival.event) for arrival in arrivals if arrival.event is not None):
        asked.setdefault(origin, []).append(event_id)
    known: dict[_Key, _Known] = {}
    for origin, ids in asked.items():
        # SQLite's JSON ends a text at a NUL.
        odd = [one for one in ids if "\0" in one]
        plain = ids if not odd else [one for one in ids if "\0" not in one]
        found = db.execute(_STORED, (origin, as_json(plain))).fetchall()
        found += [row for one in odd for row in db.execute(_STORED_ONE, (origin, one))]
        known |= {(origin, row["id"]): _Known(row["number"], bool(row["undecided"])) for row in found}
    return known


def _enter_again(entrance: _Entrance, event: Event, plan: Plan, pipeline: Pipeline | None) -> Accepted:
    """An event whose plan lacked something: what it lacked then. It is fresh where that made a difference."""
    columns = dict(zip((*EVENT, *_PLANNED), (*event_values(event), *_planned(plan)), strict=True))
    entrance.batch.db.execute(_CHANGE, {**{name: fit(columns[name]) for name in _AGAIN}, "number": entrance.event})
    entered = entrance.enter(plan, pipeline)
    if entered.ready or entered.entries or not columns["undecided"]:
        return entered
    return _KNOWN


def _planned(plan: Plan) -> tuple[str, str, int]:
    """Of the columns _PLANNED."""
    return (
        as_json(plan.matched),
        as_json([asdict(trouble) for trouble in plan.troubles]) if plan.troubles else "[]",
        int(any(trouble.undecided for trouble in plan.troubles)),
    )


class Owner(NamedTuple):
    """Whom an event's deliveries are counted against: the DID that owns the repo, and the knot that it is on."""

    account: str
    knot: str

    @classmethod
    def of(cls, event: Event) -> Owner:
        account = members_of(event, "repo").get("owner")
        knot = event.fields.get("knot")
        return cls(text(account) if isinstance(account, str) else "", text(knot) if isinstance(knot, str) else "")


class _Entrance(Struct):
    """The way of one event's deliveries into the outbox. `event` is its number, `at` its own time."""

    batch: _Batch
    owner: Owner
    event: int
    at: Micros
    #: Whether it counts against the guard: what a person asks for by hand is no loop.
    guarded: bool
    #: Deliveries that it has by now; None for an event that was there before, whose deliveries the store knows.
    entered: set[str] | None

    def enter(self, plan: Plan, pipeline: Pipeline | None) -> Accepted:
        """Those of the plan that are not there yet, and what is to be told of them.

        Two triggers of one run may come at the same time: the second makes nothing, and neither do its deliveries.
        """
        batch = self.batch
        db, now = batch.db, batch.now
        if pipeline is not None:
            batch.store()
            if not pipelines.begin(db, pipeline, self.event, now):
                return _KNOWN
        waiting: dict[str, str] = {}
        told: list[Entry] = []
        skipped: list[tuple[Delivery[Tree], str]] = []
        ready = False
        doubted = self._doubted() if plan.deliveries and batch.restored else 0
        for delivery in plan.deliveries:
            if self._is_there(delivery.id):
                continue
            admission = self._deliver(delivery, pipeline.id if pipeline is not None else None, doubted)
            told += admission.told
            ready = ready or admission.state is State.READY
            if plan.entries and admission.state in (State.READY, State.DEAD):
                waiting[delivery.id] = admission.reason if admission.state is State.READY else ""
            elif admission.state is State.SKIPPED:
                skipped.append((delivery, admission.reason))
        # Who must wait for a quota is told so from the beginning.
        if first := [changed(one, error=one.error or waiting[one.delivery]) for one in plan.entries if one.delivery in waiting]:
            batch.store()
            told += journal.tell(db, first, now)
        for delivery, why in skipped:
            if pipeline is not None and delivery.subject.workflow:
                batch.store()
                pipelines.skip(db, pipeline.id, delivery.subject.workflow, why, now)
        if not (told or skipped):
            return _READY if ready else _NOTHING
        return Accepted(fresh=True, ready=ready, entries=tuple(told), held=tuple(skipped))

    def _doubted(self) -> Micros:
        """A moment before which its deliveries may have been made already, in a life that is not in the store; 0: none is."""
        self.batch.store()
        return restores.doubted(self.batch.db, self.event, self.batch.now)

    def _is_there(self, delivery: str) -> bool:
        """A delivery's id is made of its event's: a new event has none but those of this plan."""
        if self.entered is None:
            # One of the batch's was stored before this event was looked at; it may have the same delivery twice.
            self.batch.store()
            return self.batch.db.execute("SELECT 1 FROM deliveries WHERE id = ?", (delivery,)).fetchone() is not None
        there = delivery in self.entered
        self.entered.add(delivery)
        return there

    def _deliver(self, delivery: Delivery[Tree], pipeline: str | None, doubted: Micros) -> gates.Admission:
        batch, owner, now = self.batch, self.owner, self.batch.now
        if delivery.gates is not None:
            # They look at what waits.
            batch.store()
        admission = gates.admit(batch.db, delivery, self.event, self.at, now)
        if admission.state is State.READY:
            self._hold_back(delivery, admission)
        state, reason, failed_at = admission.state, admission.reason, 0
        if doubted and state is State.READY:
            state, reason, failed_at = State.VERIFY, restores.WHY, doubted
        values = delivery_values(delivery)
        if batch.limited:
            quotas.store(batch.db, batch.policy, owner.account, owner.knot, len(values[_OPTIONS]), now)
        batch.deliveries.append(
            (
                *values,
                self.event,
                pipeline if delivery.subject.workflow else None,
                self.at,
                now,
                now,
                state.value,
                reason,
                admission.due,
                failed_at,
                values[_REPO],
                owner.account,
                owner.knot,
                delivery.destination or delivery.provider,
            )
        )
        return admission

    def _hold_back(self, delivery: Delivery[Tree], admission: gates.Admission) -> None:
        """What no rule asks for: a guard against loops, and quotas. It is made later, and says why."""
        batch = self.batch
        policy = batch.policy
        if self.guarded and (free := gates.loops(batch.db, delivery, self.event, policy, batch.now)) > batch.now:
            most, within = policy.loop_events, policy.loop_within
            admission.reason = f"loop guard: its rule acted on {most} events about this ref within {within:g} s"
            admission.due = max(admission.due, free)
        if batch.limited:
            due, why = quotas.act(batch.db, policy, self.owner.account, self.owner.knot, admission.due)
            if why:
                admission.due, admission.reason = due, why


_OPTIONS, _REPO = DELIVERY.index("options"), DELIVERY.index("repo")


def _remember_source(db: sqlite3.Connection, name: str, heard: Iterable[tuple[Arrival, Accepted]], now: Micros) -> None:
    cursor: int | None = None
    events = 0
    bad: list[Arrival] = []
    for arrival, accepted in heard:
        # A cursor that no column holds is a peer's nonsense: it must neither stop the source nor send it into the future.
        if arrival.cursor is not None and -LARGEST <= arrival.cursor <= LARGEST:
            cursor = arrival.cursor if cursor is None else max(cursor, arrival.cursor)
        events += arrival.unkept + (arrival.event is not None and accepted.fresh)
        if arrival.bad is not None:
            bad.append(arrival)
    source = text(name)
    last = text(bad[-1].bad or "") if bad else ""
    values = {"name": source, "cursor": cursor, "now": now, "events": events, "bad_frames": len(bad), "last_bad": last}
    db.execute(sql.text("heard"), values)
    if bad:
        frames = [(source, now, text(one.bad or ""), one.frame[:FRAME]) for one in bad[-RING:]]
        db.executemany("INSERT INTO bad_frames (source, at, why, frame) VALUES (?, ?, ?, ?)", frames)
        db.execute(sql.text("trim_bad_frames"), {"source": source, "keep": RING})
        db.execute(_TRIM_ALL, {"keep": RINGS})
