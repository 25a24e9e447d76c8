"""Measures side by side: everything of one row in turns, in one process, because a machine's speed changes while one watches.

A module of this folder is a set of rows: it has `rows()`, which yields Row. `python -m bench` finds them by name.
"""

from __future__ import annotations

import gc
import statistics
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True)
class Times:
    """What one side of a row took, in seconds for each of its `units`. `spread` is (max - min) / median."""

    seconds: tuple[float, ...]

    @property
    def least(self) -> float:
        return min(self.seconds)

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def spread(self) -> float:
        return (max(self.seconds) - min(self.seconds)) / self.median


@dataclass(frozen=True)
class Row:
    """One line of the table: `ratio` against `limit`, which is the most, or with `least` the least that is asked for.

    `sides` are what was measured, by name, each in `unit`; `points` are what a plot is drawn of: (x, y) by line.
    """

    name: str
    ratio: float
    limit: float
    least: bool = False
    sides: Mapping[str, Times] = field(default_factory=dict)
    unit: str = "us"
    note: str = ""
    points: Mapping[str, list[tuple[float, float]]] = field(default_factory=dict)
    plot: str = ""

    @property
    def reached(self) -> bool:
        return self.ratio >= self.limit if self.least else self.ratio <= self.limit


def side_by_side(
    sides: Mapping[str, Callable[[], Any]], *, rounds: int = 5, units: Mapping[str, int] | int = 1, warm: bool = True
) -> dict[str, Times]:
    """Run each side once in each round; with `warm`, after a round that does not count.

    Taken is the time of the processor: what else a machine does is not counted.
    """
    taken: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(0 if warm else 1, rounds + 1):
        for name, run in sides.items():
            gc.collect()
            gc.disable()
            start = time.process_time()
            run()
            spent = time.process_time() - start
            gc.enable()
            if number:
                taken[name].append(spent / (units if isinstance(units, int) else units[name]))
    return {name: Times(tuple(seconds)) for name, seconds in taken.items()}


def ratio(one: Times, other: Times) -> float:
    """How many times as long one takes as the other: the median over rounds, each of which had its own weather."""
    return statistics.median(a / b for a, b in zip(one.seconds, other.seconds, strict=True))
