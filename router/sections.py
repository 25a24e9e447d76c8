"""What can be configured: the sections of router.yaml, and the whole that `config.load` makes of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field

from router import plugins
from router.core import identity, options
from router.core.errors import BadInput
from router.core.problems import Place
from router.library import Entry
from router.settings import Closed, Duration

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


class StoreSection(Closed):
    """`record` says which events are kept when no rule matched: those that some rule is about (`wanted`), or all."""

    path: str = Field("router.db", min_length=1)
    record: Literal["matched", "wanted", "all"] = "wanted"


class IdentitySection(Closed):
    """Who is who. `resolver` serves com.atproto.identity.resolveHandle; `pins` are handles that are never looked up."""

    resolver: str = Field("https://public.api.bsky.app", pattern=r"^https?://[^\s/?#]+/?$")
    pins: Annotated[dict[str, str], AfterValidator(_pins)] = Field(default_factory=dict)


class DeliverySection(Closed):
    """The way out. `lease` is added to a delivery's timeout; `shutdown` is how long a stop waits for what is under way;
    `poll` is how often a CI is asked about builds that are not over."""

    concurrency: int = Field(16, ge=1, le=1024)
    lease: Duration = 30.0
    poll: Duration = 10.0
    shutdown: Duration = 20.0


class LogSection(Closed):
    """`auto` is for people on a terminal, and JSON lines elsewhere."""

    format: Literal["auto", "json", "console"] = "auto"
    level: Literal["debug", "info", "warning", "error"] = "info"


SECTIONS: dict[str, type[BaseModel]] = {
    "store": StoreSection,
    "identity": IdentitySection,
    "delivery": DeliverySection,
    "log": LogSection,
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
