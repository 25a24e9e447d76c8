"""How problems look: for people with the line that they are about, for programs as JSON."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from router.cli import show
from router.core.codes import SECRET_WRITTEN
from router.core.problems import Level

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from router.core.problems import Place, Problem

#: Of a source line that is shown under a problem, where nothing else says how wide it may be.
WIDEST = 100
COLOURS = {Level.ERROR: "red", Level.WARNING: "yellow", Level.NOTE: "cyan"}
#: What stands for a file where there is none.
_NO_FILE = ("environment", "<memory>")


def problems(found: Sequence[Problem], *, err: bool = False) -> None:
    """Each problem with the line that it is about, a caret under the place, and what to write instead."""
    lines_of = lru_cache(maxsize=16)(_lines)
    for problem in by_place(found):
        place = problem.place
        where = str(place) if has_file(place) else place.file
        lead = f"{where}: {problem.level.name.lower()} {problem.code}: "
        show.sentence(problem.message, lead, err=err, fg=COLOURS[problem.level])
        gutter = " " * len(str(place.line))
        for shown in _source(problem, gutter, lines_of, show.width(err=err)):
            show.line(shown, err=err)
        if problem.hint:
            show.sentence(problem.hint, f"  {gutter} = ", len(gutter) + 5, err=err)


def by_place(found: Sequence[Problem]) -> list[Problem]:
    """In the order of files, lines and columns."""
    return sorted(found, key=lambda problem: problem.place)


def has_file(place: Place) -> bool:
    """Whether the place is in a file, and not in a variable of the environment."""
    return place.file not in _NO_FILE


def _source(problem: Problem, gutter: str, lines_of: Callable[[str], Sequence[str]], columns: int | None) -> Iterator[str]:
    """The line, or the part of it that has room, and the caret."""
    place = problem.place
    # The line would show the secret, to a terminal that somebody shares or to a CI's log.
    lines = lines_of(place.file) if has_file(place) and problem.code != SECRET_WRITTEN else ()
    if place.line > len(lines):
        return
    whole = show.plain(lines[place.line - 1].replace("\t", " "))
    room = max(20, min(WIDEST, columns - len(gutter) - 5)) if columns else WIDEST
    start = max(0, place.column - 1 - room // 2) if _cells(whole) > room else 0
    text = _fitting(whole[start:], room)
    before = place.column - 1 - start
    marked = text[before : before + place.width]
    yield f"  {place.line} | {text}".rstrip()
    yield f"  {gutter} | {' ' * _cells(text[:before])}{'^' * max(1, _cells(marked))}"


def _fitting(text: str, room: int) -> str:
    """As much of the text's beginning as has room."""
    used = 0
    for position, char in enumerate(text):
        used += _cells(char)
        if used > room:
            return text[:position]
    return text


def _cells(text: str) -> int:
    """How many columns of a terminal a text takes: wide characters two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.category(char) in ("Mn", "Me") else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )


def _lines(file: str) -> Sequence[str]:
    try:
        return Path(file).read_text(encoding="utf-8-sig").split("\n") if Path(file).is_file() else ()
    except (OSError, UnicodeDecodeError):
        return ()
