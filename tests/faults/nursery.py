"""A process that has imported everything, and forks a router for each life: a process to be really killed, and cheap to start.

`python -m tests.faults.nursery` obeys one JSON object a line: `start` (in the folder, with a crash point or none), `kill`,
`end` (SIGTERM), `hup`, `jump` and `wait`. There is one child at a time, and it runs `router run` from its first line.
"""

from __future__ import annotations

import json
import mmap
import os
import signal
import struct
import sys
import time
from pathlib import Path
from typing import Any

#: Seconds for an end that was asked for.
PATIENCE = 60.0
#: How far off the children's clocks are, in microseconds: memory that is shared with them.
_CLOCK = mmap.mmap(-1, 8)


def warm() -> None:
    """Everything that `router run` imports, once for all. No thread and no loop: a fork has to be clean."""
    import aiodns  # noqa: F401, PLC0415
    import aiohttp  # noqa: F401, PLC0415
    import standardwebhooks  # noqa: F401, PLC0415

    from providers import _process  # noqa: F401, PLC0415
    from router import app, config, library, plugins  # noqa: F401, PLC0415
    from router.cli import group, main  # noqa: F401, PLC0415
    from router.cli.run import run  # noqa: F401, PLC0415
    from router.engine import log  # noqa: F401, PLC0415
    from router.sources import websocket  # noqa: F401, PLC0415

    for name in plugins.installed(plugins.PROVIDERS):
        plugins.provider(name)
    for kind in ("jetstream", "knot"):
        plugins.source_kind(kind)


class Nursery:
    def __init__(self) -> None:
        self.child = 0

    def start(self, folder: str, crash_at: str = "", **environ: str) -> dict[str, Any]:
        assert not self.child
        sys.stdout.flush()
        self.child = os.fork()
        if not self.child:
            live(folder, crash_at, environ)
        return {"pid": self.child}

    def kill(self) -> dict[str, Any]:
        return self._signal(signal.SIGKILL)

    def end(self) -> dict[str, Any]:
        return self._signal(signal.SIGTERM)

    def hup(self) -> dict[str, Any]:
        os.kill(self.child, signal.SIGHUP)
        return {}

    def jump(self, micros: int) -> dict[str, Any]:
        """The child's clock, and those of later ones, are so far off."""
        _CLOCK[:] = struct.pack("q", micros)
        return {}

    def wait(self, seconds: float) -> dict[str, Any]:
        """What the child ended by: its exit code, or less than 0 the signal; None where it lives on."""
        end = time.monotonic() + seconds
        while not (ended := os.waitpid(self.child, os.WNOHANG))[0]:
            if time.monotonic() > end:
                return {"code": None}
            time.sleep(0.002)
        self.child = 0
        return {"code": os.waitstatus_to_exitcode(ended[1])}

    def _signal(self, number: int) -> dict[str, Any]:
        os.kill(self.child, number)
        return self.wait(PATIENCE)


def _now(_: object) -> int:
    """The time in microseconds, as far off as it was told to be."""
    off: int = struct.unpack("q", _CLOCK[:])[0]
    return time.time_ns() // 1000 + off


def live(folder: str, crash_at: str, environ: dict[str, str]) -> None:
    """Never returns."""
    from router import host  # noqa: PLC0415
    from router.cli import main  # noqa: PLC0415
    from router.engine import crash  # noqa: PLC0415

    code = 70
    try:
        os.chdir(folder)
        log = os.open("log.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        null = os.open(os.devnull, os.O_RDONLY)
        for fd, to in ((null, 0), (log, 1), (log, 2)):
            os.dup2(fd, to)
        os.environ.update(environ)
        crash._AT = crash_at or None
        host.SystemClock.now = _now  # type: ignore[method-assign, assignment]
        code = main(["run"])
    finally:
        os._exit(code)


def serve() -> None:
    warm()
    nursery = Nursery()
    try:
        for line in sys.stdin:
            told = json.loads(line)
            print(json.dumps(getattr(nursery, told.pop("do"))(**told)), flush=True)
    finally:
        if nursery.child:
            nursery.kill()


if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parents[2])]
    serve()
