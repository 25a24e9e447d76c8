"""What comes of a batch's events that nobody asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.core.model import Passed

if TYPE_CHECKING:
    from router.core.model import Micros
    from router.sources.base import Wants


class Passing:
    """Of one batch, and made for it: who wants what is asked once for each nsid, and may be different for the next batch."""

    __slots__ = ("_kind", "_wanted", "_wants", "times")

    def __init__(self, kind: str, wants: Wants) -> None:
        self._kind = kind
        self._wants = wants
        self._wanted: set[str] = set()
        self.times: dict[str, list[Micros]] = {}

    def passes(self, nsid: str, time: Micros) -> bool:
        """Whether nobody asks for it: then it is counted."""
        times = self.times.get(nsid)
        if times is None:
            if nsid in self._wanted:
                return False
            if self._wants(nsid):
                self._wanted.add(nsid)
                return False
            times = self.times[nsid] = []
        times.append(time)
        return True

    def made(self) -> Passed:
        return Passed(self._kind, self.times)
