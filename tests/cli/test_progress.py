"""The bar: only for a person who watches a terminal, and only where there is something to wait for."""

from __future__ import annotations

import io
import sys

import pytest

from router.cli import progress


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


def test_a_short_run_has_none(monkeypatch: pytest.MonkeyPatch, seconds: list[float]) -> None:
    """What is over in a moment needs no bar."""
    assert drawn(monkeypatch, Terminal(), seconds, 0.1) == ""


def test_a_pipe_has_none(monkeypatch: pytest.MonkeyPatch, seconds: list[float]) -> None:
    """A log of CI is no place to draw in."""
    assert drawn(monkeypatch, io.StringIO(), seconds, 10) == ""
