"""What comes in is stored once, whole, with its cursor."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest

from router.core.model import Busy, Gates, Retry, State, Status, Trouble, changed
from router.engine.store.base import Arrival
from tests.engine.store.parts import NOW, SECOND, accept, arrival, claim, claimed, delivery, event, plan, row, state

if TYPE_CHECKING:
    from router.engine.store.base import Store


async def test_an_event_heard_twice_is_one_event(store: Store) -> None:
    """The second time, whichever source heard it, is not fresh and makes nothing."""
    first = await accept(store, "e1", "d1")
    again = changed(arrival("e1", delivery("d2")), source="other")
    second = (await store.accept([again], NOW))[0]
    assert (first.fresh, first.ready, second.fresh, second.ready) == (True, True, False, False)
    assert [found.id for found in await store.deliveries()] == ["d1"]
    assert len(await store.events()) == 1


async def test_the_same_id_of_another_origin_is_another_event(store: Store) -> None:
    """An id is unique within its origin only."""
    other = arrival("e1", delivery("d2"), event=changed(event("e1"), origin="knot:b"))
    results = await store.accept([arrival("e1", delivery("d1")), other], NOW)
    assert [result.fresh for result in results] == [True, True]
    later = arrival("e1", delivery("d3"), event=changed(event("e1"), origin="knot:c"))
    assert [result.fresh for result in await store.accept([later], NOW)] == [True]
    assert len(await store.events()) == 3


async def test_an_event_that_comes_twice_at_once_is_one(store: Store) -> None:
    """What is known is asked for once for a whole batch; what the batch itself brings is known from then on."""
    odd = "e\0; and 'so' on"
    twice = [arrival(odd, delivery("d1", odd)), arrival(odd, delivery("d1", odd))]
    assert [result.fresh for result in await store.accept(twice, NOW)] == [True, False]
    assert [result.fresh for result in await store.accept(twice, NOW)] == [False, False]
    assert len(await store.events()) == 1


async def test_a_cursor_only_moves_forward(store: Store) -> None:
    """Overlaps after a reconnect are heard again from older places, and do not send the source back for ever."""
    assert await store.cursor("a") is None
    for heard in (5, 9, 7, None):
        await store.accept([Arrival(source="a", cursor=heard)], NOW)
    assert await store.cursor("a") == 9
    await store.accept([Arrival(source="a", cursor=one) for one in (12, 10)], NOW)
    assert await store.cursor("a") == 12


async def test_a_cursor_beyond_all_numbers_is_ignored(store: Store) -> None:
    """A peer's nonsense neither stops the batch nor sends the source into the future."""
    await store.accept([Arrival(source="a", cursor=7), Arrival(source="a", cursor=10**30)], NOW)
    assert await store.cursor("a") == 7


async def test_an_event_that_led_to_nothing_is_kept_only_if_asked(store: Store) -> None:
    """`keep` decides; its cursor is stored in any case."""
    for number, keep in (("e1", False), ("e2", True)):
        await store.accept([arrival(number, keep=keep, cursor=int(number[1:]))], NOW)
    assert [found.event.id for found in await store.events()] == ["e2"]
    assert await store.cursor("a") == 2


async def test_everything_of_a_delivery_comes_back(store: Store) -> None:
    """A delivery out of the store is the one that was planned, but for its state and attempt."""
    planned = delivery(
        "d1",
        workflow="ci",
        item="wörk",
        timeout=12.5,
        retry=Retry(attempts=3, schedule=(1.0, 2.5)),
        idempotent=True,
        depth=2,
        gates=Gates(group="g", busy=Busy.SKIP, dedupe_key="k", dedupe_within=1.0),
        options={"deep": [{"x": None, "y": 1.5}], "text": "ünïcode"},
    )
    await store.accept([arrival("e1", planned)], NOW)
    [got] = await claim(store)
    assert got.delivery == changed(planned, state=State.CLAIMED, attempt=1, destination="toy")
    assert got.lease_until == NOW + int((12.5 + 30) * SECOND)


async def test_an_event_comes_back_as_it_was(store: Store) -> None:
    """Frozen trees too: the record is stored as sent."""
    heard = event("e1", record=MappingProxyType({"a": [1, {"b": "ü"}]}), depth=3)
    await store.accept([arrival("e1", delivery("d1"), event=heard)], NOW)
    assert await store.event_of("d1") == changed(heard, record=dict(heard.record))
    assert await store.event_of("nothing") is None


async def test_a_hostile_text_does_not_stop_its_batch(store: Store) -> None:
    """Half a surrogate pair in a name is replaced; what came with it is stored, and hearing it again is known."""
    bad = "e\ud800\x00'; DROP TABLE events"
    hostile = arrival(bad, delivery("d1", of=bad, item="\udfff", workflow="\ud800"), event=event(bad, time=10**30))
    first = await store.accept([hostile, arrival("e2", delivery("d2", of="e2"))], NOW)
    second = await store.accept([hostile], NOW)
    assert [one.fresh for one in (*first, *second)] == [True, True, False]
    assert sorted(await claimed(store)) == ["d1", "d2"]


async def test_first_statuses_are_told_of_live_deliveries_only(store: Store) -> None:
    """Pending for what is ready, failed for what could not be rendered, nothing for shadows."""
    planned = [
        delivery(name, workflow="ci", state=made)
        for name, made in (("d1", State.READY), ("d2", State.DEAD), ("d3", State.SHADOW))
    ]
    result = (await store.accept([arrival("e1", *planned)], NOW))[0]
    told = [(one.delivery, one.status) for one in result.entries]
    assert told == [("d1", Status.PENDING), ("d2", Status.FAILED)]
    assert [one.entry for one in await store.journal(0)] == list(result.entries)
    assert await claimed(store) == ["d1"]


async def test_an_undecided_event_gets_what_it_lacked(store: Store) -> None:
    """Planned again it keeps its first deliveries, gets the missing ones, and is decided from then on."""
    doubt = Trouble(rule="ci/b", sentence="not resolved yet", undecided=True)
    await store.accept([arrival("e1", plan=plan(delivery("d1"), troubles=[doubt]))], NOW)
    assert [found.event.id for found in await store.undecided()] == ["e1"]

    still = await store.accept([arrival("e1", plan=plan(delivery("d1"), troubles=[doubt]))], NOW)
    assert not still[0].fresh

    known = event("e1", fields={"repo": {"did": "did:plc:a", "name": "core"}})
    again = await store.accept([arrival("e1", event=known, plan=plan(delivery("d1"), delivery("d2")))], NOW)
    assert again[0].fresh
    assert again[0].ready
    assert await store.undecided() == []
    assert sorted(await claimed(store)) == ["d1", "d2"]
    found = await store.event("e1")
    assert found is not None
    assert (found.event, found.deliveries, found.troubles) == (known, 2, [])

    after = await store.accept([arrival("e1", delivery("d3"))], NOW)
    assert not after[0].fresh
    assert await store.delivery("d3") is None


async def test_an_undecided_event_that_no_rule_wants_is_decided_too(store: Store) -> None:
    """It is not planned again for ever."""
    doubt = Trouble(rule="ci/b", sentence="not resolved yet", undecided=True)
    await store.accept([arrival("e1", plan=plan(troubles=[doubt]))], NOW)
    await store.accept([arrival("e1", keep=False)], NOW)
    assert await store.undecided() == []


async def test_bad_frames_are_a_bounded_ring(store: Store) -> None:
    """The last hundred of each source, cut to 16 kB, newest first; all are counted."""
    await store.accept([Arrival(source="b", bad="not JSON", frame=b"other")], NOW)
    for start in range(0, 250, 50):
        batch = [
            Arrival(source="a", cursor=n, bad=f"bad {n}", frame=b"%d " % n + b"x" * 20_000) for n in range(start, start + 50)
        ]
        await store.accept(batch, NOW)
    ring = await store.bad_frames("a", limit=1000)
    assert [frame["why"] for frame in ring] == [f"bad {n}" for n in range(249, 149, -1)]
    assert len(ring[0]["frame"]) == 16384
    assert [frame["frame"] for frame in await store.bad_frames("b")] == ["other"]
    counted = {source.name: (source.bad_frames, source.last_bad, source.cursor) for source in await store.sources()}
    assert counted == {"a": (250, "bad 249", 249), "b": (1, "not JSON", None)}


async def test_sources_count_events_once(store: Store) -> None:
    """One heard again is not another event."""
    for number in ("e1", "e2", "e1"):
        await accept(store, number, now=NOW + 5)
    [source] = await store.sources()
    assert (source.name, source.events, source.updated) == ("a", 2, NOW + 5)


async def test_a_batch_is_all_or_nothing(store: Store) -> None:
    """What cannot be stored at all keeps its whole batch out, cursor included, and nobody else's."""
    broken = arrival("e2", delivery("d2", of="e2", options={"x": object()}), cursor=2)
    with pytest.raises(TypeError):
        await store.accept([arrival("e1", delivery("d1"), cursor=1), broken], NOW)
    assert await store.cursor("a") is None
    assert await store.events() == []
    await accept(store, "e3", "d3")
    assert await state(store, "d3") is State.READY
    assert (await row(store, "d3")).options == {"commit": "d3"}
