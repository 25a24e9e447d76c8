"""What people and tools ask of the store. Nothing here writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from router.core.model import State
from router.engine.store import quotas, rows, sql
from router.engine.store.base import SourceRow
from router.engine.store.rows import from_json, text

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

    from router.core.model import Event, Micros, Tree
    from router.engine.store.base import DeliveryRow, EventRow
    from router.engine.store.policy import Policy

#: Fewer characters of an id name too many deliveries to be meant.
SHORTEST = 6
_ATTEMPTS = "SELECT n, verify, started, ended, outcome, reason, response FROM attempts WHERE delivery = ? ORDER BY n"
_STATUSES = """
SELECT number, workflow, status, at, error, exit_code, url FROM statuses WHERE delivery = ? ORDER BY number
"""
_CHOSEN = """
SELECT id FROM deliveries
WHERE
    state = :state AND updated >= :since
    AND (:rule = '' OR rule = :rule) AND (:provider = '' OR provider = :provider) AND (:repo = '' OR repo = :repo)
ORDER BY number
LIMIT :limit
"""
_SOURCES = "SELECT name, cursor, updated, events, bad_frames, last_bad FROM sources ORDER BY name"
_BAD_FRAMES = "SELECT number, at, why, frame FROM bad_frames WHERE source = ? ORDER BY number DESC LIMIT ?"


def deliveries(
    db: sqlite3.Connection, state: State | None, rule: str, repo: str, event: int, limit: int, policy: Policy
) -> list[DeliveryRow]:
    """See Store.deliveries."""
    values = {"state": state or "", "rule": text(rule), "repo": text(repo), "event": event, "limit": limit}
    wanted = "deliveries_of_event" if event else "deliveries"
    found = db.execute(sql.text(wanted), values).fetchall()
    over = _over_quota(db, found, policy)
    return [rows.delivery_row(row, reason=over.get(row["id"], row["reason"])) for row in found]


def _over_quota(db: sqlite3.Connection, found: Sequence[sqlite3.Row], policy: Policy) -> dict[str, str]:
    """Of those that could be made now, why they are not where it is for what else is under way: a claim passes over them, and
    whether it will next time is decided then, so it is in no row."""
    heads = [row for row in found if row["state"] == State.READY and not row["reason"] and row["behind"] == 0]
    able = [row for row in heads if row["due"] <= row["updated"]]
    if not able or not any(quota.in_flight for quota in (policy.account, policy.knot, policy.all)):
        return {}
    under_way, over = quotas.InFlight(db, policy), {}
    for row in able:
        queue = db.execute("SELECT account, knot FROM queues WHERE number = ?", (row["queue"],)).fetchone()
        if queue is not None and (why := under_way.why(queue["account"], queue["knot"])):
            over[row["id"]] = why
    return over


def chosen(db: sqlite3.Connection, state: State, rule: str, provider: str, repo: str, since: Micros, limit: int) -> list[str]:
    """See Store.chosen."""
    given = {"rule": text(rule), "provider": text(provider), "repo": text(repo)}
    values = {"state": state, **given, "since": rows.integer(since), "limit": limit}
    return [row["id"] for row in db.execute(_CHOSEN, values)]


def delivery(db: sqlite3.Connection, beginning: str, policy: Policy) -> DeliveryRow | None:
    """See Store.delivery."""
    found = db.execute(sql.text("delivery"), {"beginning": text(beginning)}).fetchall()
    whole = [row for row in found if row["id"] == beginning]
    if not whole and (len(found) != 1 or len(beginning) < SHORTEST):
        return None
    row = (whole or found)[0]
    return rows.delivery_row(
        row,
        reason=_over_quota(db, [row], policy).get(row["id"], row["reason"]),
        options=from_json(row["options"]),
        receipt=from_json(row["receipt"]),
        attempts=[{**dict(one), "verify": bool(one["verify"])} for one in db.execute(_ATTEMPTS, (row["number"],))],
        statuses=[dict(one) for one in db.execute(_STATUSES, (row["number"],))],
    )


def event_of(db: sqlite3.Connection, delivery_id: str) -> Event | None:
    """See Store.event_of."""
    wanted = "SELECT e.* FROM events AS e JOIN deliveries AS d ON d.event = e.number WHERE d.id = ?"
    found = db.execute(wanted, (text(delivery_id),)).fetchone()
    return None if found is None else rows.event_of(found)


def waiting(db: sqlite3.Connection, mark: str, limit: int) -> list[EventRow]:
    """See Store.waiting."""
    return [rows.event_row(row) for row in db.execute(sql.text("waiting"), {"mark": mark, "limit": limit})]


def events(
    db: sqlite3.Connection,
    nsid: str,
    repo: str,
    rule: str,
    matched: bool,  # noqa: FBT001 - Store.events names it
    before: int,
    limit: int,
) -> list[EventRow]:
    """See Store.events."""
    values: dict[str, Any] = {"nsid": text(nsid), "repo": text(repo), "rule": text(rule), "matched": matched}
    values |= {"before": before, "limit": limit}
    return [rows.event_row(row) for row in db.execute(sql.text("events"), values)]


def events_since(db: sqlite3.Connection, since: Micros, after: int, limit: int) -> list[EventRow]:
    """See Store.events_since."""
    values = {"since": rows.integer(since), "after": after, "limit": limit}
    return [rows.event_row(row) for row in db.execute(sql.text("events_since"), values)]


def count_since(db: sqlite3.Connection, since: Micros) -> int:
    """See Store.count_since."""
    found: int = db.execute("SELECT count(*) FROM events WHERE heard >= ?", (rows.integer(since),)).fetchone()[0]
    return found


def event(db: sqlite3.Connection, number_or_id: str) -> EventRow | None:
    """By its number or its id; of several with one id, the newest."""
    is_number = number_or_id.isascii() and number_or_id.isdigit() and len(number_or_id) < 19
    values = {"number": int(number_or_id) if is_number else None, "id": text(number_or_id)}
    found = db.execute(sql.text("event"), values).fetchone()
    return None if found is None else rows.event_row(found)


def undecided(db: sqlite3.Connection, after: int, limit: int) -> list[EventRow]:
    """See Store.undecided."""
    return [rows.event_row(row) for row in db.execute(sql.text("undecided"), {"after": after, "limit": limit})]


def sources(db: sqlite3.Connection) -> list[SourceRow]:
    """By name."""
    return [SourceRow(**dict(row)) for row in db.execute(_SOURCES)]


def bad_frames(db: sqlite3.Connection, source: str, limit: int) -> list[Mapping[str, Tree]]:
    """Newest first: number, at, why, and the frame as far as it is text."""
    found = db.execute(_BAD_FRAMES, (text(source), limit))
    return [{**dict(row), "frame": bytes(row["frame"]).decode("utf-8", "replace")} for row in found]


def counts(db: sqlite3.Connection) -> dict[str, int]:
    """See Store.counts."""
    return {row[0]: row[1] for row in db.execute("SELECT state, count(*) FROM deliveries GROUP BY state")}


def cursor(db: sqlite3.Connection, source: str) -> int | None:
    """How far a source has been heard; None where it never was."""
    found = db.execute("SELECT cursor FROM sources WHERE name = ?", (text(source),)).fetchone()
    return None if found is None else found["cursor"]


def forget_cursor(db: sqlite3.Connection, source: str) -> None:
    """See Store.forget_cursor."""
    db.execute("UPDATE sources SET cursor = NULL WHERE name = ?", (text(source),))


def refused(db: sqlite3.Connection, since: Micros) -> dict[str, int]:
    """See Store.refused."""
    wanted = (
        "SELECT refused, count(*) AS events FROM events WHERE refused != '' AND heard >= ? GROUP BY refused ORDER BY 2 DESC"
    )
    return {row["refused"]: row["events"] for row in db.execute(wanted, (since,))}
