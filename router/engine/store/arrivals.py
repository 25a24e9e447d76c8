"""`accept`: what was heard and what was decided of it, with the cursor that stands for it, in one transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

from router.core.model import Delivery, Entry, Event, Micros, Pipeline, Plan, State, Tree
from router.engine.crash import crash_point
from router.engine.store import gates, journal, mirror, operator, pipelines, quotas, restores, sql
from router.engine.store.base import Accepted, Arrival
from router.engine.store.rows import LARGEST, as_json, delivery_columns, event_columns, integer, text

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence

    from router.engine.store.policy import Policy

#: Bad frames that are kept of each source, and of all together, and bytes of each.
RING, RINGS = 100, 2000
FRAME = 16384
_TRIM_ALL = "DELETE FROM bad_frames WHERE number <= (SELECT number FROM bad_frames ORDER BY number DESC LIMIT 1 OFFSET :keep)"


_STORED = "SELECT id, number, undecided FROM events WHERE origin = ? AND id IN (SELECT value FROM json_each(?))"
_STORED_ONE = "SELECT id, number, undecided FROM events WHERE origin = ? AND id = ?"


def accept(db: sqlite3.Connection, arrivals: Sequence[Arrival], policy: Policy, now: Micros) -> list[Accepted]:
    """See Store.accept."""
    gates.forget(db, now)
    quotas.forget(db, now)
    batch = _Batch(db, policy, now, _known(db, arrivals), restores.began(db) is not None)
    accepted = [batch.accept(arrival) for arrival in arrivals]
    operator.count_hits(db, batch.hits, now)
    for source in dict.fromkeys(arrival.source for arrival in arrivals):
        heard = [pair for pair in zip(arrivals, accepted, strict=True) if pair[0].source == source]
        _remember_source(db, source, heard, now)
    crash_point("in_accept")
    return accepted


@dataclass(slots=True)
class _Known:
    number: int
    undecided: bool


#: What an event is known by: its origin and its id, as columns hold them.
_Key: TypeAlias = tuple[str, str]


@dataclass(slots=True)
class _Batch:
    """What is asked for once for all arrivals of a transaction."""

    db: sqlite3.Connection
    policy: Policy
    now: Micros
    #: Those of the batch's events that are stored; those that the batch stores are added.
    known: dict[_Key, _Known]
    #: Whether this store was ever a copy: see restores.
    restored: bool
    #: Of the rules that new events matched; of known ones that are planned again, a trigger counts.
    hits: Counter[str] = field(default_factory=Counter)
    #: Numbers of queues that were looked up or made.
    queues: dict[tuple[str, str, str, str], int] = field(default_factory=dict)

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
            return Accepted(fresh=False)
        # It may come again in this batch, and is then as decided as the plan left it.
        known.undecided = any(trouble.undecided for trouble in plan.troubles)
        return _enter_again(self._entrance(event, known.number, None), event, plan, arrival.pipeline)

    def _new(self, key: _Key, event: Event, plan: Plan, pipeline: Pipeline | None) -> Accepted:
        columns = event_columns(event) | _plan_columns(plan)
        number = _insert(self.db, "events", {**columns, "heard": self.now})
        self.known[key] = _Known(number, bool(columns["undecided"]))
        entrance = self._entrance(event, number, set())
        owner, size = entrance.owner, len(columns["record"]) + len(columns["fields"])
        quotas.store(self.db, self.policy, owner.account, owner.knot, size, self.now)
        self.hits.update(plan.matched)
        return entrance.enter(plan, pipeline)

    def _entrance(self, event: Event, number: int, entered: set[str] | None) -> _Entrance:
        guarded = event.fields.get("trigger") != "manual"
        at = min(integer(event.time), self.now)
        owner = Owner.of(event)
        return _Entrance(self.db, self.policy, owner, number, at, self.now, guarded, self.queues, self.restored, entered)


#: Of what is not kept.
_NOTHING = Accepted(fresh=True)


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
    columns = event_columns(event) | _plan_columns(plan)
    changed = {key: columns[key] for key in ("repo", "fields", "matched", "troubles", "undecided", "refused")}
    assignments = ", ".join(f"{name} = :{name}" for name in changed)
    statement = f"UPDATE events SET {assignments} WHERE number = :number"  # noqa: S608
    entrance.db.execute(statement, {**changed, "number": entrance.event})
    entered = entrance.enter(plan, pipeline)
    if entered.ready or entered.entries or not changed["undecided"]:
        return entered
    return Accepted(fresh=False)


def _plan_columns(plan: Plan) -> dict[str, Any]:
    return {
        "matched": as_json(plan.matched),
        "troubles": as_json([asdict(trouble) for trouble in plan.troubles]),
        "undecided": int(any(trouble.undecided for trouble in plan.troubles)),
    }


@dataclass(frozen=True, slots=True)
class Owner:
    """Whom an event's deliveries are counted against: the DID that owns the repo, and the knot that it is on."""

    account: str
    knot: str

    @classmethod
    def of(cls, event: Event) -> Owner:
        repo = event.fields.get("repo")
        account = repo.get("owner") if isinstance(repo, Mapping) else None
        knot = event.fields.get("knot")
        return cls(text(account) if isinstance(account, str) else "", text(knot) if isinstance(knot, str) else "")


@dataclass(slots=True)
class _Entrance:
    """The way of one event's deliveries into the outbox. `event` is its number, `at` its own time."""

    db: sqlite3.Connection
    policy: Policy
    owner: Owner
    event: int
    at: Micros
    now: Micros
    #: Whether it counts against the guard: what a person asks for by hand is no loop.
    guarded: bool
    #: See _Batch.
    queues: dict[tuple[str, str, str, str], int]
    restored: bool
    #: Deliveries that it has by now; None for an event that was there before, whose deliveries the store knows.
    entered: set[str] | None

    def enter(self, plan: Plan, pipeline: Pipeline | None) -> Accepted:
        """Those of the plan that are not there yet, and what is to be told of them.

        Two triggers of one run may come at the same time: the second makes nothing, and neither do its deliveries.
        """
        db, now = self.db, self.now
        if pipeline is not None and not pipelines.begin(db, pipeline, self.event, now):
            return Accepted(fresh=False)
        waiting: dict[str, str] = {}
        told: list[Entry] = []
        skipped: list[tuple[Delivery[Tree], str]] = []
        ready = False
        doubted = restores.doubted(db, self.event, now) if plan.deliveries and self.restored else 0
        for delivery in plan.deliveries:
            if self._is_there(delivery.id):
                continue
            admission = self._deliver(delivery, pipeline.id if pipeline is not None else None, doubted)
            told += admission.told
            ready = ready or admission.state is State.READY
            if admission.state in (State.READY, State.DEAD):
                waiting[delivery.id] = admission.reason if admission.state is State.READY else ""
            elif admission.state is State.SKIPPED:
                skipped.append((delivery, admission.reason))
        # Who must wait for a quota is told so from the beginning.
        first = [replace(one, error=one.error or waiting[one.delivery]) for one in plan.entries if one.delivery in waiting]
        told += journal.tell(db, first, now) if first else ()
        for delivery, why in skipped:
            if pipeline is not None and delivery.subject.workflow:
                pipelines.skip(db, pipeline.id, delivery.subject.workflow, why, now)
        return Accepted(fresh=True, ready=ready, entries=tuple(told), held=tuple(skipped))

    def _is_there(self, delivery: str) -> bool:
        """A delivery's id is made of its event's: a new event has none but those of this plan."""
        if self.entered is None:
            return self.db.execute("SELECT 1 FROM deliveries WHERE id = ?", (delivery,)).fetchone() is not None
        there = delivery in self.entered
        self.entered.add(delivery)
        return there

    def _deliver(self, delivery: Delivery[Tree], pipeline: str | None, doubted: Micros) -> gates.Admission:
        """`doubted` is a moment before which it may have been made already, in a life that is not in the store; 0: none is."""
        db, now = self.db, self.now
        admission = gates.admit(db, delivery, self.event, self.at, now)
        if admission.state is State.READY:
            self._hold_back(delivery, admission)
        columns = delivery_columns(delivery) | {"pipeline": pipeline if delivery.subject.workflow else None}
        columns |= {"event": self.event, "state": admission.state, "reason": text(admission.reason), "due": admission.due}
        if doubted and admission.state is State.READY:
            columns |= {"state": State.VERIFY, "reason": restores.WHY, "failed_at": doubted}
        columns |= {"queue": self._queue(columns["repo"], text(delivery.destination or delivery.provider)), "at": self.at}
        quotas.store(db, self.policy, self.owner.account, self.owner.knot, len(columns["options"]), now)
        _insert(db, "deliveries", {**columns, "created": now, "updated": now})
        return admission

    def _hold_back(self, delivery: Delivery[Tree], admission: gates.Admission) -> None:
        """What no rule asks for: a guard against loops, and quotas. It is made later, and says why."""
        if self.guarded and (free := gates.loops(self.db, delivery, self.event, self.policy, self.now)) > self.now:
            most, within = self.policy.loop_events, self.policy.loop_within
            admission.reason = f"loop guard: its rule acted on {most} events about this ref within {within:g} s"
            admission.due = max(admission.due, free)
        due, why = quotas.act(self.db, self.policy, self.owner.account, self.owner.knot, admission.due)
        if why:
            admission.due, admission.reason = due, why

    def _queue(self, repo: str, destination: str) -> int:
        values = (repo, self.owner.account, self.owner.knot, destination)
        if (number := self.queues.get(values)) is None:
            number = self.queues[values] = self._number(values)
        return number

    def _number(self, values: tuple[str, str, str, str]) -> int:
        wanted = "SELECT number FROM queues WHERE repo = ? AND account = ? AND knot = ? AND destination = ?"
        if (found := self.db.execute(wanted, values).fetchone()) is not None:
            return int(found["number"])
        made = self.db.execute("INSERT INTO queues (repo, account, knot, destination) VALUES (?, ?, ?, ?)", values)
        return made.lastrowid or 0


def _insert(db: sqlite3.Connection, table: str, columns: dict[str, Any]) -> int:
    """The new row's number."""
    return db.execute(_insertion(table, tuple(columns)), columns).lastrowid or 0


@cache
def _insertion(table: str, columns: tuple[str, ...]) -> str:
    """The names are our own; only values come from elsewhere."""
    values = ", ".join(f":{name}" for name in columns)
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({values})"  # noqa: S608


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
