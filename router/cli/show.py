"""How results look: plain text for people, JSON for programs. What strangers wrote is made harmless to a terminal here."""

from __future__ import annotations

import json
import os
import unicodedata
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from router.core.codes import SECRET_WRITTEN
from router.core.problems import Level

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from router.core.problems import Problem

#: Of a source line that is shown under a problem.
WIDEST = 100
#: Where a problem has no file to show.
_NO_FILE = ("environment", "<memory>")


def plain(text: str) -> str:
    """The text without characters that move a cursor, colour, or turn the reading direction; as long as it was."""
    return "".join("\ufffd" if unicodedata.category(char) in ("Cc", "Cf", "Zl", "Zp") else char for char in text)


def line(text: str = "", *, err: bool = False, **style: Any) -> None:
    """One line; `style` is click's, and used on a terminal that wants colours only."""
    shown = plain(text)
    wanted = {name: value for name, value in style.items() if value is not None}
    coloured = wanted and not os.environ.get("NO_COLOR")
    click.echo(click.style(shown, **wanted) if coloured else shown, err=err)


def as_json(value: Any) -> None:
    """One JSON document on stdout. Everything beyond ASCII is escaped, so that no terminal is moved by it either."""
    click.echo(json.dumps(value, indent=2, default=str))


def table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Columns as wide as they need to be. Nothing is cut: a person can widen a terminal, and `grep` needs whole words."""
    texts = [[plain(str(cell)) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(headings, *texts, strict=True)]
    for number, cells in enumerate([list(headings), *texts]):
        row = "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
        line(row, bold=True) if number == 0 else line(row)


def problems(found: Sequence[Problem], *, err: bool = False) -> None:
    """Each problem with the line that it is about, a caret under the place, and what to write instead."""
    lines_of = lru_cache(maxsize=16)(_lines)
    for problem in sorted(found, key=lambda problem: problem.place):
        where = problem.place.file if problem.place.file in _NO_FILE else str(problem.place)
        colour = "red" if problem.level is Level.ERROR else "yellow"
        line(f"{where}: {problem.level.name.lower()} {problem.code}: {problem.message}", err=err, fg=colour)
        for below in _below(problem, lines_of):
            line(below, err=err)


def problem_tree(problem: Problem) -> dict[str, Any]:
    """A problem as JSON."""
    place = problem.place
    return {
        "code": problem.code,
        "level": problem.level.name.lower(),
        "message": problem.message,
        "hint": problem.hint,
        "file": place.file,
        "line": place.line,
        "column": place.column,
        "width": place.width,
        "path": place.path,
    }


def counted(number: int, one: str, many: str = "") -> str:
    """`1 rule`, `2 rules`."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def _below(problem: Problem, lines_of: Callable[[str], Sequence[str]]) -> Iterator[str]:
    place = problem.place
    # The line would show the secret, to a terminal that somebody shares or to a CI's log.
    lines = () if place.file in _NO_FILE or problem.code == SECRET_WRITTEN else lines_of(place.file)
    gutter = " " * len(str(place.line))
    if place.line <= len(lines):
        start = max(0, place.column - 1 - WIDEST // 2) if len(lines[place.line - 1]) > WIDEST else 0
        text = lines[place.line - 1][start : start + WIDEST]
        before = place.column - 1 - start
        caret = "^" * max(1, min(place.width, len(text) - before))
        yield f"  {place.line} | {text.replace(chr(9), ' ')}".rstrip()
        yield f"  {gutter} | {' ' * before}{caret}"
    if problem.hint:
        yield f"  {gutter} = {problem.hint}"


def _lines(file: str) -> Sequence[str]:
    try:
        return Path(file).read_text(encoding="utf-8-sig").split("\n") if Path(file).is_file() else ()
    except (OSError, UnicodeDecodeError):
        return ()


def moment(micros: int) -> str:
    """A stored time for a person: UTC, to the second; empty for none."""
    return datetime.fromtimestamp(micros / 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if micros else ""


def tree(value: Any, indent: str = "") -> None:
    """Nested values as indented `key: value` lines."""
    for key, child in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(child, (dict, list, tuple)) and child:
            line(f"{indent}{key}:")
            tree(child, indent + "  ")
        else:
            line(f"{indent}{key}: {json.dumps(child, ensure_ascii=False) if not isinstance(child, str) else child}")
