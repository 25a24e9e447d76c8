"""The bar: only for a person who watches a terminal, and only where there is something to wait for."""

from __future__ import annotations

import io
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from router.cli import progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from conftest import Call  # type: ignore[import-not-found]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that the test moves."""
    now = [0.0]
    monkeypatch.setattr("router.cli.progress.time.monotonic", lambda: now[0])
    return now


def drawn(monkeypatch: pytest.MonkeyPatch, stderr: io.StringIO, seconds: list[float], each: float) -> str:
    monkeypatch.setattr(sys, "stderr", stderr)
    monkeypatch.setenv("TERM", "xterm")
    with progress.progress(4, "rules") as step:
        for _ in range(4):
            seconds[0] += each
            step()
    return stderr.getvalue()


def test_a_long_run_on_a_terminal_has_a_bar(monkeypatch: pytest.MonkeyPatch, seconds: list[float]) -> None:
    """It says what is counted, and how far it is, and is gone in the end."""
    shown = drawn(monkeypatch, Terminal(), seconds, 0.2)
    assert "rules" in shown
    assert "4/4" in shown
    assert shown.endswith("\x1b[2K")


def test_what_has_no_end_known_is_counted(monkeypatch: pytest.MonkeyPatch, seconds: list[float]) -> None:
    """Without a total that nobody knows."""
    stderr = Terminal()
    monkeypatch.setattr(sys, "stderr", stderr)
    monkeypatch.setenv("TERM", "xterm")
    with progress.progress(None, "tests") as step:
        for _ in range(3):
            seconds[0] += 1
            step()
    assert "tests" in stderr.getvalue()
    assert "3" in stderr.getvalue()
    assert "?" not in stderr.getvalue().replace("[?", "")


def test_long_work_draws_one(call: Call, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading and comparing rules, tests, mutants, planning and copying: each says how far it is, a step at a time."""
    seen: dict[str, list[int | None]] = {}

    @contextmanager
    def counting(total: int | None, label: str) -> Iterator[Callable[[], None]]:
        seen[label] = [total, 0]

        def step() -> None:
            seen[label][1] = (seen[label][1] or 0) + 1

        yield step

    monkeypatch.setattr(progress, "progress", counting)
    monkeypatch.setattr("router.cli.validate.progress", counting)
    assert call("init", ".").code == 0
    assert call("validate").code == 0
    assert call("test", "--mutate").code in (0, 1)
    (folder / "none.jsonl").write_text("")
    assert call("run", "--source", "none.jsonl").code == 0
    assert call("plan", "--against", "bundled:tangled/nightly", "--since", "1h").code in (0, 1)
    assert call("backup", "copy.db").code == 0
    assert set(seen) >= {"reading rules", "comparing rules", "tests", "Mutants", "events", "MiB copied"}
    for label in ("reading rules", "tests", "Mutants"):
        assert seen[label][1], label


def test_a_short_run_has_none(monkeypatch: pytest.MonkeyPatch, seconds: list[float]) -> None:
    """What is over in a moment needs no bar."""
    assert drawn(monkeypatch, Terminal(), seconds, 0.1) == ""


def test_a_pipe_has_none(monkeypatch: pytest.MonkeyPatch, seconds: list[float]) -> None:
    """A log of CI is no place to draw in."""
    assert drawn(monkeypatch, io.StringIO(), seconds, 10) == ""
