"""What the events of the tests never made true, and never made false.

Every piece of a rule is asked by itself, by the code that decides: that another piece settled the whole hides nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from router.core import match
from router.core.plan import MAX_ITEMS
from router.core.rulebook import Mode, Strategy
from router.core.truth import Unevaluable
from router.core.view import View
from router.ruletests.pieces import Written, pieces

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from router.core.model import Plan
    from router.core.problems import Place
    from router.core.rulebook import Rule, Rulebook, Ruleset
    from router.ruletests.pieces import Piece
    from router.ruletests.trials import Trial

#: How it is said that something was not seen, by what was to be seen.
_CONDITION = {True: "is never true", False: "is never false"}
_RULE = {True: "never matches", False: "is never passed over"}
_STEP = {True: "is never taken", False: "is never skipped"}


@dataclass(slots=True)
class Goal:
    """Something that should be seen both ways, or one way where there is no other. What `defaults` say is one goal for all
    rules that have it."""

    text: str
    place: Place
    lacking: Mapping[bool, str]
    rules: list[str] = field(default_factory=list)
    seen: set[bool] = field(default_factory=set)

    def gaps(self) -> Iterator[str]:
        """What was not seen, as sentences."""
        for way, said in self.lacking.items():
            if way not in self.seen:
                yield f"{self.text} {said}"


@dataclass(frozen=True, slots=True)
class Share:
    """How much was seen of what there is to see."""

    reached: int
    total: int

    @property
    def percent(self) -> float:
        """From 0 to 100, to one digit; 100 only where all was seen, and where there is nothing to see."""
        return self.reached * 1000 // self.total / 10 if self.total else 100.0

    def is_at_least(self, percent: float) -> bool:
        return self.reached * 100 >= percent * self.total

    def __str__(self) -> str:
        return f"{self.percent}% ({self.reached} of {self.total})"


@dataclass(frozen=True, slots=True)
class Coverage:
    """The goals of one rule file."""

    file: str
    goals: Sequence[Goal]

    @property
    def share(self) -> Share:
        reached = sum(len(goal.seen & goal.lacking.keys()) for goal in self.goals)
        return Share(reached, sum(len(goal.lacking) for goal in self.goals))


def together(files: Iterable[Coverage]) -> Share:
    """The share of several files."""
    shares = [one.share for one in files]
    return Share(sum(share.reached for share in shares), sum(share.total for share in shares))


def measure(book: Rulebook, trials: Sequence[Trial]) -> list[Coverage]:
    """The coverage of each rule file of a folder. Rules that are off are left out."""
    seen = [_Seen(trial, book) for trial in trials]
    return [Coverage(ruleset.file, _Goals(ruleset).measured(seen)) for ruleset in book.rulesets]


class _Seen:
    """A trial, planned once."""

    def __init__(self, trial: Trial, book: Rulebook) -> None:
        self.view = View(trial.event, trial.identities)
        self.made: Plan = trial.plan(book)
        self.taken = {(delivery.rule, delivery.step) for delivery in self.made.deliveries}

    def items(self, rule: Rule) -> Iterator[View]:
        """What a rule's `where` is asked of."""
        if rule.each is None or rule.id not in self.made.matched:
            return
        try:
            items = rule.each(self.view)
        except Unevaluable:
            return
        for item in items[:MAX_ITEMS]:
            yield View(self.view.event, self.view.identities, item)


class _Goals:
    """Collects the goals of one rule file."""

    def __init__(self, ruleset: Ruleset) -> None:
        self.ruleset = ruleset
        self.written = Written(ruleset)
        self.goals: dict[tuple[Place, str], Goal] = {}

    def measured(self, seen: Sequence[_Seen]) -> list[Goal]:
        for position, rule in enumerate(self.ruleset.rules):
            if rule.mode is not Mode.OFF:
                self._rule(rule, seen, follows=position > 0)
        return list(self.goals.values())

    def _goal(self, rule: Rule, text: str, place: Place, lacking: Mapping[bool, str], seen: Iterable[bool]) -> None:
        goal = self.goals.setdefault((place, text), Goal(text, place, lacking))
        goal.rules.append(rule.name)
        goal.seen.update(seen)

    def _rule(self, rule: Rule, seen: Sequence[_Seen], *, follows: bool) -> None:
        taken = follows and self.ruleset.strategy is Strategy.FIRST
        both = taken or rule.active is not None or any(True for _ in rule.asked.questions())
        lacking = _RULE if both else {True: _RULE[True]}
        self._goal(rule, f"the rule `{rule.name}`", rule.place, lacking, (rule.id in one.made.matched for one in seen))
        if rule.active is not None:
            hours = (match.is_active(rule, one.view.event.time) for one in seen)
            self._goal(rule, "`active`", self.written.key(rule, "active"), _CONDITION, hours)
        for part in getattr(rule.when, "parts", ()):
            for piece in pieces(part, self.written):
                self._piece(rule, piece, (one.view for one in seen))
        for piece in pieces(rule.where, self.written) if rule.where is not None else ():
            self._piece(rule, piece, (view for one in seen for view in one.items(rule)))
        for step, place in zip(rule.steps, rule.step_places, strict=True):
            lacking = _STEP if step.if_trust else {True: _STEP[True]}
            matched = [one for one in seen if rule.id in one.made.matched]
            took = ((rule.id, step.name) in one.taken for one in matched)
            self._goal(rule, f"step {step.name} to {step.provider}", place, lacking, took)

    def _piece(self, rule: Rule, piece: Piece, views: Iterable[View]) -> None:
        answers = (answer for view in views for answer in piece.answers(view))
        self._goal(rule, f"`{piece.text}`", piece.place, _CONDITION, answers)
