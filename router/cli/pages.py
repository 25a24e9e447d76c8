"""The page of each problem's code: what is wrong, why it matters, a wrong example and the right one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.cli import show
from router.core.codes import CODES
from router.core.errors import BadInput
from router.core.problems import nearest

if TYPE_CHECKING:
    from collections.abc import Iterator


def page(code: str) -> str:
    """The page as Markdown. Raises BadInput where there is no such code."""
    if code not in CODES:
        hint = nearest(code, CODES) or "The codes are R001 and on, as `router validate` shows them."
        raise BadInput(f"There is no code `{code}`. {hint}")
    from importlib.resources import files  # noqa: PLC0415 - it imports archives and temporary files, which few verbs need

    return files("router").joinpath("pages", f"{code}.md").read_text(encoding="utf-8")


def show_page(code: str) -> None:
    """The page for a terminal: headings stand out, and examples are indented instead of fenced."""
    for text in _without_fences(page(code.upper())):
        show.line(text.removeprefix("# "), bold=True) if text.startswith("# ") else show.line(text)


def _without_fences(markdown: str) -> Iterator[str]:
    fenced = False
    for text in markdown.splitlines():
        if text.startswith("```"):
            fenced = not fenced
        else:
            yield f"    {text}" if fenced and text else text
