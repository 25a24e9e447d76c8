"""The corpus of mistakes: each file in `bad` is named after its mistake; beside it is what `router validate` prints of it.

python tests/rules/corpus.py        writes all that is printed anew; read the difference before you keep it
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from router.cli import findings
from router.core import rules
from router.core.analysis import analyse
from router.core.problems import Problem, Problems
from tests.core.conftest import PROVIDERS

FOLDER = Path(__file__).parent / "bad"


def names() -> list[str]:
    """Every mistake."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def problems_of(name: str) -> list[Problem]:
    """What is found in the file of this mistake."""
    problems = Problems()
    text = rules.RuleText("bad", f"{name}.yaml", (FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    book = rules.load([text], PROVIDERS, problems)
    assert bool(book.rules) is not bool(problems.errors), "half a ruleset is another ruleset"
    analyse(book, problems)
    return problems.found


def printed(name: str) -> str:
    """What a person reads of them, in the folder of the file."""
    with contextlib.chdir(FOLDER), contextlib.redirect_stdout(io.StringIO()) as shown:
        findings.problems(problems_of(name))
    return shown.getvalue()


def main() -> None:
    """Write everything that is printed."""
    os.environ["NO_COLOR"] = "1"
    for name in names():
        (FOLDER / f"{name}.expected").write_text(printed(name), encoding="utf-8")


if __name__ == "__main__":
    main()
