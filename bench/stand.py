"""What throughput is measured on: peers in processes of their own, and the router's way in on a fresh store."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from router.engine import heap
from router.engine.bell import Bell
from router.engine.destinations import Destinations
from router.engine.directory import Directory
from router.engine.dispatch import Guest
from router.engine.hushed import Hushed
from router.engine.intake import Intake, Plain
from router.engine.store.sqlite import SqliteStore, open_store
from router.health import Sources
from router.host import Host, SystemClock
from router.http import open_session
from router.metrics import Metrics
from router.observe import Silent, several
from router.sources.jetstream import Jetstream, Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from router.core.model import Event
    from router.core.rulebook import Rulebook
    from router.engine.store.base import Arrival

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds: the processor's (all threads of this process), and the clock's."""

    processor: float
    clock: float


class Watch:
    """Measures both from when it is made."""

    def __init__(self) -> None:
        self._begun = time.process_time(), time.perf_counter()

    def spent(self) -> Spent:
        return Spent(time.process_time() - self._begun[0], time.perf_counter() - self._begun[1])


@dataclass(frozen=True, slots=True)
class Peer:
    """`ports` as bench.peer told them."""

    process: subprocess.Popen[str]
    ports: list[int]

    @property
    def stream(self) -> str:
        return f"ws://127.0.0.1:{self.ports[0]}/subscribe"

    @property
    def sink(self) -> str:
        return f"http://127.0.0.1:{self.ports[-1]}/hook"

    def ping(self) -> float:
        """Seconds from a frame to the request that it leads to. Blocks: on a thread."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return float(json.loads(self.process.stdout.readline()))


@contextmanager
def peer(folder: Path, what: str, lines: Sequence[bytes] = (), *more: str) -> Iterator[Peer]:
    arguments = [what]
    if lines:
        file = folder / f"{what}-{len(lines)}.frames"
        file.write_bytes(b"\n".join(lines))
        arguments += [str(file), *more]
    command = [sys.executable, "-m", "bench.peer", *arguments]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield Peer(process, json.loads(process.stdout.readline()))
    finally:
        process.stdin.close()
        process.wait()
        process.stdout.close()


class Counting(Plain):
    """Knows when everything is stored."""

    def __init__(self, all_of_them: int) -> None:
        self.left = all_of_them
        self.done = asyncio.Event()
        #: How many events were in each commit.
        self.batches: list[int] = []

    def passes(self, event: Event) -> bool:
        return True

    def stored(self, arrivals: Sequence[Arrival]) -> None:
        events = sum([arrival.unkept + (arrival.event is not None) for arrival in arrivals])
        self.batches.append(events)
        self.left -= events
        if self.left <= 0:
            self.done.set()


def forget(folder: Path) -> None:
    """Remove the store."""
    for file in folder.glob("router.db*"):
        file.unlink()


@asynccontextmanager
async def way_in(
    folder: Path, book: Rulebook, guests: dict[str, Guest], record: str = "matched"
) -> AsyncIterator[tuple[Intake, SqliteStore, Host]]:
    """An intake as `router run` makes it, on a store that does not exist yet."""
    forget(folder)
    store = await open_store(folder / "router.db")
    clock = SystemClock()
    heap.built()
    async with open_session() as http:
        host = Host(http, clock)
        observer = several(Hushed(Silent(), clock), Metrics(clock), Sources(clock))
        directory = Directory(store, host, observer, "https://resolver.invalid", {})
        intake = Intake(store, book, directory, observer, clock, Bell(), record)
        if guests:
            intake.destination = Destinations(guests, clock, observer).name
        yield intake, store, host
    await store.close()


def jetstream(url: str, host: Host) -> Jetstream:
    """A source that is not slowed down by its pace."""
    settings: Any = {"hosts": [url], "pace": {"messages": 1_000_000, "bytes": 1_000_000_000}}
    return Jetstream("stream", Settings.model_validate(settings), host, Silent())


async def hear(intake: Intake, host: Host, url: str, events: int) -> tuple[Spent, list[int]]:
    """Hear so many events, all of which are stored then: what that took, and the sizes of the commits."""
    counting = Counting(events)
    intake.spindle = counting
    watch = Watch()
    hearing = asyncio.create_task(intake.listen(jetstream(url, host)))
    done = asyncio.create_task(counting.done.wait())
    await asyncio.wait((hearing, done), return_when=asyncio.FIRST_COMPLETED)
    spent = watch.spent()
    assert done.done(), hearing
    hearing.cancel()
    await asyncio.wait((hearing,))
    return spent, counting.batches
