"""`kill -9` between any two steps of the store's own way leaves a whole store: each transaction is there or is not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from router.engine.store.sqlite import open_store
from tests.engine.store.parts import NOW, accept, claim, row

ROOT = Path(__file__).parents[3]
LIFE = """
import asyncio, sys
from router.core.model import Status
from router.engine.store.sqlite import open_store
from tests.engine.store.parts import NOW, arrival, claim, delivery, done

async def main():
    store = await open_store(sys.argv[1])
    await store.accept([arrival("e1", delivery("d1", workflow="ci"), cursor=7)], NOW)
    [got] = await claim(store)
    await store.settle(got, done(Status.SUCCESS, "ci", "d1"), NOW)
    await store.close()

asyncio.run(main())
"""


@dataclass(frozen=True)
class Left:
    """What the next start finds."""

    cursor: int | None
    state: str
    statuses: tuple[str, ...] = ()
    attempts: int = 0
    receipt: bool = False


NOTHING = Left(None, "")
ACCEPTED = Left(7, "ready", ("pending",))
CLAIMED = Left(7, "claimed", ("pending",), 1)
SETTLED = Left(7, "done", ("pending", "success"), 1, receipt=True)


def live_until(point: str, path: Path) -> None:
    environment = {**os.environ, "ROUTER_CRASH_AT": point}
    died = subprocess.run([sys.executable, "-c", LIFE, str(path)], env=environment, cwd=ROOT, check=False)
    assert died.returncode == -signal.SIGKILL


@pytest.mark.fault("T-02")
@pytest.mark.parametrize(
    ("point", "left"),
    [
        ("before_accept", NOTHING),
        ("in_accept", NOTHING),
        ("after_accept", ACCEPTED),
        ("after_claim", CLAIMED),
        ("before_settle", CLAIMED),
        ("in_settle", CLAIMED),
        ("after_settle", SETTLED),
    ],
)
async def test_a_kill_leaves_whole_transactions(path: Path, point: str, left: Left) -> None:
    """Event, delivery, status and cursor together; outcome, receipt and status together; and the store opens as ever."""
    live_until(point, path)
    reading = await open_store(path, read_only=True)
    assert await reading.cursor("a") == left.cursor
    await reading.close()
    store = await open_store(path)
    events = await store.events()
    cursor = await store.cursor("a")
    if events:
        found = await row(store, "d1")
        statuses = tuple(one["status"] for one in found.statuses)
        assert [told.entry.status for told in await store.journal(0)] == list(statuses)
        assert Left(cursor, found.state, statuses, len(found.attempts), found.receipt is not None) == left
    else:
        assert Left(cursor, "") == left
        assert await store.deliveries() == []

    # Hearing it again is harmless, and what was under way is looked up, not done again.
    await accept(store, "e1", "d1", workflow="ci")
    assert await store.recover(NOW + 1) == (left is CLAIMED)
    again = [(one.delivery.id, one.verify) for one in await claim(store, now=NOW + 1)]
    assert again == ([] if left is SETTLED else [("d1", left is CLAIMED)])
    await store.close()
