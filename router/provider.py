"""The contract between the router and its providers. With `router.core.model` and `router.core.errors`, all a provider imports.

A provider module holds four things, in this order: `Settings` (what router.yaml says of it), `Options` (what a rule's step
says), the class, and one last line, `plugin = Plugin(settings=Settings, options=Options, open=TheClass)`, which is both its
registration (entry-point group `router.providers`) and a contract that mypy checks.

`validate` imports provider modules only to read their schemas, so import aiohttp and other heavy things where they are used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

from pydantic import BaseModel

from router.core.model import Delivery, Receipt, Report, Tree
from router.core.options import Bounded, Command, Exposes, Script, Verbatim
from router.host import Host
from router.secret import Secret, SecretMissing
from router.settings import Closed, Duration

__all__ = [
    "Bounded",
    "Closed",
    "Command",
    "Duration",
    "Exposes",
    "Follows",
    "Host",
    "Plugin",
    "Provider",
    "Reconciles",
    "Script",
    "Secret",
    "SecretMissing",
    "Verbatim",
]

OptionsT = TypeVar("OptionsT", bound=BaseModel)
OptionsT_contra = TypeVar("OptionsT_contra", bound=BaseModel, contravariant=True)
SettingsT = TypeVar("SettingsT", bound=BaseModel)


class Provider(Protocol[OptionsT_contra]):
    """Something that can make an action take effect."""

    async def deliver(self, delivery: Delivery[OptionsT_contra], /) -> Receipt:
        """Make the action take effect.

        Called again with the same `delivery.id` after a crash or a lost lease, so pass it on as the idempotency key wherever
        the other side takes one. Runs beside other deliveries of the same provider, and is cancelled when
        `delivery.timeout` is over, which counts as Ambiguous: clean up, and let the cancellation through. Raises Transient,
        Permanent or Ambiguous; SecretMissing parks the delivery; anything else is a bug and makes it a dead letter.
        """


@runtime_checkable
class Reconciles(Protocol[OptionsT_contra]):
    """A provider that can look up whether a delivery happened. Without it an ambiguous delivery is dead, or, if its step or
    provider says that it is idempotent, made again."""

    #: Seconds that the other side may need until a look-up sees what it accepted.
    settle: float

    async def find(self, delivery: Delivery[OptionsT_contra], /) -> Receipt | None:
        """The receipt, if it happened; None, if it surely did not. Raises Transient when that cannot be told now."""


@runtime_checkable
class Follows(Protocol):
    """A provider whose effects go on after the receipt: builds."""

    async def poll(self, receipts: Sequence[tuple[str, Receipt]], /) -> Sequence[Report]:
        """The present status of each (delivery id, receipt) that has news worth telling. Raises Transient as a whole, and
        leaves out what it could not learn."""


@dataclass(frozen=True, slots=True)
class Plugin(Generic[SettingsT, OptionsT]):
    """A provider's registration.

    `open` is called once, with the settings of router.yaml (or their defaults), inside the running loop. `idempotent` says
    that doing it twice with the same id does no harm, so that an ambiguous outcome may simply be tried again.

    `sample` is for tests of rules: the body, as JSON, of what the other side answers with a status. A plug-in that has one
    acts by requests of `host.http` alone, so that a test can answer them; of any other, a test says how attempts end, and
    `deliver` is never called.
    """

    settings: type[SettingsT]
    options: type[OptionsT]
    open: Callable[[SettingsT, Host], Provider[OptionsT]]
    idempotent: bool = False
    sample: Callable[[int], Tree] | None = None


AnyPlugin = Plugin[Any, Any]
