"""How statuses follow one another, and what several deliveries that report to one workflow make of it together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.core.model import Status

if TYPE_CHECKING:
    from collections.abc import Collection

#: Of what is over, the worst counts.
_WORST = (Status.FAILED, Status.TIMEOUT, Status.CANCELLED, Status.SUCCESS)


def combined(statuses: Collection[Status]) -> Status | None:
    """A workflow is over when all of it is, and runs as soon as any of it has begun. None of nothing."""
    if not statuses:
        return None
    if all(status.final for status in statuses):
        return next(status for status in _WORST if status in statuses)
    return Status.PENDING if set(statuses) == {Status.PENDING} else Status.RUNNING


def is_news(before: Status | None, after: Status) -> bool:
    """Whether a workflow that was `before` may be told to be `after`: a final status never leaves, running never goes back to
    pending, and what is known already is no news."""
    if before is None:
        return True
    return not before.final and after != before and after is not Status.PENDING
