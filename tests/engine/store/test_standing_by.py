"""Who stands by claims what is stored in the transaction that stores it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from router.core.model import Busy, Gates, State
from router.engine.store.base import Accepted, Claim, Store, Wanted
from router.engine.store.sqlite import open_store
from tests.engine.store import parts
from tests.engine.store.parts import NOW, SECOND, arrival, claimed, delivery, row

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


async def accept(store: Store, number: str, *names: str, **more: Any) -> Accepted:
    """As parts.accept, and whoever stands by has been told."""
    accepted = await parts.accept(store, number, *names, **more)
    await asyncio.sleep(0)
    return accepted


class Standing:
    """Has so many places."""

    def __init__(self, count: int, *, idle: bool = False, now: int = NOW, **room: int) -> None:
        self.wanted: Wanted | None = Wanted(owner="me", count=count, lease=30.0, now=now, room=room, each=count, idle=idle)
        self.asked = 0
        self.took_each: list[list[str]] = []
        self.claims: list[Claim] = []

    def wants(self) -> Wanted | None:
        self.asked += 1
        return self.wanted

    def took(self, claims: Sequence[Claim]) -> None:
        self.claims += claims
        self.took_each.append([claim.delivery.id for claim in claims])


@pytest.mark.parametrize("idle", [False, True])
async def test_what_is_stored_is_claimed_with_it(store: Store, *, idle: bool) -> None:
    """Its lease and its attempt count, and nobody is told that something waits."""
    by = Standing(4, idle=idle)
    store.stand_by(by)
    accepted = await accept(store, "e1", "d1", "d2")
    assert by.took_each == [["d1", "d2"]]
    assert (accepted.fresh, accepted.ready) == (True, False)
    assert [(one.delivery.attempt, one.delivery.state, one.verify) for one in by.claims] == [(1, State.CLAIMED, False)] * 2
    assert [(await row(store, name)).state for name in ("d1", "d2")] == [State.CLAIMED] * 2
    assert len((await row(store, "d1")).attempts) == 1
    assert await claimed(store) == []


async def test_both_are_in_the_store_or_neither(path: Path) -> None:
    """One commit: whoever opens the store after it finds both."""
    store = await open_store(path)
    by = Standing(4)
    store.stand_by(by)
    await accept(store, "e1", "d1")
    await store.close()
    again = await open_store(path)
    assert await again.recover(NOW + SECOND) == 1  # it may have happened: it is looked up
    assert (await row(again, "d1")).state is State.VERIFY
    await again.close()


@pytest.mark.parametrize("idle", [False, True])
async def test_what_finds_no_place_waits(store: Store, *, idle: bool) -> None:
    by = Standing(1, idle=idle)
    store.stand_by(by)
    accepted = await accept(store, "e1", "d1", "d2")
    assert by.took_each == [["d1"]]
    assert accepted.ready
    assert await claimed(store) == ["d2"]


@pytest.mark.parametrize("idle", [False, True])
async def test_a_destination_without_room_takes_none(store: Store, *, idle: bool) -> None:
    by = Standing(4, idle=idle, toy=0)
    store.stand_by(by)
    assert (await accept(store, "e1", "d1")).ready
    assert by.took_each == [[]]


@pytest.mark.parametrize("idle", [False, True])
async def test_one_of_a_group_is_under_way(store: Store, *, idle: bool) -> None:
    by = Standing(4, idle=idle)
    store.stand_by(by)
    gates = Gates(group="g", busy=Busy.QUEUE)
    assert (await accept(store, "e1", "d1", "d2", gates=gates)).ready
    assert by.took_each == [["d1"]]


async def test_those_who_wait_have_their_turn(store: Store) -> None:
    """Where somebody else waits, whoever has less at work is first, and not who came last."""
    await accept(store, "e1", "a1", "a2", repo="did:plc:a")
    await accept(store, "e2", "b1", repo="did:plc:b")
    by = Standing(2)
    store.stand_by(by)
    await accept(store, "e3", "a3", repo="did:plc:a")
    assert by.took_each == [["a1", "b1"]]


async def test_nobody_is_asked_without_need(store: Store) -> None:
    """What leads to nothing, or was there before, is claimed by nobody."""
    by = Standing(4)
    store.stand_by(by)
    await store.accept([arrival("e1")], NOW)
    assert by.asked == 0
    await accept(store, "e2", "d1")
    await accept(store, "e2", "d1")
    assert by.took_each == [["d1"], []]
    by.wanted = None
    assert (await accept(store, "e3", "d2")).ready
    store.stand_by(None)
    assert (await accept(store, "e4", "d3")).ready
    assert (by.asked, len(by.took_each)) == (3, 2)


async def test_what_is_not_due_is_not_claimed(store: Store) -> None:
    by = Standing(4, idle=True)
    store.stand_by(by)
    gates = Gates(debounce_key="k", debounce_for=60.0)
    assert (await accept(store, "e1", "d1", gates=gates)).ready
    assert by.took_each == [[]]


async def test_claims_are_told_though_nobody_waits_for_the_event(store: Store) -> None:
    """A source that is stopped gives up the answer, not the work: what was claimed with it must be made."""
    by = Standing(4)
    store.stand_by(by)
    accepting = asyncio.create_task(store.accept([arrival("e1", delivery("d1"))], NOW))
    await asyncio.sleep(0)
    accepting.cancel()
    await store.counts()
    await asyncio.sleep(0)
    assert by.took_each == [["d1"]]
