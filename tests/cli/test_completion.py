"""What a shell is offered, asked as the shells ask."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from router.cli.group import VERBS

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Call  # type: ignore[import-not-found]

RULES = "rules: [{name: one, do: []}, {name: other, do: []}]\n"


@pytest.fixture
def offered(call: Call, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):  # type: ignore[no-untyped-def]
    """The words that bash is offered after these, the last of which is begun."""

    def ask(*words: str) -> list[str]:
        monkeypatch.setenv("_ROUTER_COMPLETE", "bash_complete")
        monkeypatch.setenv("COMP_WORDS", " ".join(["router", *words]))
        monkeypatch.setenv("COMP_CWORD", str(len(words)))
        with pytest.raises(SystemExit):
            call()
        monkeypatch.delenv("_ROUTER_COMPLETE")
        done = capsys.readouterr()
        assert done.err == ""
        return [line.partition(",")[2] for line in done.out.splitlines() if line]

    return ask


def test_verbs(offered) -> None:  # type: ignore[no-untyped-def]
    assert offered("") == list(VERBS)
    assert offered("pro") == ["providers"]
    assert offered("deliveries", "re") == ["retry"]


def test_rules(offered, folder: Path) -> None:  # type: ignore[no-untyped-def]
    """Of the folder where the shell is; nothing, and no word, where they cannot be read."""
    (folder / "rules").mkdir()
    (folder / "rules/a.yaml").write_text(RULES)
    assert offered("deliveries", "list", "--rule", "a/o") == ["a/one", "a/other"]
    (folder / "rules/a.yaml").write_text("rules: [")
    assert offered("deliveries", "list", "--rule", "") == []


def test_deliveries_of_no_store(offered) -> None:  # type: ignore[no-untyped-def]
    assert offered("deliveries", "show", "") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_one_of_its_shell(shell: str, call: Call, tmp_path: Path) -> None:
    """And, where that shell is installed, it reads it without complaint."""
    done = call("completion", shell)
    assert done.code == 0
    assert "_ROUTER_COMPLETE" in done.out
    if shutil.which(shell):
        file = tmp_path / "script"
        file.write_text(done.out)
        checked = subprocess.run([shell, "-n", file], capture_output=True, check=False, text=True, timeout=30)
        assert (checked.returncode, checked.stderr) == (0, "")


def test_a_real_bash_completes(tmp_path: Path) -> None:
    """The script, sourced, with the installed program on its PATH."""
    if shutil.which("bash") is None:
        pytest.fail("bash is what this is about")
    program = f"{sys.prefix}/bin"
    script = f"""
        export PATH={program}:$PATH
        eval "$(router completion bash)"
        COMP_WORDS=(router provi) COMP_CWORD=1
        _router_completion router provi router
        echo "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(["bash", "-c", script], capture_output=True, check=False, text=True, timeout=30, cwd=tmp_path)
    assert done.stdout.split() == ["providers"], done.stderr
