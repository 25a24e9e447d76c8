"""Three-valued answers: yes, no, or that it cannot be told.

Where questions are combined, the answer is "cannot be told" only if the others do not settle it (Kleene's logic), so that it
never depends on the order in which they are asked.
"""

from __future__ import annotations

from collections import UserDict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol, TypeAlias

from router.core.errors import RouterError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from router.core.model import Tree

#: Handle to DID, or to None where a handle is known not to exist. One that is missing is not known yet.
Identities = Mapping[str, str | None]


class Known(UserDict[str, "str | None"]):
    """Identities that say when they changed: `revision` counts, so that an index need not look through all of them."""

    revision = 0

    def __setitem__(self, handle: str, did: str | None) -> None:
        if self.data.get(handle, "") != did:
            self.revision += 1
        super().__setitem__(handle, did)

    def __delitem__(self, handle: str) -> None:
        self.revision += 1
        super().__delitem__(handle)


class Unevaluable(RouterError):
    """A condition cannot be evaluated for this event. `undecided`: it may be, once a fact that is missing now is known."""

    def __init__(self, sentence: str, *, undecided: bool = False) -> None:
        super().__init__(sentence)
        self.undecided = undecided


Answer: TypeAlias = "bool | Unevaluable"


class Operator(Protocol):
    """Frozen and comparable, so that equal conditions of many rules can be shared."""

    def holds(self, values: Sequence[Tree], identities: Identities) -> bool:
        """Whether the operator holds for these values, given who is who. Raises Unevaluable."""

    def __str__(self) -> str: ...


def settled(answer: Answer) -> bool:
    """The answer where there is one. Raises Unevaluable."""
    if isinstance(answer, Unevaluable):
        raise answer
    return answer


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
