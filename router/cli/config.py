"""`router config`: what is in force, and where each value was said."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click
from pydantic import BaseModel

from router import config
from router.cli import FINE, show
from router.cli.opening import config_option, output_option
from router.core import durations
from router.secret import Secret, SecretMissing
from router.sections import SECTIONS
from router.settings import is_size, size

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from router.config import Config

DEFAULT = "default"


@click.command(name="config")
@config_option
@output_option
def effective(config_file: Path | None, output: str) -> int:
    """Print the settings in force, with where each was said: a line of router.yaml, a variable, or nowhere (its default).

    Secrets are shown by where they are kept, never by value.
    """
    settings = config.load(config_file)
    rows = list(_rows(settings))
    if output == "json":
        show.as_json([{"key": key, "value": value, "from": origin} for key, value, origin in rows])
        return FINE
    show.table(("SETTING", "VALUE", "FROM"), [(key, _text(value), origin) for key, value, origin in rows])
    return FINE


def _rows(settings: Config) -> Iterator[tuple[str, Any, str]]:
    for name in SECTIONS:
        section = getattr(settings, name)
        if section is None:
            yield name, None, DEFAULT
        else:
            yield from _of(settings, name, section)
    yield "rules", [entry.text for entry in settings.rules], settings.origins.get("rules", DEFAULT)
    for source in settings.sources:
        yield f"sources.{source.name}", source.kind, settings.origins[f"sources.{source.name}"]
        yield from _of(settings, f"sources.{source.name}", source.settings)
    for name, model in settings.providers.items():
        yield from _of(settings, f"providers.{name}", model)


def _of(settings: Config, path: str, model: BaseModel) -> Iterator[tuple[str, Any, str]]:
    for name, info in type(model).model_fields.items():
        key = f"{path}.{info.alias or name}"
        value = getattr(model, name)
        # Every number with a fraction is a duration: see settings.Duration.
        shown = durations.text(value) if isinstance(value, float) else _shown(value)
        if is_size(info):
            shown = size(value)
        yield key, shown, settings.origins.get(key, DEFAULT)


def _shown(value: Any) -> Any:
    """The value as JSON has it. A secret is its reference, with whether there is anything; a URL has no password."""
    if isinstance(value, Secret):
        return {value.kind: value.name, "set": _is_set(value)}
    if isinstance(value, BaseModel):
        parts = {key: getattr(value, key) for key in type(value).model_fields}
        return {key: durations.text(one) if isinstance(one, float) else _shown(one) for key, one in parts.items()}
    if isinstance(value, dict):
        return {key: _shown(child) for key, child in value.items()}
    if isinstance(value, (list, tuple)):
        return [_shown(child) for child in value]
    if isinstance(value, str):
        return _without_password(value)
    return value if value is None or isinstance(value, (bool, int, float)) else str(value)


def _is_set(secret: Secret) -> bool:
    try:
        return bool(secret.reveal())
    except SecretMissing:
        return False


def _without_password(text: str) -> str:
    try:
        user = urlsplit(text).username if "://" in text else None
    except ValueError:
        return text
    return text if user is None else text.replace(text.partition("://")[2].partition("@")[0] + "@", "***@", 1)


def _text(value: Any) -> str:
    if isinstance(value, dict) and set(value) in ({"env", "set"}, {"file", "set"}):
        ((kind, name), (_, there)) = value.items()
        return f"{{{kind}: {name}}}" + ("" if there else " (not set)")
    return value if isinstance(value, str) and value.isprintable() and value else json.dumps(value, ensure_ascii=False)
