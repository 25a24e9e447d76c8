"""The contract of a source. A source module holds its `Settings`, pure parsing where it has any, the class, and one last line
`kind = SourceKind(...)`, which is its registration (entry-point group `router.sources`)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

from pydantic import BaseModel

from router.core.glance import Commit
from router.core.model import Heard
from router.host import Host
from router.observe import Observer

SettingsT = TypeVar("SettingsT", bound=BaseModel)
#: Whether a commit of Jetstream leads to nothing for certain.
LeavesOut: TypeAlias = Callable[[Commit[Any]], bool]
#: Whether anybody asks for events of an nsid, or what leaves some of them out. It may be another answer whenever a source has
#: waited for something.
Wants: TypeAlias = Callable[[str], bool | LeavesOut]


def everything(_nsid: str) -> bool:
    """Wants all there is."""
    return True


class Source(Protocol):
    """Something that events come from."""

    #: The name in router.yaml: the key of its cursor.
    name: str
    #: True where it comes to an end by itself (a file): `run --source` stops when all such sources are drained.
    finite: bool

    def hear(self, cursor: int | None, wants: Wants = everything) -> AsyncIterator[Sequence[Heard]]:
        """Everything after `cursor` (None: never heard before), in order, for ever: whatever is there at once, together. One at
        a time is fine where there is not much.

        Pulled by one task, and a slow consumer is back-pressure: stop reading the socket. Reconnecting is its own affair and
        starts from the last cursor it yielded. A peer's mistakes are yielded as bad frames, never raised; whatever is raised
        is a bug or broken configuration and ends this source alone, after what was yielded before. Closing the iterator
        releases everything. Events of nsids that are not wanted may be told as `passed`, and need not be.
        """


@dataclass(frozen=True, slots=True)
class SourceKind(Generic[SettingsT]):
    """A kind of source's registration. `open(name, settings, host, observer)` must not connect: `hear` does."""

    settings: type[SettingsT]
    open: Callable[[str, SettingsT, Host, Observer], Source]


AnySourceKind = SourceKind[Any]
