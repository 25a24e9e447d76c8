"""Lanes: what is made one event after the other, how long one that fails holds up others; claims look at heads alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from router.core.model import Busy, Entry, Gates, Status
from router.engine.store.policy import Policy
from router.engine.store.sqlite import open_store
from tests.engine.store.parts import (
    NOW,
    SECOND,
    accept,
    arrival,
    claim,
    claimed,
    dead,
    delivery,
    done,
    event,
    ready,
    row,
    state,
    verify,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from router.engine.store.base import Store

MAIN = "refs/heads/main"


async def pushed(store: Store, number: int, *names: str, at: int | None = None, **more: Any) -> None:
    """An event of that time with deliveries for the main branch; heard now, however old it is."""
    made = [delivery(name, f"e{number}", ref=MAIN, **more) for name in names]
    when = NOW + number if at is None else at
    await store.accept([arrival(f"e{number}", *made, event=event(f"e{number}", time=when))], NOW + 100)


LATER = NOW + 200


@pytest.mark.fault("T-18")
async def test_one_event_after_the_other(store: Store) -> None:
    """Two deliveries of one event at once; those of the next when both are over, however they end."""
    await pushed(store, 1, "a1", "b1")
    await pushed(store, 2, "a2", "b2")
    await pushed(store, 3, "a3")
    first, second = await claim(store, now=LATER)
    assert {first.delivery.id, second.delivery.id} == {"a1", "b1"}
    await store.settle(first, done(), LATER)
    assert await claimed(store, now=LATER) == []
    await store.settle(second, dead(), LATER)
    assert await claimed(store, now=LATER) == ["a2", "b2"]


@pytest.mark.fault("T-18")
async def test_frames_that_come_out_of_order_are_made_in_order(store: Store) -> None:
    """By the events' own time, as far as nothing newer was begun."""
    await pushed(store, 3, "d3")
    await pushed(store, 1, "d1")
    await pushed(store, 2, "d2")
    for name in ("d1", "d2", "d3"):
        (held,) = await claim(store, now=LATER)
        assert held.delivery.id == name
        await store.settle(held, done(), LATER)


@pytest.mark.fault("T-18")
async def test_one_that_waits_for_another_attempt_is_not_overtaken(store: Store) -> None:
    """Nor one that may have happened: an older result never comes last."""
    await pushed(store, 1, "d1")
    await pushed(store, 2, "d2")
    (held,) = await claim(store, now=LATER)
    await store.settle(held, ready(LATER + 60 * SECOND), LATER)
    assert await claimed(store, now=LATER + SECOND) == []
    (held,) = await claim(store, now=LATER + 60 * SECOND)
    await store.settle(held, verify(LATER + 90 * SECOND), LATER + 60 * SECOND)
    assert await claimed(store, now=LATER + 61 * SECOND) == []
    (held,) = await claim(store, now=LATER + 90 * SECOND)
    await store.settle(held, done(), LATER + 90 * SECOND)
    assert await claimed(store, now=LATER + 91 * SECOND) == ["d2"]


async def test_one_that_fails_for_long_lets_the_others_go(path: Path) -> None:
    """After `hold` seconds of failing; what goes on failing is still made in the end."""
    store = await open_store(path, policy=Policy(hold=60))
    try:
        await pushed(store, 1, "d1")
        await pushed(store, 2, "d2")
        (held,) = await claim(store, now=LATER)
        await store.settle(held, ready(LATER + 50 * SECOND), LATER)
        (held,) = await claim(store, now=LATER + 50 * SECOND)
        assert held.delivery.id == "d1"
        await store.settle(held, ready(LATER + 3600 * SECOND), LATER + 50 * SECOND)
        assert await claimed(store, now=LATER + 51 * SECOND) == ["d2"]
        assert await claimed(store, now=LATER + 3600 * SECOND) == ["d1"]
    finally:
        await store.close()


async def test_waiting_for_leave_is_no_failure(path: Path) -> None:
    """A 429 of an hour keeps the order: nobody else would be let in either."""
    store = await open_store(path, policy=Policy(hold=60))
    try:
        await pushed(store, 1, "d1")
        await pushed(store, 2, "d2")
        (held,) = await claim(store, now=LATER)
        await store.settle(held, ready(LATER + 3600 * SECOND, counts=False), LATER)
        assert await claimed(store, now=LATER + SECOND) == []
    finally:
        await store.close()


@pytest.mark.parametrize(
    "other", [{"rule": "ci/other"}, {"step": "other"}, {"repo": "did:plc:b"}], ids=lambda other: next(iter(other))
)
async def test_other_lanes_are_others(store: Store, other: dict[str, Any]) -> None:
    """What another rule, step or repo does about a branch of that name waits for nothing of this."""
    await pushed(store, 1, "d1")
    await pushed(store, 2, "d2", **other)
    assert sorted(await claimed(store, now=LATER)) == ["d1", "d2"]


async def test_what_is_given_up_holds_up_nobody(store: Store) -> None:
    """Discarded by an operator, or superseded."""
    await pushed(store, 1, "d1")
    await pushed(store, 2, "d2")
    await pushed(store, 3, "d3")
    await store.discard(["d2", "d1"], "no", LATER)
    assert await claimed(store, now=LATER) == ["d3"]


async def test_lanes_survive_a_restart(path: Path) -> None:
    """A claim that was lost keeps its place until it is looked up."""
    store = await open_store(path)
    await pushed(store, 1, "d1")
    await pushed(store, 2, "d2")
    assert await claimed(store, now=LATER) == ["d1"]
    await store.close()
    store = await open_store(path)
    try:
        await store.recover(LATER)
        (held,) = await claim(store, now=LATER)
        assert (held.delivery.id, held.verify) == ("d1", True)
        assert await claimed(store, now=LATER) == []
        await store.settle(held, done(), LATER)
        assert await claimed(store, now=LATER) == ["d2"]
    finally:
        await store.close()


async def test_what_a_dead_letter_left_is_made_after_what_is_under_way(store: Store) -> None:
    """An operator asks for it again: it takes its place in its lane."""
    await pushed(store, 1, "d1")
    await pushed(store, 2, "d2")
    (held,) = await claim(store, now=LATER)
    await store.settle(held, dead(), LATER)
    (held,) = await claim(store, now=LATER)
    await store.retry(["d1"], LATER)
    assert (held.delivery.id, await claimed(store, now=LATER)) == ("d2", [])
    await store.settle(held, done(), LATER)
    assert await claimed(store, now=LATER) == ["d1"]


GROUP = Gates(group="deploy", busy=Busy.CANCEL_RUNNING)


@pytest.mark.fault("T-18")
async def test_only_a_newer_event_cancels_what_runs(store: Store) -> None:
    """One that comes late is superseded itself."""
    await pushed(store, 2, "new", gates=GROUP, workflow="ci")
    (held,) = await claim(store, now=LATER)
    await store.settle(held, done(Status.RUNNING, "ci", "new"), LATER)
    await pushed(store, 1, "old", gates=GROUP, workflow="ci")
    found = await row(store, "old")
    assert (found.state, "of a newer event" in found.reason) == ("skipped", True)
    assert await store.to_cancel("toy") == []
    await pushed(store, 3, "newest", gates=GROUP, workflow="ci")
    assert [run.delivery for run in await store.to_cancel("toy")] == ["new"]
    assert await claimed(store, now=LATER) == []
    await store.tell([Entry(delivery="new", workflow="ci", status=Status.CANCELLED, at=LATER)], LATER)
    assert await claimed(store, now=LATER) == ["newest"]


@pytest.mark.fault("T-18")
async def test_a_time_in_the_future_is_no_newer_event(store: Store) -> None:
    """Whoever dates an event years ahead keeps nobody's later ones from being built."""
    await pushed(store, 1, "far", gates=GROUP, at=NOW + 10**15)
    await store.accept([arrival("e2", delivery("now", "e2", gates=GROUP), event=event("e2", time=LATER))], LATER)
    assert (await state(store, "now"), await state(store, "far")) == ("ready", "skipped")


@pytest.mark.fault("T-18")
async def test_a_late_event_does_not_take_the_place_of_what_waits_for_quiet(store: Store) -> None:
    """Debounce acts on the newest."""
    gates = Gates(debounce_key="k", debounce_for=10)
    await pushed(store, 2, "new", gates=gates)
    await pushed(store, 1, "old", gates=gates)
    assert (await state(store, "new"), await state(store, "old")) == ("ready", "skipped")


async def steps(store: Any, looked: Sequence[int]) -> list[int]:
    """How many rows the claim's query looks at, as SQLite's virtual machine counts its steps (in thousands)."""
    counted: list[int] = []

    def count(db: Any) -> None:
        ticks = 0

        def tick() -> int:
            nonlocal ticks
            ticks += 1
            return 0

        db.set_progress_handler(tick, 100)
        from router.engine.store import sql  # noqa: PLC0415 - only here

        values = {"now": LATER, "closed": '["blocked"]', "looking": "[]", "accounts": "[]", "knots": "[]", "count": 16}
        db.execute(sql.text("claim"), values).fetchall()
        db.set_progress_handler(None, 0)
        counted.append(ticks)

    for _ in looked:
        await store._writer.do(count, writes=False)
    return counted


@pytest.mark.threat("S-21")
@pytest.mark.parametrize("what", ["a blocked destination", "one lane", "a busy group"])
async def test_a_claim_looks_at_heads_alone(what: str) -> None:
    """Ten times as many that wait cost a claim no more: of a destination that is shut, of one ref, of a busy group."""
    costs = []
    for many in (200, 2000):
        store = await open_store(":memory:")
        made = []
        for number in range(many):
            more: dict[str, Any] = {"provider": "blocked"} if what == "a blocked destination" else {"ref": MAIN}
            if what == "a busy group":
                more["gates"] = Gates(group="g")
            made.append(arrival(f"e{number}", delivery(f"d{number}", f"e{number}", **more)))
        await store.accept(made, NOW)
        await accept(store, "other", "x", repo="did:plc:other")
        if what != "a blocked destination":
            await store.claim("me", 1, 30.0, NOW, {})
        costs += await steps(store, [1])
        await store.close()
    assert costs[1] <= costs[0] + 2, costs


@pytest.mark.threat("S-21")
async def test_a_blocked_destination_hides_no_other(store: Store) -> None:
    """Of the same repo, and of others."""
    arrivals = [arrival(f"e{n}", delivery(f"d{n:03}", f"e{n}", provider="slow")) for n in range(300)]
    await store.accept(arrivals, NOW)
    await accept(store, "f1", "same", provider="quick")
    await accept(store, "f2", "other", repo="did:plc:b", provider="quick")
    assert sorted(await claimed(store, slow=0)) == ["other", "same"]


@pytest.mark.threat("S-21")
async def test_a_noisy_repo_takes_its_turn_across_destinations(store: Store) -> None:
    """Whatever the number of its destinations: a repo's nth waits for the others' (n-1)th."""
    noisy = [arrival(f"e{n}", delivery(f"n{n:03}", f"e{n}", provider=f"p{n % 5}")) for n in range(100)]
    await store.accept(noisy, NOW)
    for number in range(4):
        await accept(store, f"f{number}", f"q{number}", repo=f"did:plc:q{number}", now=NOW + 1)
    got = await store.claim("me", 8, 30.0, LATER, {}, each=8)
    assert sum(one.delivery.id.startswith("q") for one in got) == 4


async def test_look_ups_alone(store: Store) -> None:
    """Of a destination in `looking` only what may have happened is claimed."""
    await accept(store, "e1", "d1")
    await accept(store, "e2", "d2")
    held = (await claim(store))[0]
    await store.settle(held, verify(), NOW)
    store_claim = await store.claim("me", 9, 30.0, NOW, {}, looking=["toy"])
    assert [one.delivery.id for one in store_claim] == [held.delivery.id]


async def test_old_rows_are_queued_by_the_upgrade(path: Path) -> None:
    """A store of schema 3 with deliveries that wait: each is claimed, in order, after the upgrade."""
    import sqlite3  # noqa: PLC0415 - only here

    from sqlite_utils import Database  # noqa: PLC0415 - as above
    from sqlite_utils.migrations import Migrations  # noqa: PLC0415 - as above

    from router.engine.store import migrations  # noqa: PLC0415 - as above

    old = Migrations("router")
    for step in migrations.STEPS[:3]:
        old()(step)
    db = sqlite3.connect(path)
    old.apply(Database(db))
    columns = (
        "event, rule, step, provider, repo, ref, sha, workflow, options, terms, planned, state, reason, due, created, updated"
    )
    terms = (
        '{"timeout":60.0,"retry":{"attempts":8,"base":1.0,"factor":4.0,"cap":3600.0,"schedule":[]},"idempotent":false,'
        '"gates":null,"knot":"a","depth":0}'
    )
    for number in (1, 2, 3):
        db.execute(
            "INSERT INTO events (origin, id, source, kind, nsid, time, depth, repo, record, fields, heard, matched, troubles,"
            " undecided) VALUES ('o', ?, 's', 'knot', 'n', ?, 0, 'r', '{}', '{}', 5, '[]', '[]', 0)",
            (str(number), number),
        )
        repo = "r" if number < 3 else "other"
        values = (number, "rule", "step", "toy", repo, MAIN, "", "", "{}", terms, "ready", "ready", "", 5, 5, 5)
        db.execute(f"INSERT INTO deliveries (id, {columns}) VALUES ('d{number}', {', '.join('?' * 16)})", values)
    db.commit()
    db.close()
    store = await open_store(path)
    try:
        assert sorted(await claimed(store)) == ["d1", "d3"]
        held = await store.delivery("d2")
        assert held is None or held.state == "ready"
    finally:
        await store.close()


async def test_a_long_lane_is_made_in_order(store: Store) -> None:
    """The whole queue of one branch, one after the other."""
    made = [arrival(f"e{n}", delivery(f"d{n}", f"e{n}", ref=MAIN)) for n in range(100)]
    await store.accept(made, NOW)
    taken = []
    for _ in range(100):
        (held,) = await claim(store)
        taken.append(held.delivery.id)
        await store.settle(held, done(), NOW)
    assert taken == [f"d{n}" for n in range(100)]
