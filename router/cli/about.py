"""`router providers`, `router schema`, `router version`: what is installed here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from router import plugins
from router.cli import FINE, show
from router.cli.opening import output_option

if TYPE_CHECKING:
    from pydantic import BaseModel


@click.command
@output_option
def providers(output: str) -> int:
    """List the installed providers: what brought them, and the options that a rule's step may set."""
    found = [
        (name, str(entry.distribution), plugins.provider(name)) for name, entry in plugins.installed("router.providers").items()
    ]
    if output == "json":
        trees = [
            {
                "name": name,
                "distribution": by,
                "idempotent": plugin.idempotent,
                "options": plugin.options.model_json_schema(),
                "settings": plugin.settings.model_json_schema(),
            }
            for name, by, plugin in found
        ]
        show.as_json(trees)
        return FINE
    show.table(("PROVIDER", "FROM", "OPTIONS (* needed)"), [(name, by, _names(plugin.options)) for name, by, plugin in found])
    return FINE


def _names(model: type[BaseModel]) -> str:
    fields = model.model_fields.items()
    return ", ".join((info.alias or name) + ("*" if info.is_required() else "") for name, info in fields) or "none"


@click.command
def schema() -> int:
    """Print the JSON Schema (2020-12) of rule files, with the options of the providers that are installed here."""
    from router.schema import rules_schema  # noqa: PLC0415 - verbs import what they use

    show.as_json(rules_schema(plugins.OptionModels()))
    return FINE


@click.command
@output_option
def version(output: str) -> int:
    """Print the version of the router, and of the Python that it runs on."""
    import platform  # noqa: PLC0415 - verbs import what they use
    from importlib.metadata import version as installed  # noqa: PLC0415 - as above

    found: dict[str, Any] = {"router": installed("tangled-router"), "python": platform.python_version()}
    if output == "json":
        show.as_json(found)
    else:
        show.line(f"tangled-router {found['router']} (Python {found['python']})")
    return FINE
