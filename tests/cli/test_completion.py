"""What a shell is offered, asked as the shells ask."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from router.cli.group import VERBS
from router.core.model import Plan, Trouble, changed
from router.engine.approvals import MARK
from router.engine.store.base import Arrival
from router.engine.store.sqlite import open_store
from tests.engine.way.parts import push

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


def test_sources_and_rules_that_are_paused(offered, folder: Path) -> None:  # type: ignore[no-untyped-def]
    """By the names that pausing takes, and those of another configuration where one is meant."""
    (folder / "rules").mkdir()
    (folder / "rules/a.yaml").write_text(RULES)
    (folder / "router.yaml").write_text("sources: {knot-a: {knot: {host: knot.example}}, night: {schedule: {every: 1h}}}\n")
    for verb in ("pause", "resume"):
        assert offered("sources", verb, "") == ["knot-a", "night"]
        assert offered("sources", verb, "k") == ["knot-a"]
        assert offered("rules", verb, "a/o") == ["a/one", "a/other"]
    (folder / "other.yaml").write_text("sources: {elsewhere: {schedule: {every: 1h}}}\n")
    assert offered("sources", "pause", "--config", "other.yaml", "") == ["elsewhere"]


def test_events_by_their_numbers(offered, folder: Path) -> None:  # type: ignore[no-untyped-def]
    """Those that wait for approval, where one is approved; and those that a rule matched, where one is shown."""
    strange = push(2)
    waits = changed(strange, fields={**strange.fields, "approval": "needed"})
    trouble = Trouble(rule="", sentence="waits for approval", undecided=True)

    async def make() -> None:
        store = await open_store(folder / "router.db")
        seen = Arrival(source="k", event=push(1), plan=Plan(matched=("a/one",)), keep=True)
        held = Arrival(source="k", event=waits, plan=Plan(troubles=(trouble,), wanted=True), keep=True)
        await store.accept([seen, held], 1)
        rows = await store.waiting(MARK, 10)
        await store.close()
        assert [row.number for row in rows] == [2]

    asyncio.run(make())
    assert offered("approve", "") == ["2"]
    assert offered("approve", "1") == []
    assert offered("events", "show", "") == offered("capture", "") == offered("explain", "--event-id", "") == ["1"]


def test_files_and_rulesets(offered) -> None:  # type: ignore[no-untyped-def]
    """A shell knows files itself: it is told to look. Rulesets that ship with the router are no files here."""
    assert offered("validate", "bundled:tangled/n") == [
        "bundled:tangled/n",
        "bundled:tangled/nightly",
        "bundled:tangled/notify",
    ]
    assert offered("rules", "show", "tangled/n") == ["tangled/nightly", "tangled/notify"]
    assert offered("plan", "--events", "ev") == ["ev"]


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
