"""router.yaml and the ROUTER_* environment -> a frozen Config, or every mistake in them with its place.

Nothing here opens anything: what a section means is up to whoever is given it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel

from router import environment, plugins, tack
from router.core import document, options
from router.core.codes import SECRET_WRITTEN
from router.core.errors import BadInput
from router.core.problems import Place, Problems, nearest
from router.library import Entry
from router.sections import (
    DEFAULT_FILE,
    DEFAULT_RULES,
    SECTIONS,
    AdminSection,
    Config,
    DeliverySection,
    EgressSection,
    IdentitySection,
    LogSection,
    QuotasSection,
    ReloadSection,
    SourceConfig,
    SpindleSection,
    StoreSection,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from router.core.document import Node

__all__ = ["DEFAULT_FILE", "Config", "SourceConfig", "file", "load"]

SECTION_KEYS = (
    "store",
    "sources",
    "rules",
    "providers",
    "identity",
    "delivery",
    "log",
    "reload",
    "admin",
    "egress",
    "quotas",
    "spindle",
)
_SOURCE_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
#: What `engine.echo` calls itself: a source of this name would take its cursor, and one of the two would hear nothing.
_OURS = "spindle"

_CODES = {"extra_forbidden": "R003", "missing": "R005", "secret_by_reference": SECRET_WRITTEN}

SectionT = TypeVar("SectionT", bound=BaseModel)


def load(path: Path | None = None, environ: Mapping[str, str] | None = None, *, with_plugins: bool = True) -> Config:
    """The configuration. Raises BadInput with all its problems.

    A file that was named must exist; the default one need not. Without `with_plugins` sources and providers are left out,
    for those who only want the rest and would pay for importing them.
    """
    environ = os.environ if environ is None else environ
    where = file(path, environ)
    problems = Problems()
    root: Node | None = None
    if where.exists():
        root = _root(where, problems)
    elif path is not None or environ.get("ROUTER_CONFIG"):
        raise BadInput(f"There is no configuration file `{where}`.")
    config = _Reader(root, where if where.exists() else None, environ, problems).config(with_plugins=with_plugins)
    if problems.errors:
        raise BadInput("The configuration cannot be used.", problems.found)
    return config


def file(path: Path | None = None, environ: Mapping[str, str] | None = None) -> Path:
    """The configuration's file, whether or not it is there: the one that was named, or else the usual one."""
    environ = os.environ if environ is None else environ
    return path or Path(environ.get("ROUTER_CONFIG") or DEFAULT_FILE)


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
        self.tack = tack.defaults(environ)
        self.environment = environment.read(environ, SECTIONS, self._tree(root), problems)

    def config(self, *, with_plugins: bool) -> Config:
        return Config(
            file=self.file,
            store=self._section("store", StoreSection),
            identity=self._section("identity", IdentitySection),
            delivery=self._section("delivery", DeliverySection),
            log=self._section("log", LogSection),
            reload=self._section("reload", ReloadSection),
            admin=self._section("admin", AdminSection),
            egress=self._section("egress", EgressSection),
            quotas=self._section("quotas", QuotasSection),
            spindle=self._spindle(),
            rules=tuple(self._rules()),
            sources=tuple(self._sources()) if with_plugins else (),
            providers=self._providers() if with_plugins else {},
            origins=dict(self._origins()),
        )

    def _origins(self) -> Iterator[tuple[str, str]]:
        """What outranks comes last: the environment of tack, the file, our own environment."""
        for section, older in self.tack.items():
            path = section if section in SECTIONS else f"providers.{section}"
            yield from ((f"{path}.{key}", "the environment of tack") for key in older)
        for key, node in self.root.items() if self.root is not None else ():
            yield key, str(node.place)
            yield from ((f"{key}.{name}", str(node.key_place(name))) for name, _ in node.items())
            if key in ("sources", "providers"):
                yield from _below(key, node)
        for section, given in self.environment.items():
            yield from ((f"{section}.{key}", f"{environment.PREFIX}{section}_{key}".upper()) for key in given)

    def _get(self, key: str) -> Node | None:
        node = self.root.get(key) if self.root is not None else None
        return node if node is not None and node.kind != "null" else None

    def _tree(self, node: Node | None) -> Any:
        return document.tree(node, Problems()) if node is not None else {}

    def _section(self, name: str, model: type[SectionT]) -> SectionT:
        node, given = self._get(name), self.environment.get(name, {})
        if node is None:
            given = {**self.tack.get(name, {}), **given}
        if node is not None and not document.mapping(node, self.problems, f"`{name}`"):
            node = None
        written = document.tree(node, self.problems) if node is not None else {}
        made = self._checked(model, written, node, f"`{name}`")
        if made is not None and given:
            made = self._checked(model, {**written, **given}, node, f"`{name}`")
        return made if made is not None else model()

    def _spindle(self) -> SpindleSection | None:
        """There is one as soon as anything says something of it."""
        node, given = self._get("spindle"), self.environment.get("spindle", {})
        older = self.tack.get("spindle", {})
        if node is None and not given and not older:
            return None
        if node is not None and not document.mapping(node, self.problems, "`spindle`"):
            return None
        written = document.tree(node, self.problems) if node is not None else {}
        return self._checked(SpindleSection, {**older, **written, **given}, node, "`spindle`")

    def _checked(self, model: type[SectionT], tree: Any, node: Node | None, what: str) -> SectionT | None:
        """The model, or None with its problems told where they stand."""
        found = list(options.complaints(model, tree, _is_template))
        for complaint in found:
            place, hint = options.placed(complaint, node) if node is not None else (Place(), "")
            self.problems.error(_CODES.get(complaint.kind, "R040"), place, f"In {what}: {options.sentence(complaint)}", hint)
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
        if name == _OURS:
            sentence = f"`{name}` cannot be a source's name: it is that of our own statuses."
            self.problems.error("R040", parent.key_place(name), sentence, "Write another.")
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
        made = self._written_providers()
        for name in tack.PROVIDERS:
            older = self.tack.get(name)
            if older is not None and name not in made and not self.problems.errors:
                settings = self._checked(plugins.provider(name).settings, older, None, "the environment of tack")
                made |= {} if settings is None else {name: settings}
        return made

    def _written_providers(self) -> dict[str, BaseModel]:
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


def _below(path: str, node: Node) -> Iterator[tuple[str, str]]:
    """The settings of sources and providers, which are two and one level deeper than a section's."""
    for name, child in node.items():
        at = child
        if path == "sources" and len(list(child.items())) == 1:
            ((_, at),) = child.items()
        yield from ((f"{path}.{name}.{key}", str(at.key_place(key))) for key, _ in at.items())


def _is_template(_text: str) -> bool:
    """Settings have no templates."""
    return False
