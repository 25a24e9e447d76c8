"""How results look: plain text for people, JSON for programs. What strangers wrote is made harmless to a terminal here."""

from __future__ import annotations

import json
import os
import shutil
import sys
import textwrap
import unicodedata
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TextIO

import click

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def plain(text: str) -> str:
    """The text without characters that move a cursor, colour, or turn the reading direction; as long as it was."""
    return "".join("\ufffd" if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") else char for char in text)


def line(text: str = "", *, err: bool = False, **style: Any) -> None:
    """One line; `style` is click's, and used on a terminal that wants colours only."""
    shown = plain(text)
    wanted = {name: value for name, value in style.items() if value is not None}
    if wanted and has_colour(err=err):
        click.echo(click.style(shown, **wanted), err=err, color=True)
    else:
        click.echo(shown, err=err)


def sentence(text: str, lead: str = "", hang: int = 4, *, err: bool = False, **style: Any) -> None:
    """`lead` and a text of any length: one line in a pipe; on a terminal broken between words, and indented by `hang` from
    the second line on. No word is torn, so a place or a name can be copied."""
    columns = width(err=err)
    if columns is None:
        line(lead + text, err=err, **style)
        return
    parts = textwrap.wrap(
        plain(text),
        columns,
        initial_indent=lead,
        subsequent_indent=" " * hang,
        break_long_words=False,
        break_on_hyphens=False,
    )
    for part in parts or [lead]:
        line(part, err=err, **style)


def width(*, err: bool = False) -> int | None:
    """Columns of the terminal that is written to; None where nobody watches one, and lines are as long as they are."""
    return shutil.get_terminal_size().columns if _stream(err=err).isatty() else None


def has_colour(*, err: bool = False) -> bool:
    """Whether colours are wanted: on a terminal that can, unless NO_COLOR is set; anywhere where FORCE_COLOR is."""
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or (_stream(err=err).isatty() and os.environ.get("TERM") != "dumb")


def _stream(*, err: bool) -> TextIO:
    return sys.stderr if err else sys.stdout


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


def counted(number: int, one: str, many: str = "") -> str:
    """`1 rule`, `2 rules`."""
    return f"{number} {one if number == 1 else many or one + 's'}"


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
