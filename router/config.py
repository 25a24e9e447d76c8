"""router.yaml and the ROUTER_* environment -> a frozen Config, or every mistake in them with its place.

Nothing here opens anything: what a section means is up to whoever is given it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, Field

from router import environment, plugins
from router.core import document, identity, options
from router.core.errors import BadInput
from router.core.problems import Place, Problems, nearest
from router.library import Entry
from router.settings import Closed, Duration

if TYPE_CHECKING:
    from router.core.document import Node
    from router.core.options import Complaint

DEFAULT_FILE = "router.yaml"
DEFAULT_RULES = ("./rules",)
SECTION_KEYS = ("store", "sources", "rules", "providers", "identity", "delivery", "log")
_SOURCE_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")

SectionT = TypeVar("SectionT", bound=BaseModel)


def _pins(pins: dict[str, str]) -> dict[str, str]:
    made = {handle.removeprefix("@").lower(): did for handle, did in pins.items()}
    for handle, did in made.items():
        if identity.HANDLE.fullmatch(handle) is None:
            raise ValueError(f"`{handle}` is not a handle")
        if identity.DID.fullmatch(did) is None:
            raise ValueError(f"`{did}` is not a DID")
    return made


class StoreSection(Closed):
    """`record` says which events are kept when no rule matched: those whose nsid some rule asks for (`wanted`), or all."""

    path: str = Field("router.db", min_length=1)
    record: Literal["matched", "wanted", "all"] = "wanted"


class IdentitySection(Closed):
    """Who is who. `resolver` serves com.atproto.identity.resolveHandle; `pins` are handles that are never looked up."""

    resolver: str = Field("https://public.api.bsky.app", pattern=r"^https?://[^\s/?#]+/?$")
    pins: Annotated[dict[str, str], AfterValidator(_pins)] = Field(default_factory=dict)


class DeliverySection(Closed):
    """The way out. `lease` is added to a delivery's timeout; `shutdown` is how long a stop waits for what is under way."""

    concurrency: int = Field(16, ge=1, le=1024)
    lease: Duration = 30.0
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
        missing = [str(found.loc[0]) for found in options.complaints(model, {}, _is_template)]
        if missing:
            raise BadInput(
                f"The provider `{name}` is used by a rule and needs settings: add `providers: {{{name}: {{{missing[0]}: …}}}}` "
                f"to {self.file or DEFAULT_FILE}."
            )
        return model()


def load(path: Path | None = None, environ: Mapping[str, str] | None = None, *, with_plugins: bool = True) -> Config:
    """The configuration. Raises BadInput with all its problems.

    A file that was named must exist; the default one need not. Without `with_plugins` sources and providers are left out,
    for those who only want the rest and would pay for importing them.
    """
    environ = os.environ if environ is None else environ
    named = path or (Path(environ["ROUTER_CONFIG"]) if environ.get("ROUTER_CONFIG") else None)
    file = named or Path(DEFAULT_FILE)
    problems = Problems()
    root: Node | None = None
    if file.exists():
        root = _root(file, problems)
    elif named is not None:
        raise BadInput(f"There is no configuration file `{named}`.")
    config = _Reader(root, file if file.exists() else None, environ, problems).config(with_plugins=with_plugins)
    if problems.errors:
        raise BadInput("The configuration cannot be used.", problems.found)
    return config


def _root(file: Path, problems: Problems) -> Node | None:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"The configuration file `{file}` cannot be read: {getattr(error, 'strerror', error)}.") from None
    root = document.read(text, str(file), problems)
    if root is None or root.kind == "null" or not document.mapping(root, problems, "router.yaml", SECTION_KEYS):
        return None
    return root


class _Reader:
    """Reads one document."""

    def __init__(self, root: Node | None, file: Path | None, environ: Mapping[str, str], problems: Problems) -> None:
        self.root = root
        self.file = file
        self.problems = problems
        self.environment = environment.read(environ, SECTIONS, self._tree(root), problems)

    def config(self, *, with_plugins: bool) -> Config:
        return Config(
            file=self.file,
            store=self._section("store", StoreSection),
            identity=self._section("identity", IdentitySection),
            delivery=self._section("delivery", DeliverySection),
            log=self._section("log", LogSection),
            rules=tuple(self._rules()),
            sources=tuple(self._sources()) if with_plugins else (),
            providers=self._providers() if with_plugins else {},
        )

    def _get(self, key: str) -> Node | None:
        node = self.root.get(key) if self.root is not None else None
        return node if node is not None and node.kind != "null" else None

    def _tree(self, node: Node | None) -> Any:
        return document.tree(node, Problems()) if node is not None else {}

    def _section(self, name: str, model: type[SectionT]) -> SectionT:
        node, given = self._get(name), self.environment.get(name, {})
        if node is not None and not document.mapping(node, self.problems, f"`{name}`"):
            node = None
        written = document.tree(node, self.problems) if node is not None else {}
        made = self._checked(model, written, node, f"`{name}`")
        return (model.model_validate({**written, **given}) if given else made) if made is not None else model()

    def _checked(self, model: type[SectionT], tree: Any, node: Node | None, what: str) -> SectionT | None:
        """The model, or None with its problems told where they stand."""
        found = list(options.complaints(model, tree, _is_template))
        for complaint in found:
            _tell(complaint, node, what, self.problems)
        return None if found else model.model_validate(tree)

    def _rules(self) -> list[Entry]:
        base = self.file.parent if self.file else Path()
        node = self._get("rules")
        if node is None:
            return [Entry(text, Place(str(self.file or DEFAULT_FILE)), base) for text in DEFAULT_RULES]
        if node.kind != "list":
            document.wrong_type(node, self.problems, "`rules`", "a list of folders, files and bundled rulesets")
            return []
        texts = [(item, document.text(item, self.problems, "an item of `rules`")) for item in node.value]
        return [Entry(text, item.place, base) for item, text in texts if text]

    def _sources(self) -> list[SourceConfig]:
        node = self._get("sources")
        if node is None or not document.mapping(node, self.problems, "`sources`"):
            return []
        made = [self._source(name, child, node) for name, child in node.items()]
        return [source for source in made if source is not None]

    def _source(self, name: str, node: Node, parent: Node) -> SourceConfig | None:
        if _SOURCE_NAME.fullmatch(name) is None:
            hint = "Use lower-case letters, digits, hyphens and underscores."
            self.problems.error("R040", parent.key_place(name), f"`{name}` cannot be a source's name.", hint)
        if not document.mapping(node, self.problems, f"the source `{name}`"):
            return None
        kinds = list(plugins.installed(plugins.SOURCES))
        if len(node.value) != 1:
            hint = f"Write one of {', '.join(kinds)}, with its settings."
            self.problems.error("R040", node.place, f"The source `{name}` must have one key, which names its kind.", hint)
            return None
        ((kind, settings),) = node.items()
        if kind not in kinds:
            hint = nearest(kind, kinds) or f"Installed are {', '.join(kinds)}."
            self.problems.error("R040", node.key_place(kind), f"There is no kind of source `{kind}`.", hint)
            return None
        made = self._settings(plugins.source_kind(kind).settings, settings, f"the source `{name}`")
        return SourceConfig(name, kind, made) if made is not None else None

    def _providers(self) -> dict[str, BaseModel]:
        node = self._get("providers")
        if node is None or not document.mapping(node, self.problems, "`providers`"):
            return {}
        known = list(plugins.installed(plugins.PROVIDERS))
        made: dict[str, BaseModel] = {}
        for name, child in node.items():
            if name not in known:
                hint = nearest(name, known) or f"Installed are {', '.join(known)}."
                self.problems.error("R010", node.key_place(name), f"There is no provider `{name}`.", hint)
            elif (settings := self._settings(plugins.provider(name).settings, child, f"the provider `{name}`")) is not None:
                made[name] = settings
        return made

    def _settings(self, model: type[SectionT], node: Node, what: str) -> SectionT | None:
        if node.kind == "null":
            return self._checked(model, {}, node, what)
        if not document.mapping(node, self.problems, f"the settings of {what}"):
            return None
        return self._checked(model, document.tree(node, self.problems), node, what)


def _tell(found: Complaint, node: Node | None, what: str, problems: Problems) -> None:
    """One complaint of a settings model, where the mistake is written."""
    where, last = ".".join(map(str, found.loc)), str(found.loc[-1]) if found.loc else ""
    above = node.at(found.loc[:-1]) if node is not None else None
    if found.kind == "extra_forbidden":
        hint = nearest(last, found.known) or f"Known here: {', '.join(found.known)}."
        problems.error("R003", above.key_place(last) if above else Place(), f"`{where}` is not a key of {what}.", hint)
    elif found.kind == "missing":
        problems.error("R005", above.place if above else Place(), f"In {what}, `{where}` is missing.", f"Add `{last}`.")
    else:
        place = node.at(found.loc).place if node is not None else Place()
        told = found.sentence.removeprefix("Value error, ").rstrip(".")
        problems.error("R040", place, f"In {what}, `{where}` is wrong: {told[:1].lower()}{told[1:]}." if where else f"{told}.")


def _is_template(_text: str) -> bool:
    """Settings have no templates."""
    return False
