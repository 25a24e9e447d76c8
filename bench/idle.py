"""What a router weighs that has nothing to do: a process of `router run` beside its peers, as the system counts it."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bench import stand
from bench.harness import Row, Times
from router import library

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

KNOTS, ROUNDS = 200, 1
#: Seconds: a start is over when nothing has grown for as long, or after so many.
STILL, LONGEST = 2.0, 60.0


def rows() -> Iterator[Row]:
    with tempfile.TemporaryDirectory(prefix="bench-") as name, stand.peer(Path(name), "silent") as other:
        host = f"127.0.0.1:{other.ports[0]}"
        first = f"sources:\n  stream: {{jetstream: {{hosts: ['ws://{host}/subscribe']}}}}\n"
        few = [weight(Path(name), first) for _ in range(ROUNDS)]
        # 127.0.0.0/8 is all one machine, and each address another knot.
        others = "".join(
            f"  knot{number}: {{knot: {{host: 'http://127.0.{number // 250}.{number % 250 + 2}:{other.ports[0]}'}}}}\n"
            for number in range(KNOTS)
        )
        many = [weight(Path(name), first + others) for _ in range(ROUNDS)]
        bare = tuple(_bare() for _ in range(ROUNDS))
    idle, each = Times(tuple(few)), Times(tuple((b - a) / KNOTS * 1000 for a, b in zip(few, many, strict=True)))
    sides = {"router run": idle, "python -c 'import asyncio, aiohttp'": Times(bare)}
    yield Row("memory of an idle router with the bundled rules, MB", idle.median, 60, sides=sides, unit="MB")
    yield Row("memory of each idle knot, kB", each.median, 40, sides={f"of {KNOTS}": each}, unit="kB")


def weight(folder: Path, sources: str) -> float:
    """Megabytes of a router that hears these and has come to rest."""
    rules = ", ".join(f"'{library.BUNDLED}{name}'" for name in library.bundled())
    (folder / "router.yaml").write_text(f"store: {{path: router.db}}\nrules: [{rules}]\n{sources}")
    with _running(folder) as process:
        return _at_rest(process.pid)


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


def _bare() -> float:
    program = "import asyncio, aiohttp; print(int(open('/proc/self/statm').read().split()[1]) * 4096)"
    return int(subprocess.run([sys.executable, "-c", program], check=True, capture_output=True).stdout) / 1e6
