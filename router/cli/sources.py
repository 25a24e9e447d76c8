"""`router sources`: what is heard, how far, and how each source stands."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from router import config
from router.cli import FINE, running, show
from router.cli.opening import config_option, from_store, output_option

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from router.config import Config
    from router.engine.store.base import SourceRow

#: Ticks of a cursor in a microsecond, for kinds whose cursor is a time.
_TICKS = {"knot": 1000, "jetstream": 1, "schedule": 1}
_HEADINGS = (
    *("SOURCE", "KIND", "STATE", "SINCE", "CURSOR", "AGE", "LAG", "LAST HEARD"),
    *("EVENTS", "BAD FRAMES", "LAST TROUBLE"),
)


@click.command
@config_option
@output_option
def sources(config_file: Path | None, output: str) -> int:
    """List the configured sources, those that the spindle opened, and those that only the store remembers.

    Of each: its state and since when (while a router runs), its cursor and how old that is, how late its last event was, when
    it was last heard, events and bad frames, and the last that went wrong.
    """
    settings = config.load(config_file)
    rows = _rows(settings, _remembered(settings), _standings(settings), time.time_ns() // 1000)
    if output == "json":
        show.as_json(rows)
        return FINE
    headings = (
        "SOURCE",
        "KIND",
        "STATE",
        "SINCE",
        "CURSOR",
        "AGE",
        "LAG",
        "LAST HEARD",
        "EVENTS",
        "BAD FRAMES",
        "LAST TROUBLE",
    )
    show.table(headings, [_cells(row) for row in rows])
    return FINE


def _remembered(settings: Config) -> Mapping[str, SourceRow]:
    if not settings.store_path.exists():
        return {}
    return {row.name: row for row in from_store(settings, lambda store: store.sources())}


def _standings(settings: Config) -> Mapping[str, Any]:
    from router.web.admin import SOURCES  # noqa: PLC0415 - aiohttp is for those who ask

    answer = running.ask(settings, SOURCES) if settings.store_path.exists() else None
    return answer.get("sources", {}) if isinstance(answer, dict) else {}


def _rows(
    settings: Config, remembered: Mapping[str, SourceRow], standings: Mapping[str, Any], now: int
) -> list[dict[str, Any]]:
    kinds: dict[str, str | None] = {source.name: source.kind for source in settings.sources}
    names = dict.fromkeys((*kinds, *remembered, *(name for name in standings if ":" in name)))
    return [_row(name, kinds.get(name) or _kind(name), remembered.get(name), standings.get(name), now) for name in names]


def _kind(name: str) -> str | None:
    """Of a source that the spindle opened; None for one that is not in the configuration any more."""
    return "knot" if name.startswith("knot:") else "jetstream" if name == "spindle:jetstream" else None


def _row(name: str, kind: str | None, row: SourceRow | None, standing: Mapping[str, Any] | None, now: int) -> dict[str, Any]:
    """Times are microseconds since 1970, `lag` and `cursor_age` seconds. What a router that runs would know is null without
    one."""
    cursor, told = row.cursor if row else None, standing or {}
    ticks = _TICKS.get(kind or "")
    return {
        "name": name,
        "kind": kind,
        "state": told.get("state"),
        "since": told.get("since"),
        "sentence": told.get("sentence"),
        "cursor": cursor,
        "cursor_age": None if cursor is None or ticks is None else max(0.0, (now - cursor // ticks) / 1e6),
        "lag": told["lag"] / 1e6 if told.get("heard") else None,
        "updated": row.updated if row else None,
        "events": row.events if row else 0,
        "bad_frames": row.bad_frames if row else 0,
        "last_bad": row.last_bad if row else "",
        "last_error": told.get("last_error"),
        "failed": told.get("failed"),
        "gaps": told.get("gaps"),
        "last_gap": told.get("last_gap"),
    }


def _cells(row: dict[str, Any]) -> tuple[object, ...]:
    down = row["state"] in ("down", "quarantined")
    trouble = (row["sentence"] if down else "") or row["last_gap"] or row["last_bad"] or row["last_error"] or ""
    since = show.moment(row["since"]) if row["since"] else None
    heard = show.moment(row["updated"]) if row["updated"] else None
    # An age tells something while somebody listens.
    age = _span(row["cursor_age"]) if row["state"] is not None else None
    cells = (row["name"], row["kind"], row["state"], since, row["cursor"], age, _span(row["lag"]), heard)
    return (*("-" if cell is None else cell for cell in cells), row["events"], row["bad_frames"], trouble)


def _span(seconds: float | None) -> str | None:
    """A span for people, in its largest unit."""
    if seconds is None:
        return None
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds:.0f}s"
