"""What holds deliveries back, and that a restart forgets nothing of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from router.core.model import Busy, Gates, State, Status
from router.engine.store.sqlite import open_store
from tests.engine.store.parts import NOW, SECOND, accept, arrival, claim, claimed, delivery, done, ready, row, state

if TYPE_CHECKING:
    from pathlib import Path

    from router.engine.store.base import Store

DEDUPE = Gates(dedupe_key="main", dedupe_within=10.0)
THROTTLE = Gates(throttle_key="main", throttle_limit=2, throttle_per=10.0)
DEBOUNCE = Gates(debounce_key="main", debounce_for=10.0)


async def test_dedupe_skips_within_its_window(store: Store) -> None:
    """The window begins with what passed, is not renewed by what did not, and the reason names the key."""
    for at in (0, 6, 9, 10):
        await accept(store, f"e{at}", f"d{at}", gates=DEDUPE, workflow="ci", now=NOW + at * SECOND)
    assert [await state(store, f"d{at}") for at in (0, 6, 9, 10)] == [State.READY, State.SKIPPED, State.SKIPPED, State.READY]
    skipped = await row(store, "d6")
    assert "main" in skipped.reason
    assert skipped.statuses == []


async def test_dedupe_is_by_rule_and_key(store: Store) -> None:
    """Another rule's key of the same name is another key."""
    await accept(store, "e1", "d1", gates=DEDUPE)
    await accept(store, "e2", "d2", gates=DEDUPE, rule="ci/other")
    await accept(store, "e3", "d3", gates=Gates(dedupe_key="next", dedupe_within=10.0))
    assert await claimed(store) == ["d1", "d2", "d3"]


async def test_dedupe_lets_all_steps_of_one_event_pass(store: Store) -> None:
    """The second step of a rule is no duplicate of the first."""
    await accept(store, "e1", "d1", "d2", gates=DEDUPE)
    assert await claimed(store) == ["d1", "d2"]


@pytest.mark.parity(40)
async def test_a_throttle_moves_what_is_too_much(store: Store) -> None:
    """Never more than the limit in any period; nothing is dropped."""
    for number in range(5):
        await accept(store, f"e{number}", f"d{number}", gates=THROTTLE, now=NOW + number * SECOND)
    due = [((await row(store, f"d{number}")).due - NOW) // SECOND for number in range(5)]
    assert due == [0, 1, 10, 11, 20]


async def test_a_throttle_forgets_what_is_past(store: Store) -> None:
    """A full period later it is as free as at first."""
    await accept(store, "e1", "d1", "d2", gates=THROTTLE)
    later = NOW + 10 * SECOND
    await accept(store, "e2", "d3", gates=THROTTLE, now=later)
    assert (await row(store, "d3")).due == later


async def test_debounce_waits_for_quiet(store: Store) -> None:
    """Only the last event of a burst is acted on, its whole wait later; those before are cancelled where they were told of."""
    await accept(store, "e1", "d1", "d2", gates=DEBOUNCE, workflow="ci")
    last = await accept(store, "e2", "d3", "d4", gates=DEBOUNCE, workflow="ci", now=NOW + 6 * SECOND)
    assert last.ready
    assert [(one.delivery, one.status) for one in last.entries] == [
        ("d1", Status.CANCELLED),
        ("d2", Status.CANCELLED),
        ("d3", Status.PENDING),
        ("d4", Status.PENDING),
    ]
    assert await claimed(store, now=NOW + 15 * SECOND) == []
    assert await claimed(store, now=NOW + 16 * SECOND) == ["d3", "d4"]
    assert "superseded" in (await row(store, "d1")).reason
    assert await state(store, "d1") is State.SKIPPED


async def test_debounce_leaves_what_is_under_way(store: Store) -> None:
    """Its wait was over."""
    await accept(store, "e1", "d1", gates=DEBOUNCE)
    later = NOW + 10 * SECOND
    [got] = await claim(store, now=later)
    await accept(store, "e2", "d2", gates=DEBOUNCE, now=later)
    assert await store.settle(got, done(), later)


async def test_skip_passes_over_what_comes_while_its_group_is_busy(store: Store) -> None:
    """Waiting, under way, and with a build that is not over; within one batch as within an hour."""
    gates = Gates(group="main", busy=Busy.SKIP)
    batch = [arrival(f"e{number}", delivery(f"d{number}", f"e{number}", gates=gates, workflow="ci")) for number in (1, 2)]
    await store.accept(batch, NOW)
    assert (await row(store, "d2")).reason == "its concurrency group main is busy with d1"
    [got] = await claim(store)
    await accept(store, "e3", "d3", gates=gates)
    await store.settle(got, done(Status.RUNNING, "ci", "d1"), NOW)
    await accept(store, "e4", "d4", gates=gates)
    await store.tell(done(Status.SUCCESS, "ci", "d1").entries, NOW)
    await accept(store, "e5", "d5", gates=gates)
    assert [await state(store, name) for name in ("d2", "d3", "d4", "d5")] == [State.SKIPPED] * 3 + [State.READY]


@pytest.mark.parametrize(
    ("gates", "states"),
    [
        (Gates(group="main", busy=Busy.SKIP), [State.READY, State.SKIPPED, State.SKIPPED]),
        (Gates(group="main", busy=Busy.CANCEL_RUNNING), [State.SKIPPED, State.SKIPPED, State.READY]),
        (DEBOUNCE, [State.SKIPPED, State.SKIPPED, State.READY]),
    ],
)
async def test_gates_see_what_came_before_in_the_same_batch(store: Store, gates: Gates, states: list[State]) -> None:
    """Also of deliveries that nothing is told of."""
    await store.accept([arrival(f"e{number}", delivery(f"d{number}", f"e{number}", gates=gates)) for number in range(3)], NOW)
    assert [await state(store, f"d{number}") for number in range(3)] == states


async def test_skip_never_passes_over_a_step_of_the_same_event(store: Store) -> None:
    """The steps of a rule share its group, and follow each other."""
    await accept(store, "e1", "d1", "d2", gates=Gates(group="main", busy=Busy.SKIP))
    [first] = await claim(store)
    await store.settle(first, done(), NOW)
    assert await claimed(store) == ["d2"]


@pytest.mark.parity(40)
async def test_cancel_running_supersedes_what_waits(store: Store) -> None:
    """What is under way already is to be stopped, and the newest follows it."""
    gates = Gates(group="main", busy=Busy.CANCEL_RUNNING)
    await accept(store, "e1", "d1", gates=gates, workflow="ci")
    [under_way] = await claim(store)
    await accept(store, "e2", "d2", gates=gates, workflow="ci")
    newest = await accept(store, "e3", "d3", "d4", gates=gates, workflow="ci")
    assert (newest.entries[0].delivery, newest.entries[0].status) == ("d2", Status.CANCELLED)
    assert await state(store, "d2") is State.SKIPPED
    assert [(run.delivery, run.why) for run in await store.to_cancel(under_way.delivery.provider)] == [
        ("d1", "superseded: a newer delivery of its concurrency group came")
    ]
    assert await claimed(store) == []
    await store.settle(under_way, done(Status.FAILED, "ci", "d1"), NOW)
    assert await claimed(store) == ["d3"]


async def test_a_shadow_takes_nobodys_place(store: Store) -> None:
    """What never acts neither passes a gate nor closes it."""
    await accept(store, "e1", "d1", gates=DEDUPE, state=State.SHADOW)
    await accept(store, "e2", "d2", gates=DEDUPE)
    assert [await state(store, name) for name in ("d1", "d2")] == [State.SHADOW, State.READY]


async def test_what_is_skipped_uses_no_slot(store: Store) -> None:
    """A throttle counts what will be made."""
    both = Gates(dedupe_key="k", dedupe_within=1.0, throttle_key="k", throttle_limit=2, throttle_per=10.0)
    for number in range(4):
        await accept(store, f"e{number}", f"d{number}", gates=both)
    await accept(store, "e9", "d9", gates=both, now=NOW + SECOND)
    assert (await row(store, "d9")).due == NOW + SECOND


@pytest.mark.fault("T-08")
async def test_gates_survive_a_restart(path: Path) -> None:
    """Keys, slots, groups and waits are rows."""
    first = await open_store(path)
    gates = {"dedupe": DEDUPE, "throttle": THROTTLE, "debounce": DEBOUNCE, "group": Gates(group="g", busy=Busy.SKIP)}
    for name, gate in gates.items():
        await accept(first, f"{name}1", f"{name}1", f"{name}2", gates=gate)
    await first.close()

    again = await open_store(path)
    for name, gate in gates.items():
        await accept(again, f"{name}2", f"{name}3", gates=gate, now=NOW + SECOND)
    states = {name: [await state(again, f"{name}{number}") for number in (1, 3)] for name in gates}
    slot = (await row(again, "throttle3")).due
    await again.close()
    assert states == {
        "dedupe": [State.READY, State.SKIPPED],
        "throttle": [State.READY, State.READY],
        "debounce": [State.SKIPPED, State.READY],
        "group": [State.READY, State.SKIPPED],
    }
    assert slot == NOW + 10 * SECOND


async def test_a_retry_is_not_held_back_again(store: Store) -> None:
    """Gates are for what is new."""
    await accept(store, "e1", "d1", gates=DEDUPE)
    [got] = await claim(store)
    await store.settle(got, ready(), NOW)
    assert await claimed(store) == ["d1"]
