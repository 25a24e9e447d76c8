"""Whose turn it is, found once for many claims: cheap, and no less right than if it were found for each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from router.engine.store import sql
from tests.engine.store.parts import NOW, SECOND, accept, claim, claimed

if TYPE_CHECKING:
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


@pytest.mark.parametrize("later", [2, -2])
async def test_an_order_does_not_last(store: Store, later: int) -> None:
    """What becomes due meanwhile comes in, whichever way the clock went."""
    await queued(store, "one", "a1", "a2")
    await accept(store, "e-b1", "b1", repo="did:plc:two", now=NOW + 1)
    assert await claimed(store, 1) == ["a1"]
    assert "b1" in await claimed(store, 5, now=max(NOW, NOW + later * SECOND) + 1)
