"""The way back: polls into the journal, and the journal as events."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import pytest

from router.core.errors import Transient
from router.core.model import Receipt, Report, Status, changed
from router.engine import follow as module
from router.engine.echo import Echo
from router.engine.follow import Follow
from router.testing import FakeClock
from tests.engine.way.parts import RULES, SHA, START, Engine, LookingToy, Told, assemble, push

if TYPE_CHECKING:
    from collections.abc import Sequence

    from router.engine.store.base import Store

CHAINED = (
    RULES
    + """
  - name: tell
    when: {source: spindle, status: failed, branch: main, workflow: ci}
    do:
      - toy: {sha: "{{ sha }}"}
"""
)


def follow(engine: Engine) -> Follow:
    guest = engine.dispatch.guests["toy"]
    assert isinstance(engine.toy, LookingToy)
    return Follow(guest, engine.toy, engine.store, engine.bell, engine.told, engine.dispatch.host, 10.0)


async def built(engine: Engine) -> str:
    await engine.hear(push())
    await engine.work()
    (row,) = await engine.store.deliveries()
    return row.id


async def test_news_of_a_build_go_to_the_journal_once(engine: Engine) -> None:
    """Running, and running again, is told once; after the end nobody asks any more."""
    delivery = await built(engine)
    following = follow(engine)
    engine.toy.reports = [Report(delivery=delivery, status=Status.RUNNING, at=START)]
    assert await following.look()
    assert await following.look()
    engine.toy.reports = [Report(delivery=delivery, status=Status.SUCCESS, at=START + 1, url="https://ci/1")]
    assert await following.look()
    assert not await following.look()
    assert [str(entry.status) for entry in engine.told.entries] == ["pending", "running", "success"]
    assert engine.told.entries[-1].workflow == "ci"


async def test_a_ci_that_does_not_answer_is_asked_again(engine: Engine) -> None:
    """Transient failures and bugs are told, and the following goes on."""
    delivery = await built(engine)
    following = follow(engine)
    for error in (Transient("503"), ZeroDivisionError("bug")):
        engine.toy.reports = error
        assert await following.look()
    assert len(engine.told.faults) == 2
    engine.toy.reports = [Report(delivery=delivery, status=Status.FAILED, at=START)]
    assert await following.look()
    assert engine.told.entries[-1].status is Status.FAILED


async def test_reports_of_others_builds_are_ignored(engine: Engine) -> None:
    """A provider that reports on a delivery that it was not asked about changes nothing."""
    await built(engine)
    engine.toy.reports = [Report(delivery="f" * 32, status=Status.FAILED, at=START)]
    assert await follow(engine).look()
    assert [str(entry.status) for entry in engine.told.entries] == ["pending"]


async def test_our_statuses_are_events_for_rules(store: Store, time: FakeClock, told: Told) -> None:
    """A failed build sets off the rule that asks for it, with the push's own fields, and once however often it is heard."""
    engine = assemble(store, time, told, LookingToy(), CHAINED)
    delivery = await built(engine)
    await store.tell([_failed(delivery)], time.now())
    for _ in range(2):
        await _echo(engine, until=2)
    rules = [row.rule for row in await store.deliveries()]
    assert sorted(rules) == ["test/build", "test/tell"]
    event = next(event for event, plan, _ in told.plans if plan.matched == ("test/tell",))
    assert (event.depth, event.fields["branch"], event.record["rule"]) == (1, "main", "test/build")


async def test_a_status_is_heard_although_nobody_listened(store: Store, time: FakeClock, told: Told) -> None:
    """What was journalled before a crash is heard after it: the echo keeps a cursor."""
    engine = assemble(store, time, told, LookingToy(), CHAINED)
    delivery = await built(engine)
    await _echo(engine, until=1)
    await store.tell([_failed(delivery)], time.now())
    await _echo(engine, until=2)
    assert len(await store.deliveries()) == 2


async def test_a_delivery_without_a_report_is_no_event(store: Store, time: FakeClock, told: Told) -> None:
    """A webhook's own success must not set off the rule that sent it."""
    text = RULES.replace("    report: {workflow: ci}\n", "")
    engine = assemble(store, time, told, LookingToy(), text)
    delivery = await built(engine)
    await store.tell([_failed(delivery, workflow="")], time.now())
    await _echo(engine, until=1)
    assert [event.nsid for event, *_ in told.plans] == ["sh.tangled.git.refUpdate"]


async def test_a_status_tells_whether_it_is_a_change(store: Store, time: FakeClock, told: Told) -> None:
    """What a rule needs to know that a branch broke or healed: the verdict before, and whether a later build has spoken."""
    engine = assemble(store, time, told, LookingToy(), CHAINED)
    await engine.hear(push(1), push(2), push(3))
    first, second, third = reversed([row.id for row in await store.deliveries()])
    for delivery, status in ((first, Status.FAILED), (third, Status.SUCCESS), (second, Status.FAILED)):
        await store.tell([changed(_failed(delivery), status=status)], time.now())
    await _echo(engine, until=6)
    verdicts = {
        event.record["delivery"]: event.record
        for event, *_ in told.plans
        if event.record.get("status") in ("failed", "success")
    }
    assert "previous" not in verdicts[first]
    assert verdicts[third]["previous"] == "failed"
    assert [verdicts[one].get("outdated") for one in (first, second, third)] == [None, True, None]


KNOWN: dict[str, Any] = {"repo": {"default_branch": "main"}}
UNKNOWN: dict[str, Any] = {"repo": {}}


@pytest.mark.parametrize(
    ("fields", "record", "kind", "expected"),
    [
        ({"branch": "main"} | KNOWN, {}, "knot", True),
        ({"branch": "x"} | KNOWN, {"meta": {"isDefaultRef": True}}, "knot", False),
        ({"branch": "main"} | UNKNOWN, {"meta": {"isDefaultRef": True}}, "knot", True),
        ({"branch": "main"}, {"meta": {"isDefaultRef": False}}, "knot", False),
        ({"branch": "main"}, {"meta": {"isDefaultRef": True}}, "jetstream", None),
        ({"branch": "main"}, {"meta": {"isDefaultRef": "yes"}}, "knot", None),
        ({"branch": "main"}, {"meta": None}, "knot", None),
        ({"tag": "v1"} | KNOWN, {"meta": {"isDefaultRef": True}}, "knot", None),
    ],
)
async def test_a_status_tells_whether_it_is_of_the_default_branch(
    store: Store,
    time: FakeClock,
    told: Told,
    fields: dict[str, Any],
    record: dict[str, Any],
    kind: str,
    expected: bool | None,  # noqa: FBT001
) -> None:
    """By the default branch's name where the event has it, else by the knot's word; nothing is said that is not known."""
    engine = assemble(store, time, told, LookingToy(), RULES.replace(", branch: main", ""))
    await engine.hear(changed(push(), fields={**fields, "trigger": "push", "sha": SHA}, record=record, kind=kind))
    await _echo(engine, until=1)
    (status,) = [event for event, *_ in told.plans if event.kind == "spindle"]
    assert status.record.get("defaultBranch") is expected


def _failed(delivery: str, workflow: str = "ci"):  # type: ignore[no-untyped-def]
    from router.core.model import Entry  # noqa: PLC0415

    return Entry(delivery=delivery, workflow=workflow, status=Status.FAILED, at=START)


async def _echo(engine: Engine, until: int) -> None:
    """Let the echo hear the journal up to a row, and stop it there."""
    listening = asyncio.create_task(engine.intake.listen(Echo(engine.store, engine.bell)))
    while (await engine.store.cursor(Echo.name) or 0) < until:
        await asyncio.sleep(0)
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)


async def test_builds_that_never_end_hide_no_others(
    store: Store, time: FakeClock, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each look asks about the next few, and about the first again after the last; a provider that may ask about half of them
    gets to all in the end."""
    monkeypatch.setattr(module, "PAGE", 4)
    asked: list[list[str]] = []

    class Half(LookingToy):
        async def poll(self, receipts: Sequence[tuple[str, Receipt]], /) -> Sequence[Report]:
            asked.append([name for name, _ in receipts])
            return []

    engine = assemble(store, time, told, Half(), RULES.replace("branch: main", 'branch: "**"'))
    await engine.hear(*(push(number, f"b{number}") for number in range(10)))
    await engine.work()
    following = follow(engine)
    for _ in range(40):
        assert await following.look()
    assert [len(page) for page in asked[:4]] == [4, 4, 2, 4]
    assert {name for page in asked[:3] for name in page} == {row.id for row in await store.deliveries(limit=99)}
    assert {name for page in asked for name in page[:2]} == {row.id for row in await store.deliveries(limit=99)}


async def test_a_status_has_the_same_id_in_every_life_of_the_store(engine: Engine) -> None:
    """A restored store tells it under another number of the journal; what follows from it must get the id that it had."""
    await engine.hear(push(1), push(2))
    second, first = await engine.store.deliveries()
    ids = []
    async with aclosing(Echo(engine.store, engine.bell).hear(0)) as statuses:  # type: ignore[type-var]
        ids += [one.event.id for one in await anext(statuses) if one.event is not None]
    assert ids == [f"{first.id}/0/pending", f"{second.id}/0/pending"]
