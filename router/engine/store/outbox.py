"""The outbox at work: claims, what became of them, and what operators change."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from router.core.model import Micros, Outcome, State, changed
from router.engine.crash import crash_point
from router.engine.store import gates, journal, quotas, restores, runs, sql
from router.engine.store.base import Claim
from router.engine.store.rows import delivery_of, integer, receipt_json, text
from router.engine.store.turns import Turns

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Mapping, Sequence

    from router.engine.store.policy import Policy

_CLAIMED = """
UPDATE deliveries
SET state = 'claimed', attempt = attempt + 1, tries = tries + 1, asked = 0,
    owner = :owner, session = :session, lease_until = :lease_until, updated = :now
WHERE number = :number
"""
_SETTLED = """
UPDATE deliveries
SET state = :state, reason = :reason, due = :due, receipt = coalesce(:receipt, receipt),
    receipt_id = coalesce(:receipt_id, receipt_id), tries = tries - :uncounted,
    failed_at = :failed_at, since = :since, let_go = :let_go, owner = '', session = '', lease_until = 0, updated = :now
WHERE id = :id AND owner = :owner AND attempt = :attempt AND state = 'claimed'
"""
_ENDED = "UPDATE attempts SET ended = ?, outcome = ?, reason = ?, response = ? WHERE delivery = ? AND n = ?"
_LOST = "Its process stopped, or its lease ran out, before the outcome was stored: it may have happened."


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a claim asks for: see Store.claim."""

    owner: str
    count: int
    lease: float
    now: Micros
    room: Mapping[str, int]
    each: int | None = None
    looking: Collection[str] = ()


def claim(db: sqlite3.Connection, session: str, wanted: Wanted, policy: Policy, turns: Turns | None = None) -> list[Claim]:
    """See Store.claim. `session` tells this opening of the store from those before it; `turns` is what earlier claims found."""
    in_flight = quotas.InFlight(db, policy)
    count = wanted.count
    closed = json.dumps([name for name, room in wanted.room.items() if room <= 0])
    looking, looks = json.dumps(list(wanted.looking)), set(wanted.looking)
    values = {"now": wanted.now, "closed": closed, "looking": looking}
    values |= {"accounts": in_flight.full("account"), "knots": in_flight.full("knot")}
    room = dict(wanted.room)
    claims: list[Claim] = []

    def take(head: sqlite3.Row) -> bool | None:
        destination = head["destination"]
        free = room.get(destination, wanted.each or count)
        if free <= 0:
            return False
        row = db.execute(sql.text("claimable"), {"number": head["number"], "now": wanted.now}).fetchone()
        if row is None:
            return None
        # What may have happened is under way already.
        if row["state"] == State.READY and (destination in looks or not in_flight.take(row["account"], row["knot"])):
            return False
        room[destination] = free - 1
        claims.append(_take(db, row, wanted, session))
        return True

    if count > 0:
        (turns or Turns()).take(db, count, values, take)
    return claims


def _take(db: sqlite3.Connection, row: sqlite3.Row, wanted: Wanted, session: str) -> Claim:
    """Claim what `claimable` found."""
    now, waited = wanted.now, delivery_of(row)
    verify = waited.state is State.VERIFY
    delivery = changed(waited, state=State.CLAIMED, attempt=waited.attempt + 1)
    until = now + int((delivery.timeout + wanted.lease) * 1_000_000)
    values = {"owner": wanted.owner, "session": session, "lease_until": until, "now": now, "number": row["number"]}
    db.execute(_CLAIMED, values)
    started = "INSERT INTO attempts (delivery, n, verify, started) VALUES (?, ?, ?, ?)"
    db.execute(started, (delivery.id, delivery.attempt, verify, now))
    return Claim(
        delivery=delivery,
        owner=wanted.owner,
        lease_until=until,
        verify=verify,
        failed_at=row["failed_at"],
        tries=row["tries"] + 1,
        asked=bool(row["asked"]),
    )


def settle(db: sqlite3.Connection, held: Claim, outcome: Outcome, policy: Policy, now: Micros) -> bool:
    """See Store.settle."""
    delivery, reason = held.delivery, text(outcome.reason)
    since = _since(db, delivery.id, outcome, now)
    values = {
        "state": outcome.state,
        "reason": reason,
        "due": integer(outcome.due),
        "receipt": receipt_json(outcome.receipt) if outcome.receipt else None,
        "receipt_id": text(outcome.receipt.id) if outcome.receipt else None,
        "uncounted": int(not outcome.counts),
        "failed_at": _failed_at(held, outcome, now),
        "since": since,
        "let_go": int(since > 0 and integer(outcome.due) > since + int(policy.hold * 1_000_000)),
        "now": now,
        "id": delivery.id,
        "owner": held.owner,
        "attempt": delivery.attempt,
    }
    if db.execute(_SETTLED, values).rowcount == 0:
        return False
    db.execute(_ENDED, (now, outcome.state, reason, text(outcome.response), delivery.id, delivery.attempt))
    journal.tell(db, outcome.entries, now)
    crash_point("in_settle")
    return True


def _since(db: sqlite3.Connection, delivery: str, outcome: Outcome, now: Micros) -> Micros:
    """When it first failed, while it is to be tried again: what waits behind it in its lane waits no longer than `hold`."""
    if outcome.state not in (State.READY, State.VERIFY):
        return 0
    found = db.execute("SELECT since FROM deliveries WHERE id = ?", (delivery,)).fetchone()
    return int(found["since"] if found else 0) or (now if outcome.counts else 0)


def _failed_at(held: Claim, outcome: Outcome, now: Micros) -> Micros:
    """When something was sent whose fate is unknown. A look-up that came too early or failed sent nothing, so it does not put
    off the moment from which a look-up can be believed."""
    if outcome.state is State.VERIFY and (outcome.counts or not held.verify):
        return now
    if outcome.state in (State.VERIFY, State.DEAD):
        return held.failed_at
    return 0


def recover(db: sqlite3.Connection, session: str, now: Micros, held: Collection[str] = ()) -> int:
    """See Store.recover. A claim of another session is a dead process's: the lock says that nobody else lives."""
    _turn_back(db, now)
    wanted = "SELECT id, attempt, session FROM deliveries WHERE state = 'claimed' AND (session <> ? OR lease_until <= ?)"
    found = db.execute(wanted, (session, now)).fetchall()
    lost = [row for row in found if row["session"] != session or row["id"] not in held]
    db.executemany(_ENDED, [(now, State.VERIFY, _LOST, "", row["id"], row["attempt"]) for row in lost])
    db.executemany(
        "UPDATE deliveries SET state = 'verify', reason = ?, due = ?, failed_at = ?, updated = ?,"
        " owner = '', session = '', lease_until = 0 WHERE id = ?",
        [(_LOST, now, now, now, row["id"]) for row in lost],
    )
    return restores.begin(db, now) or len(lost)


def _turn_back(db: sqlite3.Connection, now: Micros) -> None:
    """A row that was changed in the future shows that the clock was put back since. What waits waits no longer for that."""
    back = """
        UPDATE deliveries
        SET due = due - (updated - :now), failed_at = min(failed_at, :now),
            lease_until = max(0, lease_until - (updated - :now)), updated = :now
        WHERE state IN ('ready', 'verify', 'claimed') AND updated > :now + :leeway
    """
    db.execute(back, {"now": now, "leeway": restores.LEEWAY})
    gates.turn_back(db, now, restores.LEEWAY)


def next_due(db: sqlite3.Connection, now: Micros) -> Micros | None:
    """See Store.next_due."""
    found: Micros | None = db.execute(sql.text("next_due"), {"now": now}).fetchone()[0]
    return found


def retry(db: sqlite3.Connection, ids: Sequence[str], now: Micros) -> list[str]:
    """See Store.retry. What could not be rendered has no options to be made with, so it cannot be tried again. What was told
    to be over begins again, in a pipeline of its own."""
    again = """
        UPDATE deliveries
        SET state = CASE WHEN state = 'verify' OR failed_at > 0 THEN 'verify' ELSE 'ready' END,
            due = :now, tries = 0, asked = 1, since = 0, let_go = 0, reason = '', updated = :now
        WHERE id = :id AND planned = 'ready' AND state IN ('dead', 'discarded', 'ready', 'verify')
    """
    changed = [one for one in dict.fromkeys(ids) if db.execute(again, {"now": now, "id": text(one)}).rowcount]
    for one in changed:
        runs.reopen(db, one, now)
    return changed


def discard(db: sqlite3.Connection, ids: Sequence[str], reason: str, now: Micros) -> list[str]:
    """See Store.discard. Whoever was told that it is pending is told that it is cancelled."""
    return [one for one in dict.fromkeys(ids) if _discard(db, text(one), text(reason), now)]


def _discard(db: sqlite3.Connection, one: str, reason: str, now: Micros) -> bool:
    never = """
        UPDATE deliveries SET state = 'discarded', reason = :reason, updated = :now
        WHERE id = :id AND state IN ('ready', 'verify', 'dead')
    """
    if not db.execute(never, {"reason": reason, "now": now, "id": one}).rowcount:
        return False
    row: Any = db.execute("SELECT workflow FROM deliveries WHERE id = ?", (one,)).fetchone()
    journal.cancel(db, one, row["workflow"], reason, now)
    return True
