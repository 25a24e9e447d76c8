"""`router test`: the tests beside the rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from router import library
from router.cli import FINDINGS, FINE, findings, show
from router.cli.opening import config_option, output_option

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from router.ruletests.run import Result, Session


@click.command
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@click.option("-k", "expression", metavar="EXPR", default="", help="Only tests with these words: `push and not tag`.")
@config_option
@output_option
def test(paths: Sequence[str], expression: str, config_file: Path | None, output: str) -> int:
    """Run the *.test.yaml files of folders, or single ones, each with the rules that stand beside it.

    Without a PATH: those beside the rules that the configuration lists. Exits with 1 if a test fails, or a file has mistakes.
    """
    from router import config  # noqa: PLC0415 - verbs import what they use
    from router.ruletests.run import run  # noqa: PLC0415 - as above

    settings = config.load(config_file, with_plugins=False)
    entries = library.on_command_line(paths) if paths else settings.rules
    session = run(entries, settings.identity.pins, selector(expression), lambda: config.load(config_file).providers)
    if output == "json":
        show.as_json(_tree(session))
    else:
        findings.problems(session.problems.found)
        for result in session.results:
            _print(result)
        show.line(_summary(session), bold=True)
    return FINDINGS if session.failed or session.problems.errors else FINE


def selector(expression: str) -> Callable[[str], bool]:
    """Whether a name has the words of `a and not b or c`; `and` binds closer. Case does not matter, and no words select all."""
    either = [part.split(" and ") for part in expression.lower().split(" or ")]

    def selects(name: str) -> bool:
        return any(all(_holds(word.strip(), name.lower()) for word in words) for words in either)

    return selects


def _holds(word: str, name: str) -> bool:
    return word[4:].strip() not in name if word.startswith("not ") else word in name


def _print(result: Result) -> None:
    if not result.findings:
        show.line(f"ok    {result.name}", fg="green")
        return
    show.line(f"FAIL  {result.name} ({result.place.file}:{result.place.line})", fg="red")
    for finding in result.findings:
        show.line(f"      {finding}")


def _summary(session: Session) -> str:
    failed = len(session.failed)
    parts = [f"{len(session.results) - failed} passed"]
    parts += [f"{failed} failed"] if failed else []
    parts += [f"{session.unselected} not selected"] if session.unselected else []
    errors = len(session.problems.errors)
    parts += [f"{show.counted(errors, 'error')} in files"] if errors else []
    return f"{show.counted(len(session.results), 'test')}: {', '.join(parts)}."


def _tree(session: Session) -> dict[str, object]:
    return {
        "tests": [
            {
                "name": result.name,
                "ok": not result.findings,
                "file": result.place.file,
                "line": result.place.line,
                "findings": list(result.findings),
            }
            for result in session.results
        ],
        "problems": [findings.problem_tree(problem) for problem in session.problems.found],
        "not_selected": session.unselected,
    }
