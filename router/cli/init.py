"""`router init`: something to start from that validates and tests green."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import click

from router.cli import FINE, show
from router.core.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.resources.abc import Traversable

SCHEMA = "rules.schema.json"


@click.command
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
def init(folder: Path) -> int:
    """Write router.yaml, a first rule, its test and an event into DIR, and the schema that editors check rules with.

    Overwrites nothing: where one of these files is there already, nothing is written.
    """
    from router.plugins import OptionModels  # noqa: PLC0415 - verbs import what they use
    from router.schema import rules_schema  # noqa: PLC0415 - as above

    texts = {path: shipped.read_text(encoding="utf-8") for path, shipped in _starter(files("router.cli").joinpath("starter"))}
    texts[SCHEMA] = json.dumps(rules_schema(OptionModels()), indent=2) + "\n"
    there = [path for path in texts if (folder / path).exists()]
    if there:
        raise BadInput(f"{folder / there[0]} is there already, and nothing is overwritten: name another folder.")
    for path, text in texts.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        show.line(f"wrote {target}")
    show.line(f"Next: cd {folder}, then `router validate`, `router test` and, when it does what you want, `router run`.")
    return FINE


def _starter(folder: Traversable, above: str = "") -> Iterator[tuple[str, Traversable]]:
    """The files to write, with their paths."""
    for found in sorted(folder.iterdir(), key=lambda one: one.name):
        if found.is_dir():
            yield from _starter(found, f"{above}{found.name}/")
        else:
            yield above + found.name, found
