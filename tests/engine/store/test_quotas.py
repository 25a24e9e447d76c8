"""Quotas and the guard against loops: what is too much waits, says why, and survives a restart. Nothing is dropped."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from router.core.model import Gates, LogLine, Status
from router.engine.store.policy import Policy, Quota
from router.engine.store.quotas import HOUR
from router.engine.store.sqlite import open_store
from tests.engine.store.parts import NOW, SECOND, arrival, claim, claimed, delivery, done, event, row

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from router.engine.store.base import Store

#: The beginning of an hour, a moment in it, and the beginnings of those that follow.
START = NOW // HOUR * HOUR + HOUR
NEXT, AFTER = START + HOUR, START + 2 * HOUR
MAIN = "refs/heads/main"
LATER = Gates(debounce_key="main", debounce_for=30.0)


@asynccontextmanager
async def opened(path: Path, **policy: Any) -> AsyncIterator[Store]:
    store = await open_store(path, policy=Policy(**policy))
    try:
        yield store
    finally:
        await store.close()


def of(account: str, knot: str = "a", **more: Any) -> Any:
    fields = {"repo": {"did": f"did:plc:{account}repo", "owner": f"did:plc:{account}"}, "knot": knot}
    return {"time": START, "fields": fields, **more}


async def come(store: Store, name: str, account: str = "alice", knot: str = "a", now: int = START, **more: Any) -> None:
    fields = more.pop("fields", {})
    said = of(account, knot)
    said["fields"] |= fields
    made = delivery(name, f"e-{name}", repo=f"did:plc:{account}repo", **more)
    await store.accept([arrival(f"e-{name}", made, event=event(f"e-{name}", **said))], now)


@pytest.mark.threat("S-21")
@pytest.mark.fault("T-31")
@pytest.mark.parametrize(
    ("scope", "policy"),
    [
        ("the owner did:plc:alice", {"account": Quota(actions=2)}),
        ("the knot a", {"knot": Quota(actions=2)}),
        ("everybody together", {"all": Quota(actions=2)}),
    ],
)
async def test_more_than_an_hour_allows_waits_for_the_next(path: Path, scope: str, policy: dict[str, Quota]) -> None:
    """Each in the first hour with room; the state says so, and Tangled is told why it is pending."""
    async with opened(path, **policy) as store:
        for number in range(5):
            await come(store, f"d{number}", workflow="ci")
        found = [await row(store, f"d{number}") for number in range(5)]
        assert [one.due for one in found] == [START, START, NEXT, NEXT, AFTER]
        assert {str(one.state) for one in found} == {"ready"}
        assert [f"over quota: {scope} has used up" in one.reason for one in found] == [False, False, True, True, True]
        told = {one.entry.delivery: one.entry for one in await store.journal(0)}
        assert (told["d4"].status, told["d4"].error, told["d0"].error) == (Status.PENDING, found[4].reason, "")
        assert sorted(await claimed(store, now=START)) == ["d0", "d1"]


@pytest.mark.threat("S-21")
async def test_one_owners_quota_is_no_others(path: Path) -> None:
    """Nor does a delivery that waits for its owner's use up what all may have now."""
    async with opened(path, account=Quota(actions=1), all=Quota(actions=3)) as store:
        for number, name in enumerate(("alice", "alice", "alice", "bob", "carol")):
            await come(store, f"d{number}", name)
        assert [(await row(store, f"d{number}")).due for number in range(5)] == [START, NEXT, AFTER, START, START]


async def test_used_quotas_survive_a_restart(path: Path) -> None:
    """Whoever makes the router crash gets nothing for it."""
    for number in range(3):
        async with opened(path, account=Quota(actions=2)) as store:
            await come(store, f"d{number}")
            assert (await row(store, f"d{number}")).due == (NEXT if number == 2 else START)


@pytest.mark.threat("S-21")
async def test_bytes_are_of_events_deliveries_and_logs(path: Path) -> None:
    """Whoever has filled an hour's share waits; what they sent is stored all the same."""
    async with opened(path, account=Quota(bytes=100_000)) as store:
        await come(store, "d1")
        await store.write_log("d1", 0, 0, [LogLine(step=0, part="said", text="x" * 100_000)], START)
        await come(store, "d2")
        await come(store, "d3", "bob")
        assert [(await row(store, name)).due for name in ("d1", "d2", "d3")] == [START, NEXT, START]
        assert await store.event("e-d2") is not None


@pytest.mark.threat("S-21")
async def test_in_flight_is_claimed_or_running(path: Path) -> None:
    """A build counts until it is over; what waits is not hidden by it, nor are others'."""
    async with opened(path, account=Quota(in_flight=2)) as store:
        for number in range(4):
            await come(store, f"d{number}", workflow="ci")
        await come(store, "b0", "bob")
        held = {one.delivery.id: one for one in await claim(store, 9, START)}
        assert sorted(held) == ["b0", "d0", "d1"]
        await store.settle(held["d0"], done(Status.RUNNING, "ci", "d0"), START)
        await store.settle(held["d1"], done(Status.SUCCESS, "ci", "d1"), START)
        assert await claimed(store, 9, START) == ["d2"]
        assert await claimed(store, 9, START) == []


@pytest.mark.threat("S-21")
async def test_in_flight_of_all(path: Path) -> None:
    """However many owners there are."""
    async with opened(path, all=Quota(in_flight=3)) as store:
        for number in range(6):
            await come(store, f"d{number}", f"a{number}")
        assert len(await claimed(store, 9, START)) == 3
        assert await claimed(store, 9, START) == []


@pytest.mark.threat("S-21")
@pytest.mark.fault("T-31")
@pytest.mark.parametrize(
    ("scope", "policy"),
    [
        ("the owner did:plc:alice", {"account": Quota(in_flight=1)}),
        ("the knot a", {"knot": Quota(in_flight=1)}),
        ("everybody together", {"all": Quota(in_flight=1)}),
    ],
)
async def test_what_waits_for_what_is_under_way_says_so(path: Path, scope: str, policy: dict[str, Quota]) -> None:
    """In lists and by itself, whose quota it is, as long as it is so; what is not its turn yet waits for something else."""
    async with opened(path, **policy) as store:
        said: list[dict[str, Any]] = [{"ref": MAIN}, {}, {"gates": LATER}, {"ref": MAIN}]
        for number, more in enumerate(said):
            await come(store, f"d{number}", workflow="ci", **more)
        assert [one.reason for one in await store.deliveries()] == [""] * 4
        [held] = await claim(store, 1, START)
        assert held.delivery.id == "d0"
        why = f"over quota: {scope} has 1 under way, as many as may be at once"
        assert {one.id: one.reason for one in await store.deliveries()} == {"d0": "", "d1": why, "d2": "", "d3": ""}
        assert (await row(store, "d1")).reason == why
        await store.settle(held, done(Status.SUCCESS, "ci", "d0"), START)
        assert [one.reason for one in await store.deliveries()] == [""] * 4


async def test_quotas_of_hours_that_are_over_are_forgotten(path: Path) -> None:
    """The table holds the hours that can still decide something."""
    async with opened(path, all=Quota(actions=1)) as store:
        await come(store, "d1")
        await come(store, "d2", now=START + 30 * HOUR)
        rows = await store._writer.do(lambda db: db.execute("SELECT hour FROM quotas").fetchall(), writes=False)  # type: ignore[attr-defined]
        assert [one["hour"] for one in rows] == [START // HOUR + 30]


LOOP = {"loop_events": 3, "loop_within": 600.0}


@pytest.mark.fault("T-31")
async def test_a_rule_that_feeds_itself_is_held_back(path: Path) -> None:
    """More events of a ref than it may act on wait until the window allows; they say why; a restart forgets nothing."""
    for number in range(5):
        async with opened(path, **LOOP) as store:
            await come(store, f"d{number}", ref=MAIN, now=START + number * SECOND)
    async with opened(path, **LOOP) as store:
        found = [await row(store, f"d{number}") for number in range(5)]
    assert [one.due - START for one in found] == [0, SECOND, 2 * SECOND, 600 * SECOND, 601 * SECOND]
    assert "loop guard" in found[3].reason
    assert {str(one.state) for one in found} == {"ready"}


@pytest.mark.fault("T-31")
async def test_many_workflows_of_one_event_are_no_loop(path: Path) -> None:
    """Events are counted, not deliveries."""
    async with opened(path, **LOOP) as store:
        made = [delivery(f"d{number}", "e1", ref=MAIN, item=str(number)) for number in range(50)]
        await store.accept([arrival("e1", *made, event=event("e1", **of("alice")))], START)
        assert {(await row(store, f"d{number}")).due for number in range(50)} == {START}


@pytest.mark.fault("T-31")
@pytest.mark.parametrize("more", [{"fields": {"trigger": "manual"}}, {"each": True}], ids=["asked for by hand", "other refs"])
async def test_what_is_no_loop(path: Path, more: dict[str, Any]) -> None:
    """A person who asks again and again is none, and neither is a push to many branches."""
    async with opened(path, **LOOP) as store:
        for number in range(9):
            ref = f"refs/heads/{number}" if more.get("each") else MAIN
            await come(store, f"d{number}", ref=ref, fields=more.get("fields", {}))
        assert {(await row(store, f"d{number}")).due for number in range(9)} == {START}
