"""Keeps a flood of bad frames from becoming a flood of log lines."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from router.core.bucket import Bucket

if TYPE_CHECKING:
    from router.host import Clock
    from router.observe import Observer

#: Bad frames of a source that are told at once, and after which pause one more is; all are counted.
TOLD, TOLD_AGAIN = 10, 60.0
#: Sources that are remembered. Knots come and go with the repos that live there.
MOST = 4096


@dataclass(slots=True)
class _Told:
    bucket: Bucket = field(default_factory=lambda: Bucket(1 / TOLD_AGAIN, TOLD))
    untold: int = 0


class Hushed:
    """Passes on to `observer` what it is told, and of bad frames now and then one."""

    def __init__(self, observer: Observer, clock: Clock) -> None:
        self._observer = observer
        self._clock = clock
        self._told: OrderedDict[str, _Told] = OrderedDict()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._observer, name)

    def bad_frame(self, source: str, sentence: str) -> None:
        """A frame was no event; it is in the ring of bad frames."""
        told, now = self._told.setdefault(source, _Told()), self._clock.now()
        self._told.move_to_end(source)
        if len(self._told) > MOST:
            self._told.popitem(last=False)
        if told.bucket.wait(now) > 0:
            told.untold += 1
            return
        told.bucket.take(1, now)
        more, told.untold = told.untold, 0
        self._observer.bad_frame(source, f"{sentence} ({more} more since the last that was told)" if more else sentence)
