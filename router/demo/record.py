"""What the router made of the script, and whether that is what was expected."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from router.core.model import State, Status
from router.observe import Silent

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from router.core.model import Delivery, Entry, Event, Outcome, Plan, Tree
    from router.demo.script import Played

_GOING_ON = {str(status) for status in Status if not status.final}


@dataclass(slots=True)
class Happening:
    """One event, the rules that matched it, and how each of its live deliveries stands."""

    event: Event
    matched: tuple[str, ...] = ()
    outcomes: dict[str, Outcome | None] = field(default_factory=dict)
    statuses: dict[str, str] = field(default_factory=dict)


class Record(Silent):
    """Remembers by event and by delivery, for as long as the demo runs."""

    def __init__(self) -> None:
        self.happenings: dict[tuple[str, str], Happening] = {}
        self.by_delivery: dict[str, Happening] = {}
        self.bad_frames = 0
        self.faults: list[str] = []
        self._news = asyncio.Event()

    def bad_frame(self, source: str, sentence: str) -> None:
        self.bad_frames += 1
        self._news.set()

    def planned(self, event: Event, plan: Plan, fresh: bool) -> None:  # noqa: FBT001 - the observer's signature
        if event.kind == "spindle" or not fresh:
            return
        happening = self.happenings.setdefault((event.origin, event.id), Happening(event))
        happening.matched = plan.matched
        for delivery in plan.deliveries:
            if delivery.state is State.READY:
                happening.outcomes.setdefault(delivery.id)
                self.by_delivery[delivery.id] = happening
        self._news.set()

    def attempted(self, delivery: Delivery[Tree], outcome: Outcome) -> None:
        if (happening := self.by_delivery.get(delivery.id)) is not None:
            happening.outcomes[delivery.id] = outcome
        self._news.set()

    def reported(self, entry: Entry) -> None:
        if (happening := self.by_delivery.get(entry.delivery)) is not None:
            happening.statuses[entry.delivery] = str(entry.status)
        self._news.set()

    def fault(self, what: str, sentence: str, error: BaseException | None = None) -> None:
        self.faults.append(f"{what}: {sentence}")
        self._news.set()

    async def settled(self, played: Sequence[Played]) -> None:
        """Return when everything that the lines expect has happened. The caller sets a limit: it may never happen."""
        while any(self.missing(played)):
            self._news.clear()
            await self._news.wait()

    def missing(self, played: Sequence[Played]) -> Iterator[str]:
        """A sentence for each thing that the lines expect and that is not so."""
        bad = sum(one.line.expect.bad for one in played)
        if self.bad_frames != bad:
            yield f"{bad} bad frames were sent, and {self.bad_frames} counted."
        for one in played:
            if not one.line.expect.bad:
                yield from (f"{one.line.title}: {sentence}" for sentence in self._differs(one))

    def _differs(self, one: Played) -> Iterator[str]:
        expect = one.line.expect
        found = [happening for happening in self.happenings.values() if one.key in happening.event.id]
        if not found and expect.rules != ():
            yield "it was not heard."
        for happening in found:
            if expect.rules is not None and happening.matched != expect.rules:
                yield f"expected {_rules(expect.rules)}, and matched {_rules(happening.matched)}."
            for delivery, outcome in happening.outcomes.items():
                if outcome is None or outcome.state is not State.DONE:
                    yield f"delivery {delivery} is not done{': ' + outcome.reason if outcome else ''}."
                elif expect.rules is None and happening.statuses.get(delivery) in _GOING_ON:
                    yield f"delivery {delivery} is {happening.statuses[delivery]}."
                elif expect.status is not None and happening.statuses.get(delivery) != expect.status:
                    got = happening.statuses.get(delivery, "no status")
                    yield f"delivery {delivery} should end in {expect.status}, and has {got}."
            if expect.status is not None and not happening.outcomes:
                yield f"nothing was delivered, and {expect.status} expected."

    def counts(self) -> dict[str, int]:
        """What a summary says, in its order."""
        outcomes = [outcome for one in self.happenings.values() for outcome in one.outcomes.values()]
        states = Counter(outcome.state if outcome else State.READY for outcome in outcomes)
        statuses = Counter(status for one in self.happenings.values() for status in one.statuses.values())
        return {
            "events": len(self.happenings),
            "matched": sum(bool(one.matched) for one in self.happenings.values()),
            "bad frames": self.bad_frames,
            "deliveries done": states[State.DONE],
            "deliveries not done": len(outcomes) - states[State.DONE],
            **{f"status {status}": count for status, count in sorted(statuses.items())},
        }


def _rules(rules: Sequence[str]) -> str:
    return ", ".join(rules) or "no rule"
