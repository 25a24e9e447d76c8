"""What other sides count of us: buckets of tokens, one for each limit that providers declare. Nothing here waits or polls.

A token comes back `per` seconds after it was taken, so no window of that length ever has more requests than the limit, wherever
the other side's own windows begin. The buckets are in memory: after a restart they are full, and a 429 puts that right.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from router.core.model import Micros
    from router.host import Clock, Limit

#: Buckets that are kept at most; full ones are dropped first, and are as good as new.
MOST = 1024
#: The share of a limit that requests leave which can as well be made later.
SPARE = 0.5


class Bucket:
    """The tokens of one limit."""

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self._taken: deque[Micros] = deque()
        self._shut: Micros = 0

    def left(self, now: Micros) -> int:
        """Tokens that are there."""
        taken = self._taken
        if taken and taken[-1] > now:  # the clock went back: what was taken was taken now, at the latest
            self._taken = taken = deque(min(at, now) for at in taken)
            self._shut = min(self._shut, now + self._per)
        while taken and taken[0] + self._per <= now:
            taken.popleft()
        return 0 if self._shut > now else max(0, self.limit.rate - len(taken))

    def take(self, now: Micros) -> None:
        """One token, whether there is one or not: a request is being made."""
        self._taken.append(now)
        while len(self._taken) > self.limit.rate:
            self._taken.popleft()

    def drain(self, until: Micros) -> None:
        """No token before `until`, and all of them then: the other side's window begins anew."""
        self._shut = max(self._shut, until)
        self._taken.clear()

    def opens(self, now: Micros, more_than: int) -> Micros | None:
        """When there will be more tokens than that; None where there are."""
        left = self.left(now)
        if left > more_than:
            return None
        if self._shut > now:
            return self._shut
        missing = more_than + 1 - left
        return self._taken[missing - 1] + self._per if missing <= len(self._taken) else None

    @property
    def _per(self) -> Micros:
        return round(self.limit.per * 1_000_000)


class Limits:
    """All buckets, by the names of their limits. A Meter, for requests that are no deliveries."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._buckets: dict[str, Bucket] = {}

    def room(self, limits: Iterable[Limit], *, looking: bool = False) -> int | None:
        """How many requests may be made now; None for any number. Those that are no look-ups leave the reserve."""
        now = self.clock.now()
        left = [self._bucket(limit).left(now) - (0 if looking else _reserve(limit)) for limit in limits]
        return max(0, min(left)) if left else None

    def opens(self, limits: Iterable[Limit], *, looking: bool = False) -> Micros:
        """When there is room for one; now, where there is."""
        now = self.clock.now()
        moments = [self._bucket(limit).opens(now, 0 if looking else _reserve(limit)) for limit in limits]
        return max((at for at in moments if at is not None), default=now)

    def spend(self, limits: Sequence[Limit]) -> bool:
        """See router.host.Meter."""
        now = self.clock.now()
        if any(self._bucket(limit).left(now) <= max(_reserve(limit), limit.rate * SPARE) for limit in limits):
            return False
        self.count(limits)
        return True

    def count(self, limits: Iterable[Limit]) -> None:
        """See router.host.Meter."""
        now = self.clock.now()
        for limit in limits:
            self._bucket(limit).take(now)

    def drain(self, limits: Iterable[Limit], seconds: float) -> None:
        """See router.host.Meter."""
        until = self.clock.now() + round(seconds * 1_000_000)
        for limit in limits:
            self._bucket(limit).drain(until)

    def _bucket(self, limit: Limit) -> Bucket:
        found = self._buckets.get(limit.name)
        if found is None:
            self._make_room()
            found = self._buckets[limit.name] = Bucket(limit)
        found.limit = limit
        return found

    def _make_room(self) -> None:
        if len(self._buckets) >= MOST:
            now = self.clock.now()
            used = {name: one for name, one in self._buckets.items() if one.left(now) < one.limit.rate}
            self._buckets = dict(list(used.items())[-MOST // 2 :])


def _reserve(limit: Limit) -> int:
    """Never all of it: then nothing would ever be sent."""
    return min(limit.reserve, limit.rate - 1)
