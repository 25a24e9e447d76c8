"""What a check of the surroundings says: `router doctor` asks the machine, sources and providers for these."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol, runtime_checkable


class Health(IntEnum):
    """How a check came out; the worst is greatest."""

    WELL = 0
    DOUBTFUL = 1
    ILL = 2


@dataclass(frozen=True, slots=True)
class Check:
    """One finding: `what` was looked at, what was `seen`, and what to `do` where it is not well."""

    what: str
    health: Health
    seen: str
    do: str = ""


def well(what: str, seen: str) -> Check:
    return Check(what, Health.WELL, seen)


def doubtful(what: str, seen: str, do: str) -> Check:
    return Check(what, Health.DOUBTFUL, seen, do)


def ill(what: str, seen: str, do: str) -> Check:
    return Check(what, Health.ILL, seen, do)


@runtime_checkable
class Checks(Protocol):
    """A source or a provider that can tell whether it would work, without changing anything anywhere."""

    async def check(self) -> Sequence[Check]:
        """Read-only calls alone. Raises nothing that is the other side's doing: that is a finding."""
