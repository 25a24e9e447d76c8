"""How long the event loop stands still while rules are read again.

python bench/reload.py [RULES]      prints the longest and the 99th percentile pause, in milliseconds, and how long it took
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from router import app, loaded
from router.engine import heap
from router.engine.store.sqlite import open_store
from router.host import Host, SystemClock
from router.http import open_session
from router.observe import Silent

_RULE = """\
  - name: rule-{number}
    when: {{repo: "did:plc:aaaaaaaaaaaaaaaaaaaaa{number:03}/project-{number}", branch: "release/{number}-*", trigger: push}}
    do: [log: {{message: "{{{{ sha }}}} of {{{{ branch }}}} for {text}"}}]
"""


def write(folder: Path, count: int, text: str) -> None:
    """A project of so many rules in files of a hundred."""
    (folder / "router.yaml").write_text(
        'store: {path: router.db}\nreload: {watch: false}\nsources: {never: {schedule: {at: "9000-01-01T00:00:00Z"}}}\n'
    )
    (folder / "rules").mkdir(exist_ok=True)
    for first in range(0, count, 100):
        rules = "".join(_RULE.format(number=number, text=text) for number in range(first, min(first + 100, count)))
        (folder / "rules" / f"part-{first}.yaml").write_text(f"rules:\n{rules}")


async def pauses(found: list[float]) -> None:
    """Every millisecond, how much later than that the loop came back."""
    while True:
        before = time.perf_counter()
        await asyncio.sleep(0.001)
        found.append((time.perf_counter() - before - 0.001) * 1000)


async def measure(folder: Path, count: int) -> None:
    read = loaded.read(folder / "router.yaml")
    store = await open_store(folder / "router.db")
    stop = asyncio.Event()
    async with open_session() as http:
        router = app.Router(read.config, read.rulebook, Silent(), store, Host(http, SystemClock()))
        router.reloads(read, asyncio.Event())
        running = asyncio.create_task(router.run(stop, drain=False))
        heap.built()
        await asyncio.sleep(1)
        for number in range(3):
            write(folder, count, f"others {number}")
            await asyncio.sleep(0.01)
            found: list[float] = []
            watching = asyncio.create_task(pauses(found))
            begun = time.perf_counter()
            assert router.reload is not None
            result = await router.reload.again()
            took = time.perf_counter() - begun
            watching.cancel()
            found.sort()
            assert result.ok, result
            print(f"{count} rules: {took:.2f} s, longest {found[-1]:.1f} ms, p99 {found[int(len(found) * 0.99)]:.1f} ms")
        stop.set()
        await running
    await store.close()


if __name__ == "__main__":
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with tempfile.TemporaryDirectory() as name:
        write(Path(name), number, "nobody")
        asyncio.run(measure(Path(name), number))
