"""Problems as workflow commands of GitHub Actions, which shows them beside the lines that they are about."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from router.cli import show
from router.cli.findings import has_file
from router.core.problems import Level

if TYPE_CHECKING:
    from router.core.problems import Problem

_COMMANDS = {Level.ERROR: "error", Level.WARNING: "warning", Level.NOTE: "notice"}


def command(problem: Problem) -> str:
    """One line: `::error file=rules/a.yaml,line=3,col=5,endLine=3,endColumn=9,title=R012::The sentence.`

    Columns count from 1, and the end is the first column after the place.
    """
    place = problem.place
    properties: dict[str, object] = {}
    if has_file(place):
        properties = {
            "file": below_here(place.file),
            "line": place.line,
            "col": place.column,
            "endLine": place.line,
            "endColumn": place.column + place.width,
        }
    properties["title"] = problem.code
    written = ",".join(f"{name}={_property(str(value))}" for name, value in properties.items())
    said = f"{problem.message}\n{problem.hint}" if problem.hint else problem.message
    return f"::{_COMMANDS[problem.level]} {written}::{_data(said)}"


def below_here(file: str) -> str:
    """A path as it is from the working directory, where it is below that; else the path as it was given."""
    path = Path(file)
    here = Path.cwd()
    return path.relative_to(here).as_posix() if path.is_absolute() and path.is_relative_to(here) else path.as_posix()


def _data(text: str) -> str:
    """What ends a line would end the command, and a percent sign begins an escape."""
    lines = (show.plain(part) for part in text.replace("%", "%25").split("\n"))
    return "%0A".join(lines)


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
