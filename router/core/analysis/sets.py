"""Sets of JSON values: texts, numbers (in spans) and the others (true, false, null and whatever else there is)."""

from __future__ import annotations

import math

from msgspec import Struct

from router.core.analysis import texts
from router.core.analysis.texts import Texts

#: Between two numbers: (number, False) lies just before it, (number, True) just after.
Cut = tuple[float, bool]
#: Spans in order, that do not touch.
Spans = tuple[tuple[Cut, Cut], ...]

_FIRST: Cut = (-math.inf, False)
_LAST: Cut = (math.inf, True)
EVERY_NUMBER: Spans = ((_FIRST, _LAST),)
#: Among the others: no number, though Python has it for one; and what is not what a field is read as (no time, no address).
NAN, MISFIT = "nan", "misfit"


def _outside(spans: Spans) -> Spans:
    found: list[tuple[Cut, Cut]] = []
    at = _FIRST
    for start, end in spans:
        if at < start:
            found.append((at, start))
        at = end
    return (*found, (at, _LAST)) if at < _LAST else tuple(found)


def _common(one: Spans, other: Spans) -> Spans:
    found = [(max(a, c), min(b, d)) for a, b in one for c, d in other]
    return tuple(sorted(span for span in found if span[0] < span[1]))


class Others(Struct, frozen=True):
    """Some of what is neither text nor number: `some`, or everything but those."""

    some: frozenset[str] = frozenset()
    but: bool = False

    def __and__(self, other: Others) -> Others:
        if self.but and other.but:
            return Others(self.some | other.some, but=True)
        if self.but or other.but:
            listed, rest = (other, self) if self.but else (self, other)
            return Others(listed.some - rest.some)
        return Others(self.some & other.some)

    def __invert__(self) -> Others:
        return Others(self.some, but=not self.but)

    @property
    def empty(self) -> bool:
        return not self.but and not self.some


class Values(Struct, frozen=True):
    """A set of values."""

    texts: Texts = texts.NONE
    numbers: Spans = ()
    others: Others = Others()

    def __and__(self, other: Values) -> Values:
        return Values(self.texts & other.texts, _common(self.numbers, other.numbers), self.others & other.others)

    def __or__(self, other: Values) -> Values:
        return ~(~self & ~other)

    def __invert__(self) -> Values:
        return Values(~self.texts, _outside(self.numbers), ~self.others)

    def empty(self) -> bool:
        """Raises TooHard."""
        return not self.numbers and self.others.empty and texts.is_empty(self.texts)


EVERYTHING = Values(texts.ALL, EVERY_NUMBER, Others(but=True))
EVERY_TEXT = Values(texts.ALL)


def of_texts(some: Texts) -> Values:
    return Values(some)


def between(low: float | None, high: float | None, *, above: bool = False, below: bool = False) -> Values:
    """The numbers from `low` to `high`; without the bounds themselves where `above` and `below`."""
    start = _FIRST if low is None else (low, above)
    end = _LAST if high is None else (high, not below)
    return Values(numbers=((start, end),) if start < end else ())


def point(number: float) -> Values:
    return between(number, number)


def other(name: str) -> Values:
    return Values(others=Others(frozenset((name,))))
