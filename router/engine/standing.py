"""How each source stands: an observer between the router and whoever watches, which remembers the last that was said of each,
and keeps a flood of bad frames from becoming a flood of log lines."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from router.core.bucket import Bucket

if TYPE_CHECKING:
    from collections.abc import Sequence

    from router.core.model import Delivery, Entry, Event, Micros, Outcome, Plan, Tree
    from router.core.problems import Problem
    from router.host import Clock
    from router.observe import Observer

#: Bad frames of a source that are told at once, and after which pause one more is; all are counted.
TOLD, TOLD_AGAIN = 10, 60.0
#: Sources that are remembered. Knots come and go with the repos that live there.
MOST = 4096


@dataclass(slots=True)
class Standing:
    """One source. Counts are since the router started."""

    state: str = ""
    since: Micros = 0
    sentence: str = ""
    #: The last failure, and when; it stays when the source is up again.
    last_error: str = ""
    failed: Micros = 0
    events: int = 0
    bad_frames: int = 0
    gaps: int = 0
    last_gap: str = ""
    #: When an event was last heard, and how long before that it had happened, in microseconds.
    heard: Micros = 0
    lag: Micros = 0
    untold: int = 0
    tells: Bucket = field(default_factory=lambda: Bucket(1 / TOLD_AGAIN, TOLD))

    def shown(self) -> dict[str, Tree]:
        """As JSON."""
        hidden = ("untold", "tells")
        return {name: getattr(self, name) for name in self.__slots__ if name not in hidden}


class Standings:
    """Passes on to `observer` what it is told. Its states of a source are those of `Observer.source`."""

    def __init__(self, observer: Observer, clock: Clock) -> None:
        self.observer = observer
        self.clock = clock
        self.of: dict[str, Standing] = {}

    def shown(self) -> dict[str, Tree]:
        """Every source by name, as JSON."""
        return {name: standing.shown() for name, standing in self.of.items()}

    def _of(self, name: str) -> Standing:
        if name not in self.of and len(self.of) >= MOST:
            ended = (one for one, standing in self.of.items() if standing.state == "ended")
            del self.of[next(ended, next(iter(self.of)))]
        return self.of.setdefault(name, Standing())

    def source(self, name: str, state: str, sentence: str = "") -> None:
        standing, now = self._of(name), self.clock.now()
        if standing.state != state:
            standing.state, standing.since = state, now
        standing.sentence = sentence
        if state in ("down", "quarantined"):
            standing.last_error, standing.failed = sentence, now
        self.observer.source(name, state, sentence)

    def bad_frame(self, source: str, sentence: str) -> None:
        standing, now = self._of(source), self.clock.now()
        standing.bad_frames += 1
        if standing.tells.wait(now) > 0:
            standing.untold += 1
            return
        standing.tells.take(1, now)
        more, standing.untold = standing.untold, 0
        self.observer.bad_frame(source, f"{sentence} ({more} more since the last that was told)" if more else sentence)

    def gap(self, source: str, sentence: str) -> None:
        standing = self._of(source)
        standing.gaps += 1
        standing.last_gap = sentence
        self.observer.gap(source, sentence)

    def planned(self, event: Event, plan: Plan, fresh: bool) -> None:  # noqa: FBT001 - the observer's signature
        standing = self._of(event.source)
        standing.heard = self.clock.now()
        standing.lag = max(0, standing.heard - event.time)
        standing.events += fresh
        self.observer.planned(event, plan, fresh)

    def attempted(self, delivery: Delivery[Any], outcome: Outcome) -> None:
        self.observer.attempted(delivery, outcome)

    def reported(self, entry: Entry) -> None:
        self.observer.reported(entry)

    def reloaded(self, ok: bool, sentence: str, found: Sequence[Problem] = (), kept: Sequence[str] = ()) -> None:  # noqa: FBT001
        self.observer.reloaded(ok, sentence, found, kept)

    def fault(self, what: str, sentence: str, error: BaseException | None = None) -> None:
        self.observer.fault(what, sentence, error)
