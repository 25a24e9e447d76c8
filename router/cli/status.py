"""`router status` and `router reload`: the running router in a few lines, and having it read its files again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from router import config
from router.cli import FINDINGS, FINE, RUNTIME, findings, show
from router.cli.asking import ask
from router.cli.opening import config_option, output_option
from router.core.problems import Level, Place, Problem

if TYPE_CHECKING:
    from pathlib import Path

_SILENT = "No router runs on this store."


@click.command
@click.option("--alive", is_flag=True, help="For a liveness probe: ask only whether it runs and answers.")
@config_option
@output_option
def status(alive: bool, config_file: Path | None, output: str) -> int:  # noqa: FBT001 - click passes flags by name
    """Say how the running router is: sources, rules, outbox, what is paused, the last reload.

    Exits with 0 where it is ready, 1 where it is not, and 3 where none runs. With --alive, a router that is not ready is
    as good as one that is: a restart would not mend a full disk, nor a knot that is down.
    """
    settings = config.load(config_file, with_plugins=False)
    if alive:
        told = ask(settings, "GET", "/livez", fine=(200, 503))
        return _none(settings.store_path, output) if told is None else FINE if told["ready"] else FINDINGS
    told = ask(settings, "GET", "/api/v1/status")
    if told is None:
        return _none(settings.store_path, output)
    if output == "json":
        show.as_json({"running": True, **told})
    else:
        _print(told)
    return FINE if told["ready"] else FINDINGS


def _none(store: Path, output: str) -> int:
    if output == "json":
        show.as_json({"running": False})
    else:
        show.line(f"{_SILENT} ({store})", err=True)
    return RUNTIME


def _print(told: dict[str, Any]) -> None:
    ready = "ready" if told["ready"] else "not ready"
    show.line(f"{told['version']}, {ready}, since {show.moment(told['started'])}", bold=True)
    rows = [(f"{name}:", said) for name, said in told["checks"].items() if said != "ok"]
    rows += [("sources:", _counted(told["sources"])), ("rules:", told["rules"]), ("deliveries:", _counted(told["deliveries"]))]
    rows += [("paused:", name) for name in (*told["paused_sources"], *told["paused_rules"])]
    if told["reload"] is not None:
        rows.append(("reload:", f"{show.moment(told['reload']['at'])} {told['reload']['sentence']}"))
    for name, said in rows:
        show.line(f"{name:<12}{said}")


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "none"


@click.command
@config_option
@output_option
def reload(config_file: Path | None, output: str) -> int:
    """Have the running router read its configuration and rules again.

    All of it is put in force, or nothing: then the problems are shown, and the exit code is 1. Where no router runs it is 3.
    """
    settings = config.load(config_file, with_plugins=False)
    told = ask(settings, "POST", "/-/reload", fine=(200, 422))
    if told is None:
        return _none(settings.store_path, output)
    if output == "json":
        show.as_json(told)
    else:
        findings.problems([_problem(one) for one in told["findings"]], err=not told["ok"])
        for sentence in told["kept"]:
            show.line(sentence, err=True, fg="yellow")
        show.line(told["sentence"], err=not told["ok"], fg=None if told["ok"] else "red")
    return FINE if told["ok"] else FINDINGS


def _problem(told: dict[str, Any]) -> Problem:
    place = Place(told["file"], told["line"], told["column"], told["width"], told["path"])
    return Problem(told["code"], place, told["message"], told["hint"], Level[told["level"].upper()])
