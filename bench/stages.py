"""Where the time of an event that is committed goes, on one thread: `python -m bench.stages`. No row of the table.

Microseconds of the processor's time for each event, the least of ROUNDS, beside what sqlite3 takes to commit the same rows.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp

from bench import mix, stream
from router.core import match, plan
from router.core.view import View
from router.engine import heap
from router.engine.destinations import Destinations
from router.engine.store import arrivals, connection
from router.engine.store.base import Arrival
from router.engine.store.policy import Policy
from router.host import Host, SystemClock
from router.observe import Silent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from router.core.plan import Address

BATCH, ROUNDS = 512, 5


async def _address() -> Address:
    async with aiohttp.ClientSession() as session:
        return Destinations(stream.opened(Host(session, SystemClock())), SystemClock(), Silent()).name


def main() -> None:
    address, book, frames = asyncio.run(_address()), stream.acting(), stream.all_match(stream.COMMITS)
    now = time.time_ns() // 1000
    heap.built()
    least: dict[str, float] = {}
    for _ in range(ROUNDS):
        taken: dict[str, float] = {}

        @contextmanager
        def stage(name: str, taken: dict[str, float] = taken) -> Iterator[None]:
            begun = time.thread_time()
            yield
            taken[name] = taken.get(name, 0.0) + time.thread_time() - begun

        with tempfile.TemporaryDirectory(prefix="bench-") as name:
            folder = Path(name)
            db, checkpoints = connection.open_writing(str(folder / "stages.db")), connection.Checkpoints()
            for first in range(0, len(frames), BATCH):
                with stage("decode"):
                    events = [mix.heard(frame) for frame in frames[first : first + BATCH]]
                with stage("select, alone"):
                    for event in events:
                        match.select(View(event, {}), book)
                with stage("plan, selecting"):
                    plans = [plan.plan(event, book, {}, address) for event in events]
                batch = [Arrival(source="s", event=one, plan=made) for one, made in zip(events, plans, strict=True)]
                with stage("accept, committing"):
                    db.execute("BEGIN IMMEDIATE")
                    arrivals.accept(db, batch, Policy(), now)
                    db.execute("COMMIT")
                    checkpoints.after_commit(db)
            db.close()
            tables, queues = stream.kept(folder / "stages.db")
            taken["sqlite3, the same rows"] = stream.raw(folder, tables, queues, BATCH).processor
        least = {name: min(seconds, least.get(name, seconds)) for name, seconds in taken.items()}
    for name, seconds in least.items():
        print(f"{seconds / len(frames) * 1e6:6.1f} us  {name}")


if __name__ == "__main__":
    main()
