"""What comes of a batch's events that nobody asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from router.core.model import Passed

if TYPE_CHECKING:
    from router.core.glance import Commit
    from router.core.model import Micros
    from router.sources.base import LeavesOut, Wants


class Passing:
    """Of one batch, and made for it: who wants what is asked once for each nsid, and may be different for the next batch."""

    __slots__ = ("_kind", "_wanted", "_wants", "times")

    def __init__(self, kind: str, wants: Wants) -> None:
        self._kind = kind
        self._wants = wants
        self._wanted: dict[str, bool | LeavesOut] = {}
        self.times: dict[str, list[Micros]] = {}

    def passes(self, nsid: str, time: Micros, sent: Commit[Any] | None = None) -> bool:
        """Whether nobody asks for it: then it is counted. `sent` are Jetstream's events, some of which may be left out."""
        wanted = self._wanted.get(nsid)
        if wanted is None:
            wanted = self._wanted[nsid] = self._wants(nsid)
        if wanted is True or (wanted is not False and (sent is None or not wanted(sent))):
            return False
        times = self.times.get(nsid)
        if times is None:
            times = self.times[nsid] = []
        times.append(time)
        return True

    @property
    def none(self) -> bool:
        """Whether all were wanted, and none had to be looked into for that: likely those of the next batch are, too."""
        return not self.times and bool(self._wanted) and all(wanted is True for wanted in self._wanted.values())

    def made(self) -> Passed:
        return Passed(self._kind, self.times)
