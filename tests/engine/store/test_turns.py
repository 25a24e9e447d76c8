"""Whose turn it is, found once for many claims: cheap, and no less right than if it were found for each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from router.engine.store import sql, turns
from router.engine.store.sqlite import open_store
from tests.engine.store.parts import NOW, SECOND, accept, claim, claimed

if TYPE_CHECKING:
    from pathlib import Path

    from router.engine.store.base import Store


async def queued(store: Store, repo: str, *names: str) -> None:
    for name in names:
        await accept(store, f"e-{name}", name, repo=f"did:plc:{repo}")


async def test_many_claims_look_at_all_queues_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted, not timed: a claim of one among fifty queues costs what one costs."""
    for number in range(50):
        await queued(store, f"repo{number}", f"d{number}")
    asked: list[str] = []
    read = sql.read

    def watched(db: Any, name: str, *more: Any) -> Any:
        asked.append(name)
        return read(db, name, *more)

    monkeypatch.setattr(sql, "read", watched)
    names = [name for _ in range(50) for name in await claimed(store, 1)]
    assert sorted(names) == sorted(f"d{number}" for number in range(50))
    assert asked.count("claim") == 1


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many deliveries each look at all queues found. Eight are kept, and four of a queue are enough."""
    monkeypatch.setattr(turns, "KEPT", 8)
    monkeypatch.setattr(turns, "OF_A_QUEUE", 4)
    found: list[int] = []
    read = sql.read

    def watched(db: Any, name: str, *more: Any) -> Any:
        rows = read(db, name, *more)
        if name == "claim":
            found.append(len(rows))
        return rows

    monkeypatch.setattr(sql, "read", watched)
    return found


async def test_of_many_queues_no_more_is_found_than_is_kept(looked: list[int], path: Path) -> None:
    """Many repos with long queues: most of what is found at once would be forgotten."""
    store = await open_store(path)
    for number in range(8):
        await queued(store, f"repo{number}", *(f"d{number}{at}" for at in range(5)))
    names = [name for _ in range(40) for name in await claimed(store, 1)]
    assert looked == [32, 8, 8, 8, 8]
    assert [name[2:] for name in names] == [str(at) for at in range(5) for _ in range(8)]
    await store.close()


async def test_who_has_much_at_work_waits_however_little_is_looked_at(looked: list[int], path: Path) -> None:
    store = await open_store(path)
    await queued(store, "busy", *(f"b{at}" for at in range(8)))
    assert len(await claimed(store, 3)) == 3
    for number in range(8):
        await queued(store, f"repo{number}", *(f"d{number}{at}" for at in range(5)))
    names = [name for _ in range(25) for name in await claimed(store, 1)]
    assert [at for at, name in enumerate(names) if name.startswith("b")] == [24]
    assert max(looked[1:]) == 36
    assert len(looked) < 12
    await store.close()


async def test_what_is_wanted_may_all_be_in_one_queue(looked: list[int], path: Path) -> None:
    """However little of each was looked at first: nothing waits while there is a free place."""
    store = await open_store(path)
    await queued(store, "long", *(f"d{at:02}" for at in range(20)))
    for number in range(8):
        await queued(store, f"repo{number}", f"a{number}", f"b{number}")
    assert len(await claimed(store, 1)) == 1
    assert len(await claimed(store, 30)) == 30
    assert len(await claimed(store, 30)) == 5
    assert await claimed(store, 30) == []
    assert len(looked) == 6
    await store.close()


async def test_who_comes_later_and_has_nothing_at_work_goes_first(store: Store) -> None:
    await queued(store, "busy", "a1", "a2", "a3")
    assert await claimed(store, 1) == ["a1"]
    await queued(store, "new", "b1")
    assert await claimed(store, 1) == ["b1"]


async def test_what_was_found_is_not_claimed_once_its_rule_is_paused(store: Store) -> None:
    await queued(store, "one", "a1", "a2")
    assert await claimed(store, 1) == ["a1"]
    await store.pause("rule", "ci/build", NOW)
    assert await claimed(store, 1) == []
    await store.resume("rule", "ci/build")
    assert await claimed(store, 1) == ["a2"]


async def test_what_was_found_is_not_claimed_once_it_is_discarded(store: Store) -> None:
    await queued(store, "one", "a1", "a2", "a3")
    assert await claimed(store, 1) == ["a1"]
    await store.discard(["a2"], "nobody wants it", NOW)
    assert await claimed(store) == ["a3"]


async def test_what_has_no_room_yet_is_claimed_when_it_has(store: Store) -> None:
    """Passed over, not forgotten; and never twice."""
    await queued(store, "one", "a1", "a2", "a3")
    assert len(await claim(store, 2, toy=1)) == 1
    assert await claimed(store, 1, toy=0) == []
    assert await claimed(store, 5, toy=5) == ["a2", "a3"]


async def test_what_has_no_room_is_not_looked_for_again_and_again(looked: list[int], path: Path) -> None:
    store = await open_store(path)
    await queued(store, "one", *(f"a{at}" for at in range(9)))
    assert await claimed(store, 5, toy=1) == ["a0"]
    assert looked == [4, 4]
    await store.close()


@pytest.mark.parametrize("later", [2, -2])
async def test_an_order_does_not_last(store: Store, later: int) -> None:
    """What becomes due meanwhile comes in, whichever way the clock went."""
    await queued(store, "one", "a1", "a2")
    await accept(store, "e-b1", "b1", repo="did:plc:two", now=NOW + 1)
    assert await claimed(store, 1) == ["a1"]
    assert "b1" in await claimed(store, 5, now=max(NOW, NOW + later * SECOND) + 1)
