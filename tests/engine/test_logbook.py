"""What workflows say, to several who watch: every line once, whichever step speaks, and where the store has it by the end."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from router.core.model import LogLine, Receipt, State, Status, Workflow
from router.engine.bell import Bell
from router.engine.logbook import Logbook
from router.engine.store.base import Run
from router.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import Sequence

RUN = Run(
    delivery="d",
    run=1,
    workflow="ci",
    provider="toy",
    state=State.DONE,
    status=Status.RUNNING,
    receipt=Receipt(id="1"),
    options={},
    why="",
)


def step(number: int, *texts: str, over: bool = False) -> list[LogLine]:
    """A step's lines so far."""
    lines = [LogLine(step=number, part="start", text=f"step {number}")]
    lines += [LogLine(step=number, part="said", text=text) for text in texts]
    return [*lines, LogLine(step=number, part="end", text=f"step {number}")] if over else lines


@dataclass
class Toy:
    """Says what it is told to say, look by look; the build is over at the last."""

    looks: deque[list[LogLine]]
    kept: list[LogLine] = field(default_factory=list)

    async def logs(self, _receipt: Receipt, /) -> Sequence[LogLine]:
        return self.looks.popleft() if len(self.looks) > 1 else self.looks[0]

    async def pipeline(self, _name: str) -> Any:
        status = Status.SUCCESS if len(self.looks) == 1 else Status.RUNNING
        return SimpleNamespace(workflows=(Workflow(name="ci", status=status),))

    async def runs(self, _pipeline: str) -> list[Run]:
        return [RUN]

    async def log(self, _delivery: str, _run: int, after: int, limit: int) -> list[LogLine]:
        return self.kept[after : after + limit]

    async def write_log(self, _delivery: str, _run: int, first: int, lines: Sequence[LogLine], _now: int) -> None:
        assert first == 0
        self.kept = self.kept or list(lines)


class Leaping(FakeClock):
    """Nobody waits."""

    async def sleep(self, seconds: float) -> None:
        self.forward(seconds)


def book(toy: Toy) -> Logbook:
    return Logbook(toy, {"toy": SimpleNamespace(provider=toy)}, Bell(), Leaping())  # type: ignore[arg-type, dict-item]


LOOKS = (
    [*step(0, "a")],
    [*step(0, "a"), *step(1, "x")],
    [*step(0, "a", "b"), *step(1, "x", "y")],
    [*step(0, "a", "b", "c", over=True), *step(1, "x", "y", over=True)],
)


@pytest.mark.parity(59, 63)
async def test_steps_that_speak_at_the_same_time_lose_nothing() -> None:
    """A line of the first comes after lines of the second were told: it is told all the same, and none of them twice."""
    toy = Toy(deque(LOOKS))
    told = [line async for line in book(toy).follow("p", "ci")]
    assert sorted(map(str, told)) == sorted(map(str, LOOKS[-1]))
    for number in (0, 1):
        assert [line for line in told if line.step == number] == [line for line in LOOKS[-1] if line.step == number]
    assert toy.kept == LOOKS[-1]
    assert [line async for line in book(toy).follow("p", "ci")] == LOOKS[-1]


async def test_what_another_watcher_has_stored_is_not_told_again() -> None:
    """Somebody who began to watch earlier has what the store got meanwhile."""
    toy = Toy(deque(LOOKS[:2]))
    told = []
    async for line in book(toy).follow("p", "ci"):
        told.append(line)
        toy.kept = toy.kept or (list(LOOKS[-1]) if line.text == "a" else [])
    assert sorted(map(str, told)) == sorted(map(str, LOOKS[-1]))
