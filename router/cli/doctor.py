"""`router doctor`: what stands in the way of a router here, and what to do about it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from router import config
from router.cli import FINDINGS, FINE, findings, show
from router.cli.opening import config_option, output_option, rulebook
from router.core.checkup import Check, Health, ill, well
from router.core.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from router.config import Config

_MARKS = {Health.WELL: ("ok", "green"), Health.DOUBTFUL: ("warn", "yellow"), Health.ILL: ("FAIL", "red")}


@click.command
@config_option
@output_option
def doctor(config_file: Path | None, output: str) -> int:
    """Check the settings, the rules, this machine, and whether everything that they name can be reached.

    Nothing is changed anywhere: other services are only asked. Exits with 1 where something is wrong.
    """
    settings = config.load(config_file)
    found = [well("settings", f"{settings.file or 'defaults'}")]
    providers, rules = _rules(settings)
    found.append(rules)
    human = output != "json"
    if human:
        for check in found:
            _tell(check)
    found += asyncio.run(_examined(settings, providers, tell=human))
    if not human:
        show.as_json([{"what": one.what, "health": one.health.name.lower(), "seen": one.seen, "do": one.do} for one in found])
    worst = max(check.health for check in found)
    if human:
        bad = sum(check.health is Health.ILL for check in found)
        doubts = sum(check.health is Health.DOUBTFUL for check in found)
        show.line(f"{show.counted(len(found), 'check')}: {bad} failed, {show.counted(doubts, 'warning')}.")
    return FINDINGS if worst is Health.ILL else FINE


def _rules(settings: Config) -> tuple[Collection[str], Check]:
    try:
        book = rulebook(settings.rules)
    except BadInput as error:
        findings.problems(error.problems, err=True)
        return (), ill("rules", str(error), "router validate")
    used = {step.provider for rule in book.rules for step in rule.steps}
    return used | set(settings.providers), well("rules", show.counted(len(book.rules), "rule"))


async def _examined(settings: Config, providers: Collection[str], *, tell: bool) -> list[Check]:
    from router.doctor.examine import examine  # noqa: PLC0415 - verbs import what they use

    made: list[Check] = []
    async for check in examine(settings, sorted(providers)):
        made.append(check)
        if tell:
            _tell(check)
    return made


def _tell(check: Check) -> None:
    mark, colour = _MARKS[check.health]
    show.sentence(f"{check.what}: {check.seen}", f"{mark:<5} ", hang=6, fg=colour if check.health else None)
    if check.do:
        show.sentence(check.do, "      = ", hang=8)
