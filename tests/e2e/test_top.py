"""`router top` in a terminal, as a person meets it."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from typing import TYPE_CHECKING

import pytest

from tests.e2e.processes import PATIENCE, ROUTER, push, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.processes import Network, Router

pytestmark = pytest.mark.e2e


class Terminal:
    """One of 80 columns, in which `router top` runs."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.mine, theirs = pty.openpty()
        self.resize(24, 80)
        self.before = termios.tcgetattr(theirs)
        clean = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS", "LINES")}
        self.process = subprocess.Popen(
            [ROUTER, "top", "--every", "0.2"],
            cwd=folder,
            env={**clean, "TERM": "xterm-256color", **environment},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        self.theirs = theirs
        self.shown = ""

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.mine, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def until(self, text: str) -> None:
        """Read on until this was shown, after whatever was read before."""
        end, self.shown = time.monotonic() + PATIENCE, ""
        while text not in self.shown:
            assert time.monotonic() < end, f"{text} is not in {self.shown!r}"
            if select.select([self.mine], [], [], 0.2)[0]:
                self.shown += os.read(self.mine, 65536).decode(errors="replace")

    def ended(self) -> int:
        """The exit code, once the screen and the keys are as they were."""
        self.until("\x1b[?1049l")
        code = self.process.wait(PATIENCE)
        assert termios.tcgetattr(self.theirs) == self.before
        return code

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(PATIENCE)
        os.close(self.mine)
        os.close(self.theirs)


@pytest.fixture
def terminals() -> Iterator[list[Terminal]]:
    opened: list[Terminal] = []
    yield opened
    for one in opened:
        one.close()


def test_it_is_live_and_q_ends_it(network: Network, router: Router, terminals: list[Terminal]) -> None:
    """A push is seen as it comes, and delivered; a router that stops is said so; `q` ends it without Enter."""
    router.start()
    network.ask("attended")
    top = Terminal(router.folder)
    terminals.append(top)
    top.until("knot-a")
    network.ask("emit", on="knot-a", frame=push("1" * 40))
    top.until("build/build")
    assert "\x1b[3" in top.shown
    once = subprocess.run([ROUTER, "top", "--once"], cwd=router.folder, capture_output=True, check=True, text=True)
    first, second, *_ = once.stdout.splitlines()
    assert ", ready, up " in first
    assert second.startswith("a minute: ")
    assert max(map(len, once.stdout.splitlines())) <= 80
    assert "\x1b" not in once.stdout
    tree = router.cli("top")
    assert tree["counters"]["events"] >= 1
    assert {row["name"]: row["state"] for row in tree["sources"]}["knot-a"] == "up"
    json.dumps(tree)
    until(lambda: router.cli("top")["counters"]["delivered"] >= 1, "the delivery to be counted")
    assert router.stop() == 0
    top.until("no router runs")
    os.write(top.mine, b"q")
    assert top.ended() == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_it_and_no_color_is_heard(tmp_path: Path, terminals: list[Terminal], number: signal.Signals) -> None:
    """Without a trace on the screen, and without a colour; a terminal that becomes smaller is drawn anew."""
    subprocess.run([ROUTER, "init", "."], cwd=tmp_path, check=True, capture_output=True)
    (tmp_path / "none.jsonl").write_text("")
    subprocess.run([ROUTER, "run", "--source", "none.jsonl"], cwd=tmp_path, check=True, capture_output=True)
    top = Terminal(tmp_path, NO_COLOR="1")
    terminals.append(top)
    top.until("SOURCE")
    assert "\x1b[3" not in top.shown
    assert "\x1b[1m" not in top.shown
    top.resize(10, 30)
    os.kill(top.process.pid, signal.SIGWINCH)
    top.until("…")
    if number == signal.SIGINT:
        os.write(top.mine, b"\x03")
    os.kill(top.process.pid, number)
    assert top.ended() == 0
