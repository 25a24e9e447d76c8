"""Conditions: what a rule asks of an event, compiled once, and evaluated and explained by the same code.

A condition is three-valued (see `truth`): `decide` answers yes, no or Unevaluable, whatever the order of its parts. What is
asked of a field is a Question: equal ones of many rules are one object, and answered once for an event.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from msgspec import Struct, field

from router.core.problems import Place
from router.core.questions import Question, question
from router.core.truth import Answer, Operator, Unevaluable, settled
from router.core.values import show

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from router.core.model import Tree
    from router.core.view import View


class Verdict(Struct, frozen=True):
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
    def decide(self, view: View) -> Answer:
        """Whether it holds, or why that cannot be told."""

    def holds(self, view: View) -> bool:
        """Whether it holds. Raises Unevaluable."""
        return settled(self.decide(view))

    @abstractmethod
    def tests(self) -> Iterator[Asks]:
        """Every condition on a field within this one."""

    def questions(self) -> Iterator[Question]:
        """What those ask: for who does not want to know where it is written."""
        for test in self.tests():
            yield test.question

    def answer(self, view: View) -> Verdict:
        """Whether it holds, with its reasons."""
        held, error = _told(self.decide(view))
        return Verdict(str(self), held, self.saw(view), place=self.place, error=error)

    def saw(self, view: View) -> str:
        """What it looked at, for a person."""
        return ""


class Asks(Condition):
    """A question, where it is written."""

    __slots__ = ("question",)

    def __init__(self, field: str, operator: Operator, place: Place) -> None:
        self._init(question(field, operator), place)

    @classmethod
    def of(cls, question: Question, place: Place) -> Asks:
        """One that shares its question with others."""
        made = cls.__new__(cls)
        made._init(question, place)  # noqa: SLF001 - its own
        return made

    def _init(self, question: Question, place: Place) -> None:
        self.question = question
        self.place = place
        self.cost = question.cost

    @property
    def field(self) -> str:
        return self.question.field

    @property
    def operator(self) -> Operator:
        return self.question.operator

    def decide(self, view: View) -> Answer:
        return self.question.decide(view)

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
    """What "all" and "any" have in common. `parts` are as written; they are asked beginning with the cheapest."""

    __slots__ = ("_ordered", "parts")

    def __init__(self, parts: Sequence[Condition], place: Place) -> None:
        self.parts = tuple(parts)
        self.place = place
        self.cost = sum(part.cost for part in parts)
        #: Made when it is first needed.
        self._ordered: tuple[Condition, ...] | None = None

    def _settle(self, view: View, wanted: bool) -> Answer:  # noqa: FBT001 - once for each rule that is looked at
        """Kleene's "any" (`wanted` true) or "all": as `truth.settle`, whose answer it must be, without a generator."""
        doubt: Unevaluable | None = None
        ordered = self._ordered
        if ordered is None:
            ordered = self._ordered = tuple(sorted(self.parts, key=lambda part: part.cost))
        for part in ordered:
            answer = part.decide(view)
            if answer is wanted:
                return wanted
            if answer is not (not wanted) and (doubt is None or answer.undecided):  # type: ignore[union-attr]
                doubt = answer  # type: ignore[assignment]
        return (not wanted) if doubt is None else doubt

    def answer(self, view: View) -> Verdict:
        held, error = _told(self.decide(view))
        children = tuple(part.answer(view) for part in self.parts)
        return Verdict(str(self), held, children=children, place=self.place, error=error)

    def tests(self) -> Iterator[Asks]:
        for part in self.parts:
            yield from part.tests()


class AllOf(_Several):
    """Every part holds."""

    __slots__ = ()

    def decide(self, view: View) -> Answer:
        return self._settle(view, False)  # noqa: FBT003 - as above

    def __str__(self) -> str:
        return "all of" if self.parts else "anything"


class AnyOf(_Several):
    """At least one part holds."""

    __slots__ = ()

    def decide(self, view: View) -> Answer:
        return self._settle(view, True)  # noqa: FBT003 - as above

    def __str__(self) -> str:
        return "any of"


class Negation(Condition):
    """The part does not hold."""

    __slots__ = ("part",)

    def __init__(self, part: Condition, place: Place) -> None:
        self.part = part
        self.place = place
        self.cost = part.cost

    def decide(self, view: View) -> Answer:
        answer = self.part.decide(view)
        return answer if isinstance(answer, Unevaluable) else not answer

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


def _told(answer: Answer) -> tuple[bool | None, str]:
    return (None, str(answer)) if isinstance(answer, Unevaluable) else (answer, "")


def seen(values: Sequence[Tree]) -> str:
    """What a field had, for a person."""
    if not values:
        return "absent"
    told = [_repo(value) if isinstance(value, dict) and "knot" in value else show(value) for value in values[:4]]
    return ", ".join(told) + (f" and {len(values) - 4} more" if len(values) > 4 else "")


def _repo(repo: dict[str, Tree]) -> str:
    named = f"{repo['owner']}/{repo['name']}" if "owner" in repo and "name" in repo else ""
    return show(named or repo.get("did", "?"), 120)
