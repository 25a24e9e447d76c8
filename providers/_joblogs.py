"""What Buildkite's jobs say, as lines: a job is a step, from its name to its end.

Facts: https://buildkite.com/docs/apis/rest-api/jobs. Agents put marks with the time in milliseconds before lines; terminals do
not show them. What overwrites a line (a progress bar) comes after a carriage return: the last of it is what is seen.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from providers._builds import moment
from providers._requests import line
from router.core.model import LogLine

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

#: Bytes of one log that are read, jobs of a build, and lines of all of them.
LARGEST, JOBS, LINES = 8 << 20, 200, 20_000
_MARK = re.compile(r"\x1b_bk;t=([0-9]{1,15})\x07")
_STARTED = ("running", "passed", "failed", "canceling", "canceled", "timing_out", "timed_out")
_OVER = ("passed", "failed", "canceled", "timed_out", "broken", "expired", "skipped")


def jobs(build: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Those that say something: scripts, and steps that wait for a person."""
    listed = build.get("jobs")
    found = [job for job in (listed if isinstance(listed, list) else ()) if isinstance(job, dict)]
    return [job for job in found if job.get("type") in ("script", "manual") and isinstance(job.get("id"), str)][:JOBS]


def has_log(job: Mapping[str, Any]) -> bool:
    """Whether it has begun to speak; its id is one segment of a path."""
    return (
        job.get("type") == "script"
        and job.get("state") in _STARTED
        and re.fullmatch(r"[A-Za-z0-9-]{1,64}", job["id"]) is not None
    )


def is_over(job: Mapping[str, Any]) -> bool:
    """Whether it says no more."""
    return job.get("state") in _OVER


def lines(step: int, job: Mapping[str, Any], text: str, *, over: bool = True, most: int = LINES) -> Iterator[LogLine]:
    """A job's lines; nothing of one that has not begun. While it is not `over`, a line without an end is left for later."""
    started, state = moment(job.get("started_at")) or 0, job.get("state")
    manual = job.get("type") == "manual"
    if not manual and not has_log(job):
        return
    name = line(str(job.get("name") or job.get("label") or "a job"), 200)
    command = job.get("command")
    yield LogLine(
        step=step, part="start", text=name, at=started, system=manual, command=command if isinstance(command, str) else ""
    )
    if manual and state == "blocked":
        yield LogLine(step=step, part="said", text="waiting to be unblocked in Buildkite", at=started, system=True)
    at = started
    said = text.split("\n")
    for number, one in enumerate(said if over and said[-1] else said[:-1]):
        if number >= most:
            yield LogLine(step=step, part="said", text="[the rest is left out]", at=at, system=True)
            break
        marks = _MARK.findall(one)
        at = int(marks[-1]) * 1000 if marks else at
        yield LogLine(step=step, part="said", text=_MARK.sub("", one).rstrip("\r").rpartition("\r")[2], at=at)
    if (over and is_over(job)) or (manual and state != "blocked"):
        yield LogLine(step=step, part="end", text=name, at=moment(job.get("finished_at")) or at, system=manual)
