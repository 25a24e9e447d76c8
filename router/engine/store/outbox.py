"""The outbox at work: claims, what became of them, and what operators change."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec import Struct

from router.core.model import Entry, Micros, Outcome, State
from router.engine.crash import crash_point
from router.engine.store import gates, journal, quotas, restores, runs, sql
from router.engine.store.base import Claim, Wanted
from router.engine.store.rows import claimed, integer, receipt_json, text
from router.engine.store.turns import Head, Turns, Waiting

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Sequence

    from router.core.model import Delivery, Tree
    from router.engine.store.policy import Policy

_CLAIMED = """
UPDATE deliveries
SET state = 'claimed', attempt = attempt + 1, tries = tries + 1, asked = 0,
    owner = :owner, session = :session, lease_until = :lease_until, updated = :now
WHERE number IN (SELECT value FROM json_each(:numbers))
"""
_STARTED = """
INSERT INTO attempts (delivery, n, verify, started)
SELECT number, attempt + 1, state = 'verify', :now FROM deliveries WHERE number IN (SELECT value FROM json_each(:numbers))
"""
_SETTLED = """
WITH new (
    number, state, reason, due, receipt, uncounted, status, failed_at, since, let_go, now
) AS (VALUES (:rows))
UPDATE deliveries
SET state = new.state, reason = new.reason, due = new.due, receipt = coalesce(new.receipt, deliveries.receipt),
    tries = tries - new.uncounted,
    status = coalesce(new.status, deliveries.status), failed_at = new.failed_at, since = new.since, let_go = new.let_go,
    owner = '', session = '', lease_until = 0, updated = new.now
FROM new
WHERE deliveries.number = new.number
"""
_ENDED = """
WITH new (ended, outcome, reason, response, delivery, n) AS (VALUES (:rows))
UPDATE attempts
SET ended = new.ended, outcome = new.outcome, reason = new.reason, response = new.response
FROM new
WHERE attempts.delivery = new.delivery AND attempts.n = new.n
"""
_NO_TRY = """
UPDATE deliveries SET tries = tries - 1
WHERE number = ?1 AND (SELECT count(*) FROM attempts WHERE delivery = ?1 AND reason = ?2) <= ?3
"""
_LEFT = "SELECT number, id, attempt, session FROM deliveries WHERE state = 'claimed' AND (session <> ? OR lease_until <= ?)"
_LOST = "Its process stopped, or its lease ran out, before the outcome was stored: it may have happened."
#: Attempts of one delivery that use up no try because our process died in them. One that brings it down each time comes to an
#: end after so many deaths more than its retry policy allows.
DEATHS = 100


def claim(db: sqlite3.Connection, session: str, wanted: Wanted, policy: Policy, turns: Turns | None = None) -> list[Claim]:
    """See Store.claim. `session` tells this opening of the store from those before it; `turns` is what earlier claims found."""
    if wanted.count <= 0:
        return []
    taking = _Taking(session, wanted, quotas.InFlight(db, policy))
    (turns or Turns()).take(db, wanted.count, taking)
    return taking.claims


def claim_these(db: sqlite3.Connection, session: str, wanted: Wanted, policy: Policy, ids: Sequence[str]) -> list[Claim]:
    """As `claim`, of these alone: nobody else waits, and there are places for all of them."""
    found = db.execute("SELECT number FROM deliveries WHERE id IN (SELECT value FROM json_each(?))", (json.dumps(ids),))
    taking = _Taking(session, wanted, quotas.InFlight(db, policy))
    values = {"numbers": json.dumps([row["number"] for row in found.fetchall()]), "now": wanted.now}
    for row in sql.read(db, "claimable", Waiting, values):
        if taking.has_room(row):
            taking.take(row)
    taking.write(db)
    return taking.claims


class _Taking:
    """One claim: what it may still take, and what it has taken."""

    def __init__(self, session: str, wanted: Wanted, in_flight: quotas.InFlight) -> None:
        self.now = wanted.now
        self.claims: list[Claim] = []
        #: Numbers of rows by the end of their lease: of what is taken and not written yet.
        self._taken: dict[Micros, list[int]] = {}
        self._session = session
        self._wanted = wanted
        self._in_flight = in_flight
        self._looks = set(wanted.looking)
        self._room = dict(wanted.room)
        self._each = wanted.each or wanted.count
        #: Concurrency groups of what it has taken: of each, one may be under way.
        self._groups: set[str] = set()

    def heads(self) -> dict[str, Any]:
        """What the query for all that may be claimed wants."""
        closed = json.dumps([name for name, room in self._wanted.room.items() if room <= 0])
        values = {"now": self.now, "closed": closed, "looking": json.dumps(list(self._looks))}
        return values | {"accounts": self._in_flight.full("account"), "knots": self._in_flight.full("knot")}

    def has_room(self, head: Head | Waiting) -> bool:
        """Whether its destination takes one more."""
        return self._room.get(head.destination, self._each) > 0

    def take(self, row: Waiting) -> bool | None:
        """Take what `claimable` found: whether it was to be had, or None where it is not for now."""
        destination, group = row.destination, row.busy_group
        if group is not None and group in self._groups:
            return None
        # What may have happened is under way already.
        if row.state == State.READY and (destination in self._looks or not self._in_flight.take(row.account, row.knot)):
            return False
        self._room[destination] = self._room.get(destination, self._each) - 1
        if group is not None:
            self._groups.add(group)
        claim = self._claim(row)
        self.claims.append(claim)
        self._taken.setdefault(claim.lease_until, []).append(row.number)
        return True

    def write(self, db: sqlite3.Connection) -> None:
        """What was taken is claimed, in the store as well."""
        for until, numbers in self._taken.items():
            values = {"owner": self._wanted.owner, "session": self._session, "lease_until": until, "now": self.now}
            values["numbers"] = json.dumps(numbers)
            db.execute(_STARTED, values)
            db.execute(_CLAIMED, values)
        self._taken.clear()

    def _claim(self, row: Waiting) -> Claim:
        delivery = claimed(row)
        return Claim(
            delivery=delivery,
            number=row.number,
            owner=self._wanted.owner,
            lease_until=self.now + int((delivery.timeout + self._wanted.lease) * 1_000_000),
            verify=row.state == State.VERIFY,
            failed_at=row.failed_at,
            tries=row.tries + 1,
            asked=bool(row.asked),
        )


class Settling(Struct, frozen=True):
    """What became of a claim: see Store.settle."""

    held: Claim
    outcome: Outcome
    now: Micros


class Held(NamedTuple):
    """A delivery that is claimed: the columns that `held` has. `status` and `at` are the newest of its workflow."""

    number: int
    owner: str
    attempt: int
    run: int
    pipeline: str | None
    since: Micros
    status: str | None
    at: Micros | None


def settle(db: sqlite3.Connection, all_of_them: Sequence[Settling], policy: Policy) -> list[bool]:
    """See Store.settle. Those of runs, whose other deliveries may be among these, are told of one after the other."""
    found = _held(db, all_of_them)
    together: list[tuple[Settling, Held]] = []
    settled: list[bool] = []
    for one in all_of_them:
        row = found.get(one.held.number)
        if row is None or (row.owner, row.attempt) != (one.held.owner, one.held.delivery.attempt):
            settled.append(False)
            continue
        del found[row.number]
        settled.append(True)
        if row.pipeline is None:
            together.append((one, row))
        else:
            _settle(db, [(one, row)], policy)
    _settle(db, together, policy)
    if any(settled):
        crash_point("in_settle")
    return settled


def _held(db: sqlite3.Connection, all_of_them: Sequence[Settling]) -> dict[int, Held]:
    numbers = json.dumps([one.held.number for one in all_of_them])
    return {row.number: row for row in sql.read(db, "held", Held, {"numbers": numbers})}


def _settle(db: sqlite3.Connection, those: Sequence[tuple[Settling, Held]], policy: Policy) -> None:
    """Each of these is held by its claim, and the row says so."""
    if not those:
        return
    told = [_own_news(one, row) for one, row in those]
    sql.write(db, _SETTLED, [_settled(one, row, news, policy) for (one, row), news in zip(those, told, strict=True)])
    sql.write(db, _ENDED, [_ended(one, row) for one, row in those])
    written = [(news, row) for (_, row), news in zip(those, told, strict=True) if news is not None and _is_told(news)]
    journal.write(db, written, those[0][0].now)
    for one, _ in those:
        journal.tell(db, [entry for entry in one.outcome.entries if not _is_own(entry, one.held.delivery)], one.now)


def _is_own(entry: Entry, delivery: Delivery[Tree]) -> bool:
    return entry.delivery == delivery.id and text(entry.workflow) == delivery.subject.workflow


def _is_told(news: Entry) -> bool:
    """What no rule reports and is over at once: its receipt says the same, and readers of the journal would pass over it."""
    return bool(news.workflow) or not news.status.final


def _own_news(one: Settling, row: Held) -> Entry | None:
    """The status of the delivery's own workflow, if it is one that was not told yet."""
    own = [entry for entry in one.outcome.entries if _is_own(entry, one.held.delivery)]
    return journal.news(own[0], row) if own else None


def _settled(one: Settling, row: Held, news: Entry | None, policy: Policy) -> tuple[Any, ...]:
    """The columns of `_SETTLED`."""
    outcome, now, receipt = one.outcome, one.now, one.outcome.receipt
    since = _since(row, outcome, now)
    due = integer(outcome.due)
    return (
        row.number,
        outcome.state,
        text(outcome.reason),
        due,
        receipt_json(receipt) if receipt is not None else None,
        int(not outcome.counts),
        news.status if news is not None else None,
        _failed_at(one.held, outcome, now),
        since,
        int(since > 0 and due > since + int(policy.hold * 1_000_000)),
        now,
    )


def _ended(one: Settling, row: Held) -> tuple[Any, ...]:
    outcome = one.outcome
    return one.now, outcome.state, text(outcome.reason), text(outcome.response), row.number, row.attempt


def _since(row: Held, outcome: Outcome, now: Micros) -> Micros:
    """When it first failed, while it is to be tried again: what waits behind it in its lane waits no longer than `hold`."""
    if outcome.state not in (State.READY, State.VERIFY):
        return 0
    return row.since or (now if outcome.counts else 0)


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
    found = db.execute(_LEFT, (session, now)).fetchall()
    lost = [row for row in found if row["session"] != session or row["id"] not in held]
    sql.write(db, _ENDED, [(now, State.VERIFY, _LOST, "", row["number"], row["attempt"]) for row in lost])
    db.executemany(
        "UPDATE deliveries SET state = 'verify', reason = ?, due = ?, failed_at = ?, updated = ?,"
        " owner = '', session = '', lease_until = 0 WHERE number = ?",
        [(_LOST, now, now, now, row["number"]) for row in lost],
    )
    # That we died is no failure of the other side's: it may be killed often, and is made all the same.
    ours = [(row["number"], _LOST, DEATHS) for row in lost if row["session"] != session]
    db.executemany(_NO_TRY, ours)
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
