"""A token bucket: so much at once, and so much a second after that. It is told the time, and never waits itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from router.core.model import Micros


@dataclass(slots=True)
class Bucket:
    """`rate` tokens a second, of which `burst` may be saved. What is taken before it is there is a debt, to be waited for."""

    rate: float
    burst: float
    _left: float = field(init=False)
    _at: Micros | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self._left = self.burst

    def take(self, tokens: float, now: Micros) -> float:
        """Take them, and return the seconds until they are there: 0 where they were. A clock that goes back gives nothing."""
        self._fill(now)
        self._left -= tokens
        return max(0.0, -self._left / self.rate)

    def free(self, now: Micros) -> float:
        """How many there are; less than nothing where there is a debt."""
        self._fill(now)
        return self._left

    def wait(self, now: Micros) -> float:
        """Seconds until there is a whole one, of which nothing is taken."""
        self._fill(now)
        return max(0.0, (1 - self._left) / self.rate)

    def _fill(self, now: Micros) -> None:
        if self._at is not None and now > self._at:
            self._left = min(self.burst, self._left + (now - self._at) / 1e6 * self.rate)
        self._at = now
