"""`router validate`: everything that can be known to be wrong before an event arrives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from router import library, plugins
from router.cli import FINDINGS, FINE, show
from router.cli.opening import config_option, output_option
from router.core import rules
from router.core.errors import BadInput
from router.core.problems import Place, Problems

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from router.config import Config
    from router.core.rulebook import Rulebook


@click.command
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@config_option
@output_option
def validate(paths: Sequence[str], config_file: Path | None, output: str) -> int:
    """Check rule files, and the configuration where it is meant.

    A PATH is a folder, a rule file, or a bundled ruleset (bundled:tangled). Without any, the configuration and the rules that
    it lists are checked. Exits with 1 if there is an error.
    """
    problems = Problems()
    config = _config(config_file, problems) if config_file is not None or not paths else None
    entries = library.on_command_line(paths) if paths else config.rules if config is not None else ()
    texts = library.rule_texts(entries, problems)
    book = rules.load(texts, plugins.OptionModels(), problems)
    if config is not None:
        _check_settings(config, book, problems)
    if output == "json":
        found = [show.problem_tree(problem) for problem in problems.found]
        show.as_json({"problems": found, "files": len(texts), "rules": len(book.rules)})
    else:
        show.problems(problems.found)
        show.line(_summary(problems, len(texts), len(book.rules)), bold=True)
    return FINDINGS if problems.errors else FINE


def _config(file: Path | None, problems: Problems) -> Config | None:
    from router import config  # noqa: PLC0415 - it loads the sources that are configured, which is no small thing

    try:
        return config.load(file)
    except BadInput as error:
        if not error.problems:
            raise
        problems.found.extend(error.problems)
        return None


def _check_settings(config: Config, book: Rulebook, problems: Problems) -> None:
    """Providers that rules use and that cannot do without settings."""
    for name in dict.fromkeys(step.provider for rule in book.rules for step in rule.steps):
        try:
            config.provider_settings(name)
        except BadInput as error:
            problems.error("R040", Place(str(config.file or "router.yaml")), str(error))


def _summary(problems: Problems, files: int, rules: int) -> str:
    errors = len(problems.errors)
    warnings = len(problems.found) - errors
    parts = [show.counted(errors, "error")] if errors else []
    parts += [show.counted(warnings, "warning")] if warnings else []
    found = ", ".join(parts) or "no problems"
    return f"{show.counted(files, 'file')}, {show.counted(rules, 'rule')}: {found}."
