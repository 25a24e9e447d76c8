"""What docs/planning.md shows is what is printed."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from router.cli import main

ROOT = Path(__file__).parent.parent
BLOCKS = re.findall(r"^```console\n(.*?)^```$", (ROOT / "docs/planning.md").read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture(autouse=True)
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first example, in a git repository of its own."""
    shutil.copytree(ROOT / "examples/first-build", tmp_path / "example")
    monkeypatch.chdir(tmp_path / "example")
    monkeypatch.setenv("NO_COLOR", "1")
    who = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    for args in (("init", "."), ("add", "."), (*who, "commit", "-m", "first")):
        subprocess.run(["git", *args], check=True, capture_output=True)


@pytest.mark.parametrize("block", BLOCKS, ids=[block.split()[2] for block in BLOCKS])
def test_the_page_shows_what_is_printed(block: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each command, with its output; `plan` after the change that the page speaks of."""
    command, _, shown = block.partition("\n")
    args = command.removeprefix("$ router ").split()
    if args[0] == "plan":
        rule = Path("rules/build.yaml")
        rule.write_text(rule.read_text().replace("pipeline: hello\n", "pipeline: hello-world\n"))
    assert main(args) == 0
    assert capsys.readouterr().out == shown
