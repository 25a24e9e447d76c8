"""The fenced blocks of all pages, each with its kind and what the comments before it ask of the tests.

A block's first line is a fence with its language and, where that is not enough to try it, a second word: `yaml rules`. Comments
right before it, which no reader sees, say

| comment | means |
|---|---|
| `<!-- example: NAME -->` | from here on the page's commands are typed in a copy of examples/NAME. `empty` is an empty folder,
  and `checkout` one that has examples/ |
| `<!-- file: PATH -->` | the block is written there when the reader comes to it |
| `<!-- run: COMMAND -->` | what the text around asks the reader to do before the block |
| `<!-- not run: WORD -->` | the commands cannot run in a test; tests/test_blocks.py says why |
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
FOLDERS = ("docs", "examples", "rules", "contrib")
PAGES = sorted(
    [ROOT / "README.md", ROOT / "CHANGELOG.md", *(page for folder in FOLDERS for page in (ROOT / folder).rglob("*.md"))]
)
_BLOCK = re.compile(
    r"(?P<asked>(?:^ *<!-- [^\n]* -->\n)*)^(?P<indent> *)```(?P<kind>[^\n`]*)\n(?P<text>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)
_ASKED = re.compile(r"<!-- (example|file|run|not run): (.*?) -->")


@dataclass(frozen=True)
class Block:
    """`kind` is the fence's line; `line` is that of the fence; `asked` are the comments, in their order."""

    page: str
    line: int
    kind: str
    text: str
    asked: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    def said(self, what: str) -> str:
        """What one of the comments says, or nothing."""
        return next((value for name, value in self.asked if name == what), "")


def of_page(page: Path) -> list[Block]:
    """A page's blocks, in their order."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(
            page=page.relative_to(ROOT).as_posix(),
            line=text.count("\n", 0, found.end("asked")) + 1,
            kind=found["kind"],
            text=textwrap.dedent(found["text"]),
            asked=tuple(_ASKED.findall(found["asked"])),
        )
        for found in _BLOCK.finditer(text)
    ]


ALL = [block for page in PAGES for block in of_page(page)]


def of_kind(*kinds: str) -> list[Block]:
    """The blocks of some kinds; `yaml` is only those without a second word."""
    return [block for block in ALL if block.kind in kinds]
