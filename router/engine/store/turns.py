"""Whose turn it is, found once for many claims.

Finding the order looks at the head of every queue, and there may be thousands, while a claim takes a few deliveries. So what
was found is kept for the claims that come right after it. Each delivery is asked for again before it is taken, so that what
changed meanwhile costs nothing but a look; and what may bring somebody whose turn is sooner makes all of it be forgotten.
Claims and what comes of them do not: a lane that one of them frees waits, for a second at most, for those found before.
"""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from router.engine.store import sql

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

    from router.core.model import Micros

#: Deliveries whose order is kept, those of a queue, and for how many microseconds: what becomes due meanwhile waits as long.
KEPT, OF_A_QUEUE, FOR = 1024, 64, 1_000_000


class Head(NamedTuple):
    """What may be claimed: its order, its number and where it goes."""

    turn: int
    due: Micros
    number: int
    destination: str


class Waiting(NamedTuple):
    """A delivery that may be claimed: the columns that `claimable` has."""

    number: int
    id: str
    rule: str
    step: str
    item: str | None
    provider: str
    repo: str
    ref: str
    sha: str
    workflow: str
    options: str
    terms: str
    state: str
    reason: str
    attempt: int
    tries: int
    failed_at: Micros
    asked: int
    busy_group: str | None
    origin: str
    event_id: str
    nsid: str
    destination: str
    account: str
    knot: str


class Taker(Protocol):
    """Whoever claims. `now` is when."""

    now: Micros

    def heads(self) -> Mapping[str, Any]:
        """What the query for all that may be claimed wants."""

    def has_room(self, head: Head, /) -> bool:
        """Whether its destination takes one more."""

    def take(self, row: Waiting, /) -> bool | None:
        """Take it. False: it cannot be taken yet; None: it is not to be had at all."""

    def write(self, db: sqlite3.Connection, /) -> None:
        """What was taken is no more to be had."""


def _before_others(found: Sequence[Head], each: int) -> list[Head]:
    """Those that come before whatever a queue has beyond the `each` that were looked at."""
    return [head for head in found if head.turn < found[0].turn + each]


class Turns:
    """For one connection, on its thread."""

    def __init__(self) -> None:
        self._heads: list[Head] = []
        self._found: Micros = 0
        #: Of one queue: so many that those of all are about as many as are kept.
        self._each = OF_A_QUEUE

    def forget(self) -> None:
        """Somebody may come sooner now."""
        self._heads = []

    def take(self, db: sqlite3.Connection, count: int, taker: Taker) -> None:
        """Offer deliveries in their order until so many are taken. Whoever gets too few has seen all that there are."""
        left = self._offer(db, self._known(taker.now), count, taker)
        each = self._each
        while left > 0:
            found = sorted(sql.read(db, "claim", Head, {**taker.heads(), "count": each}))
            self._found = taker.now
            self._each = max(1, min(OF_A_QUEUE, each * KEPT // (len(found) + 1)))
            # Each queue was seen to its end, or as far as all that are wanted may come from it.
            far = len(found) < each or each >= max(left, OF_A_QUEUE)
            left = self._offer(db, found if far else _before_others(found, each), left, taker)
            if far:
                break
            each = max(left, OF_A_QUEUE)

    def _known(self, now: Micros) -> list[Head]:
        return self._heads if 0 <= now - self._found <= FOR else []

    def _offer(self, db: sqlite3.Connection, found: Sequence[Head], left: int, taker: Taker) -> int:
        """How many are still to be taken. What was offered to nobody, and what cannot be taken yet, is kept."""
        passed: list[Head] = []
        heads = iter(found)
        # As many are asked for again at once as may be taken.
        while left > 0 and (some := list(islice(heads, left))):
            asked = [head.number for head in some if taker.has_room(head)]
            values = {"numbers": json.dumps(asked), "now": taker.now}
            rows = {row.number: row for row in sql.read(db, "claimable", Waiting, values)} if asked else {}
            for head in some:
                if not taker.has_room(head):
                    passed.append(head)
                elif (row := rows.get(head.number)) is not None:
                    taken = taker.take(row)
                    left -= taken is True
                    if taken is False:
                        passed.append(head)
        taker.write(db)
        self._heads = [*passed, *heads][:KEPT]
        return left
