"""The contract between the router and its providers. With `router.core.model` and `router.core.errors`, all a provider imports.

A provider module holds four things, in this order: `Settings` (what router.yaml says of it), `Options` (what a rule's step
says), the class, and one last line, `plugin = Plugin(settings=Settings, options=Options, open=TheClass)`, which is both its
registration (entry-point group `router.providers`) and a contract that mypy checks.

`validate` imports provider modules only to read their schemas, so import aiohttp and other heavy things where they are used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

from pydantic import BaseModel

from router.core.checkup import Check, Checks, doubtful, ill, well
from router.core.errors import RouterError
from router.core.marks import Bounded, Command, Exposes, Plainly, Script, Verbatim
from router.core.model import Delivery, LogLine, Micros, Receipt, Report, Retry, Tree
from router.host import Host, Limit
from router.secret import Secret, SecretMissing
from router.settings import Closed, Duration

__all__ = [
    "Addresses",
    "Audits",
    "Bounded",
    "Cancels",
    "Check",
    "Checks",
    "Closed",
    "Command",
    "Destination",
    "Doubled",
    "Duration",
    "EndsWithItsAttempt",
    "Exposes",
    "Follows",
    "Hears",
    "Host",
    "Limit",
    "Logs",
    "News",
    "Plainly",
    "Plugin",
    "Provider",
    "Reconciles",
    "Refused",
    "Retry",
    "Script",
    "Secret",
    "SecretMissing",
    "Verbatim",
    "doubtful",
    "ill",
    "well",
    "yaml_trouble",
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where deliveries go that fail together: `name` is a host, an organization. `credential` names what they are sent with,
    where that may be refused; `limits` are what the other side counts, the same for all that share them by name."""

    name: str
    credential: str = ""
    limits: tuple[Limit, ...] = ()


@runtime_checkable
class Addresses(Protocol[OptionsT_contra]):
    """A provider whose deliveries go to other sides that may be slow, busy or gone, each for itself. Without it all of its
    deliveries are one destination, without limits and without a circuit breaker."""

    def destination(self, options: OptionsT_contra, /) -> Destination:
        """Where a delivery with these options goes. Must not raise, wait or look at anything but settings and options."""


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


@runtime_checkable
class Cancels(Protocol):
    """A provider whose effects can be stopped."""

    async def cancel(self, receipt: Receipt, /) -> bool:
        """Stop it. True where the other side agreed, or it is stopping already; False where it is over, so that its own end is
        the truth. Raises Transient where that cannot be told now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubled:
    """A delivery that happened twice: `first` is the effect to keep, `extra` a later one."""

    delivery: str
    first: Receipt
    extra: Receipt


@runtime_checkable
class Audits(Protocol):
    """A provider that can list its latest effects, so that one too many is found."""

    async def audit(self, receipts: Sequence[Receipt], since: Micros, /) -> Sequence[Doubled]:
        """Of the effects that began at `since` or later, those that one delivery had twice. What a person asked for again is
        none. `receipts` are what was made lately: they say where to look. Raises Transient where that cannot be told now."""


@runtime_checkable
class EndsWithItsAttempt(Protocol):
    """A provider whose effects are over when `deliver` is, however it ends: cancelling the attempt cancels them."""

    ends_with_its_attempt: bool


@runtime_checkable
class Logs(Protocol):
    """A provider that can be asked what its effects say. One that hears it itself, as it runs, writes to `host.scribe`."""

    async def logs(self, receipt: Receipt, /) -> Sequence[LogLine]:
        """Everything said so far: a step's lines follow its start, and its end comes last. Asked again while it runs: of each
        step, what was returned once comes first again, and unchanged. Raises Transient where there is no answer now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What a webhook told: the report, and, of an effect that goes on after it was over, what makes that new run a new one.

    `receipt` is that of the effect that the webhook speaks of; it may be ahead of our own. `rerun` is empty, or the same text
    for the same further run, however often it is told.
    """

    report: Report
    receipt: Receipt
    rerun: str = ""


@runtime_checkable
class Hears(Protocol):
    """A provider that the other side calls, at `POST /webhooks/<name of the provider>`."""

    async def receive(self, headers: Mapping[str, str], body: bytes, /) -> Sequence[News]:
        """What the webhook tells of deliveries of ours; nothing, where it speaks of something else. Header names are in lower
        case. Raises Refused for one that the other side did not send, and BadInput for one that cannot be read."""


def yaml_trouble(text: str) -> str:
    """Why YAML that strangers had a hand in is not to be loaded (depth, values, aliases, merge keys), as the end of a sentence;
    empty where it may be. Raises YAMLError where it is none."""
    from router.core import scan  # noqa: PLC0415 - only who reads YAML pays for it

    return scan.trouble(text)


@runtime_checkable
class Places(Protocol):
    """A provider that knows where an effect belongs: whoever may start builds may give theirs the id of a delivery."""

    def is_of(self, options: Tree, receipt: Receipt, /) -> bool:
        """Whether the receipt may be that of a delivery with these options, as they were rendered."""


class Refused(RouterError):
    """A webhook that cannot be shown to come from the other side."""


@dataclass(frozen=True, slots=True)
class Plugin(Generic[SettingsT, OptionsT]):
    """A provider's registration.

    `open` is called once, with the settings of router.yaml (or their defaults), inside the running loop. `idempotent` says
    that doing it twice with the same id does no harm, so that an ambiguous outcome may simply be tried again. `retry` is when
    what failed is tried again where neither the rule nor router.yaml says.

    `sample` is for tests of rules: the body, as JSON, of what the other side answers with a status. A plug-in that has one
    acts by requests of `host.http` alone, so that a test can answer them; of any other, a test says how attempts end, and
    `deliver` is never called.
    """

    settings: type[SettingsT]
    options: type[OptionsT]
    open: Callable[[SettingsT, Host], Provider[OptionsT]]
    idempotent: bool = False
    retry: Retry = field(default_factory=Retry)
    sample: Callable[[int], Tree] | None = None


AnyPlugin = Plugin[Any, Any]
