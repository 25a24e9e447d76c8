"""What jobs have said, kept for a while: a log that is over never changes, and Buildkite answers 200 questions a minute in all.

Everybody who watches builds asks for their logs every few seconds, so of the jobs that still run a few are asked each time,
those first that were asked longest ago.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Characters of all texts that are kept, and builds whose steps are numbered.
CHARACTERS, BUILDS = 32 << 20, 500
#: Logs that are asked for at once while a build runs.
LOOKS = 5


@dataclass(slots=True)
class Said:
    """A job's text so far; `over` says that there is no more to come."""

    text: str = ""
    over: bool = False


@dataclass
class Jobs:
    """By build and job."""

    _said: OrderedDict[tuple[str, str], Said] = field(default_factory=OrderedDict)
    _steps: OrderedDict[str, dict[str, int]] = field(default_factory=OrderedDict)
    _size: int = 0

    def said(self, build: str, job: str) -> Said | None:
        return self._said.get((build, job))

    def keep(self, build: str, job: str, said: Said) -> None:
        """As the one that was asked last."""
        name = build, job
        self._size += len(said.text) - len(self._said.pop(name, Said()).text)
        self._said[name] = said
        while self._size > CHARACTERS and len(self._said) > 1:
            _, forgotten = self._said.popitem(last=False)
            self._size -= len(forgotten.text)

    def step(self, build: str, job: str) -> int:
        """A number that stays, wherever further jobs appear in the build."""
        steps = self._steps.setdefault(build, {})
        self._steps.move_to_end(build)
        while len(self._steps) > BUILDS:
            self._steps.popitem(last=False)
        return steps.setdefault(job, len(steps))

    def wanted(self, build: str, jobs: Sequence[Mapping[str, Any]], *, over: bool) -> list[str]:
        """Ids of the jobs to ask for their logs now: all of a build that is over, whose log is read for the last time."""
        asked = [name for name in self._said if name[0] == build]
        order = {job: number for number, (_, job) in enumerate(asked)}
        open_ones = [str(job["id"]) for job in jobs if not self._said.get((build, str(job["id"])), Said()).over]
        longest_ago = sorted(open_ones, key=lambda job: order.get(job, -1))
        return longest_ago if over else longest_ago[:LOOKS]
