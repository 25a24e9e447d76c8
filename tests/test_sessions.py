"""Every command that a page shows is typed, in the page's order, and prints what the page says that it prints.

Commands of `router` are typed in this process, and once more (marked `e2e`) by a shell that finds the installed program.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from router.cli import main
from tests import blocks
from tests.blocks import ROOT, Block

if TYPE_CHECKING:
    from collections.abc import Iterator

#: What differs from one run to the next, and the word that stands for it.
_VARIES = (
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)"), "MOMENT"),
    (re.compile(r"\d{8}T\d{6}Z"), "MOMENT"),
    (re.compile(r"[\d,]+ bytes"), "SIZE"),
    (re.compile(r"127\.0\.0\.1:\d+"), "ADDRESS"),
)
#: A line that stands for lines that are not shown.
_MORE = "…\n"
#: What only a shell understands, and what takes a process for itself.
_ELSEWHERE = re.compile(r"[|&;<>$`*]|^router (demo|run)\b")


def sessions() -> list[object]:
    """The pages with commands that run."""
    pages = [blocks.of_page(page) for page in blocks.PAGES]
    return [pytest.param(found, id=found[0].page) for found in pages if any(map(is_run, found))]


def is_run(block: Block) -> bool:
    return block.kind in ("console", "sh") and not block.said("not run")


class Reader:
    """Somebody who reads a page from its top, writes its files and types its commands."""

    def __init__(self, folder: Path, capfd: pytest.CaptureFixture[str], *, is_installed: bool) -> None:
        self.folder = folder
        self.capfd = capfd
        self.is_installed = is_installed
        self.at: Path | None = None

    def read(self, block: Block) -> None:
        for what, value in block.asked:
            if what == "example":
                self._begin(value)
            elif what == "run":
                self._type(value)
            elif what == "file":
                target = self._here() / value
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(block.text, encoding="utf-8")
        if is_run(block):
            assert self.at is not None, f"{block}: no `<!-- example: NAME -->` says where the commands are typed"
            self._run(block)

    def _run(self, block: Block) -> None:
        if block.kind == "sh":
            done = self._shell(block.text)
            assert done.returncode == 0, f"{block}: {done.stderr}"
            return
        for command, shown in steps(block.text):
            if command.startswith("router demo ") and not self.is_installed:
                continue  # seconds of builds, and nothing of it stays
            assert matches(shown, self._type(command)), f"{block}: {command}"

    def _begin(self, name: str) -> None:
        self.at = self.folder / name
        if not self.at.exists():
            self.at.mkdir()
            if name == "checkout":
                shutil.copytree(ROOT / "examples", self.at / "examples")
            elif name != "empty":
                shutil.copytree(ROOT / "examples" / name, self.at, dirs_exist_ok=True)
            who = ("-c", "user.name=a", "-c", "user.email=a@example.com")
            for args in (("init", "--quiet", "."), ("add", "."), (*who, "commit", "--quiet", "--allow-empty", "-m", "first")):
                subprocess.run(["git", *args], check=True, cwd=self.at)
        os.chdir(self.at)

    def _here(self) -> Path:
        return Path.cwd()

    def _type(self, command: str) -> str:
        """What a terminal shows then."""
        self.capfd.readouterr()
        if command.startswith("cd "):
            os.chdir(command.removeprefix("cd "))
        elif command.startswith("router ") and not self.is_installed and _ELSEWHERE.search(command) is None:
            main(shlex.split(command)[1:])
        else:
            done = self._shell(command)
            return done.stdout + done.stderr
        shown = self.capfd.readouterr()
        return shown.out + shown.err

    def _shell(self, script: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["bash", "-euc", script], capture_output=True, check=False, text=True, timeout=50)


def steps(text: str) -> Iterator[tuple[str, str]]:
    """Each command of a session with what is shown after it."""
    for step in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, shown = step.replace("\\\n", "").partition("\n")
        yield command, shown


def matches(shown: str, printed: str) -> bool:
    """Whether this was printed, but for what varies; a line `…` is any number of lines. Shows the difference if not."""
    wanted, found = plain(shown), plain(printed)
    pattern = "\n(?:.*\n)?".join(re.escape(part) for part in f"\n{wanted}".split(f"\n{_MORE}"))
    if re.fullmatch(pattern, f"\n{found}", re.DOTALL) is None:
        assert found == wanted
    return True


def plain(text: str) -> str:
    for pattern, word in _VARIES:
        text = pattern.sub(word, text)
    return text.lstrip("\n")


@pytest.mark.timeout(180)
@pytest.mark.parametrize("is_installed", [False, pytest.param(True, marks=pytest.mark.e2e)], ids=["here", "installed"])
@pytest.mark.parametrize("page", sessions())
def test_a_page_shows_what_is_printed(
    page: list[Block],
    is_installed: bool,  # noqa: FBT001 - a parameter of the test
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """A reader who does what the page says sees what it shows."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("BUILDKITE_TOKEN", "placeholder")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    monkeypatch.delenv("CI", raising=False)
    reader = Reader(tmp_path, capfd, is_installed=is_installed)
    for block in page:
        reader.read(block)


def test_lines_that_are_left_out() -> None:
    """`…` stands for lines, at any place, and for nothing else."""
    assert matches("a\n…\nd\n", "a\nb\nc\nd\n")
    assert matches("…\nd\n", "a\nd\n")
    assert matches("a\n…\n", "a\nb\n")
    with pytest.raises(AssertionError):
        matches("a\n…\nd\n", "a\nb\ne\n")
    with pytest.raises(AssertionError):
        matches("a at 2026-11-30T09:12:44Z\n", "b at 2026-11-30T09:12:45Z\n")
