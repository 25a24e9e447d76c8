"""`router sources`: what is heard, and how far."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import click

from router import config
from router.cli import FINE, names, pausing, show
from router.cli.asking import ask
from router.cli.group import Verbs
from router.cli.opening import config_option, output_option, reading
from router.core.errors import BadInput
from router.core.problems import nearest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from router.config import Config
    from router.engine.store.base import SourceRow, Store

_HERE = "router.cli.sources"
_HEADINGS = (
    *("SOURCE", "KIND", "STATE", "SINCE", "CURSOR", "AGE", "LAG", "LAST HEARD"),
    *("EVENTS", "BAD FRAMES", "LAST TROUBLE"),
)


@click.group(
    cls=Verbs,
    invoke_without_command=True,
    verbs={
        "list": (f"{_HERE}:list_", "List the sources; `router sources` alone does the same."),
        "pause": (f"{_HERE}:pause", "Hear these no more until they are resumed."),
        "resume": (f"{_HERE}:resume", "Hear these again, from where they were."),
    },
)
@config_option
@output_option
@click.pass_context
def sources(context: click.Context, config_file: Path | None, output: str) -> int:
    """The configured sources, and those that only the store remembers: state, cursor, last event, events and bad frames."""
    return FINE if context.invoked_subcommand is not None else _list(config_file, output)


@click.command("list")
@config_option
@output_option
def list_(config_file: Path | None, output: str) -> int:
    """List the configured sources and those that only the store remembers: state, cursor, last event, events, bad frames."""
    return _list(config_file, output)


@click.command
@click.argument("given", nargs=-1, required=True, metavar="NAME...", shell_complete=names.sources)
@config_option
@output_option
def pause(given: Sequence[str], config_file: Path | None, output: str) -> int:
    """Hear these sources no more until they are resumed. Their cursors stay, and a restart changes nothing."""
    settings = config.load(config_file)
    known = [source.name for source in settings.sources]
    for name in given:
        # What the spindle itself listens to has a colon in its name.
        if name not in known and ":" not in name:
            raise BadInput(f"There is no source `{name}`. {nearest(name, known)}".rstrip())
    return pausing.turn(settings, pausing.SOURCE, "pause", given, output)


@click.command
@click.argument("given", nargs=-1, required=True, metavar="NAME...", shell_complete=names.sources)
@config_option
@output_option
def resume(given: Sequence[str], config_file: Path | None, output: str) -> int:
    """Hear these sources again, from where they were."""
    return pausing.turn(config.load(config_file, with_plugins=False), pausing.SOURCE, "resume", given, output)


def _list(config_file: Path | None, output: str) -> int:
    settings = config.load(config_file)
    rows = ask(settings, "GET", "/api/v1/sources") or asyncio.run(_rows(settings))
    if output == "json":
        show.as_json(rows)
        return FINE
    show.table(_HEADINGS, [tuple("-" if cell is None else cell for cell in _cells(row)) for row in rows])
    return FINE


async def _rows(settings: Config) -> list[dict[str, Any]]:
    """Without a router: as it would tell them."""
    from router.host import SystemClock  # noqa: PLC0415 - only where no router runs

    now = SystemClock().now()
    if not settings.store_path.exists():
        return await remembered(settings, None, now)
    return await reading(settings, lambda store: remembered(settings, store, now))


async def remembered(settings: Config, store: Store | None, now: int) -> list[dict[str, Any]]:
    """The sources that are configured, and those that the store knows."""
    from router.web.listed import source_row  # noqa: PLC0415 - only where no router runs

    kinds: dict[str, str] = {source.name: source.kind for source in settings.sources}
    known: dict[str, SourceRow] = {}
    paused: dict[str, int] = {}
    if store is not None:
        known = {row.name: row for row in await store.sources()}
        paused = dict(await store.paused(pausing.SOURCE))
    return [
        source_row(name, kinds.get(name), None, known.get(name), paused.get(name), now)
        for name in dict.fromkeys((*kinds, *known))
    ]


def _cells(row: dict[str, Any]) -> tuple[Any, ...]:
    """A source that is down says why; of one that is fine, what went wrong last."""
    runs = row["state"] != "unknown"
    state = "paused" if row["paused"] else row["state"]
    trouble = (row["sentence"] if state in ("down", "quarantined") else "") or row["last_gap"] or row["last_bad"]
    since = show.moment(row["since"]) if row["since"] else None
    heard = show.moment(row["heard"]) if row["heard"] else None
    # An age tells something while somebody listens.
    age = _span(row["cursor_age"]) if runs else None
    cells = (row["name"], row["kind"], state, since, row["cursor"], age, _span(row["lag"]), heard)
    return (*cells, row["events"], row["bad_frames"], trouble or row["last_error"])


def _span(seconds: float | None) -> str | None:
    """A span for people, in its largest unit."""
    if seconds is None:
        return None
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds:.0f}s"
