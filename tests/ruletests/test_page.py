"""What docs/testing.md shows is what is printed, and its cases pass."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from router.cli import main
from router.ruletests.cases import CASE_KEYS

if TYPE_CHECKING:
    import pytest

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs/testing.md").read_text(encoding="utf-8")
#: Kind of block, name of the file, text; in the order of the page.
BLOCKS = re.findall(r"^```(yaml rules|yaml cases|console) ?(\S*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
NAMES = {"yaml rules": "build.yaml", "yaml cases": "build.test.yaml"}


def test_the_page_shows_what_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A reader who writes the files as they are shown, and types the commands, sees what the page shows."""
    (tmp_path / "rules").mkdir()
    shutil.copytree(ROOT / "examples/first-build/events", tmp_path / "events")
    (tmp_path / "router.yaml").write_text("identity: {pins: {alice.example: did:plc:aliceaaaaaaaaaaaaaaaaaaa}}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.delenv("CI", raising=False)
    for kind, name, text in BLOCKS:
        if kind == "console":
            assert "".join(_typed(line, capfd) for line in text.splitlines()) == text
        else:
            (tmp_path / "rules" / (name or NAMES[kind])).write_text(text)


def _typed(line: str, capfd: pytest.CaptureFixture[str]) -> str:
    """A command with what it prints; nothing for a line of output."""
    if not line.startswith("$ "):
        return ""
    args = line.removeprefix("$ ").split()
    if args[0] == "router":
        main(args[1:])
    else:
        subprocess.run(line.removeprefix("$ "), shell=True, check=True)
    return f"{line}\n{capfd.readouterr().out}"


def test_the_page_lists_every_key_of_a_case() -> None:
    """A key that is not in the table does not exist for a reader."""
    assert set(re.findall(r"^\| `(\w+)` \|", PAGE.partition("## A case")[2].partition("A case needs")[0], re.MULTILINE)) == set(
        CASE_KEYS
    )
