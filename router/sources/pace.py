"""How fast one peer may talk. Over its pace it is not read: what it sends waits in its own buffers, and nobody else waits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from router.core.bucket import Bucket
from router.settings import Closed

if TYPE_CHECKING:
    from router.core.model import Micros

#: Seconds' worth that may come at once: what gathered while we were away is caught up with at full speed.
BURST = 10


class Pace(Closed):
    """What one peer may send in a second, on average. Ten times as much may come at once; over that it is read no faster."""

    bytes: int = Field(4_000_000, ge=10_000, le=1_000_000_000, description="Bytes a second.")
    messages: int = Field(1_000, ge=1, le=1_000_000, description="Messages a second.")


class Meter:
    """Keeps one peer to its pace."""

    def __init__(self, pace: Pace) -> None:
        self._messages = Bucket(pace.messages, pace.messages * BURST)
        self._bytes = Bucket(pace.bytes, pace.bytes * BURST)

    def free(self, now: Micros) -> tuple[float, float]:
        """Messages and bytes that may come now without a wait."""
        return self._messages.free(now), self._bytes.free(now)

    def wait(self, messages: int, size: int, now: Micros) -> float:
        """Seconds to read nothing, after so many messages of this size together."""
        return max(self._messages.take(messages, now), self._bytes.take(size, now))
