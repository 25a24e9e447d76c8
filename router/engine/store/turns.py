"""Whose turn it is, found once for many claims.

Finding the order looks at the head of every queue, and there may be thousands, while a claim takes a few deliveries. So what
was found is kept for the claims that come right after it. Each delivery is asked for again before it is taken, so that what
changed meanwhile costs nothing but a look; and what may bring somebody whose turn is sooner makes all of it be forgotten.
Claims and what comes of them do not: a lane that one of them frees waits, for a second at most, for those found before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from router.engine.store import sql

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator, Mapping

    from router.core.model import Micros

#: Deliveries whose order is kept, those of one queue, and for how many microseconds: what becomes due meanwhile waits as long.
KEPT, OF_A_QUEUE, FOR = 512, 64, 1_000_000


class Turns:
    """For one connection, on its thread."""

    def __init__(self) -> None:
        self._heads: list[sqlite3.Row] = []
        self._found: Micros = 0

    def forget(self) -> None:
        """Somebody may come sooner now."""
        self._heads = []

    def take(
        self, db: sqlite3.Connection, count: int, values: Mapping[str, Any], take: Callable[[sqlite3.Row], bool | None]
    ) -> None:
        """Offer deliveries in their order until `take` has taken so many: it answers whether it did, or None where one is not
        to be had at all. `values` are what the query wants. Whoever gets too few has seen all that there are."""
        left = self._offer(iter(self._known(values["now"])), count, take)
        if left > 0:
            found = db.execute(sql.text("claim"), {**values, "count": max(count, OF_A_QUEUE)}).fetchall()
            self._found = values["now"]
            self._offer(iter(found), left, take)

    def _known(self, now: Micros) -> list[sqlite3.Row]:
        return self._heads if 0 <= now - self._found <= FOR else []

    def _offer(self, heads: Iterator[sqlite3.Row], left: int, take: Callable[[sqlite3.Row], bool | None]) -> int:
        """How many are still to be taken. What was offered to nobody, and what cannot be taken yet, is kept."""
        passed: list[sqlite3.Row] = []
        for head in heads:
            taken = take(head)
            if taken is False:
                passed.append(head)
            left -= taken is True
            if left <= 0:
                break
        self._heads = [*passed, *heads][:KEPT]
        return left
