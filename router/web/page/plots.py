"""Small plots, as points of an SVG that a template draws, each with a sentence for those who do not see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from router.web.page.words import duration

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from router.recent import Step

#: The size of the drawing, in its own units.
WIDTH, HEIGHT = 600, 100


@dataclass(frozen=True, slots=True)
class Bar:
    """A step: where it stands, how high it is, and how much of it is bad."""

    x: float
    width: float
    height: float
    bad: float


@dataclass(frozen=True, slots=True)
class Plot:
    """`now`, `most` and `faults` are words. `told` says all of it in a sentence."""

    name: str
    title: str
    bars: tuple[Bar, ...]
    now: str
    most: str
    faults: str
    told: str


def plots(steps: Sequence[Step]) -> list[Plot]:
    """The rate of events, their lag, and how deliveries go and how long they take, minute by minute."""
    return [
        _plot("events", "Events a minute", steps, lambda step: step.events, _count),
        _plot("lag", "Longest lag", steps, lambda step: step.lag, duration),
        _plot("attempts", "Delivery attempts a minute", steps, lambda step: step.attempts, _count, lambda step: step.failed),
        _plot("took", "Longest attempt", steps, lambda step: step.took, duration),
    ]


def _count(value: float) -> str:
    return f"{value:,.0f}".replace(",", " ")


def _plot(
    name: str,
    title: str,
    steps: Sequence[Step],
    of: Callable[[Step], float | None],
    words: Callable[[float], str],
    bad: Callable[[Step], float] = lambda _step: 0,
) -> Plot:
    values = [of(step) for step in steps]
    known = [value for value in values if value is not None]
    top, faults = max(known, default=0.0), sum(map(bad, steps))
    width = WIDTH / max(len(steps), 1)
    scale = HEIGHT / top if top > 0 else 0.0
    bars = tuple(
        Bar(round(index * width, 2), round(width * 0.8, 2), round(max(value, 0) * scale, 2), round(bad(step) * scale, 2))
        for index, (step, value) in enumerate(zip(steps, values, strict=True))
        if value
    )
    last = values[-1] if values else None
    now, most = (words(last) if last is not None else "none"), (words(top) if known else "none")
    told = f"{title} in the last hour: {most} at most, {now} in this minute."
    failed = f"{_count(faults)} did not succeed" if faults else ""
    if failed:
        told += f" {failed}."
    return Plot(name, title, bars, now, most, failed, told)
