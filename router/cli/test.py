"""`router test`: the tests beside the rules, and what they leave untested."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from router import library
from router.cli import FINDINGS, FINE, names, show
from router.cli.opening import config_option
from router.core.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from router.cli.testreport import Mutation, Report
    from router.ruletests.coverage import Coverage
    from router.ruletests.run import Session


@click.command
@click.argument("paths", nargs=-1, metavar="[PATH]...", shell_complete=names.rulesets)
@click.option("-k", "expression", metavar="EXPR", default="", help="Only tests with these words: `push and not tag`.")
@click.option("--update", is_flag=True, help="Write goldens that are missing or differ. Refused where CI is set.")
@click.option("--coverage", is_flag=True, help="Tell what the tests' events never made true, or never false.")
@click.option("--min", "least", metavar="N", type=click.FloatRange(0, 100), help="Exit with 1 if less than N % is covered.")
@click.option("--mutate", is_flag=True, help="Weaken each condition in turn; exit with 1 if no test notices one.")
@config_option
@click.option(
    "--output",
    type=click.Choice(["human", "json", "junit"]),
    default="human",
    show_default=True,
    help="For people or for programs.",
)
def test(
    paths: Sequence[str],
    expression: str,
    update: bool,  # noqa: FBT001 - click passes flags by name
    coverage: bool,  # noqa: FBT001 - as above
    least: float | None,
    mutate: bool,  # noqa: FBT001 - as above
    config_file: Path | None,
    output: str,
) -> int:
    """Run the *.test.yaml files of folders, or single ones, each with the rules that stand beside it.

    Without a PATH: those beside the rules that the configuration lists. Exits with 1 if a test fails, a file has mistakes, no
    test is selected, or no test names a golden that is there.
    """
    from router import config  # noqa: PLC0415 - verbs import what they use
    from router.cli.progress import progress  # noqa: PLC0415 - as above
    from router.cli.testreport import Report  # noqa: PLC0415 - as above
    from router.ruletests.run import run  # noqa: PLC0415 - as above

    if update and os.environ.get("CI"):
        raise BadInput("Goldens are not written in CI, where nobody reads them: update them where you work, and commit them.")
    settings = config.load(config_file, with_plugins=False)
    entries = library.on_command_line(paths) if paths else settings.rules
    configured = lambda: config.load(config_file).providers  # noqa: E731 - read only where a case has answers
    with progress(None, "tests") as step:
        session = run(entries, settings.identity.pins, selector(expression), configured, update=update, step=step)
    report = Report(
        session=session,
        coverage=_measured(session) if coverage or least is not None else None,
        least=least or 0.0,
        mutation=_mutated(session) if mutate else None,
    )
    _tell(report, output)
    return FINDINGS if report.failed else FINE


def selector(expression: str) -> Callable[[str], bool]:
    """Whether a name has the words of `a and not b or c`; `and` binds closer. Case does not matter, and no words select all."""
    either = [part.split(" and ") for part in expression.lower().split(" or ")]

    def selects(name: str) -> bool:
        return any(all(_holds(word.strip(), name.lower()) for word in words) for words in either)

    return selects


def _holds(word: str, name: str) -> bool:
    return word[4:].strip() not in name if word.startswith("not ") else word in name


def _measured(session: Session) -> list[Coverage]:
    from router.ruletests.coverage import measure  # noqa: PLC0415 - only who asks pays

    return [found for folder in session.folders.values() if folder.book for found in measure(folder.book, folder.trials)]


def _mutated(session: Session) -> Mutation:
    from router.cli.progress import progress  # noqa: PLC0415 - only who asks pays
    from router.cli.testreport import Mutation  # noqa: PLC0415 - as above
    from router.ruletests import survivors  # noqa: PLC0415 - as above

    tested = [
        (folder.book, folder.trials, survivors.of_folder(folder.book)) for folder in session.folders.values() if folder.book
    ]
    total = sum(len(found) for _, _, found in tested)
    with progress(total, "Mutants") as step:
        left = [mutant for book, trials, found in tested for mutant in survivors.surviving(book, found, trials, step)]
    return Mutation(total, left)


def _tell(report: Report, output: str) -> None:
    from router.cli import junit, testreport  # noqa: PLC0415 - as above

    if output == "json":
        show.as_json(testreport.tree(report))
    elif output == "junit":
        click.echo(junit.xml(report))
    else:
        testreport.tell(report)
