"""Conditions: what a rule asks of an event, compiled once, and evaluated and explained by the same code.

A condition is three-valued (see `truth`): `decide` answers yes, no or Unevaluable, whatever the order of its parts. What is
asked of a field is a Question: equal ones of many rules are one object, and answered once for an event.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from array import array
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from router.core.document import Source
from router.core.operators import Equals, Leaf
from router.core.problems import Place
from router.core.truth import Answer, Operator, Unevaluable, settled
from router.core.values import show
from router.core.view import SINGLE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from router.core.model import Tree
    from router.core.view import View

#: The largest column and width of a place that is kept as a number.
_MOST = (1 << 14) - 1
#: What a look at a field costs, roughly; the rest is a JSONPath.
_COSTS = {"nsid": 0, "source": 1, "trigger": 1, "operation": 1, "status": 1, "trust": 1, "branch": 2, "tag": 2, "ref": 2}


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


class Question:
    """One field and what is asked of its values. Compared by identity: `grammar` sees to it that equals are one."""

    __slots__ = ("field", "leaf", "operator")

    def __init__(self, field: str, operator: Operator) -> None:
        self.field = field
        self.operator = operator
        #: Of one value, which most fields have, a leaf asks no more than itself.
        self.leaf = isinstance(operator, Leaf)

    @property
    def cost(self) -> int:
        return _COSTS.get(self.field, 5 if self.field.startswith("$") else 3)

    def decide(self, view: View) -> Answer:
        """The answer for an event, which is remembered as long as the view is."""
        answer = view.answers.get(self)
        if answer is None:
            answer = view.answers[self] = self.ask(view)
        return answer

    def ask(self, view: View) -> Answer:
        """The answer, worked out anew."""
        try:
            values = view.values(self.field)
            if self.leaf and len(values) == 1 and type(values[0]) is not list:
                return self.operator.check(values[0])  # type: ignore[attr-defined, no-any-return]
            return self.operator.holds(values, view.identities)
        except Unevaluable as doubt:
            # It is remembered as long as the view is, and must not keep alive where it came from.
            return doubt.with_traceback(None)


class _IsText(Question):
    """The commonest question: whether a named field is exactly this text."""

    __slots__ = ("text",)

    def __init__(self, field: str, operator: Equals) -> None:
        super().__init__(field, operator)
        self.text: str = operator.value

    def decide(self, view: View) -> Answer:
        # Asking again takes less than remembering does.
        value = view.event.fields.get(self.field)
        if type(value) is str:
            return self.text == value
        return False if value is None else super().decide(view)

    def ask(self, view: View) -> Answer:
        value = view.event.fields.get(self.field)
        if value is None:
            return False
        return value == self.text if type(value) is str else super().ask(view)


def question(field: str, operator: Operator) -> Question:
    """The question, in the form that is answered fastest."""
    if isinstance(operator, Equals) and type(operator.value) is str and field in SINGLE:
        return _IsText(field, operator)
    return Question(field, operator)


class Condition(ABC):
    """The base of the four kinds. `cost` orders evaluation; `place` is where it is written.

    There are several for each of a hundred thousand rules, so that a place takes a number instead of an object.
    """

    __slots__ = ("_of", "_place", "cost")
    cost: int

    @property
    def place(self) -> Place:
        at, of = self._place, self._of
        if isinstance(at, Place):
            return at
        return Place(of.file, at >> 28, at >> 14 & _MOST, at & _MOST, of)

    @place.setter
    def place(self, place: Place) -> None:
        of = place.of
        fits = isinstance(of, Source) and place.column <= _MOST and place.width <= _MOST
        self._of: Any = of if fits else None
        self._place: Any = place.line << 28 | place.column << 14 | place.width if fits else place

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

    @classmethod
    def at(cls, question: Question, spot: int, source: Source) -> Asks:
        """One whose place was kept as a number."""
        made = cls.__new__(cls)
        made.question, made.cost = question, question.cost
        made._of, made._place = source, spot  # noqa: SLF001 - its own
        return made

    def spot(self, source: object) -> int | None:
        """Its place as a number, if it is one of this source."""
        return self._place if self._of is source and type(self._place) is int else None

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
    """What "all" and "any" have in common. `parts` are as written; they are asked beginning with the cheapest.

    Where all of them are questions, as in most rules, those are kept, and of their places the numbers.
    """

    __slots__ = ("_ordered", "_parts", "_spots")

    def __init__(self, parts: Sequence[Condition], place: Place) -> None:
        #: Made when it is first needed: most of a hundred thousand rules are never looked at.
        self._ordered: tuple[Condition | Question, ...] | None = None
        self.place = place
        self.cost = sum(part.cost for part in parts)
        self._spots = _packed(parts, self._of)
        packed = self._spots is not None
        self._parts: tuple[Any, ...] = tuple(part.question for part in parts) if packed else tuple(parts)  # type: ignore[attr-defined]

    @property
    def parts(self) -> tuple[Condition, ...]:
        if self._spots is None:
            return self._parts
        return tuple(
            Asks.at(question, spot, self._of) for question, spot in zip(self._parts, array("Q", self._spots), strict=True)
        )

    def _settle(self, view: View, wanted: bool) -> Answer:  # noqa: FBT001 - once for each rule that is looked at
        """Kleene's "any" (`wanted` true) or "all": as `truth.settle`, whose answer it must be, without a generator."""
        doubt: Unevaluable | None = None
        ordered = self._ordered
        if ordered is None:
            ordered = self._ordered = tuple(sorted(self._parts, key=lambda part: part.cost))
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

    @property
    def asked(self) -> tuple[Question, ...] | None:
        """The questions, where the parts are nothing else."""
        return self._parts if self._spots is not None else None

    def tests(self) -> Iterator[Asks]:
        for part in self.parts:
            yield from part.tests()

    def questions(self) -> Iterator[Question]:
        if self._spots is not None:
            yield from self._parts
            return
        for part in self._parts:
            yield from part.questions()


def _packed(parts: Sequence[Condition], source: object) -> bytes | None:
    """The places of questions in one source, in order; None where there is something else among them."""
    if source is None or not parts:
        return None
    spots = array("Q")
    for part in parts:
        spot = part.spot(source) if type(part) is Asks else None
        if spot is None:
            return None
        spots.append(spot)
    return spots.tobytes()


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
