"""Ten thousand rules are exchanged while five thousand events flow each second: how long nothing is taken in."""

from __future__ import annotations

import asyncio
import itertools
import logging
import tempfile
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import structlog

from bench import mix, stand, stream
from bench.harness import Row, Times
from router import app, loaded
from router.engine import heap
from router.engine.store.sqlite import open_store
from router.host import Host, SystemClock
from router.http import open_session
from router.observe import Silent

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from router.core.model import Event, Passed, Plan

#: Reloads follow each other while the events flow.
RULES, RATE, SECONDS, RELOADS = 10_000, 5_000, 20, 2


class Gaps(Silent):
    """Notes when something is decided: about an event, or about what came with it."""

    def __init__(self) -> None:
        self.at: list[float] = []

    def planned(self, event: Event, plan: Plan, fresh: bool) -> None:  # noqa: FBT001 - the observer's signature
        self.at.append(perf_counter())

    def unmatched(self, events: Sequence[Event]) -> None:
        self.at.append(perf_counter())

    def passed(self, source: str, passed: Passed) -> None:
        self.at.append(perf_counter())

    def longest(self, since: float, until: float) -> float:
        """Seconds of the longest pause between two decisions in that time."""
        within = [at for at in self.at if since <= at <= until]
        return max(b - a for a, b in itertools.pairwise(within))


def rows() -> Iterator[Row]:
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        yield asyncio.run(measured(Path(name)))


def write(folder: Path, text: str) -> None:
    (folder / "rules").mkdir(exist_ok=True)
    whole = mix.text(RULES, f"- log: {{message: {text}}}").split("  - name: ")[1:]
    for first in range(0, RULES, 100):
        (folder / "rules" / f"part-{first:05}.yaml").write_text(
            "rules:\n  - name: " + "  - name: ".join(whole[first : first + 100])
        )


async def measured(folder: Path) -> Row:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    write(folder, "one")
    gaps, usual, took, missed = await heard(folder)
    sides = {
        "longest gap while rules are read and exchanged": Times(gaps),
        "longest gap before that": Times((usual,)),
        "the reload": Times(took),
    }
    note = f"{missed} of {RATE * SECONDS:,} events were missed"
    name = f"reload of {RULES:,} rules while {RATE:,} events a second flow: longest gap in intake, ms"
    return Row(name, max(gaps) * 1000, 50, sides=sides, unit="ms", note=note)


async def heard(folder: Path) -> tuple[tuple[float, ...], float, tuple[float, ...], int]:
    """The longest gap during each reload, and before the first, how long each took, and how many events were missed."""
    events = RATE * SECONDS
    with stand.peer(folder, "feed", stream.few(events, 1), str(RATE)) as server:
        (folder / "router.yaml").write_text(
            "store: {path: router.db, record: matched}\nreload: {watch: false}\nrules: [./rules]\n"
            "sources:\n  stream:\n    jetstream:\n"
            f"      hosts: ['{server.stream}']\n      pace: {{messages: 1000000, bytes: 1000000000}}\n"
        )
        read = loaded.read(folder / "router.yaml")
        store = await open_store(folder / "router.db")
        stop = asyncio.Event()
        async with open_session() as http:
            gaps = Gaps()
            router = app.Router(read.config, read.rulebook, gaps, store, Host(http, SystemClock()))
            router.reloads(read, asyncio.Event())
            router.intake.spindle = counting = stand.Counting(events)
            heap.built()
            running = asyncio.create_task(router.run(stop, drain=False))
            while counting.left > events - RATE:  # noqa: ASYNC110 - nobody tells of single events
                await asyncio.sleep(0.05)
            usual = gaps.longest(gaps.at[len(gaps.at) // 10], perf_counter())
            within, took = [], []
            for number in range(RELOADS):
                # On a thread, as an editor's: it must not stop what is measured.
                await asyncio.to_thread(write, folder, f"again {number}")
                begun = perf_counter()
                assert router.reload is not None
                result = await router.reload.again()
                took.append(perf_counter() - begun)
                assert result.ok, result
                await asyncio.sleep(0.5)
                within.append(gaps.longest(begun, perf_counter()))
                if counting.left <= 0:  # so slow a machine has nothing more to hear
                    break
            try:
                async with asyncio.timeout(60):
                    await counting.done.wait()
            except TimeoutError:
                pass
            stop.set()
            await running
        await store.close()
    return tuple(within), usual, tuple(took), max(0, counting.left)
