"""Three-valued answers: yes, no, or that it cannot be told.

Where questions are combined, the answer is "cannot be told" only if the others do not settle it (Kleene's logic), so that it
never depends on the order in which they are asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from router.core.errors import RouterError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from router.core.model import Tree

#: Handle to DID, or to None where a handle is known not to exist. One that is missing is not known yet.
Identities = Mapping[str, str | None]


class Unevaluable(RouterError):
    """A condition cannot be evaluated for this event. `undecided`: it may be, once a fact that is missing now is known."""

    def __init__(self, sentence: str, *, undecided: bool = False) -> None:
        super().__init__(sentence)
        self.undecided = undecided


class Operator(Protocol):
    """Frozen and comparable, so that equal conditions of many rules can be shared."""

    def holds(self, values: Sequence[Tree], identities: Identities) -> bool:
        """Whether the operator holds for these values, given who is who. Raises Unevaluable."""

    def __str__(self) -> str: ...


def settle(answers: Iterable[bool | Unevaluable], *, wanted: bool) -> bool:
    """Kleene's "any" (`wanted` true) or "all" (`wanted` false): `wanted` settles it, else an error does, else the rest."""
    doubt: Unevaluable | None = None
    for answer in answers:
        if isinstance(answer, Unevaluable):
            if doubt is None or answer.undecided:
                doubt = answer
        elif answer is wanted:
            return wanted
    if doubt is not None:
        raise doubt
    return not wanted


def attempt(operator: Operator, values: Sequence[Tree], identities: Identities) -> bool | Unevaluable:
    """The answer, with Unevaluable as a value."""
    try:
        return operator.holds(values, identities)
    except Unevaluable as doubt:
        return doubt
