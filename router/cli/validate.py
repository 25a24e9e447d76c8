"""`router validate`: everything that can be known to be wrong before an event arrives."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import click

from router import library, plugins
from router.cli import FINDINGS, FINE, findings, names, pages, show
from router.cli.opening import config_option
from router.cli.progress import progress
from router.core import rules
from router.core.analysis import analyse
from router.core.errors import BadInput
from router.core.problems import Level, Place, Problems

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from router.config import Config
    from router.core.problems import Problem
    from router.core.rulebook import Rulebook
    from router.core.rules import RuleText

OUTPUTS = ("human", "json", "github", "sarif")
LEVELS = {level.name.lower(): level for level in Level}


def _explain(ctx: click.Context, _: click.Parameter, code: str | None) -> None:
    """Like --help, it answers instead of the verb."""
    if code is not None and not ctx.resilient_parsing:
        pages.show_page(code)
        ctx.exit(FINE)


@click.command
@click.argument("paths", nargs=-1, metavar="[PATH]...", shell_complete=names.rulesets)
@config_option
@click.option(
    "--output",
    type=click.Choice(OUTPUTS),
    default="human",
    show_default=True,
    help="For people, for programs, or as annotations of GitHub's pages.",
)
@click.option(
    "--fail-level",
    type=click.Choice(list(LEVELS)),
    default="warning",
    show_default=True,
    help="The least that exits with 1.",
)
@click.option(
    "--explain",
    metavar="CODE",
    is_eager=True,
    expose_value=False,
    callback=_explain,
    help="Print the page of a problem's code, like R012, and stop.",
)
def validate(paths: Sequence[str], config_file: Path | None, output: str, fail_level: str) -> int:
    """Check rule files, and the configuration where it is meant.

    A PATH is a folder, a rule file, or a bundled ruleset (bundled:tangled). Without any, the configuration and the rules that
    it lists are checked. Exits with 1 where something of --fail-level or worse is found.
    """
    problems = Problems()
    config = _config(config_file, problems) if config_file is not None or not paths else None
    entries = library.on_command_line(paths) if paths else config.rules if config is not None else ()
    texts = library.rule_texts(entries, problems)
    book = _checked(texts, problems)
    if config is not None:
        _check_settings(config, book, problems)
    least = LEVELS[fail_level]
    _tell(problems, output, least, files=len(texts), rules=len(book.rules))
    return FINDINGS if any(problem.level >= least for problem in problems.found) else FINE


def _config(file: Path | None, problems: Problems) -> Config | None:
    from router import config  # noqa: PLC0415 - it loads the sources that are configured, which is no small thing

    try:
        return config.load(file)
    except BadInput as error:
        if not error.problems:
            raise
        problems.found.extend(error.problems)
        return None


def _checked(texts: Sequence[RuleText], problems: Problems) -> Rulebook:
    """The rules, read and thought about."""
    # All of it is kept until the end, and the collector would look through ten thousand rules again and again.
    gc.disable()
    try:
        with progress(None, "reading rules") as step:
            book = rules.load(texts, plugins.OptionModels(), problems, step)
        with progress(len(book.rules), "comparing rules") as step:
            analyse(book, problems, step)
        return book
    finally:
        gc.enable()


def _check_settings(config: Config, book: Rulebook, problems: Problems) -> None:
    """Providers that rules use and that cannot do without settings."""
    for name in dict.fromkeys(step.provider for rule in book.rules for step in rule.steps):
        try:
            config.provider_settings(name)
        except BadInput as error:
            problems.error("R040", Place(str(config.file or "router.yaml")), str(error))


def _tell(problems: Problems, output: str, least: Level, *, files: int, rules: int) -> None:
    if output == "json":
        found = [problem.tree() for problem in findings.by_place(problems.found)]
        show.as_json({"problems": found, "files": files, "rules": rules})
    elif output == "sarif":
        from router.cli import sarif  # noqa: PLC0415 - only where it is asked for

        show.as_json(sarif.log(problems.found))
    elif output == "github":
        from router.cli import github  # noqa: PLC0415 - as above

        for problem in findings.by_place(problems.found):
            click.echo(github.command(problem))
    else:
        findings.problems(problems.found)
        show.sentence(_summary(problems.found, least, files=files, rules=rules), bold=True)


def _summary(found: Sequence[Problem], least: Level, *, files: int, rules: int) -> str:
    """One line of counts, which says why the exit code is what it is where that is not plain."""
    counts = {level: sum(problem.level is level for problem in found) for level in reversed(Level)}
    told = ", ".join(show.counted(count, level.name.lower()) for level, count in counts.items() if count)
    if told and not counts[Level.ERROR]:
        fails = any(problem.level >= least for problem in found)
        told += f" ({'fails' if fails else 'fine'}: --fail-level {least.name.lower()})"
    return f"{show.counted(files, 'file')}, {show.counted(rules, 'rule')}: {told or 'no problems'}."
