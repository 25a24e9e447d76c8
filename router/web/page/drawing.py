"""The templates, in an environment of their own: rules never see it, and everything is escaped."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined

from router.web.page import words
from router.web.page.ansi import pieces

_FOLDER = Path(__file__).parent


def draw(template: str, model: dict[str, Any]) -> str:
    """A page."""
    return environment().get_template(template).render(model)


@cache
def environment() -> Environment:
    """Made when the first page is asked for."""
    made = Environment(
        loader=FunctionLoader(_source),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "ago": words.ago,
        "duration": words.duration,
        "link": words.link,
        "lines": words.lines,
        "moment": words.moment,
        "pieces": pieces,
        "plain": words.plain,
        "stamp": words.stamp,
        "tree": words.tree,
    }
    return made


def _source(name: str) -> str | None:
    """Names come of our own code and templates alone."""
    file = _FOLDER / "templates" / name
    return file.read_text(encoding="utf-8") if file.is_file() else None


@cache
def static(name: str) -> bytes | None:
    """A file of the folder `static`, None where it has no such file. Names come from outside: none that leads elsewhere."""
    known = {file.name: file for file in (_FOLDER / "static").iterdir() if file.is_file()}
    return known[name].read_bytes() if name in known else None
