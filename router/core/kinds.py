"""Which events a rule may match, as far as that is known: the nsids that its conditions leave.

Only what every matching event must fulfil counts, so what stands under `any` or `not` does not.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from msgspec import Struct

from router.core.asked import demands
from router.core.lexicons import KNOWN
from router.core.operators import AnyOf, Equals, OneOf
from router.core.rulebook import OWN_STATUS
from router.core.truth import attempt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from router.core.asked import Asked
    from router.core.truth import Operator

_TELLING = ("nsid", "source", "status", "trigger")


class Kinds(Struct, frozen=True):
    """The nsids that a rule's events may have; none where they may have one that is not known.

    `named` are those that its `nsid`, `source` and `status` leave. `triggered` are those that `trigger` leaves as well, which
    only events with known fields have: what an event without them looks like is not known.
    """

    named: tuple[str, ...]
    triggered: tuple[str, ...]


def kinds(asked: Asked) -> Kinds:
    """What a rule leaves that asks this."""
    return _kinds(tuple((one.field, one.operator) for one in demands(asked) if one.field in _TELLING))


@lru_cache(maxsize=4096)
def _kinds(tests: tuple[tuple[str, Operator], ...]) -> Kinds:
    nsid, source, status, trigger = ([operator for name, operator in tests if name == field] for field in _TELLING)
    ours = _needed(status) or any(_words(operator) == frozenset(("spindle",)) for operator in source)
    known = [one for one in ([OWN_STATUS] if ours else KNOWN) if _all_hold(nsid, one)]
    is_named = ours or any(_are_known(operator) for operator in nsid)
    named = tuple(known) if is_named else ()
    if not _needed(trigger):
        return Kinds(named, named)
    return Kinds(named, tuple(one for one in known if any(_all_hold(trigger, word) for word in KNOWN[one].triggers)))


def _are_known(nsid: Operator) -> bool:
    """Whether it leaves known nsids only. A glob may always mean another, too."""
    words = _words(nsid)
    return words is not None and words <= KNOWN.keys()


def _words(operator: Operator) -> frozenset[str] | None:
    """The texts that an operator lists; None where it is of another kind."""
    if isinstance(operator, Equals):
        return frozenset((operator.value,)) if isinstance(operator.value, str) else None
    if isinstance(operator, OneOf):
        return operator.texts
    if isinstance(operator, AnyOf):
        parts = [_words(part) for part in operator.operators]
        return frozenset().union(*(part for part in parts if part is not None)) if None not in parts else None
    return None


def _needed(operators: Sequence[Operator]) -> bool:
    """Whether the field must be there."""
    return any(attempt(operator, (), {}) is False for operator in operators)


def _all_hold(operators: Sequence[Operator], text: str) -> bool:
    return all(attempt(operator, (text,), {}) is True for operator in operators)
