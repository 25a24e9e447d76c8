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


def are_there(policy: Policy) -> bool:
    """Whether anything is counted at all."""
    return any(quota.actions or quota.bytes for quota in (policy.account, policy.knot, policy.all))


def act(db: sqlite3.Connection, policy: Policy, account: str, knot: str, due: Micros) -> tuple[Micros, str]:
    """When one more action, due then, may be made, and why it must wait: '' where it need not. It is counted in that hour."""
    hour, why = due // HOUR, ""
    asking = [(scope, key, quota) for scope, key, quota in _scopes(policy, account, knot) if quota.actions or quota.bytes]
    keys = {scope: key for scope, key, _ in asking}
    while True:
        later = max(((_first(db, scope, key, hour, quota), scope) for scope, key, quota in asking), default=(hour, ""))
        if later[0] <= hour:
            break
        hour, scope = later
        why = f"over quota: {_named(scope, keys[scope])} has used up what an hour allows"
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


class InFlight:
    """What is under way, and whose share of it is used up."""

    def __init__(self, db: sqlite3.Connection, policy: Policy) -> None:
        self._limits = {"account": policy.account.in_flight, "knot": policy.knot.in_flight, "all": policy.all.in_flight}
        self._used: dict[tuple[str, str], int] = {}
        self._limited = any(self._limits.values())
        for row in db.execute(sql.text("under_way")) if self._limited else ():
            self._add(row["account"], row["knot"], row["deliveries"])

    def full(self, scope: str) -> str:
        """The accounts, or the knots, that may have no more, as JSON."""
        limit = self._limits[scope]
        return json.dumps([key for (of, key), used in self._used.items() if of == scope and limit and used >= limit])

    def take(self, account: str, knot: str) -> bool:
        """Whether one more may be, which then is."""
        if not self._limited:
            return True
        for scope, key in _keys(account, knot):
            limit = self._limits[scope]
            if limit and self._used.get((scope, key), 0) >= limit:
                return False
        self._add(account, knot, 1)
        return True

    def why(self, account: str, knot: str) -> str:
        """Why one more of theirs waits; '' where it need not."""
        for scope, key in _keys(account, knot):
            limit = self._limits[scope]
            if limit and self._used.get((scope, key), 0) >= limit:
                return f"over quota: {_named(scope, key)} has {limit} under way, as many as may be at once"
        return ""

    def _add(self, account: str, knot: str, count: int) -> None:
        for place in _keys(account, knot):
            self._used[place] = self._used.get(place, 0) + count


def _named(scope: str, key: str) -> str:
    return f"{_NAMES[scope]} {key}".rstrip()


def _keys(account: str, knot: str) -> list[tuple[str, str]]:
    """Who answers for it; whoever is not known answers for nothing."""
    return [(scope, key) for scope, key in (("account", account), ("knot", knot)) if key] + [("all", "")]


def _scopes(policy: Policy, account: str, knot: str) -> Iterator[tuple[str, str, Quota]]:
    quotas = {"account": policy.account, "knot": policy.knot, "all": policy.all}
    return ((scope, key, quotas[scope]) for scope, key in _keys(account, knot))


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
