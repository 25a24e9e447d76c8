"""Every error the router raises on purpose.

RouterError
├── BadInput             somebody's text could not be understood; carries its problems
│   └── BadFrame         one frame of a peer: counted, kept in a ring, and passed over
├── RenderError          a template met an event that it cannot render
├── DeliveryError        what a provider says of an attempt; the class says what to do next
│   ├── Transient        it did not happen: try again, perhaps after a stated wait
│   │   ├── RateLimited  nor will anything else that the same limit counts, until then
│   │   └── Unauthorized nor will anything else by the same credential, until an operator mends it
│   ├── Permanent        it did not happen and never will: dead letter
│   └── Ambiguous        it may have happened: look before trying again
└── StoreError           our own memory: locked by another router, or from a newer version
    ├── StoreFull        the disk is full: wait until there is room
    ├── StoreCorrupt     it is damaged, or no database: restore a backup
    └── StoreBroken      the disk failed while we wrote: end the process

Anything else that a provider raises is a bug in it: the delivery is dead at once, because retrying a bug repeats it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from router.core.problems import Problem


class RouterError(Exception):
    """The root of the tree. Its text is a sentence for a person, and holds no secret."""


class BadInput(RouterError):
    """A text from a person or a peer cannot be understood."""

    def __init__(self, sentence: str, problems: Sequence[Problem] = ()) -> None:
        super().__init__(sentence)
        self.problems = tuple(problems)


class BadFrame(BadInput):
    """One frame of a peer is not an event.

    `cursor` is where it stands in its stream, where that much of it can be read: the next dial begins after it.
    """

    def __init__(self, sentence: str, *, cursor: int | None = None) -> None:
        super().__init__(sentence)
        self.cursor = cursor


class RenderError(RouterError):
    """A template, or the options that came out of it, cannot be used for this event."""


class DeliveryError(RouterError):
    """An attempt at a delivery failed.

    `response` is what the other side answered, cut and free of secrets, for the person who reads the dead letter.
    """

    def __init__(self, sentence: str, *, response: str | None = None) -> None:
        super().__init__(sentence)
        self.response = response


class Transient(DeliveryError):
    """It did not happen; trying again may help.

    `retry_after` is in seconds, as the other side asked. `counts` is false where the attempt was never considered (429),
    so that a busy CI does not use up a delivery's attempts. `alive` says that the other side is well, and refused just this.
    """

    def __init__(
        self,
        sentence: str,
        *,
        response: str | None = None,
        retry_after: float | None = None,
        counts: bool = True,
        alive: bool = False,
    ) -> None:
        super().__init__(sentence, response=response)
        self.retry_after = retry_after
        self.counts = counts
        self.alive = alive


class RateLimited(Transient):
    """The other side counts our requests and takes no more for `retry_after` seconds (429). It uses up no attempt.

    `limits` are the names of the limits that are used up; none: all those of its destination.
    """

    def __init__(self, sentence: str, *, retry_after: float, response: str | None = None, limits: Sequence[str] = ()) -> None:
        super().__init__(sentence, response=response, retry_after=retry_after, counts=False, alive=True)
        self.limits = tuple(limits)


class Unauthorized(Transient):
    """A credential of ours is refused (401), or may not do this there (403): nothing else is tried with it for a while, at that
    destination only where it is just not allowed `here`. It uses up no attempt."""

    #: Seconds until it is tried again: only an operator can mend it.
    AGAIN = 300.0

    def __init__(self, sentence: str, *, response: str | None = None, here: bool = False) -> None:
        super().__init__(sentence, response=response, retry_after=self.AGAIN, counts=False, alive=True)
        self.here = here


class Permanent(DeliveryError):
    """It did not happen, and the same request never will."""


class Ambiguous(DeliveryError):
    """It may have happened: the answer was lost after the request may have arrived."""


class StoreError(RouterError):
    """The store cannot be used: locked by another router, corrupt, or from a newer version."""


class StoreFull(StoreError):
    """There is no room to store it. Nothing is damaged: what was asked is not in the store, and can be asked again."""


class StoreCorrupt(StoreError):
    """What is in the file is not what was written. It is left as it is, never made anew; exit code 65 (EX_DATAERR)."""


class StoreBroken(StoreError):
    """The disk failed (an I/O or fsync error). What is on it is unknown until a fresh start reads it, so nothing is tried
    again: the process ends, with EX_IOERR (74) where it may choose."""
