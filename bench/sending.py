"""Deliveries to an HTTP server on this machine, beside a bare aiohttp client: how many in a second, and how soon the first."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import aiohttp

from bench import stand, stream
from bench.harness import Row, Times, ratio
from router import app, loaded
from router.engine import heap
from router.engine.store.sqlite import open_store
from router.host import Host, SystemClock
from router.http import open_session
from router.observe import Silent

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import AsyncIterator, Iterator

    from bench.stand import Peer, Spent
    from router.core.model import Delivery, Outcome, Tree

SENT, LANES, ROUNDS = 2_048, 100, 7
PINGS, PING_ROUNDS = 10, 4
RULES = """rules:
  - name: tell
    when: {{trigger: pull_request}}
    do:
      - webhook: {{url: "{url}", json: {body}}}
"""


def rows() -> Iterator[Row]:
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        yield asyncio.run(rate(Path(name)))
        yield asyncio.run(delay(Path(name)))


class Sent(Silent):
    """Knows when so many deliveries are made."""

    def __init__(self, all_of_them: int) -> None:
        self.left = all_of_them
        self.done = asyncio.Event()

    def attempted(self, delivery: Delivery[Tree], outcome: Outcome) -> None:
        assert outcome.state == "done", (delivery, outcome)
        self.left -= 1
        if not self.left:
            self.done.set()


def project(folder: Path, sink: str, hosts: list[str]) -> loaded.Loaded:
    """A router with one rule, which tells the sink of pulls."""
    for file in folder.glob("router.db*"):
        file.unlink()
    (folder / "rules.yaml").write_text(RULES.format(url=sink, body=stream.json.dumps(stream.TEN)))
    (folder / "router.yaml").write_text(
        f"store: {{path: router.db}}\nrules: [./rules.yaml]\ndelivery: {{concurrency: {LANES}, each: {LANES}}}\n"
        f"sources: {{stream: {{jetstream: {{hosts: {hosts}}}}}}}\n"
    )
    return loaded.read(folder / "router.yaml")


@asynccontextmanager
async def running(read: loaded.Loaded, folder: Path, observer: Silent) -> AsyncIterator[app.Router]:
    """The whole router, not started yet."""
    store = await open_store(folder / "router.db")
    heap.built()
    async with open_session() as http:
        yield app.Router(read.config, read.rulebook, observer, store, Host(http, SystemClock()))
    await store.close()


# --- how many


async def rate(folder: Path) -> Row:
    taken: dict[str, list[Spent]] = {"router": [], "aiohttp": []}
    with stand.peer(folder, "sink") as sink, stand.peer(folder, "feed", stream.all_match(SENT)) as server:
        for number in range(ROUNDS + 1):
            one = {"router": await delivered(folder, sink, server), "aiohttp": await posted(sink.sink)}
            for name, spent in one.items() if number else ():
                taken[name].append(spent)
    sides = {name: stream.times(spent, SENT) for name, spent in taken.items()}
    clock = {name: Times(tuple(one.clock / SENT for one in spent)) for name, spent in taken.items()}
    note = f"{LANES} at a time; {ratio(sides['aiohttp'], sides['router']):.2f} by the processor's time, which the sides show"
    name = "deliveries a second to a local HTTP sink, of those of a bare aiohttp client"
    return Row(name, ratio(clock["aiohttp"], clock["router"]), 0.5, least=True, sides=sides, note=note)


async def delivered(folder: Path, sink: Peer, server: Peer) -> Spent:
    """What claiming, delivering and settling take for what is in the outbox already."""
    observer, stop = Sent(SENT), asyncio.Event()
    async with running(project(folder, sink.sink, [server.stream]), folder, observer) as router:
        await stand.hear(router.intake, router.host, server.stream, SENT)
        watch = stand.Watch()
        delivering = asyncio.create_task(router.dispatch.run(stop))
        await observer.done.wait()
        spent = watch.spent()
        stop.set()
        router.bell.ring()
        await delivering
    return spent


async def posted(url: str) -> Spent:
    """As many requests by as many workers."""
    body = b"x" * 600
    left = iter(range(SENT))
    async with aiohttp.ClientSession() as session:

        async def work() -> None:
            for _ in left:
                async with session.post(url, data=body, headers={"Content-Type": "application/json"}) as response:
                    await response.read()

        watch = stand.Watch()
        await asyncio.gather(*(work() for _ in range(LANES)))
        return watch.spent()


# --- how soon


async def delay(folder: Path) -> Row:
    frames = stream.all_match(PINGS * (PING_ROUNDS + 1))
    taken: dict[str, list[float]] = {"router": [], "commit": [], "POST": []}
    with stand.peer(folder, "both", frames) as other:
        read = project(folder, other.sink, [other.stream])
        stop = asyncio.Event()
        async with running(read, folder, Silent()) as router, aiohttp.ClientSession() as session:
            going = asyncio.create_task(router.run(stop, drain=False))
            bare = stream.fresh(folder)
            bare.execute("CREATE TABLE bare (id INTEGER PRIMARY KEY, body TEXT)")
            for number in range(PING_ROUNDS + 1):
                for _ in range(PINGS):
                    one: dict[str, Any] = {"router": await asyncio.to_thread(other.ping)}
                    await asyncio.sleep(0.02)
                    one |= {"commit": commit(bare), "POST": await post(session, other.sink)}
                    for name, spent in one.items() if number else ():
                        taken[name].append(spent)
            bare.close()
            stop.set()
            await going
    sides = {name: Times(tuple(spent)) for name, spent in taken.items()}
    bare_median = sides["commit"].median + sides["POST"].median
    late = statistics.quantiles(taken["router"], n=100)[98] * 1000
    note = f"p99 {late:.1f} ms; by the clock, on a disk that is written through at each commit"
    name = "frame received to request sent, p50, of a bare commit and a bare POST"
    return Row(name, sides["router"].median / bare_median, 3, sides=sides, unit="ms", note=note)


def commit(db: sqlite3.Connection) -> float:
    begun = perf_counter()
    db.execute("INSERT INTO bare (body) VALUES (?)", ("x" * 600,))
    return perf_counter() - begun


async def post(session: aiohttp.ClientSession, url: str) -> float:
    begun = perf_counter()
    async with session.post(url, data=b"x" * 600) as response:
        await response.read()
    return perf_counter() - begun
