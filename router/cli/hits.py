"""`router rules hits`, `pause` and `resume`: the rules in force."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from router import config
from router.cli import FINE, names, pausing, show
from router.cli.asking import ask
from router.cli.opening import config_option, from_store, output_option, rulebook
from router.core.errors import BadInput
from router.core.problems import nearest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from router.config import Config
    from router.engine.store.base import Hits, Store


@click.command
@config_option
@output_option
def hits(config_file: Path | None, output: str) -> int:
    """List the rules in force, or those that would be, with how many events each matched and when it last did."""
    settings = config.load(config_file, with_plugins=False)
    rows = ask(settings, "GET", "/api/v1/rules") or _rows(settings)
    if output == "json":
        show.as_json(rows)
        return FINE
    cells = [
        (row["id"], row["mode"], row["hits"], show.moment(row["last"] or 0) or "never", "paused" if row["paused"] else "")
        for row in rows
    ]
    show.table(("RULE", "MODE", "HITS", "LAST MATCH", ""), cells)
    return FINE


def _rows(settings: Config) -> list[dict[str, Any]]:
    """Without a router: as it would tell them."""
    from router.web.listed import rule_row  # noqa: PLC0415 - only where no router runs

    async def read(store: Store) -> tuple[Mapping[str, Hits], Mapping[str, int]]:
        return await store.hits(), await store.paused(pausing.RULE)

    found: Mapping[str, Hits] = {}
    paused: Mapping[str, int] = {}
    if settings.store_path.exists():
        found, paused = from_store(settings, read)
    return [rule_row(rule, found.get(rule.id), paused.get(rule.id)) for rule in rulebook(settings.rules).rules]


@click.command
@click.argument("given", nargs=-1, required=True, metavar="ID...", shell_complete=names.rules)
@config_option
@output_option
def pause(given: Sequence[str], config_file: Path | None, output: str) -> int:
    """Let the deliveries of these rules wait until they are resumed. Events are decided as ever, and nothing is lost."""
    settings = config.load(config_file, with_plugins=False)
    known = [row["id"] for row in ask(settings, "GET", "/api/v1/rules") or _rows(settings)]
    for name in given:
        if name not in known:
            raise BadInput(f"There is no rule `{name}`. {nearest(name, known)}".rstrip())
    return pausing.turn(settings, pausing.RULE, "pause", given, output)


@click.command
@click.argument("given", nargs=-1, required=True, metavar="ID...", shell_complete=names.rules)
@config_option
@output_option
def resume(given: Sequence[str], config_file: Path | None, output: str) -> int:
    """Make the deliveries of these rules again, those that waited first."""
    return pausing.turn(config.load(config_file, with_plugins=False), pausing.RULE, "resume", given, output)
