"""Colours of a terminal as classes. A log is a stranger's text: of its escape sequences those that set colours are understood,
and everything else that would move a cursor, write a title or name a link is dropped."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from router.core.problems import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: A colour sequence; then what is dropped whole: other control sequences, strings up to their end, single escapes.
_SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)(?P<colours>[0-9;:]*)m"
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]?"
)
#: Sequences of one line that are looked at; the rest is dropped.
MOST = 2000
_NAMES = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")
#: Red, green and blue of the eight, to which the others are the nearest.
_RGB = ((0, 0, 0), (205, 0, 0), (0, 205, 0), (205, 205, 0), (0, 0, 238), (205, 0, 205), (0, 205, 205), (229, 229, 229))
_CUBE = (0, 95, 135, 175, 215, 255)


@dataclass(frozen=True, slots=True)
class Piece:
    """Text, and the classes that it is shown with."""

    text: str
    classes: str = ""


@dataclass(frozen=True, slots=True)
class _Pen:
    ink: str = ""
    paper: str = ""
    bold: bool = False
    dim: bool = False
    italic: bool = False
    underlined: bool = False

    @property
    def classes(self) -> str:
        marks = [name for name in ("bold", "dim", "italic", "underlined") if getattr(self, name)]
        inks = [f"ink-{self.ink}"] if self.ink else []
        papers = [f"paper-{self.paper}"] if self.paper else []
        return " ".join((*inks, *papers, *marks))


_SIMPLE: dict[int, dict[str, object]] = {
    1: {"bold": True},
    2: {"dim": True},
    3: {"italic": True},
    4: {"underlined": True},
    22: {"bold": False, "dim": False},
    23: {"italic": False},
    24: {"underlined": False},
    39: {"ink": ""},
    49: {"paper": ""},
}


def pieces(line: str) -> list[Piece]:
    """One line. What a carriage return overwrote is left out, as a terminal would."""
    line = line.rstrip("\r").rpartition("\r")[2]
    return list(_pieces(line))


def _pieces(line: str) -> Iterator[Piece]:
    pen, at = _Pen(), 0
    for number, found in enumerate(_SEQUENCE.finditer(line)):
        if text := line[at : found.start()]:
            yield Piece(_clean(text), pen.classes)
        at = found.end()
        if found["colours"] is not None and number < MOST:
            pen = _set(pen, [int(code) if code.isdigit() else 0 for code in re.split("[;:]", found["colours"][:200])])
    if text := line[at:]:
        yield Piece(_clean(text), pen.classes)


def _clean(text: str) -> str:
    """Tabs stay; other controls and marks of direction are written out."""
    return "\t".join(map(printable, text.split("\t")))


def _set(pen: _Pen, codes: Sequence[int]) -> _Pen:
    rest = iter(codes)
    for code in rest:
        if code == 0:
            pen = _Pen()
        elif code in _SIMPLE:
            pen = replace(pen, **_SIMPLE[code])  # type: ignore[arg-type]
        elif code in (38, 48):
            name = _further(rest)
            pen = replace(pen, ink=name) if code == 38 else replace(pen, paper=name)
        elif 30 <= code <= 37 or 90 <= code <= 97:
            pen = replace(pen, ink=_NAMES[code % 10])
        elif 40 <= code <= 47 or 100 <= code <= 107:
            pen = replace(pen, paper=_NAMES[code % 10])
    return pen


def _further(rest: Iterator[int]) -> str:
    """The colour that `38;5;N` or `38;2;R;G;B` says, as the nearest of the eight."""
    kind = next(rest, 0)
    if kind == 2:
        return _nearest((next(rest, 0), next(rest, 0), next(rest, 0)))
    number = next(rest, 0) if kind == 5 else 0
    if number < 16:
        return _NAMES[number % 8]
    if number >= 232:
        level = (number - 232) * 10 + 8
        return _nearest((level, level, level))
    number -= 16
    return _nearest((_CUBE[number // 36 % 6], _CUBE[number // 6 % 6], _CUBE[number % 6]))


def _nearest(colour: tuple[int, int, int]) -> str:
    def distance(index: int) -> int:
        return sum((one - other) ** 2 for one, other in zip(colour, _RGB[index], strict=True))

    return _NAMES[min(range(8), key=distance)]
