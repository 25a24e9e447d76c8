"""What can be configured: the sections of router.yaml, and the whole that `config.load` makes of them."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field, model_validator

from router import plugins
from router.core import identity, keys, options
from router.core.errors import BadInput
from router.core.problems import Place
from router.library import Entry
from router.secret import Secret
from router.settings import Closed, Duration, Size
from router.sources.pace import Pace

DEFAULT_FILE = "router.yaml"
DEFAULT_RULES = ("./rules",)


def _pins(pins: dict[str, str]) -> dict[str, str]:
    made = {handle.removeprefix("@").lower(): did for handle, did in pins.items()}
    for handle, did in made.items():
        if identity.HANDLE.fullmatch(handle) is None:
            raise ValueError(f"`{handle}` is not a handle")
        if identity.DID.fullmatch(did) is None:
            raise ValueError(f"`{did}` is not a DID")
    return made


def _hostname(text: str) -> str:
    host = text.lower()
    if identity.HOST.fullmatch(host) is None:
        raise ValueError("write a host name, like spindle.example.com, without https://")
    return host


def _did(text: str) -> str:
    if identity.DID.fullmatch(text) is None:
        raise ValueError("write a DID, like did:plc:ewvi7nxzyoun6zhxrhs64oiz")
    return text


def _networks(networks: list[str]) -> list[str]:
    for text in networks:
        ipaddress.ip_network(text)
    return networks


class StoreSection(Closed):
    """`record` says which events are kept when no rule matched: those that some rule is about (`wanted`), or all. `keep` is for
    how long events, deliveries, runs and logs are kept once they are over, `keep_dead` for how long at least those of dead
    letters. `ballast` is room beside the store that is given up when the disk is full."""

    path: str = Field("router.db", min_length=1, description="The SQLite file; relative to router.yaml.")
    record: Literal["matched", "wanted", "all"] = Field(
        "wanted", description="Which events are kept: those that matched, those that some rule is about as well, or all."
    )
    keep: Annotated[Duration, Field(ge=86400)] = Field(
        90 * 86400.0, description="For how long events, and all that they led to, are kept once they are over. At least 1d."
    )
    keep_dead: Annotated[Duration, Field(ge=86400)] = Field(
        90 * 86400.0, description="For how long at least an event with a dead letter is kept. At least 1d."
    )
    ballast: Annotated[Size, Field(ge=0, le=1 << 40)] = Field(
        8 << 20, description="Room beside the store that is given up when the disk is full; 0 for none."
    )


class IdentitySection(Closed):
    """Who is who. `resolver` serves com.atproto.identity.resolveHandle, or is `direct`: the handles' own domains are asked.
    `pins` are handles that are never looked up."""

    resolver: str = Field(
        "https://public.api.bsky.app",
        pattern=r"^(https?://[^\s/?#]+/?|direct)$",
        description="Who is asked for the DID of a handle; `direct`: the handles' own domains.",
    )
    pins: Annotated[dict[str, str], AfterValidator(_pins)] = Field(
        default_factory=dict, description="Handles that are never looked up, each with its DID."
    )


class RetrySection(Closed):
    """When a provider's deliveries are tried again, where their rules do not say: as `retry` in a rule."""

    attempts: int | None = Field(None, ge=1, le=keys.MOST_ATTEMPTS, description="Attempts in all.")
    base: Duration | None = Field(None, description="The wait after the first attempt.")
    factor: float | None = Field(None, gt=0, le=1000, description="By how much each wait is longer than the one before.")
    cap: Duration | None = Field(None, description="The longest wait.")
    schedule: list[Duration] = Field(
        default_factory=list,
        max_length=keys.MOST_ATTEMPTS,
        description="The waits themselves, in place of base, factor and cap.",
    )


class DestinationSection(Closed):
    """What one destination takes: so many deliveries at once, and `rate` requests in `per`."""

    concurrency: int | None = Field(None, ge=1, le=1024, description="Deliveries at once.")
    rate: int | None = Field(None, ge=1, le=10_000, description="Requests in `per`.")
    per: Annotated[Duration, Field(gt=0)] = Field(60.0, description="The time that `rate` is about.")


class LoopSection(Closed):
    """The guard against rules that feed themselves: a rule acts on `events` events about one ref in `within`; more wait."""

    events: int = Field(100, ge=0, description="Events about one ref that a rule acts on; more wait. 0 turns the guard off.")
    within: Annotated[Duration, Field(gt=0)] = Field(600.0, description="The time that `events` is about.")


class CircuitSection(Closed):
    """When a destination is left alone: after `failures` in a row, for `wait`, then for twice as long, up to `longest`."""

    failures: int = Field(5, ge=1, description="Failures in a row until the destination is left alone.")
    wait: Annotated[Duration, Field(gt=0)] = Field(30.0, description="For how long at first; then twice as long each time.")
    longest: Annotated[Duration, Field(gt=0)] = Field(600.0, description="For how long at most.")


class DeliverySection(Closed):
    """The way out. `concurrency` is in all, `each` to one destination. `lease` is added to a delivery's timeout; `shutdown` is
    how long a stop waits for what is under way; `poll` is how often a CI is asked about builds that are not over, `audit` how
    often whether one was made twice, and `longest` how long nothing may be heard of one until it has timed out. `hold` is how
    long a delivery that failed keeps newer ones of its ref waiting."""

    concurrency: int = Field(16, ge=1, le=1024, description="Deliveries under way at once, in all.")
    each: int = Field(8, ge=1, le=1024, description="The same, to one destination.")
    lease: Duration = Field(
        30.0, description="Added to a delivery's timeout: after that long it is taken for lost, and looked up."
    )
    poll: Annotated[Duration, Field(gt=0)] = Field(10.0, description="How often a CI is asked about builds that are not over.")
    audit: Annotated[Duration, Field(ge=10)] = Field(
        300.0, description="How often it is looked whether a CI built something twice; the newer one is cancelled."
    )
    longest: Annotated[Duration, Field(ge=60)] = Field(
        7 * 86400.0, description="For how long nothing may be heard of a delivery until its workflow ends as `timeout`."
    )
    hold: Duration = Field(600.0, description="For how long a delivery that failed keeps newer ones of its ref waiting.")
    shutdown: Duration = Field(20.0, description="How long a stop waits for what is under way.")
    loop: LoopSection = Field(default_factory=LoopSection, description="The guard against rules that feed themselves.")
    circuit: CircuitSection = Field(default_factory=CircuitSection, description="When a destination is left alone.")
    retry: dict[str, RetrySection] = Field(default_factory=dict, description="By the name of a provider.")
    destinations: dict[str, DestinationSection] = Field(
        default_factory=dict, description="By name, as `router deliveries destinations` shows them: webhook/chat.example.com."
    )


class QuotaSection(Closed):
    """What there may be of somebody's; what is not said is not limited. `bytes` are of events, deliveries and logs."""

    actions: int | None = Field(None, ge=1, description="Deliveries in an hour.")
    in_flight: int | None = Field(None, ge=1, description="Deliveries and builds under way at once.")
    bytes: int | None = Field(None, ge=1, description="Bytes stored in an hour.")


#: What a spindle, to which strangers come, allows each owner of repos unless it says otherwise.
SPINDLE_QUOTA = QuotaSection(actions=1000, in_flight=100, bytes=256 << 20)


class QuotasSection(Closed):
    """For each owner of repos (`did`), each knot, and everybody together. What is over a quota waits, and says so."""

    did: QuotaSection | None = Field(
        None, description="Of each owner. By default no limit, and in a spindle 1000 actions, 100 in flight and 256 MiB."
    )
    knot: QuotaSection = Field(default_factory=QuotaSection, description="Of each knot.")
    all: QuotaSection = Field(default_factory=QuotaSection, description="Of everybody together.")


#: The directory of did:plc.
PLC = "https://plc.directory"


class SpindleSection(Closed):
    """What makes the router a Tangled spindle: repos choose it by its `hostname`, and their owners are the spindle's `owner` or
    its members. `listen` is where peers reach it; a proxy in front of it ends TLS."""

    hostname: Annotated[str, AfterValidator(_hostname)] = Field(
        description="The public host name, with its port if it has one: what repos name as their spindle."
    )
    owner: Annotated[str, AfterValidator(_did)] = Field(description="The DID of the account that registered the spindle.")
    listen: str = Field("127.0.0.1:8080", pattern=r"^[^\s/]*:[0-9]{1,5}$", description="Address and port to serve on.")
    jetstream: list[str] = Field(
        default_factory=lambda: ["wss://jetstream1.us-west.bsky.network", "wss://jetstream2.us-east.bsky.network"],
        description="Where the records of accounts are heard, the first that answers.",
    )
    plc: str = Field(PLC, pattern=r"^https?://[^\s/?#]+/?$", description="The directory of did:plc.")
    dev: bool = Field(default=False, description="Speak http and ws to knots and to did:web: for a network on this machine.")
    reconcile: Duration = Field(300.0, description="How often the records of the owner and of members are listed.")
    unmatched: Literal["report", "silent"] = Field(
        "report", description="Whether a push that no rule acts on says so in Tangled; `silent` lists repos that are not told."
    )
    silent: list[str] = Field(
        default_factory=list, description="DIDs of repos, or owner/name, for which nothing unmatched is told."
    )
    secrets_key: Secret | None = Field(None, description="32 bytes in base64, which the repos' secrets are encrypted with.")
    pace: Pace = Field(default_factory=Pace, description="How fast each knot may talk: what is faster waits.")
    motd: str = Field("This is a Tangled spindle.\n", max_length=4096, description="What `/` says.")


class EgressSection(Closed):
    """Where strangers may send us: addresses that records, DID documents and handles name are called only if they are public.
    `allow` are networks that may be called although they are not."""

    allow: Annotated[list[str], AfterValidator(_networks)] = Field(
        default_factory=list, description="Networks that may be called although they are not public, like 10.0.0.0/8."
    )


class ReloadSection(Closed):
    """`watch` has router.yaml and the rules read again as soon as they change on disk."""

    watch: bool = Field(default=True, description="Whether router.yaml and the rules are read again when they change.")


class AdminSection(Closed):
    """Where the admin API, the probes and the metrics are served beside the Unix socket; nowhere else, by default. Anything
    that is not loopback needs a `token` of 32 bytes or more, and so does whoever asks."""

    listen: str = Field(
        "", pattern=r"^([^\s/]+:[0-9]{1,5})?$", description="Address and port; empty for the Unix socket alone."
    )
    token: Secret | None = Field(None, description="What requests must bear: `Authorization: Bearer …`.")

    @model_validator(mode="after")
    def _token_or_loopback(self) -> AdminSection:
        if self.listen and self.token is None and not _is_loopback(self.listen.rpartition(":")[0]):
            raise ValueError(f"`{self.listen}` is no loopback address, so it needs a `token`: {{env: NAME}} or {{file: PATH}}.")
        return self


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


class LogSection(Closed):
    """`auto` is for people on a terminal, and JSON lines elsewhere."""

    format: Literal["auto", "json", "console"] = Field(
        "auto", description="`auto` is `console` on a terminal and `json` elsewhere."
    )
    level: Literal["debug", "info", "warning", "error"] = Field("info", description="What is less than this is not logged.")


SECTIONS: dict[str, type[BaseModel]] = {
    "store": StoreSection,
    "identity": IdentitySection,
    "delivery": DeliverySection,
    "log": LogSection,
    "reload": ReloadSection,
    "admin": AdminSection,
    "egress": EgressSection,
    "quotas": QuotasSection,
    "spindle": SpindleSection,
}


@dataclass(frozen=True, slots=True)
class SourceConfig:
    """A source by name, with the settings that its kind understands."""

    name: str
    kind: str
    settings: BaseModel


@dataclass(frozen=True, kw_only=True)
class Config:
    """Everything that was configured. `file` is None where there is no router.yaml and all is as by default."""

    file: Path | None = None
    store: StoreSection = field(default_factory=StoreSection)
    sources: tuple[SourceConfig, ...] = ()
    rules: tuple[Entry, ...] = tuple(Entry(text, Place(DEFAULT_FILE)) for text in DEFAULT_RULES)
    providers: Mapping[str, BaseModel] = field(default_factory=dict)
    identity: IdentitySection = field(default_factory=IdentitySection)
    delivery: DeliverySection = field(default_factory=DeliverySection)
    log: LogSection = field(default_factory=LogSection)
    reload: ReloadSection = field(default_factory=ReloadSection)
    admin: AdminSection = field(default_factory=AdminSection)
    egress: EgressSection = field(default_factory=EgressSection)
    quotas: QuotasSection = field(default_factory=QuotasSection)
    #: None where the router is no spindle.
    spindle: SpindleSection | None = None
    #: Where what is not a default was said: `store.path` -> `router.yaml:3:5`, or a variable of the environment.
    origins: Mapping[str, str] = field(default_factory=dict)

    @property
    def account_quota(self) -> QuotaSection:
        """What each owner of repos may use."""
        return self.quotas.did or (SPINDLE_QUOTA if self.spindle is not None else QuotaSection())

    @property
    def store_path(self) -> Path:
        """Where the store is; a relative path is relative to the configuration's folder."""
        return (self.file.parent if self.file else Path()) / self.store.path

    def provider_settings(self, name: str) -> BaseModel:
        """What router.yaml says of a provider, or its defaults. Raises BadInput where it cannot do without being configured."""
        given = self.providers.get(name)
        if given is not None:
            return given
        model: type[BaseModel] = plugins.provider(name).settings
        missing = [str(found.loc[0]) for found in options.complaints(model, {}, lambda _text: False)]
        if missing:
            raise BadInput(
                f"The provider `{name}` is used by a rule and needs settings: add `providers: {{{name}: {{{missing[0]}: …}}}}` "
                f"to {self.file or DEFAULT_FILE}."
            )
        return model()
