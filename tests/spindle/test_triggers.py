"""Triggers on their way: stored as they are heard, held until they are complete, planned once."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from router.core.errors import RouterError
from router.core.model import RecordChange, Status, changed
from router.engine.store.sqlite import open_store
from router.spindle.roster import Repo
from router.spindle.triggers import GIVE_UP, GRACE, STRANGE, STRANGERS_LANES, Triggers
from router.testing import FakeClock
from tests.engine.way.parts import ALICE, HELLO, RULES, Engine, LookingToy, Told, assemble, push

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from router.core.model import Event

ID = "3mvhu2kwuyh2"
REPO = Repo(did=HELLO, owner=ALICE, rkey="hello", name="hello", knot="knot.example")


@dataclass
class Roster:
    """Knows one repo, or none."""

    ours: bool = True
    applied: list[RecordChange] = field(default_factory=list)

    def repo_of(self, event: Event) -> Repo | None:
        repo = event.fields.get("repo") or {}
        return REPO if self.ours and repo.get("did", HELLO) == HELLO else None

    def apply(self, changes: Sequence[RecordChange]) -> None:
        self.applied += changes

    def collaborators(self, repo: str) -> frozenset[str]:
        return frozenset()


@dataclass
class Records:
    changes: list[RecordChange] = field(default_factory=list)

    def of(self, event: Event) -> list[RecordChange]:
        return self.changes

    def stored(self, changes: Sequence[RecordChange]) -> None: ...


@dataclass
class Completer:
    """Completes, or fails as told; counts how many it is at. `gate` holds it up."""

    answers: deque[Exception] = field(default_factory=deque)
    asked: list[str] = field(default_factory=list)
    gate: asyncio.Event | None = None
    at_once: int = 0
    most: int = 0

    def named(self, event: Event) -> Event:
        return event

    async def complete(self, event: Event) -> Event:
        self.asked.append(event.id)
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        try:
            if self.gate is not None:
                await self.gate.wait()
            if self.answers:
                raise self.answers.popleft()
        finally:
            self.at_once -= 1
        return self._named(event)

    async def given_up(self, event: Event, why: str) -> Event:
        return changed(self._named(event), fields={**self._named(event).fields, "refused": why})

    def _named(self, event: Event) -> Event:
        name = ID + "2345abcdef"[len(self.asked) % 10]
        about = {"id": name, "uri": f"at://x/{name}", "knot": "knot.example", "key": event.id}
        return changed(event, fields={**event.fields, "pipeline": about})


@dataclass
class Parts:
    engine: Engine
    triggers: Triggers
    roster: Roster
    records: Records
    completer: Completer

    async def until(self, condition: Callable[[], Any]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                await asyncio.sleep(0)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.triggers.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def parts() -> AsyncIterator[Parts]:
    store = await open_store(":memory:")
    clock, told = FakeClock(), Told()
    engine = assemble(store, clock, told, LookingToy(), RULES)
    roster, records, completer = Roster(), Records(), Completer()
    triggers = Triggers(store, engine.intake, roster, records, completer, clock, told, closest=lambda _event: "none")  # type: ignore[arg-type]
    engine.intake.spindle = triggers
    yield Parts(engine, triggers, roster, records, completer)
    await store.close()


async def test_a_trigger_is_stored_before_it_is_complete(parts: Parts) -> None:
    """With its cursor: a crash while its files are fetched finds it where it was, and the rules have not seen it."""
    await parts.engine.hear(push())
    (row,) = await parts.engine.store.undecided()
    assert row.troubles[0]["sentence"].startswith("It is a trigger")
    assert await parts.engine.store.deliveries() == []
    assert await parts.engine.store.cursor("listed") == 1


@pytest.mark.acceptance("A-02")
async def test_a_complete_trigger_is_planned_once(parts: Parts) -> None:
    """As the same event, in a run of its own; hearing it again changes nothing."""
    async with parts.running():
        await parts.engine.hear(push())
        await parts.until(lambda: parts.engine.told.entries)
        await parts.engine.hear(push())
    (delivery,) = await parts.engine.store.deliveries()
    assert delivery.workflow == "ci"
    (found,), _ = await parts.engine.store.pipelines(HELLO)
    assert [(one.name, one.status) for one in found.workflows] == [("ci", Status.PENDING)]
    assert parts.completer.asked == ["sh.tangled.git.refUpdate/1"]


async def test_a_push_without_a_rule_is_told(parts: Parts) -> None:
    """A workflow that is over, with the reason."""
    async with parts.running():
        await parts.engine.hear(push(branch="dev"))
        await parts.until(lambda: any(plan.troubles == () for _, plan, _ in parts.engine.told.plans))
    (found,), _ = await parts.engine.store.pipelines(HELLO)
    assert [(one.name, one.status, one.error) for one in found.workflows] == [("router", Status.CANCELLED, "none")]


async def test_what_strangers_push_is_for_the_rules_alone(parts: Parts) -> None:
    """Of a source that the operator configured: the router is a router, too. No run is made of it."""
    parts.roster.ours = False
    await parts.engine.hear(push())
    assert len(await parts.engine.store.deliveries()) == 1
    assert await parts.engine.store.pipelines(HELLO) == ([], 0)


@pytest.mark.threat("S-15")
async def test_what_strangers_push_on_our_own_lines_is_nobodys_business(parts: Parts) -> None:
    """A knot that hosts one repo of ours hosts thousands of others: nothing is kept of them but the cursor."""
    parts.roster.ours = False
    parts.triggers.own_sources.add("my-knot")
    await parts.engine.hear(push())
    assert await parts.engine.store.events() == []
    assert await parts.engine.store.cursor("listed") == 1


async def test_a_push_may_come_before_the_record_of_its_repo(parts: Parts) -> None:
    """The knot is faster than Jetstream: the push counts as soon as the repo is known to be ours."""
    parts.roster.ours = False
    parts.triggers.own_sources.add("my-knot")
    await parts.engine.hear(*(push(number) for number in range(STRANGE + 1)))
    parts.roster.ours = True
    async with parts.running():
        await parts.until(lambda: len(parts.completer.asked) >= STRANGE)
    assert "sh.tangled.git.refUpdate/0" not in parts.completer.asked


async def test_too_late_is_too_late(parts: Parts) -> None:
    """A push of long ago is not built because its repo chose us today."""
    parts.roster.ours = False
    parts.triggers.own_sources.add("my-knot")
    await parts.engine.hear(push())
    parts.engine.time.forward(301)
    parts.roster.ours = True
    async with parts.running():
        await parts.engine.hear(push(2))
        await parts.until(lambda: parts.completer.asked)
    assert parts.completer.asked == ["sh.tangled.git.refUpdate/2"]


async def test_a_peer_without_an_answer_is_asked_again(parts: Parts) -> None:
    """Later each time; the trigger is kept, and others do not wait for it."""
    parts.completer.answers.append(RouterError("The knot does not answer."))
    async with parts.running():
        await parts.engine.hear(push())
        await parts.until(lambda: parts.engine.told.faults)
        parts.triggers.wake()
        await asyncio.sleep(0)
        assert len(parts.completer.asked) == 1
        parts.engine.time.forward(3)
        parts.triggers.wake()
        await parts.until(lambda: parts.engine.told.entries)
    assert len(parts.completer.asked) == 2


async def test_a_peer_that_never_answers_is_given_up(parts: Parts) -> None:
    """And whoever waits for the check is told."""
    await parts.engine.hear(push())
    parts.engine.time.forward(GIVE_UP / 1_000_000 + 1)
    parts.completer.answers.append(RouterError("The knot does not answer."))
    async with parts.running():
        await parts.until(lambda: parts.completer.asked)
        await parts.until(lambda: len(parts.engine.told.plans) > 1)
    (found,), _ = await parts.engine.store.pipelines(HELLO)
    assert "The knot does not answer." in found.workflows[0].error


async def test_a_bug_met_by_one_trigger_ends_no_other(parts: Parts) -> None:
    """It is told, and the trigger is kept."""
    parts.completer.answers.append(KeyError("a bug"))
    async with parts.running():
        await parts.engine.hear(push(1), push(2))
        await parts.until(lambda: parts.engine.told.entries)
    assert any("A bug" in fault for fault in parts.engine.told.faults)
    assert len(await parts.engine.store.undecided()) == 1


@pytest.mark.parity(24)
async def test_triggers_of_one_repo_are_completed_in_their_order(parts: Parts) -> None:
    """One at a time: of two pushes, the first is built first."""
    parts.completer.gate = asyncio.Event()
    async with parts.running():
        await parts.engine.hear(push(1), push(2), push(3))
        await parts.until(lambda: parts.completer.asked)
        parts.completer.gate.set()
        await parts.until(lambda: len(parts.completer.asked) == 3)
    assert parts.completer.most == 1
    assert parts.completer.asked == [f"sh.tangled.git.refUpdate/{number}" for number in (1, 2, 3)]


def pulled(number: int) -> Event:
    """A stranger's pull request, of an account of its own."""
    given = push(number)
    fields = {**given.fields, "trigger": "pull_request", "actor": f"did:plc:{number}"}
    return changed(given, kind="jetstream", nsid="sh.tangled.repo.pull", id=f"{number}", fields=fields)


async def test_strangers_hold_up_nobody_else(parts: Parts) -> None:
    """Any number of pull requests whose servers never answer: a few are asked at once, and the repo's pushes do not wait."""
    parts.completer.gate = asyncio.Event()
    async with parts.running():
        await parts.engine.hear(*(pulled(number) for number in range(30)))
        await parts.until(lambda: parts.completer.at_once == STRANGERS_LANES)
        await parts.engine.hear(push(99))
        await parts.until(lambda: "sh.tangled.git.refUpdate/99" in parts.completer.asked)
        assert parts.completer.at_once == STRANGERS_LANES + 1


@pytest.mark.threat("S-15")
async def test_no_more_strangers_wait_than_is_good(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those beyond are refused, counted and explained, without asking anybody."""
    monkeypatch.setattr("router.spindle.triggers.STRANGERS", 2)
    parts.completer.gate = asyncio.Event()
    async with parts.running():
        await parts.engine.hear(*(pulled(number) for number in range(5)))
        await parts.until(lambda: len(parts.engine.told.plans) == 8)
    refused = await parts.engine.store.refused(0)
    assert refused == {"More than 2 pull requests of strangers wait to be looked at.": 3}


def old_push(number: int) -> Event:
    """As a knot of 2025 says it: without the repo's DID."""
    given = push(number)
    return changed(given, record={name: value for name, value in given.record.items() if name != "repo"})


def compiled(number: int) -> Event:
    """What such a knot made of the same push."""
    given = push(number)
    return changed(given, nsid="sh.tangled.pipeline", id=f"sh.tangled.pipeline/{ID}{number}", record={"workflows": []})


async def test_an_older_knots_push_waits_for_its_pipeline(parts: Parts) -> None:
    """What the knot compiled is the trigger, because appviews of that generation know it by the knot's name; it goes first."""
    async with parts.running():
        await parts.engine.hear(old_push(1))
        await asyncio.sleep(0)
        assert parts.completer.asked == []
        await parts.engine.hear(compiled(2))
        await parts.until(lambda: len(parts.completer.asked) == 1)
        assert parts.completer.asked == [f"sh.tangled.pipeline/{ID}2"]
        parts.engine.time.forward(GRACE / 1_000_000 + 1)
        parts.triggers.wake()
        await parts.until(lambda: len(parts.completer.asked) == 2)


async def test_an_older_knots_push_does_not_wait_for_ever(parts: Parts) -> None:
    """A repo without workflow files has no pipeline, and may have rules."""
    await parts.engine.hear(old_push(1))
    parts.engine.time.forward(GRACE / 1_000_000 + 1)
    async with parts.running():
        await parts.until(lambda: parts.engine.told.entries)
    assert len(await parts.engine.store.deliveries()) == 1


async def test_records_are_mirrored_with_their_event(parts: Parts) -> None:
    """And the roster learns of them once they are stored."""
    change = RecordChange(did="did:plc:x", collection="sh.tangled.repo", rkey="a", record={"spindle": "s"})
    parts.records.changes = [change]
    await parts.engine.hear(push())
    assert parts.roster.applied == [change]
    assert await parts.engine.store.records("sh.tangled.repo") == [change]
