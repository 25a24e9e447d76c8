"""What is wrong with a text, where, and what to write instead."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


#: Characters of a sentence: the longest of ours lists every name that templates see.
_LONGEST = 1000


class Level(IntEnum):
    """How bad a problem is. Only errors stop a file from being used."""

    NOTE = 1
    WARNING = 2
    ERROR = 3


class HasPaths(Protocol):
    """Who knows the paths of places."""

    def path_of(self, place: Place) -> str:
        """The way through the document: `rules[2].when.branch`."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where in a text. `line` and `column` count from 1. `of` is asked for its path, where that is told."""

    file: str = "<memory>"
    line: int = 1
    column: int = 1
    width: int = 1
    of: HasPaths | None = field(default=None, compare=False, repr=False)

    @property
    def path(self) -> str:
        """The way through the document: `rules[2].when.branch`; empty where there is none."""
        return self.of.path_of(self) if self.of is not None else ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class Named(NamedTuple):
    """A path that is known as such."""

    name: str

    def path_of(self, place: Place) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding: `message` says what is wrong, `hint` what to write instead."""

    code: str
    place: Place
    message: str
    hint: str = ""
    level: Level = Level.ERROR

    def __str__(self) -> str:
        return f"{self.place}: {self.code}: {self.message}" + (f" {self.hint}" if self.hint else "")

    def tree(self) -> dict[str, str | int]:
        """As JSON."""
        place = self.place
        return {
            "code": self.code,
            "level": self.level.name.lower(),
            "message": self.message,
            "hint": self.hint,
            "file": place.file,
            "line": place.line,
            "column": place.column,
            "width": place.width,
            "path": place.path,
        }


class Problems:
    """A collector, so that one run reports everything instead of the first."""

    def __init__(self) -> None:
        self.found: list[Problem] = []

    def error(self, code: str, place: Place, message: str, hint: str = "") -> None:
        self.found.append(Problem(code, place, _told(message), _told(hint)))

    def warning(self, code: str, place: Place, message: str, hint: str = "") -> None:
        self.found.append(Problem(code, place, _told(message), _told(hint), Level.WARNING))

    def note(self, code: str, place: Place, message: str, hint: str = "") -> None:
        self.found.append(Problem(code, place, _told(message), _told(hint), Level.NOTE))

    @property
    def errors(self) -> Sequence[Problem]:
        return [problem for problem in self.found if problem.level is Level.ERROR]


def printable(text: str) -> str:
    """The text with control characters, bidirectional marks and lone surrogates escaped: safe for a terminal and a log line."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)


def _told(sentence: str) -> str:
    """A sentence quotes what was written, which may be anything, and of any length."""
    return printable(sentence if len(sentence) <= _LONGEST else sentence[:_LONGEST] + "…")


def nearest(word: str, known: Iterable[str]) -> str:
    """A did-you-mean sentence for `word`, or nothing where no known word is close."""
    import difflib  # noqa: PLC0415 - only a mistake pays for it

    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"Did you mean `{close[0]}`?" if close else ""
