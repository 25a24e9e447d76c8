"""Why a run that was asked for is not made."""

from __future__ import annotations

from router.core.errors import RouterError


class NothingToRun(RouterError):
    """There is no workflow, and no rule, for it."""


class BadTrigger(RouterError):
    """It is asked for in a way that makes no sense."""
