"""Pages of docs/ that list what is promised, with the tests that bear each row's number as a marker.

The rows are written in a module for each page; their tests are found by `@pytest.mark.<marker>(<key>, …)`.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
#: A row that begins so is not promised, and needs no test.
UNPROMISED = re.compile(r"(Not|Partly)\b")


@dataclass(frozen=True)
class Catalogue:
    """A page: `head` is all that is above its first row; a row is a key, what it is about, and what is promised."""

    marker: str
    page: Path
    head: str
    rows: Sequence[tuple[int | str, str, str]]

    def tests(self) -> dict[int | str, list[str]]:
        """The tests of each row, by the name of their file and their own."""
        found: dict[int | str, list[str]] = defaultdict(list)
        for path in sorted((ROOT / "tests").rglob("test_*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                    name = node.name.removeprefix("test_").replace("_", " ")
                    for key in self._keys(node):
                        found[key].append(f"`{path.relative_to(ROOT / 'tests')}` {name}")
        return found

    def text(self) -> str:
        """The whole page."""
        known = self.tests()
        rows = (f"| {key} | {what} | {how} | {'<br>'.join(known[key])} |\n" for key, what, how in self.rows)
        return self.head + "".join(rows)

    def write(self) -> None:
        self.page.write_text(self.text(), encoding="utf-8")
        print(f"wrote {self.page.relative_to(ROOT)}")

    def promised(self) -> set[int | str]:
        """The keys of the rows that need a test."""
        return {key for key, _, how in self.rows if not UNPROMISED.match(how)}

    def _keys(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> list[int | str]:
        return [
            ast.literal_eval(argument)
            for call in node.decorator_list
            if isinstance(call, ast.Call) and ast.unparse(call.func) == f"pytest.mark.{self.marker}"
            for argument in call.args
        ]
