"""Which providers and kinds of sources are installed: entry points, read once, each loaded when it is first asked for.

Ours are found in the same way as anybody's, so a wheel beside this one adds a provider by one line in its pyproject.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from router.core import sketch
from router.core.errors import RouterError
from router.core.sketch import Sketched
from router.installed import Entry, entries

if TYPE_CHECKING:
    from pydantic import BaseModel

    from router.core.sketch import Sketch
    from router.provider import AnyPlugin
    from router.sources.base import AnySourceKind

PROVIDERS = "router.providers"
SOURCES = "router.sources"


class PluginError(RouterError):
    """Something installed cannot be used: it does not import, is no plug-in, or its name is taken twice."""


@cache
def installed(group: str) -> Mapping[str, Entry]:
    """The entry points of a group by name, sorted. Raises PluginError where two distributions use one name.

    Which of the two would win depends on the order of sys.path, and a rule must mean the same thing everywhere.
    """
    found: dict[str, Entry] = {}
    for entry in entries(group):
        other = found.get(entry.name)
        if other is not None and other.value != entry.value:
            both = f"{other.distribution} and {entry.distribution}"
            raise PluginError(f"Two installed distributions register `{entry.name}` in {group}: {both}. Uninstall one of them.")
        found[entry.name] = entry
    return dict(sorted(found.items()))


def provider(name: str) -> AnyPlugin:
    """An installed provider. Raises KeyError where there is none of this name, and PluginError where it cannot be loaded."""
    return cast("AnyPlugin", _load(PROVIDERS, name, ("settings", "options", "open")))


def source_kind(name: str) -> AnySourceKind:
    """An installed kind of source. Raises as `provider` does."""
    return cast("AnySourceKind", _load(SOURCES, name, ("settings", "open")))


def _load(group: str, name: str, needed: tuple[str, ...]) -> Any:
    entry = installed(group)[name]
    try:
        found = _imported(entry)
    except Exception as error:
        raise PluginError(f"`{name}` of {entry.distribution} cannot be loaded: {type(error).__name__}: {error}.") from error
    if not all(hasattr(found, attribute) for attribute in needed):
        raise PluginError(f"`{name}` of {entry.distribution} is not a plug-in: {entry.value} lacks {', '.join(needed)}.")
    return found


@cache
def _imported(entry: Entry) -> Any:
    return entry.load()


@cache
def _options(name: str, entry: Entry) -> type[BaseModel]:
    """The model of a provider's options or, where there is a sketch of it beside the provider's module, what stands for it."""

    def load() -> type[BaseModel]:
        return cast("type[BaseModel]", provider(name).options)

    found = _sketch(entry.value.partition(":")[0])
    return cast("type[BaseModel]", Sketched(found, load)) if found is not None else load()


def _sketch(module: str) -> Sketch | None:
    try:
        spec = find_spec(module)
        if spec is None or spec.origin is None:
            return None
        return sketch.read(Path(spec.origin).with_suffix(".sketch.json").read_bytes())
    except Exception:  # noqa: BLE001 - packages around it are imported: whatever is wrong, the module itself is asked then
        return None


class OptionModels(Mapping[str, "type[BaseModel]"]):
    """The options of every installed provider; a module is imported only when somebody needs more than its sketch."""

    def __getitem__(self, name: str) -> type[BaseModel]:
        return _options(name, installed(PROVIDERS)[name])

    def __contains__(self, name: object) -> bool:
        return name in installed(PROVIDERS)

    def __iter__(self) -> Iterator[str]:
        return iter(installed(PROVIDERS))

    def __len__(self) -> int:
        return len(installed(PROVIDERS))
