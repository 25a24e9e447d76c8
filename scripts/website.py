"""What MkDocs is told beside mkdocs.yml (`hooks`): the pages are written to be read in the checkout, too.

- An entry of `nav` with a `*` stands for the pages of that pattern that no other entry names.
- A block's second word (```` ```yaml rules ````) says how the tests try it, and means nothing to a highlighter.
- What belongs to an item of a numbered list is indented by three spaces, but for Python's Markdown, which wants four.
- A link to what is not a page of docs/ becomes the name of the file: a site has no checkout beside it.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from posixpath import normpath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
_FENCE = re.compile(r"^( *```)([a-z]+) [^\n`]*$", re.MULTILINE)
_ITEM = re.compile(r"\d+\. ")
_LINK = re.compile(r"\[([^\]]*)\]\((?!https?:|mailto:|#)([^)#\s]+)(#[^)]*)?\)")


def on_config(config: Any) -> Any:
    """Fill in `nav`, and name the anchors of headings as forges do."""
    from pymdownx.slugs import slugify  # noqa: PLC0415 - only the site needs it

    config["nav"] = filled(config["nav"], set(pages(config["nav"])))
    config["mdx_configs"]["toc"]["slugify"] = slugify(case="lower")
    return config


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """A page as the site can show it."""
    return indented(_FENCE.sub(r"\1\2", inside(markdown, page.file.src_uri)))


def indented(markdown: str) -> str:
    """The page with four spaces before what belongs to an item of a numbered list."""
    made, in_list = [], False
    for line in markdown.splitlines():
        if _ITEM.match(line):
            in_list = True
        elif line and not line.startswith(" "):
            in_list = False
        made.append(f" {line}" if in_list and line.startswith("   ") else line)
    return "\n".join(made) + "\n"


def inside(markdown: str, page: str) -> str:
    """The page without links that leave docs/; `page` is its path there."""

    def link(found: re.Match[str]) -> str:
        text, target = found[1], found[2]
        path = normpath(PurePosixPath("docs", page).parent / target).removesuffix("/README.md")
        if path.startswith("docs/"):
            return found[0]
        return f"{text} (`{path}`)" if text.strip("`") != path else f"`{path}`"

    return _LINK.sub(link, markdown)


def pages(nav: Iterable[Any]) -> list[str]:
    """The entries of `nav` that are pages, or patterns, depth first."""
    found: list[str] = []
    for entry in nav:
        below = next(iter(entry.values())) if isinstance(entry, dict) else entry
        found += [below] if isinstance(below, str) else pages(below)
    return found


def filled(nav: Iterable[Any], named: set[str]) -> list[Any]:
    """`nav` with each pattern replaced by the pages that nothing else names."""
    made: list[Any] = []
    for entry in nav:
        if isinstance(entry, dict):
            made += [{title: below if isinstance(below, str) else filled(below, named)} for title, below in entry.items()]
        elif "*" in entry:
            made += sorted({path.relative_to(DOCS).as_posix() for path in DOCS.glob(entry)} - named)
        else:
            made.append(entry)
    return made
