"""Short ways to say what the tests of the store are about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from router.core.model import Delivery, Entry, Event, Outcome, Plan, Receipt, State, Status, Subject, Trouble
from router.engine.store.base import Accepted, Arrival, Claim, DeliveryRow, Store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from router.core.model import Gates

SECOND = 1_000_000
NOW = 1_000 * SECOND
UNBOUNDED: dict[str, int] = {}


def event(number: str = "e1", **more: Any) -> Event:
    given: dict[str, Any] = {"time": NOW, "record": {"ref": "refs/heads/main"}, "fields": {"repo": {"did": "did:plc:a"}}}
    return Event(origin="knot:a", id=number, source="a", kind="knot", nsid="sh.tangled.git.refUpdate", **(given | more))


def delivery(
    name: str,
    of: str = "e1",
    *,
    repo: str = "did:plc:a",
    ref: str = "",
    workflow: str = "",
    gates: Gates | None = None,
    **more: Any,
) -> Delivery[Any]:
    """Of a ref of its own, so that none waits for another, unless it is said of which."""
    given: dict[str, Any] = {"rule": "ci/build", "step": "toy", "provider": "toy", "options": {"commit": name}}
    subject = Subject(repo=repo, knot="a", ref=ref or f"refs/heads/{name}", sha="1f0c", workflow=workflow)
    where = {"event_origin": "knot:a", "event_id": of, "nsid": "sh.tangled.git.refUpdate"}
    return Delivery(id=name, subject=subject, gates=gates, **(given | where | more))


def entry(made: Delivery[Any], status: Status = Status.PENDING, at: int = NOW) -> Entry:
    return Entry(delivery=made.id, workflow=made.subject.workflow, status=status, at=at)


def plan(*deliveries: Delivery[Any], troubles: Sequence[Trouble] = ()) -> Plan:
    told = [
        entry(made, Status.FAILED if made.state is State.DEAD else Status.PENDING)
        for made in deliveries
        if made.subject.workflow
    ]
    rules = tuple(made.rule for made in deliveries)
    return Plan(matched=rules, deliveries=deliveries, entries=tuple(told), troubles=tuple(troubles), wanted=True)


def arrival(number: str, *deliveries: Delivery[Any], cursor: int | None = None, **more: Any) -> Arrival:
    """An event with what was planned for it; its deliveries are told whose they are."""
    given: dict[str, Any] = {"event": event(number), "plan": plan(*deliveries), "keep": True}
    return Arrival(source="a", cursor=cursor, **(given | more))


async def accept(store: Store, number: str, *names: str, now: int = NOW, **more: Any) -> Accepted:
    """One event with a delivery of each name."""
    made = [delivery(name, number, **more) for name in names]
    return (await store.accept([arrival(number, *made)], now))[0]


async def claim(store: Store, count: int = 16, now: int = NOW, **busy: int) -> Sequence[Claim]:
    return await store.claim("me", count, 30.0, now, busy)


async def claimed(store: Store, count: int = 16, now: int = NOW, **busy: int) -> list[str]:
    return [one.delivery.id for one in await claim(store, count, now, **busy)]


async def row(store: Store, name: str) -> DeliveryRow:
    found = await store.delivery(name)
    assert found is not None, f"no delivery {name}"
    return found


async def state(store: Store, name: str) -> State:
    return (await row(store, name)).state


def done(status: Status | None = None, workflow: str = "", name: str = "") -> Outcome:
    told = [Entry(delivery=name, workflow=workflow, status=status, at=NOW)] if status else []
    receipt = Receipt(id="build-7", url="https://ci.example/7", status=status, detail={"org": "acme"})
    return Outcome(state=State.DONE, receipt=receipt, entries=told)


def ready(due: int = NOW, **more: Any) -> Outcome:
    return Outcome(state=State.READY, due=due, **more)


def verify(due: int = NOW, **more: Any) -> Outcome:
    return Outcome(state=State.VERIFY, due=due, **more)


def dead(reason: str = "no") -> Outcome:
    return Outcome(state=State.DEAD, reason=reason)
