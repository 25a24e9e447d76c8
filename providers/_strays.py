"""Processes that left their group (`setsid`) and outlive their command: found by a variable that they inherit.

One that clears its environment, or runs as somebody else, is not found: for that there are control groups, which a service
manager has (`KillMode`, `TasksMax`).
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

#: A process may start another while it is looked for.
ROUNDS = 10
_PROC = Path("/proc")


def end(variable: str, value: str) -> int:
    """SIGKILL to every process whose environment began with this; how many there were. Nothing where there is no /proc."""
    mark, ended = f"{variable}={value}".encode(), 0
    for _ in range(ROUNDS):
        found = [process for process in _processes() if mark in _environment(process)]
        for process in found:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(process, signal.SIGKILL)
        ended += len(found)
        if not found:
            break
    return ended


def _processes() -> list[int]:
    try:
        return [int(one.name) for one in _PROC.iterdir() if one.name.isdecimal() and int(one.name) != os.getpid()]
    except OSError:
        return []


def _environment(process: int) -> list[bytes]:
    """A zombie's is empty."""
    try:
        return (_PROC / str(process) / "environ").read_bytes().split(b"\0")
    except OSError:
        return []
