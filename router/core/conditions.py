"""Conditions: what a rule asks of an event, compiled once, and evaluated and explained by the same code.

A condition is three-valued (see `operators`): `holds` answers or raises Unevaluable, whatever the order of its parts.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from router.core.problems import Place
from router.core.truth import Operator, Unevaluable, settle
from router.core.values import show

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from router.core.model import Tree
    from router.core.view import View

#: What a look at a field costs, roughly; the rest is a JSONPath.
_COSTS = {"nsid": 0, "source": 1, "trigger": 1, "operation": 1, "status": 1, "trust": 1, "branch": 2, "tag": 2, "ref": 2}


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why a condition holds or does not: `held` is None where it could not be evaluated, and `error` says why not."""

    text: str
    held: bool | None
    saw: str = ""
    children: tuple[Verdict, ...] = ()
    place: Place = field(default_factory=Place)
    error: str = ""

    def failed(self) -> Verdict | None:
        """The first part that settles why the whole does not hold; None where it holds."""
        if self.held is True:
            return None
        for child in self.children:
            if child.held is self.held and (found := child.failed()) is not None:
                return found
        return self

    def leaves(self) -> Iterator[Verdict]:
        """Every part that looks at a field."""
        if not self.children:
            yield self
        for child in self.children:
            yield from child.leaves()


class Condition(ABC):
    """The base of the four kinds. `cost` orders evaluation; `place` is where it is written."""

    __slots__ = ("cost", "place")
    cost: int
    place: Place

    @abstractmethod
    def holds(self, view: View) -> bool:
        """Whether it holds. Raises Unevaluable."""

    @abstractmethod
    def tests(self) -> Iterator[Asks]:
        """Every condition on a field within this one."""

    def answer(self, view: View) -> Verdict:
        """Whether it holds, with its reasons."""
        held, error = _try(self, view)
        return Verdict(str(self), held, self.saw(view), place=self.place, error=error)

    def saw(self, view: View) -> str:
        """What it looked at, for a person."""
        return ""


class Asks(Condition):
    """One field and what is asked of its values."""

    __slots__ = ("field", "operator")

    def __init__(self, field: str, operator: Operator, place: Place) -> None:
        self.field = field
        self.operator = operator
        self.place = place
        self.cost = _COSTS.get(field, 5 if field.startswith("$") else 3)

    def holds(self, view: View) -> bool:
        return self.operator.holds(view.values(self.field), view.identities)

    def saw(self, view: View) -> str:
        try:
            return seen(view.values(self.field))
        except Unevaluable:
            return ""

    def tests(self) -> Iterator[Asks]:
        yield self

    def __str__(self) -> str:
        return f"{self.field}: {self.operator}"


class _Several(Condition):
    """What "all" and "any" have in common. `parts` are as written; `ordered` begins with the cheapest."""

    __slots__ = ("ordered", "parts")

    def __init__(self, parts: Sequence[Condition], place: Place) -> None:
        self.parts = tuple(parts)
        self.ordered = tuple(sorted(parts, key=lambda part: part.cost))
        self.place = place
        self.cost = sum(part.cost for part in parts)

    def answer(self, view: View) -> Verdict:
        held, error = _try(self, view)
        children = tuple(part.answer(view) for part in self.parts)
        return Verdict(str(self), held, children=children, place=self.place, error=error)

    def tests(self) -> Iterator[Asks]:
        for part in self.parts:
            yield from part.tests()


class AllOf(_Several):
    """Every part holds."""

    __slots__ = ()

    def holds(self, view: View) -> bool:
        return settle((_attempt(part, view) for part in self.ordered), wanted=False)

    def __str__(self) -> str:
        return "all of" if self.parts else "anything"


class AnyOf(_Several):
    """At least one part holds."""

    __slots__ = ()

    def holds(self, view: View) -> bool:
        return settle((_attempt(part, view) for part in self.ordered), wanted=True)

    def __str__(self) -> str:
        return "any of"


class Negation(Condition):
    """The part does not hold."""

    __slots__ = ("part",)

    def __init__(self, part: Condition, place: Place) -> None:
        self.part = part
        self.place = place
        self.cost = part.cost

    def holds(self, view: View) -> bool:
        return not self.part.holds(view)

    def answer(self, view: View) -> Verdict:
        inner = self.part.answer(view)
        # A part that holds is why its negation fails, so no child may claim to be the reason.
        text = f"not ({', '.join(leaf.text for leaf in inner.leaves())})"
        saw = ", ".join(dict.fromkeys(leaf.saw for leaf in inner.leaves() if leaf.saw))
        return Verdict(text, None if inner.held is None else not inner.held, saw, place=self.place, error=inner.error)

    def tests(self) -> Iterator[Asks]:
        yield from self.part.tests()

    def __str__(self) -> str:
        return f"not {self.part}"


def _try(condition: Condition, view: View) -> tuple[bool | None, str]:
    answer = _attempt(condition, view)
    return (None, str(answer)) if isinstance(answer, Unevaluable) else (answer, "")


def _attempt(part: Condition, view: View) -> bool | Unevaluable:
    try:
        return part.holds(view)
    except Unevaluable as doubt:
        return doubt


def seen(values: Sequence[Tree]) -> str:
    """What a field had, for a person."""
    if not values:
        return "absent"
    told = [_repo(value) if isinstance(value, dict) and "knot" in value else show(value) for value in values[:4]]
    return ", ".join(told) + (f" and {len(values) - 4} more" if len(values) > 4 else "")


def _repo(repo: dict[str, Tree]) -> str:
    named = f"{repo['owner']}/{repo['name']}" if "owner" in repo and "name" in repo else ""
    return show(named or repo.get("did", "?"), 120)
