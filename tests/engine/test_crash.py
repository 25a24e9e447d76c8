"""Crash points kill where they are asked to, and nowhere else."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

PROGRAM = """
import sys
from router.engine.crash import crash_point
try:
    for name in ("", "here", "there"):
        crash_point(name)
        print("passed", repr(name), flush=True)
finally:
    print("cleaned up", flush=True)
"""


@pytest.mark.parametrize(
    ("environment", "code", "passed"),
    [
        ({}, 0, ["passed ''", "passed 'here'", "passed 'there'", "cleaned up"]),
        ({"ROUTER_CRASH_AT": "there"}, -signal.SIGKILL, ["passed ''", "passed 'here'"]),
        ({"ROUTER_CRASH_AT": "elsewhere"}, 0, ["passed ''", "passed 'here'", "passed 'there'", "cleaned up"]),
    ],
)
def test_a_crash_point_kills_without_clean_up(environment: dict[str, str], code: int, passed: list[str]) -> None:
    """As a power cut would, so what the test then finds is what a power cut would leave."""
    run = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout.splitlines()) == (code, passed)
