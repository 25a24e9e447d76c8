"""What can go wrong at the demo's CI, set by name from a test."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from router.core.model import Tree

ValueT = TypeVar("ValueT")


@dataclass
class Faults:
    """What goes wrong next. `answers` and `look_answers` are statuses for the next creations and look-ups (429 and 5xx).

    `drop_after` builds are made and the connection is cut before the answer, `truncate` in the middle of it, and `garble` are
    answered with 201 and nonsense; `drop_before` are not made. `drop_look` look-ups are cut. `delay` is in seconds; while
    `hold` is set a build is made and its answer waits. A new build is in lists only after `index_lag` seconds.
    """

    answers: deque[int] = field(default_factory=deque)
    look_answers: deque[int] = field(default_factory=deque)
    drop_after: int = 0
    drop_before: int = 0
    drop_look: int = 0
    truncate: int = 0
    garble: int = 0
    delay: float = 0.0
    hold: bool = False
    index_lag: float = 0.0

    def take(self, name: str) -> bool:
        """Whether one more of what is counted (`drop_after`, `truncate`, …) is due; counts it."""
        left: int = getattr(self, name)
        setattr(self, name, max(left - 1, 0))
        return left > 0

    def update(self, changes: dict[str, Tree]) -> None:
        """Raises ValueError for a fault that does not exist or a value of another type."""
        for name, value in changes.items():
            kinds = {known.name: type(getattr(self, known.name)) for known in fields(self)}
            if name not in kinds:
                raise ValueError(f"There is no fault {name!a}; there are {', '.join(kinds)}.")
            setattr(self, name, _as(kinds[name], value, name))


def _as(kind: type[ValueT], value: Tree, name: str) -> ValueT:
    """A fault's new value in its own type. Raises ValueError."""
    if kind is deque and isinstance(value, list) and all(status in (429, 500, 502, 503) for status in value):
        return kind(value)  # type: ignore[call-arg]
    if isinstance(value, kind) or (kind is float and isinstance(value, int)):
        return kind(value)  # type: ignore[call-arg]
    raise ValueError(f"{name} cannot be {value!a}.")
