"""What people and tools find in the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.core.model import State
from tests.engine.store.parts import NOW, accept, arrival, claim, done, event

if TYPE_CHECKING:
    from router.engine.store.base import Store


async def test_deliveries_are_listed_newest_first_and_by_what_is_asked(store: Store) -> None:
    """By state, rule and repo, each alone and together."""
    await accept(store, "e1", "d1", repo="did:plc:a")
    await accept(store, "e2", "d2", repo="did:plc:b", rule="ci/other")
    await accept(store, "e3", "d3", repo="did:plc:b", state=State.SHADOW)

    async def listed(**wanted: object) -> list[str]:
        return [found.id for found in await store.deliveries(**wanted)]  # type: ignore[arg-type]

    assert await listed() == ["d3", "d2", "d1"]
    assert await listed(limit=2) == ["d3", "d2"]
    assert await listed(state=State.READY) == ["d2", "d1"]
    assert await listed(rule="ci/build") == ["d3", "d1"]
    assert await listed(repo="did:plc:b", state=State.READY) == ["d2"]
    assert await listed(repo="\ud800") == []


async def test_a_delivery_is_found_by_the_beginning_of_its_id(store: Store) -> None:
    """If it is long enough and means one only; a whole id always does."""
    await accept(store, "e1", "abcdef01", "abcdef02", "abcdef", "fedcba99")
    found = {name: await store.delivery(name) for name in ("abcdef0", "abcdef01", "abcdef", "fedcba", "fedcb", "", "zzzzzz")}
    assert {name: row.id if row else None for name, row in found.items()} == {
        "abcdef0": None,
        "abcdef01": "abcdef01",
        "abcdef": "abcdef",
        "fedcba": "fedcba99",
        "fedcb": None,
        "": None,
        "zzzzzz": None,
    }


async def test_events_are_listed_newest_first_and_by_what_is_asked(store: Store) -> None:
    """With the rules that matched and the number of deliveries."""
    await accept(store, "e1", "d1", "d2")
    other = event("e2", fields={"repo": {"owner": "did:plc:b", "name": "core"}})
    await store.accept([arrival("e2", event=other), arrival("e3", event=event("e3", fields={}))], NOW + 1)
    everything = await store.events()
    assert [(found.event.id, found.deliveries, list(found.matched)) for found in everything] == [
        ("e3", 0, []),
        ("e2", 0, []),
        ("e1", 2, ["ci/build", "ci/build"]),
    ]
    assert [found.event.id for found in await store.events(matched=True)] == ["e1"]
    assert [found.event.id for found in await store.events(repo="did:plc:b/core")] == ["e2"]
    assert [found.event.id for found in await store.events(nsid="sh.tangled.git.refUpdate", limit=1)] == ["e3"]
    assert await store.events(nsid="sh.tangled.repo") == []


async def test_an_event_is_found_by_number_or_id(store: Store) -> None:
    """Also where its id is a number; and not by nonsense."""
    await accept(store, "e1")
    await accept(store, "7000")
    [second, first] = await store.events()
    assert await store.event(str(first.number)) == first
    assert await store.event("e1") == first
    assert await store.event("7000") == second
    for nonsense in ("", "0", "-1", "9" * 40, "²", "\ud800"):
        assert await store.event(nonsense) is None


async def test_counts_are_by_state(store: Store) -> None:
    """Those that are there."""
    await accept(store, "e1", "d1", "d2")
    await accept(store, "e2", "d3", state=State.SHADOW)
    [got] = await claim(store, 1)
    await store.settle(got, done(), NOW)
    assert await store.counts() == {State.READY: 1, State.DONE: 1, State.SHADOW: 1}


async def test_facts_are_replaced_and_forgotten_by_kind(store: Store) -> None:
    """One kind's keys are not another's."""
    await store.remember("handle", {"a.example": "did:plc:a", "b.example": "did:plc:b"}, NOW)
    await store.remember("repo", {"a.example": {"name": "core"}}, NOW)
    await store.remember("handle", {"a.example": "did:plc:new", "b.example": None, "c.example": None}, NOW)
    assert await store.facts("handle") == {"a.example": "did:plc:new"}
    assert await store.facts("repo") == {"a.example": {"name": "core"}}
    assert await store.facts("none") == {}


async def test_events_since_a_time_come_in_pages_oldest_first(store: Store) -> None:
    """A page goes on after the number of the one before, and what was heard earlier is in none."""
    for number in range(5):
        await accept(store, f"e{number}", "d1" if number == 1 else f"d{number}", now=NOW + number)
    first = await store.events_since(NOW + 1, limit=3)
    assert [(found.event.id, found.heard, found.deliveries) for found in first] == [
        ("e1", NOW + 1, 1),
        ("e2", NOW + 2, 1),
        ("e3", NOW + 3, 1),
    ]
    rest = await store.events_since(NOW + 1, after=first[-1].number, limit=3)
    assert [found.event.id for found in rest] == ["e4"]
    assert await store.count_since(NOW + 1) == 4
    assert (await store.events_since(2**70), await store.count_since(NOW + 9)) == ([], 0)
