"""The way in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from router.core.errors import RouterError, StoreError
from router.core.model import Event, Heard, Passed, Plan, RecordChange, changed
from router.core.plan import plan
from router.engine import intake
from router.engine.store.base import Accepted, Arrival, Store
from router.sources.base import Wants, everything
from router.spindle.triggers import Triggers
from router.testing import FakeClock
from tests.engine.way.parts import RULES, SHA, START, Engine, Listed, LookingToy, Told, assemble, book, push


@pytest.mark.parity(22)
async def test_an_event_its_deliveries_and_its_cursor_are_stored_together(engine: Engine) -> None:
    """After a push that matches, there is the event, one delivery, its first status and the cursor."""
    await engine.hear(push())
    assert await engine.store.cursor("listed") == 1
    (row,) = await engine.store.deliveries()
    assert (row.rule, str(row.state), row.sha, row.status) == ("test/build", "ready", SHA, "pending")
    (event,) = await engine.store.events()
    assert event.matched == ["test/build"]
    assert [str(entry.status) for entry in engine.told.entries] == ["pending"]


async def test_no_commit_leaves_a_cursor_past_what_it_stands_for(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever commit were the last: the events up to the cursor are in it."""
    accept, stood = engine.store.accept, list[tuple[int | None, int]]()

    async def watched(arrivals: Sequence[Arrival], now: int) -> Sequence[Accepted]:
        accepted = await accept(arrivals, now)
        stood.append((await engine.store.cursor("listed"), len(await engine.store.events())))
        return accepted

    monkeypatch.setattr(engine.store, "accept", watched)
    await engine.hear(*(push(number) for number in range(1, 6)))
    assert stood[-1] == (5, 5)
    assert [cursor for cursor, events in stood if cursor is not None and cursor > events] == []


async def test_what_is_heard_twice_is_acted_on_once(engine: Engine) -> None:
    """The same event from two sources, or after a reconnect, adds no delivery and is told as known."""
    await engine.hear(push())
    await engine.hear(changed(push(), source="other"), first=9)
    assert len(await engine.store.deliveries()) == 1
    assert [fresh for *_, fresh in engine.told.plans] == [True, False]


async def test_a_bad_frame_is_kept_and_passed_over(engine: Engine) -> None:
    """A frame that is no event moves the cursor, is in the ring, and what follows it is heard."""
    bad = Heard(bad="It is not JSON.", frame=b"{broken", cursor=5)
    await engine.intake.listen(Listed([bad, Heard(event=push(), cursor=6)]))
    assert engine.told.bad == ["It is not JSON."]
    assert await engine.store.cursor("listed") == 6
    (kept,) = await engine.store.bad_frames("listed")
    assert kept["why"] == "It is not JSON."
    assert len(await engine.store.deliveries()) == 1


async def test_a_source_is_asked_to_go_on_where_it_was(engine: Engine) -> None:
    """The cursor that was stored last is what `hear` gets; None on first contact."""
    first, second = Listed([Heard(event=push(), cursor=42)]), Listed([])
    await engine.intake.listen(first)
    await engine.intake.listen(second)
    assert (first.asked, second.asked) == ([None], [42])


async def test_the_bell_rings_for_what_is_committed(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever wakes by it finds the delivery: it rings after the commit, once, and not before."""
    accept, rung = engine.store.accept, list[int]()

    async def watched(arrivals: Any, now: int) -> Any:
        accepted = await accept(arrivals, now)
        rung.append(engine.bell.count)
        return accepted

    monkeypatch.setattr(engine.store, "accept", watched)
    await engine.hear(push())
    assert rung == [0]
    assert engine.bell.count == 1


async def test_batches_form_while_a_commit_is_under_way(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two thousand events from a source that never waits take few commits, each bounded, in order."""
    sizes: list[int] = []
    accept = engine.store.accept

    async def counted(arrivals: list[Arrival], now: int) -> object:
        sizes.append(len(arrivals))
        return await accept(arrivals, now)

    monkeypatch.setattr(engine.store, "accept", counted)
    await engine.hear(*(push(number) for number in range(2000)))
    assert sum(sizes) == 2000
    assert max(sizes) <= intake.BATCH
    assert len(sizes) < 20
    assert await engine.store.cursor("listed") == 2000


async def test_what_nobody_asks_for_waits_for_the_store_too(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full for hours: of a source that says nothing of interest no more is read, and no more waits in memory."""
    accept, room, said = engine.store.accept, asyncio.Event(), list[int]()

    async def waits(arrivals: Any, now: int) -> Any:
        await room.wait()
        return await accept(arrivals, now)

    class Endless(Listed):
        async def hear(self, cursor: int | None, wants: Wants = everything):  # type: ignore[no-untyped-def]
            for number in range(1, 4000):
                said.append(number)
                yield [Heard(cursor=number, passed=Passed("knot", {"sh.tangled.graph.follow": [START]}))]
                await asyncio.sleep(0)

    monkeypatch.setattr(engine.store, "accept", waits)
    listening = asyncio.create_task(engine.intake.listen(Endless([])))
    for _ in range(10_000):
        await asyncio.sleep(0)
    assert len(said) <= 2 * intake.BATCH
    room.set()
    await listening
    assert await engine.store.cursor("listed") == 3999


async def test_what_is_being_stored_is_told_though_its_source_is_stopped(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also while the source waits for that commit, because too much waits: what is stored and not told, nobody acts on."""
    accept, stored, room = engine.store.accept, asyncio.Event(), asyncio.Event()

    async def slowly(arrivals: Any, now: int) -> Any:
        accepted = await accept(arrivals, now)
        stored.set()
        await room.wait()
        return accepted

    class Batched(Listed):
        async def hear(self, cursor: int | None, wants: Wants = everything):  # type: ignore[no-untyped-def]
            yield [Heard(event=push(number), cursor=number) for number in range(1, 2 * intake.BATCH)]
            await asyncio.Event().wait()

    monkeypatch.setattr(engine.store, "accept", slowly)
    listening = asyncio.create_task(engine.intake.listen(Batched([])))
    await stored.wait()
    listening.cancel()
    for _ in range(10):
        await asyncio.sleep(0)
    room.set()
    await asyncio.wait((listening,))
    rows = await engine.store.events(limit=4 * intake.BATCH)
    assert len(engine.told.plans) == len(rows) > 0
    assert engine.bell.count


async def test_a_source_that_breaks_starts_again_and_loses_nothing(engine: Engine) -> None:
    """A bug in a source is told; after a pause it is asked again from the stored cursor, and what it said before is kept."""

    class Breaks(Listed):
        async def hear(self, cursor: int | None, wants: Wants = everything):  # type: ignore[no-untyped-def]
            self.asked.append(cursor)
            if len(self.asked) == 1:
                yield [Heard(event=push(1), cursor=1)]
                raise ZeroDivisionError
            yield [Heard(event=push(2), cursor=2)]

    source = Breaks([])
    await engine.intake.listen(source)
    assert source.asked == [None, 1]
    assert engine.time.slept == [intake.RESTART]
    assert "broke" in engine.told.faults[0]
    assert len(await engine.store.deliveries()) == 2


@pytest.mark.acceptance("A-11")
async def test_a_store_that_fails_ends_the_router(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """No source goes on, and no cursor moves, over a store that does not remember."""

    async def fails(arrivals: object, now: int) -> object:
        raise StoreError("the disk is gone")

    monkeypatch.setattr(engine.store, "accept", fails)
    with pytest.raises(StoreError, match="disk is gone"):
        await engine.hear(push())


@pytest.mark.parametrize(("record", "kept"), [("all", 3), ("wanted", 2), ("matched", 1)])
async def test_what_is_recorded_is_as_configured(store: Store, time: FakeClock, told: Told, record: str, kept: int) -> None:
    """`all`; what some rule is about (`wanted`); what matched. Deliveries are the same."""
    engine = assemble(store, time, told, LookingToy())
    engine.intake.record = record
    other = changed(push(3), nsid="sh.tangled.graph.follow", fields={})
    await engine.hear(push(1), push(2, branch="feature"), other)
    assert len(await store.events()) == kept
    assert len(await store.deliveries()) == 1
    assert await store.cursor("listed") == 3


async def test_a_rule_that_feeds_itself_stops(engine: Engine) -> None:
    """An event that too many of our own statuses led to is stored as heard, and no rule sees it."""
    await engine.hear(changed(push(), depth=intake.DEEPEST + 1))
    assert not await engine.store.deliveries()
    assert await engine.store.cursor("listed") == 1
    assert "feeds itself" in engine.told.faults[0]


HANDLE_RULES = RULES.replace("branch: main}", 'branch: main, owner: "@later.example"}')


async def test_an_event_waits_for_a_handle_that_is_not_known_yet(store: Store, time: FakeClock, told: Told) -> None:
    """Undecided, it is kept; planned again when the handle is known, it leads to its delivery, once."""
    engine = assemble(store, time, told, LookingToy(), HANDLE_RULES)
    await engine.hear(push())
    assert not await store.deliveries()
    assert len(await store.undecided()) == 1
    engine.directory.identities["later.example"] = push().fields["owner"]
    await engine.intake.plan_again()
    await engine.intake.plan_again()
    assert len(await store.deliveries()) == 1
    assert not await store.undecided()


async def test_rules_may_be_exchanged_between_two_events(engine: Engine) -> None:
    """The next event is decided by the new rules; what was planned stays."""
    await engine.hear(push(1))
    engine.intake.rulebook = book(RULES.replace("branch: main", "branch: other"))
    await engine.hear(push(2), first=2)
    assert len(await engine.store.deliveries()) == 1


async def test_a_bug_of_ours_stops_nothing_and_loses_nothing(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """An event that planning fails on is kept undecided, the next one is built, and the first once the bug is mended."""
    monkeypatch.setattr(intake, "plan", _fails_once(plan))
    await engine.hear(push(1), push(2))
    assert len(await engine.store.deliveries()) == 1
    assert "bug" in engine.told.faults[0].lower()
    await engine.intake.plan_again()
    assert len(await engine.store.deliveries()) == 2


def _fails_once(plan: Callable[..., Plan]) -> Callable[..., Plan]:
    failures = [ZeroDivisionError()]

    def failing(*given: Any) -> Plan:
        if failures:
            raise failures.pop()
        return plan(*given)

    return failing


TWO_HANDLES = """
rules:
  - name: never
    when: {branch: stuck, owner: "@never.example"}
    do: [toy: {}]
  - name: build
    when: {branch: main, owner: "@later.example"}
    do: [toy: {}]
"""


async def test_what_stays_undecided_hides_nothing_that_came_later(store: Store, time: FakeClock, told: Told) -> None:
    """However many events nobody will ever decide, those after them are planned again too."""
    engine = assemble(store, time, told, LookingToy(), TWO_HANDLES)
    await engine.hear(*(push(number, branch="stuck") for number in range(600)), push(600))
    engine.directory.identities["later.example"] = push().fields["owner"]
    await engine.intake.plan_again()
    assert len(await store.deliveries()) == 1


@pytest.mark.parametrize(
    ("error", "said"), [(RouterError("no such file"), "no such file"), (ZeroDivisionError(), "The source listed broke")]
)
async def test_a_source_that_is_not_to_start_again_ends_the_run(engine: Engine, error: Exception, said: str) -> None:
    """A file that cannot be read, in a run that waits for its end: what was heard is stored, and the reason is told."""

    class Breaks(Listed):
        async def hear(self, cursor: int | None, wants: Wants = everything):  # type: ignore[no-untyped-def]
            yield [Heard(event=push(), cursor=1)]
            raise error

    with pytest.raises(RouterError, match=said):
        await engine.intake.listen(Breaks([]), again=False)
    assert (engine.time.slept, await engine.states()) == ([], ["ready"])


def passing(number: int, cursor: int) -> Heard:
    return Heard(cursor=cursor, passed=Passed("jetstream", {"a.b.c": [START + one for one in range(number)]}))


async def test_what_nobody_asks_for_is_counted_and_moves_the_cursor(engine: Engine) -> None:
    """It takes no row, and one arrival stands for all of it."""
    await engine.intake.listen(Listed([passing(3, 3), Heard(event=push(), cursor=4), passing(2, 6)]))
    assert await engine.store.cursor("listed") == 6
    assert [one.count for one in engine.told.passed_over] == [3, 2]
    (source,) = [one for one in await engine.store.sources() if one.name == "listed"]
    assert source.events == 6
    assert len(await engine.store.events()) == 1


async def test_events_that_lead_to_nothing_are_one_arrival(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are in a batch: the store is told their number, and where the last one stood."""
    engine.intake.record = "matched"
    stored: list[Arrival] = []
    accept = engine.store.accept

    async def watched(arrivals: Any, now: int) -> Any:
        stored.extend(arrivals)
        return await accept(arrivals, now)

    monkeypatch.setattr(engine.store, "accept", watched)
    batch = [Heard(event=push(number, "topic"), cursor=number) for number in range(1, 301)]

    class Batched(Listed):
        async def hear(self, cursor: int | None, wants: Wants = everything):  # type: ignore[no-untyped-def]
            yield batch[:150]
            yield [*batch[150:], Heard(event=push(301), cursor=301)]

    await engine.intake.listen(Batched([]))
    assert sum(one.unkept for one in stored) == 300
    assert len(stored) == 3
    assert len(engine.told.plans) == 301
    assert await engine.store.cursor("listed") == 301


@pytest.mark.parametrize(
    ("record", "asked"),
    [("matched", ["sh.tangled.git.refUpdate"]), ("all", ["sh.tangled.git.refUpdate", "sh.tangled.feed.star"])],
)
async def test_sources_are_told_what_is_wanted(engine: Engine, record: str, asked: list[str]) -> None:
    """What rules ask for, as they are now; all of it, where all is recorded."""
    nsids = ["sh.tangled.git.refUpdate", "sh.tangled.feed.star"]
    engine.intake.record = record
    assert [nsid for nsid in nsids if engine.intake.wants(nsid)] == asked
    engine.intake.rulebook = book(RULES.replace("trigger: push, branch: main", "nsid: sh.tangled.feed.star"))
    assert engine.intake.wants("sh.tangled.feed.star")


@pytest.mark.parametrize(("record", "some"), [("matched", True), ("wanted", False), ("all", False)])
async def test_some_pull_requests_are_left_out_where_only_matches_are_recorded(
    engine: Engine, record: str, *, some: bool
) -> None:
    """And where no spindle needs them."""
    engine.intake.record = record
    engine.intake.rulebook = book(RULES.replace("trigger: push, branch: main", "trigger: pull_request, branch: main"))
    assert (engine.intake.wants("sh.tangled.repo.pull") is not True) is some

    class Needy(intake.Plain):
        def needs(self, nsid: str) -> bool:
            return True

    engine.intake.spindle = Needy()
    assert engine.intake.wants("sh.tangled.repo.pull") is True


async def test_an_event_before_one_that_breaks_the_way_in_is_stored(engine: Engine) -> None:
    """A bug of ours in the middle of a batch: what was decided before it is stored, and what follows is heard again."""

    class Broken(intake.Plain):
        def passes(self, event: Event) -> bool:
            if event.id.endswith("/2"):
                raise ZeroDivisionError
            return True

    class Batched(Listed):
        async def hear(self, cursor: int | None, wants: Wants = everything):  # type: ignore[no-untyped-def]
            self.asked.append(cursor)
            yield [Heard(event=push(number), cursor=number) for number in (1, 2, 3)][(cursor or 0) :]

    engine.intake.spindle = Broken()
    source = Batched([])
    with pytest.raises(RouterError, match="broke"):
        await engine.intake.listen(source, again=False)
    assert await engine.store.cursor("listed") == 1
    assert len(await engine.store.deliveries()) == 1
    engine.intake.spindle = intake.Plain()
    await engine.intake.listen(source)
    assert source.asked == [None, 1]
    assert len(await engine.store.deliveries()) == 3


async def test_what_waits_for_a_knot_keeps_nothing_before_it_waiting(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A knot that is slow to tell whose repo it is: what the source said before that is stored meanwhile."""
    answered = asyncio.Event()

    async def slow(event: Event) -> Event:
        await answered.wait()
        return event

    monkeypatch.setattr(engine.directory, "complete", slow)

    class Batched(Listed):
        async def hear(self, cursor: int | None, wants: Wants = everything):  # type: ignore[no-untyped-def]
            yield [Heard(event=push(1), cursor=1), Heard(event=push(2, named=False), cursor=2)]

    listening = asyncio.create_task(engine.intake.listen(Batched([])))
    while not engine.told.plans:
        engine.told.news.clear()
        await engine.told.news.wait()
    assert await engine.store.cursor("listed") == 1
    answered.set()
    await listening
    assert await engine.store.cursor("listed") == 2


async def test_what_says_whose_an_event_is_is_stored_before_it(engine: Engine) -> None:
    """A record that makes a repo ours, and right behind it what happened there: the second is asked of who knows the first."""
    known: list[bool] = []

    class Roster(intake.Plain):
        is_stored = False

        def passes(self, event: Event) -> bool:
            known.append(self.is_stored)
            return True

        def records(self, event: Event) -> Sequence[RecordChange]:
            return (RecordChange(did="did:plc:a", collection="sh.tangled.repo", rkey=event.id, record={}),)

        def precede(self, records: Sequence[RecordChange]) -> bool:
            return records[0].rkey.endswith("/1")

        def stored(self, arrivals: Sequence[Arrival]) -> None:
            self.is_stored = True

    class Batched(Listed):
        async def hear(self, cursor: int | None, wants: Wants = everything):  # type: ignore[no-untyped-def]
            yield [Heard(event=push(number), cursor=number) for number in (1, 2, 3)]

    engine.intake.spindle = Roster()
    await engine.intake.listen(Batched([]))
    assert known == [False, True, True]
    assert await engine.store.cursor("listed") == 3


@pytest.mark.parametrize(
    ("collections", "wait"),
    [
        (["sh.tangled.repo"], True),
        (["sh.tangled.repo.pull"], False),
        (["sh.tangled.repo.pull", "sh.tangled.spindle.member"], True),
    ],
)
def test_only_pull_requests_say_nothing_of_those_behind_them(collections: list[str], *, wait: bool) -> None:
    """There are many of them, and whose a repo is is none of their affair."""
    records = [RecordChange(did="did:plc:a", collection=one, rkey="1", record={}) for one in collections]
    assert Triggers.precede(None, records) is wait  # type: ignore[arg-type]
