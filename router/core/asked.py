"""What a rule asks, without where it is written: the form in which conditions are kept, and decided for events.

Questions, and what combines them. What of this is within others is one object for all rules that ask the same; `spots` has the
places, in the order of the parts here. Where somebody looks at a rule, `bound` makes a condition of both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct

from router.core.conditions import AllOf, AnyOf, Asks, Condition, Negation
from router.core.questions import Question
from router.core.truth import Answer, Unevaluable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from router.core.spots import Spot
    from router.core.view import View

Asked: TypeAlias = "Question | All | Any | Not"
#: What is within others, by its kind and its parts.
Known = dict[tuple[object, ...], "All | Any | Not"]


class _Several(tuple[Asked, ...]):
    """Parts, beginning with the cheapest. It is a tuple and does not have one, of which there would be as many as rules."""

    __slots__ = ()
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def questions(self) -> Iterator[Question]:
        """Every question within."""
        for part in self:
            yield from part.questions()


class All(_Several):
    """Every part holds."""

    __slots__ = ()

    def decide(self, view: View) -> Answer:
        """Kleene's "all": as `truth.settle`, whose answer it must be, without a generator."""
        doubt: Unevaluable | None = None
        for part in self:
            answer = part.decide(view)
            if answer is False:
                return False
            if answer is not True and (doubt is None or answer.undecided):
                doubt = answer
        return True if doubt is None else doubt


class Any(_Several):
    """At least one does."""

    __slots__ = ()

    def decide(self, view: View) -> Answer:
        """Kleene's "any"."""
        doubt: Unevaluable | None = None
        for part in self:
            answer = part.decide(view)
            if answer is True:
                return True
            if answer is not False and (doubt is None or answer.undecided):
                doubt = answer
        return False if doubt is None else doubt


class Not(Struct, eq=False, gc=False):
    """The part does not hold."""

    part: Asked

    def decide(self, view: View) -> Answer:
        """The opposite, where there is one."""
        answer = self.part.decide(view)
        return answer if isinstance(answer, Unevaluable) else not answer

    def questions(self) -> Iterator[Question]:
        """Every question within."""
        yield from self.part.questions()


def demands(asked: Asked) -> Iterator[Question]:
    """The questions that must all hold: not those under `any` and `not`."""
    if isinstance(asked, Question):
        yield asked
    elif isinstance(asked, All):
        for part in asked:
            yield from demands(part)


def taken(condition: Condition, known: Known) -> tuple[Asked, list[Spot]]:
    """What a condition asks, and its places."""
    places: list[Spot] = []
    return _taken(condition, known, places, 0, inner=False), places


def _taken(condition: Condition, known: Known, places: list[Spot], rank: int, *, inner: bool) -> Asked:
    places.append((condition.place, rank))
    if isinstance(condition, Asks):
        return condition.question
    if isinstance(condition, Negation):
        part = _taken(condition.part, known, places, 0, inner=True)
        return known.setdefault((Not, part), Not(part)) if inner else Not(part)
    kind = All if isinstance(condition, AllOf) else Any
    parts: Sequence[Condition] = condition.parts  # type: ignore[attr-defined]
    ranked = sorted(enumerate(parts), key=lambda one: one[1].cost)
    made = kind([_taken(part, known, places, at, inner=True) for at, part in ranked])
    return known.setdefault((kind, *made), made) if inner else made


def bound(asked: Asked, places: Iterator[Spot]) -> Condition:
    """The condition again, of what it asks and its places."""
    return _bound(asked, places)[1]


def _bound(asked: Asked, places: Iterator[Spot]) -> tuple[int, Condition]:
    place, rank = next(places)
    if isinstance(asked, Question):
        return rank, Asks.of(asked, place)
    if isinstance(asked, Not):
        return rank, Negation(bound(asked.part, places), place)
    parts = sorted((_bound(part, places) for part in asked), key=lambda one: one[0])
    kind = AllOf if isinstance(asked, All) else AnyOf
    return rank, kind([part for _, part in parts], place)
