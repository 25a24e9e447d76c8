"""What happened lately, in steps of time: what the operator's page draws. It is forgotten when the router ends; what is kept
for longer is Prometheus's affair."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from router.core.model import State
from router.observe import Silent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from router.core.model import Delivery, Entry, Event, Micros, Outcome, Passed, Plan, Tree
    from router.host import Clock

#: Microseconds of a step, and how many are remembered: an hour.
STEP: Micros = 60_000_000
STEPS = 60


@dataclass(slots=True)
class Step:
    """What was counted from `begin` on, for the time of a step. `lag` and `took` are the longest, in seconds, of what was heard
    and attempted: None where there was nothing."""

    begin: Micros
    events: int = 0
    matched: int = 0
    attempts: int = 0
    failed: int = 0
    lag: float | None = None
    took: float | None = None


class Recent(Silent):
    """An observer that remembers an hour. `count` grows with whatever was told, so that whoever watches sees that something
    has changed."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.count = 0
        self._steps: deque[Step] = deque(maxlen=STEPS)

    def steps(self) -> Sequence[Step]:
        """One for each step of the last hour, oldest first, those of quiet times as well."""
        now = self.clock.now()
        last = now - now % STEP
        known = {step.begin: step for step in self._steps}
        begins = range(last - (STEPS - 1) * STEP, last + 1, STEP)
        return [known.get(begin) or Step(begin) for begin in begins]

    def planned(self, event: Event, plan: Plan, fresh: bool) -> None:  # noqa: FBT001 - the observer's signature
        self.count += 1
        if not fresh:
            return
        now = self.clock.now()
        step = self._step(now)
        step.events += 1
        step.matched += bool(plan.matched)
        step.lag = max(step.lag or 0.0, (now - event.time) / 1e6)

    def unmatched(self, events: Sequence[Event]) -> None:
        self._came([event.time for event in events])

    def passed(self, source: str, passed: Passed) -> None:
        for times in passed.times.values():
            self._came(times)

    def _came(self, times: Sequence[Micros]) -> None:
        self.count += 1
        now = self.clock.now()
        step = self._step(now)
        step.events += len(times)
        step.lag = max(step.lag or 0.0, (now - min(times)) / 1e6)

    def attempted(self, delivery: Delivery[Tree], outcome: Outcome) -> None:
        self.count += 1
        step = self._step(self.clock.now())
        step.attempts += 1
        step.failed += outcome.state is not State.DONE

    def took(self, delivery: Delivery[Tree], seconds: float) -> None:
        step = self._step(self.clock.now())
        step.took = max(step.took or 0.0, seconds)

    def source(self, name: str, state: str, sentence: str = "") -> None:
        self.count += 1

    def reported(self, entry: Entry) -> None:
        self.count += 1

    def operated(self, verb: str, kind: str, names: Sequence[str], who: str) -> None:
        self.count += 1

    def _step(self, now: Micros) -> Step:
        """The newest, or a new one; where the clock was put back, what happens counts for the newest."""
        begin = now - now % STEP
        if not self._steps or self._steps[-1].begin < begin:
            self._steps.append(Step(begin))
        return self._steps[-1]
