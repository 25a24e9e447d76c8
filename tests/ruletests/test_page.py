"""docs/testing.md leaves nothing out. What it shows is tried by tests/test_sessions.py."""

from __future__ import annotations

import re
from pathlib import Path

from router.ruletests.cases import CASE_KEYS

PAGE = (Path(__file__).parent.parent.parent / "docs/testing.md").read_text(encoding="utf-8")


def test_the_page_lists_every_key_of_a_case() -> None:
    """A key that is not in the table does not exist for a reader."""
    assert set(re.findall(r"^\| `(\w+)` \|", PAGE.partition("## A case")[2].partition("A case needs")[0], re.MULTILINE)) == set(
        CASE_KEYS
    )
