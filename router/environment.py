"""ROUTER_<SECTION>_<KEY> variables: they outrank router.yaml, for the scalar keys of its fixed sections."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from router.core import options
from router.core.problems import Named, Place, nearest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic import BaseModel

    from router.core.model import Tree
    from router.core.problems import Problems

PREFIX = "ROUTER_"
#: What a problem's place says in place of a file.
ENVIRONMENT = "environment"
_BOOLEANS = {"true": True, "false": False}
#: Read elsewhere: which file is read, and where a test has the process die.
OTHERS = frozenset(("ROUTER_CONFIG", "ROUTER_CRASH_AT"))


def names(sections: Mapping[str, type[BaseModel]]) -> dict[str, tuple[str, str]]:
    """Every variable that is understood, with the section and the key that it sets."""
    return {
        f"{PREFIX}{section}_{key}".upper(): (section, key)
        for section, model in sections.items()
        for key, info in model.model_fields.items()
        if info.default_factory is None
    }


def read(
    environ: Mapping[str, str], sections: Mapping[str, type[BaseModel]], written: Tree, problems: Problems
) -> dict[str, dict[str, Any]]:
    """What the environment says, by section and key. A misspelt variable is a problem, because it would be silently void.

    Variables that the file itself names as the place of a secret are its own business. A relative path is relative to where
    the router was started, not to the file.
    """
    known = names(sections)
    secret = set(_secrets(written))
    found: dict[str, dict[str, Any]] = {}
    for name in sorted(name for name in environ if name.startswith(PREFIX) and name not in OTHERS):
        if name in known:
            section, key = known[name]
            value = _value(sections[section], key, environ[name])
            complaints = options.complaints(sections[section], {key: value}, lambda _text: False)
            wrong = [complaint for complaint in complaints if complaint.loc and complaint.loc[0] == key]
            for complaint in wrong:
                problems.error("R040", Place(ENVIRONMENT, of=Named(name)), f"{name} is wrong: {complaint.sentence}.")
            if not wrong:
                found.setdefault(section, {})[key] = value
        elif name not in secret:
            hint = nearest(name, (*known, *OTHERS)) or f"Known are {', '.join(known)}."
            problems.error("R003", Place(ENVIRONMENT, of=Named(name)), f"{name} is not a variable that the router reads.", hint)
    return found


def _value(model: type[BaseModel], key: str, text: str) -> Any:
    """The text as the key's type."""
    if key == "path":
        return str(Path(text).absolute())
    if model.model_fields[key].annotation is int and text.isascii() and text.isdigit():
        return int(text)
    if model.model_fields[key].annotation is bool and text.lower() in _BOOLEANS:
        return _BOOLEANS[text.lower()]
    return text


def _secrets(tree: Tree) -> Iterator[str]:
    """The variables that `{env: NAME}` anywhere in the file names."""
    if isinstance(tree, dict):
        name = tree.get("env")
        if len(tree) == 1 and isinstance(name, str):
            yield name
        for child in tree.values():
            yield from _secrets(child)
    elif isinstance(tree, list):
        for child in tree:
            yield from _secrets(child)
