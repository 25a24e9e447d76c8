"""What repos' owners, knots and everybody together have used, and when there is room again. Rows, so a restart forgets nothing.

Hours are those of the clock. What is over a quota waits for the first hour that has room and takes its place there at once, so
that those who come later wait behind it; nothing is dropped.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from router.engine.store import sql

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from router.core.model import Micros
    from router.engine.store.policy import Policy, Quota

HOUR: Micros = 3_600_000_000
_USED = "SELECT hour, actions, bytes FROM quotas WHERE scope = ? AND key = ? AND hour >= ? ORDER BY hour"
_ADD = """
INSERT INTO quotas (scope, key, hour, actions, bytes) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (scope, key, hour) DO UPDATE SET actions = actions + excluded.actions, bytes = bytes + excluded.bytes
"""
_NAMES = {"account": "the owner", "knot": "the knot", "all": "everybody together"}


def act(db: sqlite3.Connection, policy: Policy, account: str, knot: str, due: Micros) -> tuple[Micros, str]:
    """When one more action, due then, may be made, and why it must wait: '' where it need not. It is counted in that hour."""
    hour, why = due // HOUR, ""
    asking = [(scope, key, quota) for scope, key, quota in _scopes(policy, account, knot) if quota.actions or quota.bytes]
    while True:
        later = max(((_first(db, scope, key, hour, quota), scope) for scope, key, quota in asking), default=(hour, ""))
        if later[0] <= hour:
            break
        hour, scope = later
        key = {"account": f" {account}", "knot": f" {knot}"}.get(scope, "")
        why = f"over quota: {_NAMES[scope]}{key} has used up what an hour allows"
    for scope, key, quota in asking:
        if quota.actions:
            db.execute(_ADD, (scope, key, hour, 1, 0))
    return max(due, hour * HOUR), why


def store(db: sqlite3.Connection, policy: Policy, account: str, knot: str, size: int, now: Micros) -> None:
    """Count what was stored for somebody."""
    for scope, key, quota in _scopes(policy, account, knot):
        if quota.bytes:
            db.execute(_ADD, (scope, key, now // HOUR, 0, size))


def forget(db: sqlite3.Connection, now: Micros) -> None:
    """Hours that are over decide nothing any more."""
    db.execute("DELETE FROM quotas WHERE hour < ?", (now // HOUR,))


def full(db: sqlite3.Connection, policy: Policy) -> tuple[int | None, str, str]:
    """How much more may be under way in all (None: any number), and whose share is used up: accounts and knots, as JSON."""
    limits = policy.account.in_flight, policy.knot.in_flight, policy.all.in_flight
    if not any(limits):
        return None, "[]", "[]"
    accounts: dict[str, int] = {}
    knots: dict[str, int] = {}
    total = 0
    for row in db.execute(sql.text("under_way")):
        total += row["deliveries"]
        accounts[row["account"]] = accounts.get(row["account"], 0) + row["deliveries"]
        knots[row["knot"]] = knots.get(row["knot"], 0) + row["deliveries"]
    left = None if limits[2] is None else max(0, limits[2] - total)
    return left, _over(accounts, limits[0]), _over(knots, limits[1])


def _over(used: dict[str, int], limit: int | None) -> str:
    return json.dumps([key for key, count in used.items() if key and limit is not None and count >= limit])


def _scopes(policy: Policy, account: str, knot: str) -> Iterator[tuple[str, str, Quota]]:
    """Who answers for it; whoever is not known answers for nothing."""
    if account:
        yield "account", account, policy.account
    if knot:
        yield "knot", knot, policy.knot
    yield "all", "", policy.all


def _first(db: sqlite3.Connection, scope: str, key: str, hour: int, quota: Quota) -> int:
    """The first hour from this on in which there is room."""
    for row in db.execute(_USED, (scope, key, hour)):
        if row["hour"] > hour:
            return hour
        if (quota.actions and row["actions"] >= quota.actions) or (quota.bytes and row["bytes"] >= quota.bytes):
            hour += 1
        else:
            return hour
    return hour
