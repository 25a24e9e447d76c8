"""The way out: every outcome of an attempt, and what a crash leaves."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from pydantic import BaseModel

from router.core.errors import Ambiguous, Permanent, RateLimited, RouterError, Transient
from router.core.model import Receipt, State, Status
from router.engine.store.base import Store
from router.secret import SecretMissing
from router.testing import FakeClock
from tests.engine.way.parts import HELLO, RULES, START, Engine, LookingToy, Told, Toy, assemble, push


async def test_a_delivery_is_made_once_and_done(engine: Engine) -> None:
    """The provider gets its own options, the id and the first attempt; the receipt is kept."""
    await engine.hear(push())
    await engine.work()
    (made,) = engine.toy.made
    (row,) = await engine.store.deliveries()
    assert (made.id, made.attempt, made.options.sha) == (row.id, 1, row.sha)
    shown = await engine.store.delivery(row.id)
    assert shown is not None
    assert (shown.state, shown.receipt["id"]) == (State.DONE, "build-1")


async def test_a_transient_failure_is_tried_again_when_it_is_due(engine: Engine) -> None:
    """Not before; then it is done."""
    engine.toy.answers = deque([Transient("busy"), Receipt(id="x")])
    await engine.hear(push())
    await engine.work()
    assert await engine.states() == ["ready"]
    await engine.work()
    assert len(engine.toy.made) == 1
    engine.time.forward(10)
    await engine.work()
    assert await engine.states() == ["done"]
    assert [made.attempt for made in engine.toy.made] == [1, 2]


async def test_attempts_come_to_an_end(engine: Engine) -> None:
    """After the policy's attempts it is a dead letter with its reason, and the workflow failed."""
    engine.toy.answers = deque([Transient("busy")] * 9)
    await engine.hear(push())
    for _ in range(9):
        await engine.work()
        engine.time.forward(100)
    assert len(engine.toy.made) == 3
    (row,) = await engine.store.deliveries()
    assert row.state is State.DEAD
    assert "3 attempts" in row.reason
    assert engine.told.entries[-1].status is Status.FAILED


async def test_being_told_to_wait_uses_up_no_attempt(engine: Engine) -> None:
    """Nine answers of 429 and then it is built."""
    engine.toy.answers = deque([Transient("slow down", retry_after=60.0, counts=False)] * 9)
    await engine.hear(push())
    for _ in range(10):
        await engine.work()
        engine.time.forward(62)
    assert await engine.states() == ["done"]


async def test_a_permanent_failure_is_a_dead_letter_at_once(engine: Engine) -> None:
    """With what the other side answered."""
    engine.toy.answers = deque([Permanent("no such pipeline", response='{"message": "Not found"}')])
    await engine.hear(push())
    await engine.work()
    (row,) = await engine.store.deliveries()
    shown = await engine.store.delivery(row.id)
    assert shown is not None
    assert (shown.state, shown.reason) == (State.DEAD, "no such pipeline")
    assert "Not found" in shown.attempts[-1]["response"]


async def test_a_bug_in_a_provider_is_a_dead_letter_and_ends_nothing(engine: Engine) -> None:
    """The next delivery is made all the same."""
    engine.toy.answers = deque([ZeroDivisionError("oops"), Receipt(id="x")])
    await engine.hear(push(1), push(2))
    await engine.work()
    assert sorted(await engine.states()) == ["dead", "done"]
    assert "bug" in engine.told.faults[0].lower()


async def test_a_missing_secret_parks_the_delivery(engine: Engine) -> None:
    """It waits for the operator, and none of its attempts is used up."""
    engine.toy.answers = deque([SecretMissing("The environment variable X is not set.")] * 5)
    await engine.hear(push())
    for _ in range(6):
        await engine.work()
        engine.time.forward(61)
    assert await engine.states() == ["done"]


async def test_an_ambiguous_outcome_is_looked_up_before_anything_else(engine: Engine) -> None:
    """No sooner than the provider's look-ups can be believed; what is found is done, and not made again."""
    engine.toy.answers = deque([Ambiguous("no answer")])
    engine.toy.looks = deque([Receipt(id="found")])
    await engine.hear(push())
    await engine.work()
    assert await engine.states() == ["verify"]
    engine.time.forward(14)
    await engine.work()
    assert engine.toy.found == 0
    engine.time.forward(2)
    await engine.work()
    assert (engine.toy.found, len(engine.toy.made)) == (1, 1)
    assert await engine.states() == ["done"]


@pytest.mark.fault("T-19")
async def test_a_clock_that_leaps_brings_no_look_up_forward(engine: Engine) -> None:
    """Fifteen seconds are over when they have passed, whatever the wall's clock says by then."""
    engine.toy.answers = deque([Ambiguous("no answer")])
    engine.toy.looks = deque([Receipt(id="found")])
    await engine.hear(push())
    await engine.work()
    engine.time.leap(3600)
    await engine.work()
    engine.time.forward(14)
    await engine.work()
    assert (engine.toy.found, len(engine.toy.made)) == (0, 1)
    engine.time.forward(1)
    await engine.work()
    assert (engine.toy.found, len(engine.toy.made)) == (1, 1)
    assert await engine.states() == ["done"]


async def test_what_surely_did_not_happen_is_made_again(engine: Engine) -> None:
    """A look-up that finds nothing, begun late enough, lets it be made."""
    engine.toy.answers = deque([Ambiguous("no answer"), Receipt(id="second")])
    await engine.hear(push())
    await engine.work()
    engine.time.forward(16)
    await engine.work()
    assert (engine.toy.found, len(engine.toy.made)) == (1, 2)
    assert await engine.states() == ["done"]


async def test_a_look_up_that_fails_proves_nothing(engine: Engine) -> None:
    """However often it fails, nothing is made again until one succeeds."""
    engine.toy.answers = deque([Ambiguous("no answer")])
    engine.toy.looks = deque([Transient("503"), ZeroDivisionError("bug"), Receipt(id="found")])
    engine.toy.looks = deque([Transient("503")] * 8 + [Receipt(id="found")])
    await engine.hear(push())
    for _ in range(12):
        await engine.work()
        engine.time.forward(3600)
    assert len(engine.toy.made) == 1
    assert await engine.states() == ["done"]


async def test_a_crash_in_the_middle_is_ambiguous(engine: Engine) -> None:
    """A claim whose lease ran out is looked up, no sooner than a look-up can be believed."""
    await engine.hear(push())
    await engine.store.claim("dead process", 8, 30.0, engine.time.now(), {})
    assert await engine.store.recover(engine.time.now()) == 0
    engine.time.forward(91)
    assert await engine.store.recover(engine.time.now()) == 1
    await engine.work()
    assert engine.toy.found == 0
    engine.time.forward(16)
    engine.toy.looks = deque([Receipt(id="found")])
    await engine.work()
    assert (engine.toy.found, len(engine.toy.made)) == (1, 0)
    assert await engine.states() == ["done"]


@pytest.mark.parametrize(("idempotent", "state", "made"), [(True, "done", 1), (False, "dead", 0)])
async def test_without_look_ups_only_the_idempotent_is_made_again(
    store: Store, time: FakeClock, told: Told, *, idempotent: bool, state: str, made: int
) -> None:
    """After a crash a webhook is sent again; a shell command is a dead letter that says why."""
    toy = Toy()
    engine = assemble(store, time, told, toy, idempotent=idempotent)
    await engine.hear(push())
    await store.claim("dead process", 8, 30.0, time.now(), {})
    time.forward(91)
    await store.recover(time.now())
    await engine.work()
    assert (await engine.states(), len(toy.made)) == ([state], made)


async def test_a_step_may_say_that_it_is_idempotent(store: Store, time: FakeClock, told: Told) -> None:
    """What the provider is not, one step can be."""
    toy = Toy()
    engine = assemble(store, time, told, toy, RULES.replace("- toy:", "- idempotent: true\n        toy:"))
    await engine.hear(push())
    await store.claim("dead process", 8, 30.0, time.now(), {})
    time.forward(91)
    await store.recover(time.now())
    await engine.work()
    assert await engine.states() == ["done"]


async def test_an_attempt_that_takes_too_long_is_ambiguous(store: Store, time: FakeClock, told: Told) -> None:
    """It is cut off at the step's timeout, and looked up."""
    engine = assemble(store, time, told, LookingToy(hang=True), RULES.replace("- toy:", "- timeout: 10ms\n        toy:"))
    await engine.hear(push())
    await engine.work()
    (row,) = await store.deliveries()
    assert row.state is State.VERIFY
    assert "No answer within 0.01 s" in row.reason


async def test_a_status_that_is_known_at_once_is_told_at_once(engine: Engine) -> None:
    """A command is over when it is delivered: its receipt's status goes to the journal in the same commit."""
    engine.toy.answers = deque([Receipt(id="x", status=Status.FAILED, exit_code=3, error="exited with 3")])
    await engine.hear(push())
    await engine.work()
    last = engine.told.entries[-1]
    assert (last.status, last.exit_code, last.error) == (Status.FAILED, 3, "exited with 3")
    (row,) = await engine.store.deliveries()
    assert (row.state, row.status) == (State.DONE, "failed")


async def test_a_provider_that_is_gone_is_said_so(engine: Engine) -> None:
    """A delivery of yesterday's rule, whose provider was uninstalled, is a dead letter."""
    await engine.hear(push())
    engine.dispatch.guests = {}
    await engine.work()
    (row,) = await engine.store.deliveries()
    assert (row.state, "not installed" in row.reason) == (State.DEAD, True)


@pytest.mark.parity(80)
async def test_run_delivers_what_the_bell_announces_and_stops_when_told(engine: Engine) -> None:
    """Woken by the bell, never polling; after `stop` it claims nothing more."""
    stop = asyncio.Event()
    running = asyncio.create_task(engine.dispatch.run(stop))
    await engine.hear(push())
    while not engine.told.outcomes:
        engine.told.news.clear()
        await engine.told.news.wait()
    stop.set()
    engine.bell.ring()
    await running
    await engine.hear(push(2), first=2)
    assert await engine.states() == ["done", "ready"]


async def test_what_is_under_way_at_the_end_is_left_to_its_lease(store: Store, time: FakeClock, told: Told) -> None:
    """A stop waits for a while, then cancels; the delivery stays claimed, so that the next start looks it up."""
    engine = assemble(store, time, told, LookingToy(hang=True))
    stop = asyncio.Event()
    running = asyncio.create_task(engine.dispatch.run(stop))
    await engine.hear(push())
    while not engine.toy.made:
        await asyncio.sleep(0)
    stop.set()
    engine.bell.ring()
    await running
    await engine.dispatch.finish(0.01)
    assert await engine.states() == ["claimed"]
    assert time.now() == START


async def test_a_look_up_that_fails_after_the_last_attempt_gives_up_nothing(store: Store, time: FakeClock, told: Told) -> None:
    """The one attempt that there was may have built it: that is found however long the look-ups fail, ever more rarely."""
    toy = LookingToy(answers=deque([Ambiguous("no answer")]))
    toy.looks = deque([Transient("503")] * 6 + [Receipt(id="found")])
    engine = assemble(store, time, told, toy, RULES.replace("attempts: 3", "attempts: 1"))
    await engine.hear(push())
    waits: list[int] = []
    for _ in range(20):
        await engine.work()
        (row,) = await store.deliveries()
        waits.append(row.due - time.now())
        time.micros = max(time.now(), row.due)
    assert (row.state, len(toy.made), toy.found) == (State.DONE, 1, 7)
    assert waits[6] > 4 * waits[2]


async def test_a_look_up_waits_for_its_own_failures_alone(store: Store, time: FakeClock, told: Told) -> None:
    """A busy CI, and look-ups that came too early, make many attempts: the first look-up that fails is tried again soon all the
    same, and so is the first after one that could tell."""
    busy = [RateLimited("429", retry_after=1.0) for _ in range(9)]
    toy = LookingToy(answers=deque([*busy, Ambiguous("no answer"), *busy, Ambiguous("no answer")]))
    toy.looks = deque([Transient("503"), Transient("503"), None, Transient("503"), Receipt(id="found")])
    engine = assemble(store, time, told, toy, RULES.replace("factor: 2", "factor: 4"))
    await engine.hear(push())
    waits: list[int] = []
    for _ in range(40):
        looked = toy.found
        await engine.work()
        (row,) = await store.deliveries()
        if toy.found > looked and row.state is State.VERIFY:
            waits.append((row.due - time.now()) // 1_000_000)
        time.micros = max(time.now(), row.due)
    assert (row.state, toy.found) == (State.DONE, 5)
    first, second, anew = waits
    assert 5 <= first <= 10
    assert 20 <= second <= 40
    assert 5 <= anew <= 10


async def test_a_look_up_that_hangs_uses_up_no_attempt(store: Store, time: FakeClock, told: Told) -> None:
    """It sent nothing: afterwards the delivery still has all the attempts that were not made."""

    class Hangs(LookingToy):
        async def find(self, delivery: object, /) -> Receipt | None:
            self.found += 1
            if self.found < 5:
                await asyncio.Event().wait()
            return None

    toy = Hangs(answers=deque([Ambiguous("no answer")]))
    engine = assemble(store, time, told, toy, RULES.replace("- toy:", "- timeout: 10ms\n        toy:"))
    await engine.hear(push())
    for _ in range(12):
        await engine.work()
        time.forward(3600)
    assert (await engine.states(), len(toy.made)) == (["done"], 2)


@pytest.mark.parametrize("gone", ["provider", "options"])
async def test_whatever_makes_a_dead_letter_its_workflow_failed(engine: Engine, gone: str) -> None:
    """Also where there is nobody to deliver it any more: nobody waits for a build that will never be."""
    await engine.hear(push())
    if gone == "provider":
        engine.dispatch.guests = {}
    else:
        guest = engine.dispatch.guests["toy"]
        engine.dispatch.guests = {"toy": replace(guest, plugin=replace(guest.plugin, options=Other))}
    await engine.work()
    (row,) = await engine.store.deliveries()
    assert (row.state, row.status) == (State.DEAD, "failed")


class Other(BaseModel):
    """What the provider's next version wants said."""

    commit: str


async def test_a_lease_that_ran_out_is_looked_up_while_the_bell_rings_on(engine: Engine) -> None:
    """Leases end by the clock: a router that is never at rest finds a lost claim as one that sleeps does."""
    stop = asyncio.Event()
    await engine.hear(push())
    await engine.store.claim("me", 1, 30.0, engine.time.now(), {})
    engine.toy.looks = deque([Receipt(id="found")])
    running = asyncio.create_task(engine.dispatch.run(stop))
    for _ in range(200):
        engine.time.forward(1)
        engine.bell.ring()
        await engine.store.counts()
    stop.set()
    engine.bell.ring()
    await running
    await engine.dispatch.finish(5)
    assert (await engine.states(), engine.toy.found) == (["done"], 1)


async def test_a_clock_that_leaps_takes_nothing_from_who_is_at_it(store: Store, time: FakeClock, told: Told) -> None:
    """A machine that slept, or a clock that was set: the attempt under way goes on, and no other begins beside it."""
    engine = assemble(store, time, told, LookingToy(hang=True))
    stop = asyncio.Event()
    running = asyncio.create_task(engine.dispatch.run(stop))
    await engine.hear(push())
    while not engine.toy.made:
        await asyncio.sleep(0)
    for _ in range(20):
        time.forward(3600)
        engine.bell.ring()
        await store.counts()
    assert (await engine.states(), len(engine.toy.made), engine.toy.found) == (["claimed"], 1, 0)
    stop.set()
    engine.bell.ring()
    await running
    await engine.dispatch.finish(0)


SECRETIVE = """
rules:
  - name: build
    do: [{toy: {sha: "{{ sha }}"}, secrets: [KEY, NONE]}]
"""


class Vault:
    """Keeps one secret, or none at all."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    async def reveal(self, repo: str, keys: Sequence[str]) -> Mapping[str, str]:
        if self.error is not None:
            raise self.error
        return {key: f"canary of {repo}" for key in keys if key == "KEY"}


@pytest.mark.parametrize("engine", [(None, SECRETIVE)], indirect=True)
async def test_secrets_are_in_a_providers_hands_alone(engine: Engine) -> None:
    """Their names are stored; their values are read for each attempt, and are not even in what a delivery looks like."""
    engine.dispatch.vault = Vault()
    await engine.hear(push())
    await engine.work()
    (made,) = engine.toy.made
    assert made.revealed == {"KEY": f"canary of {HELLO}"}
    assert "canary" not in repr(made)
    assert all("canary" not in str(row) for row in await engine.store.deliveries())


@pytest.mark.parametrize("engine", [(None, SECRETIVE)], indirect=True)
@pytest.mark.parametrize(
    ("vault", "said"), [(None, "router.yaml has no `spindle`"), (Vault(RouterError("no key")), "cannot be read: no key")]
)
async def test_without_its_secrets_a_delivery_is_not_made(engine: Engine, vault: Vault | None, said: str) -> None:
    """It says what is missing; another attempt would change nothing."""
    engine.dispatch.vault = vault
    await engine.hear(push())
    await engine.work()
    assert await engine.states() == ["dead"]
    assert engine.toy.made == []
    assert said in engine.told.outcomes[-1].reason


async def test_whether_it_stands(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stands while it has places and does not look for what is due; not where all are taken, nor when it has ended."""
    now = [100.0]
    monkeypatch.setattr("router.engine.dispatch.monotonic", lambda: now[0])
    stop = asyncio.Event()
    running = asyncio.create_task(engine.dispatch.run(stop))
    await asyncio.sleep(0)
    assert not engine.dispatch.stands(20)
    now[0] += 21
    assert engine.dispatch.stands(20)
    engine.dispatch.concurrency = 0
    assert not engine.dispatch.stands(20)
    engine.dispatch.concurrency = 16
    stop.set()
    engine.bell.ring()
    await running
    assert not engine.dispatch.stands(20)
