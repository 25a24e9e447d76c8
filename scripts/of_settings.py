"""docs/reference/settings.md: every section of router.yaml with its keys, made of their models."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, get_args

from pydantic import BaseModel

from router import environment, plugins
from router.sections import SECTIONS
from scripts import tables

if TYPE_CHECKING:
    from collections.abc import Iterator

_ABOUT = """\
# Settings

Every section of `router.yaml`, each key with its default. [Settings](../settings.md) shows them together, and `router config`
prints those in force, each with the line or the variable that said it. Durations are written `30s`, `10m`, `1h30m` or `7d`;
sizes `500kB` or `8MiB`; secrets are references: `{env: NAME}` or `{file: PATH}`.

"""
_SOURCES = """\
## sources

Sources by name, each with one key that says of which kind it is: see [sources](../sources.md). Without any, nothing is heard.

"""
_RULES = """\
## rules

A list of rule files, folders of them, and bundled rulesets (`bundled:NAME`), in order. `./rules` where none is given.

"""
_PROVIDERS = """\
## providers

Providers' settings by name: see [providers' options and settings](providers.md).

"""


def page() -> str:
    """The whole page."""
    kinds = "".join(
        f"### sources.NAME.{name}\n\n{tables.table(plugins.source_kind(name).settings)}\n\n"
        for name, entry in plugins.installed(plugins.SOURCES).items()
        if entry.distribution.name == "tangled-router"
    )
    sections = "".join(text for name, model in SECTIONS.items() for text in _section(name, model, "##"))
    return f"{_ABOUT}{_SOURCES}{kinds}{_RULES}{_PROVIDERS}{sections}".rstrip("\n") + "\n"


def _section(name: str, model: type[BaseModel], level: str) -> Iterator[str]:
    """A section, and those within it."""
    yield f"{level} {name}\n\n{_about(model)}\n\n{_by_environment(name)}{tables.table(model)}\n\n"
    for key, info in model.model_fields.items():
        for below, is_named in _models(info.annotation):
            yield from _section(f"{name}.{key}{'.NAME' if is_named else ''}", below, "###")


def _about(model: type[BaseModel]) -> str:
    """The docstring on one line for each paragraph."""
    return re.sub(r"(?<!\n)\n *(?!\n)", " ", (model.__doc__ or "").strip())


def _by_environment(name: str) -> str:
    variables = [variable for variable, (section, _) in environment.names(SECTIONS).items() if section == name]
    return f"By the environment: {', '.join(f'`{variable}`' for variable in variables)}.\n\n" if variables else ""


def _models(annotation: object) -> Iterator[tuple[type[BaseModel], bool]]:
    """The models of a field's type, with whether each is one of several by name."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation, False
    arguments = get_args(annotation)
    is_mapping = getattr(annotation, "__origin__", None) is dict
    for argument in arguments:
        for model, is_named in _models(argument):
            yield model, is_named or is_mapping
