"""Destinations: slots, limits and circuits of each, and that one of them hides no other."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from router.core.errors import Ambiguous, Permanent, RateLimited, Transient, Unauthorized
from router.core.model import Receipt
from router.engine.circuits import Trip
from router.engine.destinations import Destinations, Terms
from router.engine.limits import Limits
from router.host import Limit
from router.provider import Destination
from tests.engine.way.parts import LookingToy, Options, Told, assemble, push

if TYPE_CHECKING:
    from router.engine.store.base import Store
    from router.testing import FakeClock
    from tests.engine.way.parts import Engine

RULES = """
rules:
  - name: build
    when: {trigger: push}
    report: {workflow: ci}
    retry: {attempts: 20, base: 1s, factor: 1}
    do:
      - toy: {sha: "{{ branch }}"}
"""


@dataclass
class Everywhere(LookingToy):
    """A toy whose builds go to the destination before the first slash of what they build, by one token."""

    limits: tuple[Limit, ...] = ()
    down: set[str] = field(default_factory=set)

    def destination(self, options: Options, /) -> Destination:
        return Destination(name=options.sha.partition("/")[0], credential="token", limits=self.limits)

    async def deliver(self, delivery: Any, /) -> Receipt:
        receipt = await super().deliver(delivery)
        if self.destination(delivery.options).name in self.down:
            raise Transient("503")
        return receipt


@pytest.fixture
def toy() -> Everywhere:
    return Everywhere()


@pytest.fixture
def engine(store: Store, time: FakeClock, told: Told, toy: Everywhere) -> Engine:
    made = assemble(store, time, told, toy, RULES)
    made.intake.destination = made.dispatch.destinations.name
    return made


async def step(engine: Engine) -> int:
    """What the run loop does between two rests; how much was claimed."""
    claims = await engine.dispatch._claim(engine.time.now())
    await asyncio.gather(*(engine.dispatch.deliver(claim) for claim in claims))
    return len(claims)


def shas(toy: Everywhere) -> list[str]:
    return [made.options.sha for made in toy.made]


@pytest.mark.fault("T-23", "T-26")
async def test_failures_in_a_row_open_a_circuit_and_one_success_closes_it(engine: Engine, toy: Everywhere) -> None:
    """What waits meanwhile uses up no attempts; then one is let through, and decides."""
    toy.down = {"slow"}
    await engine.hear(*(push(number, f"slow/{number}") for number in range(30)))
    while await step(engine):
        pass
    tried = len(toy.made)
    assert 5 <= tried <= 8
    assert [name for name, _ in engine.told.circuits] == ["toy/slow"]
    engine.time.forward(29)
    assert await step(engine) == 0
    engine.time.forward(2)
    assert await step(engine) == 1  # half-open: one, which fails
    assert await step(engine) == 0
    engine.time.forward(59)
    assert await step(engine) == 0  # for twice as long
    toy.down = set()
    engine.time.forward(2)
    assert await step(engine) == 1
    assert "answers again" in engine.told.circuits[-1][1]
    while await step(engine):
        pass
    engine.time.forward(5)
    while await step(engine):
        pass
    assert set(await engine.states()) == {"done"}
    rows = [await engine.store.delivery(row.id) for row in await engine.store.deliveries(limit=100)]
    assert sum(row.attempt for row in rows if row) == len(toy.made)


@pytest.mark.fault("T-26")
async def test_a_destination_that_is_down_holds_up_no_other(engine: Engine, toy: Everywhere) -> None:
    """Its circuit is its own."""
    toy.down = {"slow"}
    await engine.hear(*(push(number, f"slow/{number}") for number in range(20)), *(push(99, "quick/1"), push(98, "quick/2")))
    while await step(engine):
        pass
    assert {sha for sha in shas(toy) if sha.startswith("quick")} == {"quick/1", "quick/2"}


@pytest.mark.fault("T-23")
async def test_a_refused_credential_parks_what_it_is_for(engine: Engine, toy: Everywhere) -> None:
    """At every destination, without using up attempts; who mends it and asks is heard at once."""
    toy.answers = deque([Unauthorized("refused (401)")])
    await engine.hear(push(1, "a/1"))
    await step(engine)
    await engine.hear(push(2, "a/2"), push(3, "b/1"), first=2)
    await step(engine)  # of `b` nothing was known yet: its first delivery says where it goes
    made = len(toy.made)
    engine.time.forward(200)
    await engine.hear(push(4, "a/3"), push(5, "b/2"), first=5)
    assert (await step(engine), len(toy.made)) == (0, made) or toy.made[-1].options.sha.startswith("b/")
    row = (await engine.store.deliveries())[-1]
    assert (row.state, row.attempt, "refused" in row.reason) == ("ready", 1, True)
    engine.dispatch.destinations.circuits.close_all()
    await engine.store.retry([row.id], engine.time.now())
    while await step(engine):
        pass
    assert set(await engine.states()) == {"done"}


async def test_not_allowed_there_closes_only_that(engine: Engine, toy: Everywhere) -> None:
    """403 of one organization is no reason to build nothing in another."""
    toy.answers = deque([Unauthorized("not here (403)", here=True)])
    await engine.hear(push(1, "a/1"))
    await step(engine)
    await engine.hear(push(2, "a/2"), push(3, "b/1"), first=2)
    await step(engine)
    assert shas(toy) == ["a/1", "b/1"]


@pytest.mark.fault("T-23")
async def test_a_limit_is_kept_and_woken_from(store: Store, time: FakeClock, told: Told) -> None:
    """No more requests than allowed in a window; what waits is claimed when there are tokens, and by nothing before."""
    toy = Everywhere(limits=(Limit(name="toy", rate=5, reserve=2),))
    engine = assemble(store, time, told, toy, RULES)
    engine.intake.destination = engine.dispatch.destinations.name
    await engine.hear(*(push(number, f"a/{number}") for number in range(8)))
    while await step(engine):
        pass
    assert len(toy.made) == 3
    opens = engine.dispatch.destinations.opens()
    assert opens is not None
    assert time.now() < opens <= time.now() + 60_000_000
    attempts = sum(row.attempt for row in await store.deliveries())
    time.micros = opens
    while await step(engine):
        pass
    assert len(toy.made) == 6
    assert attempts <= 5, "what is shut is not claimed again and again"


@pytest.mark.fault("T-23", "T-24")
async def test_look_ups_have_the_reserve(store: Store, time: FakeClock, told: Told) -> None:
    """What may have happened is looked up although nothing new may be sent."""
    toy = Everywhere(limits=(Limit(name="toy", rate=3, per=3600, reserve=1),), answers=deque([Ambiguous("lost")]), settle=1.0)
    toy.looks = deque([Receipt(id="found")])
    engine = assemble(store, time, told, toy, RULES)
    engine.intake.destination = engine.dispatch.destinations.name
    await engine.hear(*(push(number, f"a/{number}") for number in range(9)))
    while await step(engine):
        pass
    assert len(toy.made) == 2
    time.forward(2)
    while await step(engine):
        pass
    assert (toy.found, len(toy.made)) == (1, 2)


@pytest.mark.fault("T-23")
@pytest.mark.parametrize("limits", [(), (Limit(name="toy", rate=100),)])
async def test_too_often_empties_the_whole_bucket(store: Store, time: FakeClock, told: Told, limits: tuple[Limit, ...]) -> None:
    """429 keeps everything of the destination until its reset, and uses up no attempt."""
    toy = Everywhere(limits=limits, answers=deque([RateLimited("429", retry_after=40.0)]))
    engine = assemble(store, time, told, toy, RULES)
    engine.intake.destination = engine.dispatch.destinations.name
    await engine.hear(push(1, "a/1"))
    await step(engine)
    await engine.hear(push(2, "a/2"), first=2)
    assert await step(engine) == 0
    assert engine.dispatch.destinations.opens() == time.now() + 40_000_000
    time.forward(42)
    while await step(engine):
        pass
    assert sorted(shas(toy)) == ["a/1", "a/1", "a/2"]
    assert engine.told.circuits == []


async def test_an_answer_that_refuses_one_closes_no_circuit(engine: Engine, toy: Everywhere) -> None:
    """A receiver that says 400 to each is there, and so is one whose dead letters have an answer."""
    toy.answers = deque([Transient("400", alive=True, retry_after=999.0)] * 9 + [Permanent("404", response="no")] * 9)
    await engine.hear(*(push(number, f"a/{number}") for number in range(20)))
    while await step(engine):
        pass
    assert len(toy.made) == 20
    assert engine.told.circuits == []


async def test_slots_are_of_a_destination(engine: Engine, toy: Everywhere) -> None:
    """Eight at once, or as many as router.yaml says of it, however many there are in all."""
    toy.hang = True
    engine.dispatch.concurrency = 100
    engine.dispatch.destinations.terms = {"toy/b": Terms(concurrency=2)}
    await engine.hear(*(push(number, f"{'ab'[number % 2]}/{number}") for number in range(40)))
    stop = asyncio.Event()
    running = asyncio.create_task(engine.dispatch.run(stop))
    for _ in range(300):
        await asyncio.sleep(0)
        await engine.store.counts()
    stop.set()
    engine.bell.ring()
    await running
    await engine.dispatch.finish(0)
    assert sorted(sha[0] for sha in shas(toy)) == ["a"] * 8 + ["b"] * 2


@pytest.mark.fault("T-26")
async def test_at_rest_nothing_spins(engine: Engine, toy: Everywhere) -> None:
    """With every destination shut and a thousand deliveries due, the loop sleeps until one opens."""
    toy.down = {"a"}
    claimed = 0
    store = engine.store
    before = store.claim

    async def counted(*args: Any, **more: Any) -> Any:
        nonlocal claimed
        claimed += 1
        return await before(*args, **more)

    store.claim = counted  # type: ignore[method-assign]
    await engine.hear(*(push(number, f"a/{number}") for number in range(100)))
    while await step(engine):
        pass
    claimed = 0
    stop = asyncio.Event()
    running = asyncio.create_task(engine.dispatch.run(stop))
    for _ in range(500):
        await asyncio.sleep(0)
        await store.counts()
    stop.set()
    engine.bell.ring()
    await running
    assert claimed <= 3


def test_what_is_known_is_shown(time: FakeClock, told: Told) -> None:
    """For `router deliveries destinations`: what is shut, why and until when."""
    known = Destinations({}, time, told, limits=Limits(time), trip=Trip(failures=1, wait=10))
    known.circuits.failed("webhook/a", "503")
    (row,) = known.shown()
    assert row == {
        "name": "webhook/a",
        "failures": 1,
        "reason": "503",
        "until": time.now() + 10_000_000,
        "state": "open",
    }


def test_a_limit_that_comes_with_a_reload_holds_for_what_is_known(
    engine: Engine, toy: Everywhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    """router.yaml gives a destination one, or takes it away again, while deliveries go there without a credential."""
    monkeypatch.setattr(toy, "destination", lambda _options: Destination(name="fast"))
    destinations = engine.dispatch.destinations
    guest, parsed = engine.dispatch.guests["toy"], Options(sha="fast/1")
    assert destinations.target(guest, parsed).limits == ()
    limit = Limit(name="toy/fast", rate=1)
    destinations.terms = {"toy/fast": Terms(limit=limit)}
    assert destinations.target(guest, parsed).limits == (limit,)
    destinations.terms = {}
    assert destinations.target(guest, parsed).limits == ()
