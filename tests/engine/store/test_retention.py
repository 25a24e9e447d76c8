"""Forgetting: everything of what is over and old, nothing of what is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from router.core.model import Gates, LogLine, Outcome, State, Status
from router.engine.retention import EVERY, Retention
from router.engine.store.base import Arrival
from router.engine.store.connection import MEMORY
from router.engine.store.policy import Policy, Quota
from router.engine.store.sqlite import open_store
from router.testing import FakeClock
from tests.engine.store.parts import NOW, SECOND, accept, arrival, claim, delivery, done, ready
from tests.engine.store.test_pipelines import pipeline
from tests.engine.way.parts import Told

if TYPE_CHECKING:
    import sqlite3

    from router.engine.store.base import Store

DAY = 86_400 * SECOND


async def ids(store: Store) -> list[str]:
    return [row.event.id for row in reversed(await store.events(limit=100))]


async def history(store: Store) -> None:
    """Three events of the same moment, of one run each: over, waiting, and given up; and one of a day later that is over."""
    for number in ("1", "2", "3", "4"):
        run = pipeline(f"222222222222{number}", key=number, names=(("knot", number),))
        made = delivery(f"d{number}", f"e{number}", workflow="ci.yml")
        await store.accept([arrival(f"e{number}", made, pipeline=run)], NOW + (DAY if number == "4" else 0))
    first, second, third = await claim(store)
    (fourth,) = await claim(store, now=NOW + DAY)
    ends = (
        (first, done(Status.RUNNING, "ci.yml", "d1")),
        (second, ready(NOW + 100 * DAY)),
        (third, Outcome(state=State.DEAD, reason="no")),
        (fourth, done()),
    )
    for held, outcome in ends:
        assert await store.settle(held, outcome, NOW)
    await store.write_log("d1", 0, 0, [LogLine(step=0, part="said", text="hello")], NOW)
    await store.remember("repo", {"knot did:plc:a": {"name": "core"}}, NOW)
    await store.remember("handle", {"alice.example": "did:plc:a"}, NOW)


@pytest.mark.parity(79)
async def test_what_is_over_and_old_is_forgotten_whole(store: Store) -> None:
    """With its deliveries, attempts, statuses, runs, announcements and log; what waits stays, however old it is."""
    await history(store)
    assert await store.forget(NOW, 0) == (0, None)
    assert await store.forget(NOW + SECOND, 0) == (2, None)
    assert await ids(store) == ["e2", "e4"]
    assert [one.id for one in reversed(await store.deliveries())] == ["d2", "d4"]
    assert {one.entry.delivery for one in await store.journal(0)} == {"d2", "d4"}
    told = {one.event["pipeline"].rpartition("/")[2] for one in await store.announcements(0) if "pipeline" in one.event}
    assert told == {"2222222222222", "2", "2222222222224", "4"}
    assert await store.pipeline("2222222222221") is None
    assert await store.pipeline("1", "knot") is None
    assert await store.pipeline("2", "knot") is not None
    assert list(await store.log("d1", 0)) == []
    assert (await store.facts("repo"), list(await store.facts("handle"))) == ({}, ["alice.example"])


async def test_a_few_at_a_time(store: Store) -> None:
    """Where a batch was full, it says where to go on."""
    await history(store)
    gone, after = await store.forget(NOW + SECOND, 0, 2)
    assert (gone, after is not None) == (1, True)
    assert await store.forget(NOW + SECOND, after or 0, 2) == (1, None)
    assert await ids(store) == ["e2", "e4"]


async def test_the_same_may_be_told_again_after_that(store: Store) -> None:
    """Nothing refers to what is gone, and numbers that readers keep as cursors never come again."""
    await history(store)
    last = (await store.journal(0))[-1].number
    await store.forget(NOW + 2 * DAY, 0)
    assert await ids(store) == ["e2"]
    assert (await accept(store, "e1", "d1", now=NOW + 2 * DAY)).fresh
    assert all(one.number > last for one in await store.journal(last))


#: Every table of the schema, and what keeps it from growing for ever. `event` and `aside` are checked below.
BOUNDS = {
    **dict.fromkeys(("events", "deliveries", "attempts", "statuses", "logs"), "event"),
    **dict.fromkeys(("pipelines", "pipeline_names", "workflows", "announcements"), "event"),
    **dict.fromkeys(("facts", "bad_frames", "queues", "quotas", "gates", "used"), "aside"),
    "restores": "one for each backup that an operator put in its place",
    "paused": "one for each source and rule that an operator paused",
    "rule_hits": "one for each rule that ever was",
    "tallies": "one for each thing that is counted: the schema says which",
    "records": "one for each record of an account that the roster knows; pull requests are forgotten with `aside`",
    "sources": "one for each source that router.yaml or the roster ever named",
    "secrets": "one for each secret that an owner added, and the spindle bounds how many",
}


async def test_nothing_grows_for_ever(store: Store) -> None:
    """Each table has a bound or is forgotten: a new one has to be written into BOUNDS, and, after a while, is empty."""
    await history(store)
    await store.settle((await claim(store, now=NOW + 101 * DAY))[0], done(), NOW + 101 * DAY)
    policy = Policy(account=Quota(actions=9), all=Quota(actions=9, bytes=10**9), loop_events=9)
    store.hold_back(policy)
    gates = Gates(dedupe_key="k", dedupe_within=60, throttle_key="k", throttle_limit=9, throttle_per=60)
    await accept(store, "e9", "d9", gates=gates)
    for held in await claim(store, now=NOW + 102 * DAY):
        await store.settle(held, done(), NOW + 102 * DAY)
    await store.use("token", "jti", NOW + DAY, NOW)
    await store.accept([Arrival(source="a", bad="no JSON", frame=b"{")], NOW)

    def tables(db: sqlite3.Connection) -> dict[str, int]:
        wanted = "SELECT name FROM sqlite_master WHERE type = 'table' AND substr(name, 1, 1) <> '_' AND name NOT LIKE 'sqlite%'"
        return {row["name"]: db.execute(f"SELECT count(*) FROM {row['name']}").fetchone()[0] for row in db.execute(wanted)}

    writer = store._writer  # type: ignore[attr-defined]
    before = await writer.do(tables, writes=False)
    assert set(before) == set(BOUNDS)
    forgotten = [name for name, bound in BOUNDS.items() if bound in ("event", "aside")]
    assert [name for name in forgotten if not before[name]] == []
    await store.remember("handle", {"alice.example": None}, NOW)
    await store.forget(NOW + 400 * DAY, 0, 1000)
    left = await writer.do(tables, writes=False)
    assert {name: left[name] for name in forgotten if left[name]} == {}


async def test_dead_letters_may_be_kept_for_longer(store: Store) -> None:
    """With all that an operator needs to see why."""
    await history(store)
    soon, late = NOW + 2 * DAY, NOW - DAY
    assert (await store.forget(soon, 0, dead_before=late))[0] == 2
    assert await ids(store) == ["e2", "e3"]
    assert (await store.forget(soon, 0, dead_before=soon))[0] == 1
    assert await ids(store) == ["e2"]


async def test_it_looks_every_hour() -> None:
    """As the clock goes, and in small bites."""
    clock, store = FakeClock(NOW), await open_store(MEMORY)
    try:
        await history(store)
        looking = Retention(store, clock, Told(), keep=86_400.0)
        assert await looking.once() == 0
        clock.forward(86_401)
        assert await looking.once() == 2
        clock.forward(EVERY + 86_400)
        assert await looking.once() == 1
    finally:
        await store.close()


@pytest.mark.fault("T-18")
async def test_what_a_knot_sends_again_is_still_known(store: Store) -> None:
    """An older knot that was quiet for longer than anything is kept is asked again for its last minute: that built already."""
    made = [delivery(f"d{number}", f"e{number}") for number in (1, 2)]
    await store.accept([arrival("e1", made[0], cursor=(NOW - 60 * SECOND) * 1000)], NOW)
    (held,) = await claim(store)
    assert await store.settle(held, done(), NOW)
    assert await store.forget(NOW + DAY, 0) == (0, None)
    assert not (await accept(store, "e1", "d1", now=NOW + 2 * DAY)).fresh
    await store.accept([arrival("e2", made[1], cursor=(NOW + DAY) * 1000)], NOW + 2 * DAY)
    assert await store.forget(NOW + DAY, 0) == (1, None)
