"""What knots weigh that say nothing: processes of `router run` with one and with many of them, as the system counts it."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from bench import stand
from bench.harness import Row, Times

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

KNOTS, ROUNDS = 200, 1
#: Seconds: a start is over when nothing has grown for as long, or after so many.
STILL, LONGEST = 2.0, 60.0


def rows() -> Iterator[Row]:
    with tempfile.TemporaryDirectory(prefix="bench-") as name, stand.peer(Path(name), "silent") as other:
        # The first start makes the store, which is done once.
        weight(Path(name), other.ports[0], 1)
        few = [weight(Path(name), other.ports[0], 1) for _ in range(ROUNDS)]
        many = [weight(Path(name), other.ports[0], KNOTS + 1) for _ in range(ROUNDS)]
    each = Times(tuple((b - a) / KNOTS * 1000 for a, b in zip(few, many, strict=True)))
    yield Row("memory of each idle knot, kB", each.median, 40, sides={f"each of {KNOTS}": each}, unit="kB")


def sources(port: int, count: int) -> str:
    """127.0.0.0/8 is all one machine, and each of its addresses another knot."""
    each = (
        f"  knot{number}: {{knot: {{host: 'http://127.0.{number // 250}.{number % 250 + 2}:{port}'}}}}\n"
        for number in range(count)
    )
    return "sources:\n" + "".join(each)


def weight(folder: Path, port: int, knots: int) -> float:
    """Megabytes of a router that hears so many and has come to rest."""
    (folder / "router.yaml").write_text(f"store: {{path: router.db}}\nrules: []\n{sources(port, knots)}")
    with _running(folder) as process:
        begun = time.monotonic()
        while _sockets(process.pid) < knots and time.monotonic() - begun < LONGEST:
            time.sleep(0.1)
        assert _sockets(process.pid) >= knots, "Not all knots were dialled."
        return _at_rest(process.pid)


def _sockets(pid: int) -> int:
    """How many it has open."""
    found = 0
    for one in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            found += str(one.readlink()).startswith("socket:")
    # The event loop has a pair of its own, and the admin listener one.
    return found - 3


@contextmanager
def _running(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    command: Sequence[str | Path] = [Path(sys.executable).parent / "router", "run"]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        yield process
    finally:
        ended = process.poll()
        process.terminate()
        said = process.communicate()[1].decode()
    assert ended is None, said


def _at_rest(pid: int) -> float:
    found, since, begun = 0.0, time.monotonic(), time.monotonic()
    while time.monotonic() - since < STILL and time.monotonic() - begun < LONGEST:
        time.sleep(0.1)
        size = _size(pid)
        if abs(size - found) > 0.05:
            found, since = size, time.monotonic()
    return _size(pid)


def _size(pid: int) -> float:
    file = Path(f"/proc/{pid}/statm")
    return int(file.read_text().split()[1]) * 4096 / 1e6 if file.exists() else 0.0
