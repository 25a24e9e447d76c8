"""`router sources`: what is heard, and how far."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from router import config
from router.cli import FINE, show
from router.cli.opening import config_option, from_store, output_option

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from router.config import Config
    from router.engine.store.base import SourceRow


@click.command
@config_option
@output_option
def sources(config_file: Path | None, output: str) -> int:
    """List the configured sources, and those that only the store remembers: cursor, last event, events and bad frames."""
    settings = config.load(config_file)
    rows = _rows(settings, _remembered(settings))
    if output == "json":
        show.as_json(rows)
        return FINE
    headings = ("SOURCE", "KIND", "CURSOR", "LAST HEARD", "EVENTS", "BAD FRAMES", "LAST BAD FRAME")
    show.table(headings, [tuple("-" if cell is None else cell for cell in _shown(row).values()) for row in rows])
    return FINE


def _remembered(settings: Config) -> Mapping[str, SourceRow]:
    if not settings.store_path.exists():
        return {}
    return {row.name: row for row in from_store(settings, lambda store: store.sources())}


def _rows(settings: Config, remembered: Mapping[str, SourceRow]) -> list[dict[str, Any]]:
    kinds: dict[str, str | None] = {source.name: source.kind for source in settings.sources}
    names = dict.fromkeys((*kinds, *remembered))
    return [_row(name, kinds.get(name) or _of_spindle(name), remembered.get(name)) for name in names]


def _of_spindle(name: str) -> str | None:
    """A spindle's own sources have a colon in their names, which none in router.yaml may have."""
    before, colon, after = name.partition(":")
    return (after if before == "spindle" else before) if colon else None


def _row(name: str, kind: str | None, row: SourceRow | None) -> dict[str, Any]:
    """`kind` is None for a source that is in the store and not in the configuration any more."""
    return {
        "name": name,
        "kind": kind,
        "cursor": row.cursor if row else None,
        "updated": row.updated if row else None,
        "events": row.events if row else 0,
        "bad_frames": row.bad_frames if row else 0,
        "last_bad": row.last_bad if row else "",
    }


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "updated": show.moment(row["updated"]) if row["updated"] else None}
