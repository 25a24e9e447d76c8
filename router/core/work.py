"""Work that a template may do, counted in units and not in seconds: the same event comes to the same answer on every machine.

A unit is about a tenth of a microsecond: eight characters, or one item that is looked at. Templates are the operator's own;
what they loop over, join and compare is a stranger's, and as long as a stranger makes it.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from jinja2.exceptions import SecurityError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: Units of one template, and of all templates of an event.
TEMPLATE, EVENT = 2_000_000, 8_000_000
#: Units of a step of a loop, or of calling something.
STEP = 10
_CONTAINER = (list, tuple, dict)


class Work:
    """What is left."""

    __slots__ = ("left",)

    def __init__(self, left: int = TEMPLATE) -> None:
        self.left = left


_current: ContextVar[Work | None] = ContextVar("work", default=None)


class bounded:  # noqa: N801 - it is used as a function is, once for every template: a generator would cost more than most of them
    """`with bounded(units)`: whatever is rendered within shares so many, and what is left of those of an outer bound."""

    __slots__ = ("_given", "_outer", "_token", "_units", "_work")

    def __init__(self, units: int) -> None:
        self._units = units

    def __enter__(self) -> None:
        outer = self._outer = _current.get()
        given = self._given = self._units if outer is None or outer.left > self._units else outer.left
        work = self._work = Work(given)
        self._token = _current.set(work)

    def __exit__(self, *_: object) -> None:
        _current.reset(self._token)
        if self._outer is not None:
            self._outer.left -= self._given - self._work.left


def spend(units: int) -> None:
    """Raises SecurityError where that is more than is left. Outside of any bound there is nothing to spend."""
    work = _current.get()
    if work is None:
        return
    work.left -= units
    if work.left < 0:
        raise SecurityError("it is too much work: what it loops over, or looks through, is too large")


def left() -> int:
    """Units that are left; those of one template outside of any bound."""
    work = _current.get()
    return TEMPLATE if work is None else work.left


def weigh(*values: Any) -> None:
    """Spend what it costs to look at every part of these values once."""
    most = left()
    spend(sum(weight(value, most) for value in values))


def weight(value: Any, most: int) -> int:
    """Units of looking at every part of a value. Counting stops beyond `most`: a list may have another many times over."""
    total, waiting = 0, [value]
    while waiting and total <= most:
        one = waiting.pop()
        if isinstance(one, str):
            total += 1 + len(one) // 8
        elif isinstance(one, _CONTAINER):
            total += 1 + len(one)
            if total <= most:
                waiting.extend(one)
                waiting.extend(one.values() if isinstance(one, dict) else ())
        else:
            total += 1
    return total


def steps(values: Any, each: int = STEP) -> Iterable[Any]:
    """The same to iterate over, each step paid for: at once where their number is known, or else one by one."""
    if isinstance(values, (str, range, *_CONTAINER)):
        spend(each * len(values))
        return values
    return _paid(iter(values), each)


def _paid(values: Iterator[Any], each: int) -> Iterator[Any]:
    for value in values:
        spend(each)
        yield value
