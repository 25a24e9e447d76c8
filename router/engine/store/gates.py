"""What may hold a new delivery back: concurrency groups, dedupe, debounce, throttle.

Their memory is rows, so a restart forgets nothing. All of them are between events: the steps and items of one event never hold
each other back, except that a throttle counts each delivery and a group has one under way at a time (which `claim` sees to).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from router.core.model import Busy, Delivery, Entry, Gates, Micros, State, Tree
from router.engine.store import journal, runs, sql
from router.engine.store.rows import text

if TYPE_CHECKING:
    import sqlite3

    from router.engine.store.policy import Policy


#: What nobody has tried to make, in this life of the store; the second only where there was one before (see `restores`).
_WAITING = ("state = 'ready'", "state = 'verify' AND attempt = 0")


class Admission(Struct):
    """How a delivery enters the outbox. `told` are the statuses of those that had to give way to it."""

    state: State
    reason: str
    due: Micros
    told: list[Entry] = []


def admit(db: sqlite3.Connection, delivery: Delivery[Tree], event: int, at: Micros, now: Micros) -> Admission:
    """Decide on a delivery that is not in the outbox yet. `event` is the number of its event, `at` the event's own time. Call
    `forget` first.

    A group that is busy makes a `skip` delivery skipped; one that waits for its first or next attempt counts as busy too, so
    that two of one batch are treated as two of one hour are. `cancel_running` supersedes those of older events that wait, and
    asks for the end of what is under way (see `engine.cancelling`); where a newer event came first, it is superseded itself.
    """
    admission = Admission(delivery.state, delivery.reason, now)
    gates = delivery.gates
    if gates is None or delivery.state is not State.READY:
        return admission
    rule = text(delivery.rule)
    refusal = _busy(db, gates, event) or _outrun(db, gates, rule, event, at) or _dedupe(db, gates, rule, event, now)
    if refusal:
        return Admission(State.SKIPPED, refusal, now)
    admission.told += _debounce(db, gates, rule, event, now)
    if gates.debounce_key is not None:
        admission.due = now + _micros(gates.debounce_for)
    admission.due = _throttle(db, gates, rule, event, admission.due)
    if gates.group is not None and gates.busy is Busy.CANCEL_RUNNING:
        why = "superseded: a newer delivery of its concurrency group came"
        for state in _WAITING:
            waiting = f"busy_group = ? AND {state} AND event <> ?"
            admission.told += _supersede(db, waiting, (text(gates.group), event), why, now)
        _stop(db, text(gates.group), event, why, now)
    return admission


def forget(db: sqlite3.Connection, now: Micros) -> None:
    """Drop what no longer matters: what is left of a key is what its window or its period still holds."""
    db.execute("DELETE FROM gates WHERE until <= ?", (now,))


def loops(db: sqlite3.Connection, delivery: Delivery[Tree], event: int, policy: Policy, now: Micros) -> Micros:
    """The guard against rules that feed themselves: when this may be made, `now` where nothing speaks against it.

    Events of one rule about one ref of a repo are counted, not deliveries: an event with a hundred workflows is one.
    """
    subject = delivery.subject
    if not policy.loop_events or not subject.repo or not subject.ref:
        return now
    rule, key, within = text(delivery.rule), text(f"{subject.repo} {subject.ref}"), _micros(policy.loop_within)
    mine = "SELECT at FROM gates WHERE kind = 'loop' AND rule = ? AND key = ? AND event = ?"
    counted = db.execute(mine, (rule, key, event)).fetchone()
    if counted is not None:
        return max(now, int(counted["at"]))
    latest = "SELECT at FROM gates WHERE kind = 'loop' AND rule = ? AND key = ? ORDER BY at DESC LIMIT 1 OFFSET ?"
    full = db.execute(latest, (rule, key, policy.loop_events - 1)).fetchone()
    slot = now if full is None else max(now, full["at"] + within)
    _keep(db, "loop", rule, key, event, slot, slot + within)
    return slot


def _outrun(db: sqlite3.Connection, gates: Gates, rule: str, event: int, at: Micros) -> str:
    """Whether only the newest of a group counts, and a newer one came before this: frames come late, and out of order."""
    if gates.debounce_key is not None:
        waiting = "SELECT id FROM deliveries WHERE rule = ? AND debounce_key = ? AND state = 'ready' AND at > ? AND event <> ?"
        found = db.execute(waiting, (rule, text(gates.debounce_key), at, event)).fetchone()
        if found:
            return f"superseded: {found['id']} of its debounce key is of a newer event, and came before it"
    if gates.group is None or gates.busy is not Busy.CANCEL_RUNNING:
        return ""
    newer = """
        SELECT id FROM deliveries WHERE busy_group = ? AND at > ? AND event <> ?
        AND state IN ('ready', 'claimed', 'verify', 'done') LIMIT 1
    """
    found = db.execute(newer, (text(gates.group), at, event)).fetchone()
    return f"superseded: {found['id']} of its concurrency group is of a newer event, and came before it" if found else ""


def turn_back(db: sqlite3.Connection, now: Micros, leeway: Micros) -> None:
    """The clock was put back: a window of dedupe that began in the future begins now."""
    back = "UPDATE gates SET until = until - (at - :now), at = :now WHERE kind = 'dedupe' AND at > :now + :leeway"
    db.execute(back, {"now": now, "leeway": leeway})


def _busy(db: sqlite3.Connection, gates: Gates, event: int) -> str:
    if gates.group is None or gates.busy is not Busy.SKIP:
        return ""
    found = db.execute(sql.text("group_busy"), {"group": text(gates.group), "event": event}).fetchone()
    return f"its concurrency group {gates.group} is busy with {found['id']}" if found else ""


def _dedupe(db: sqlite3.Connection, gates: Gates, rule: str, event: int, now: Micros) -> str:
    """The window begins with the delivery that passed, and is not renewed by those that did not."""
    if gates.dedupe_key is None:
        return ""
    key = text(gates.dedupe_key)
    wanted = "SELECT event FROM gates WHERE kind = 'dedupe' AND rule = ? AND key = ?"
    seen = {row["event"] for row in db.execute(wanted, (rule, key))}
    if seen - {event}:
        return f"deduplicated: {key} was seen less than {gates.dedupe_within:g} s before"
    if not seen:
        _keep(db, "dedupe", rule, key, event, now, now + _micros(gates.dedupe_within))
    return ""


def _debounce(db: sqlite3.Connection, gates: Gates, rule: str, event: int, now: Micros) -> list[Entry]:
    if gates.debounce_key is None:
        return []
    why = "superseded: another event of its debounce key came"
    told: list[Entry] = []
    for state in _WAITING:
        waiting = f"rule = ? AND debounce_key = ? AND {state} AND event <> ?"
        told += _supersede(db, waiting, (rule, text(gates.debounce_key), event), why, now)
    return told


def _throttle(db: sqlite3.Connection, gates: Gates, rule: str, event: int, due: Micros) -> Micros:
    """The first moment from `due` on at which no period has more than `limit` of its key."""
    if gates.throttle_key is None or gates.throttle_limit < 1:
        return due
    key, per = text(gates.throttle_key), _micros(gates.throttle_per)
    latest = "SELECT at FROM gates WHERE kind = 'throttle' AND rule = ? AND key = ? ORDER BY at DESC LIMIT 1 OFFSET ?"
    full = db.execute(latest, (rule, key, gates.throttle_limit - 1)).fetchone()
    slot = due if full is None else max(due, full["at"] + per)
    _keep(db, "throttle", rule, key, event, slot, slot + per)
    return slot


def _keep(db: sqlite3.Connection, kind: str, rule: str, key: str, event: int, at: Micros, until: Micros) -> None:
    statement = "INSERT INTO gates (kind, rule, key, event, at, until) VALUES (?, ?, ?, ?, ?, ?)"
    db.execute(statement, (kind, rule, key, event, at, until))


def _supersede(db: sqlite3.Connection, waiting: str, values: tuple[str | int, ...], why: str, now: Micros) -> list[Entry]:
    """`waiting` is one of the conditions written out above."""
    found = db.execute(f"SELECT id, workflow FROM deliveries WHERE {waiting}", values).fetchall()  # noqa: S608
    told: list[Entry] = []
    for row in found:
        db.execute("UPDATE deliveries SET state = 'skipped', reason = ?, updated = ? WHERE id = ?", (why, now, row["id"]))
        told += journal.cancel(db, row["id"], row["workflow"], why, now)
    return told


def _stop(db: sqlite3.Connection, group: str, event: int, why: str, now: Micros) -> None:
    """Those of a group that are under way, as far as anybody is told how they end."""
    busy = """
        SELECT id FROM deliveries WHERE busy_group = ? AND event <> ?
        AND (state IN ('claimed', 'verify') OR state = 'done' AND status IN ('pending', 'running'))
    """
    for row in db.execute(busy, (group, event)).fetchall():
        runs.mark(db, row["id"], why, now)


def _micros(seconds: float) -> Micros:
    return int(seconds * 1_000_000)
