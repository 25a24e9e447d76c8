"""Claims, leases, outcomes: nothing is done by two, nothing is forgotten."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from router.core.model import Entry, Gates, Outcome, Receipt, State, Status, changed
from router.engine.store import outbox
from router.engine.store.sqlite import open_store
from tests.engine.store.parts import (
    NOW,
    SECOND,
    accept,
    arrival,
    claim,
    claimed,
    dead,
    delivery,
    done,
    entry,
    ready,
    row,
    state,
    verify,
)

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from router.engine.store.base import Store


async def test_a_claim_is_exclusive(store: Store) -> None:
    """What one worker has, no other gets."""
    await accept(store, "e1", "d1", "d2")
    assert await claimed(store, 1) == ["d1"]
    assert await claimed(store) == ["d2"]
    assert await claimed(store) == []
    assert await state(store, "d1") is State.CLAIMED


async def test_nothing_is_claimed_before_it_is_due(store: Store) -> None:
    """Neither a first attempt nor another."""
    await accept(store, "e1", "d1")
    assert await claimed(store, now=NOW - 1) == []
    [got] = await claim(store)
    assert await store.settle(got, ready(due=NOW + 10), NOW)
    assert await claimed(store, now=NOW + 9) == []
    assert await claimed(store, now=NOW + 10) == ["d1"]


async def test_the_oldest_due_comes_first(store: Store) -> None:
    """Within a repo, by the time since when it is due."""
    for number, due in enumerate((30, 10, 20)):
        await accept(store, f"e{number}", f"d{due}", now=NOW + due)
    assert await claimed(store, now=NOW + 99) == ["d10", "d20", "d30"]


async def test_a_long_queue_of_one_repo_does_not_hold_up_another(store: Store) -> None:
    """Repos take turns, also when slots come free one at a time."""
    for number in range(10):
        await accept(store, f"a{number}", f"a{number}", repo="did:plc:a", now=NOW + number)
    for number in range(2):
        await accept(store, f"b{number}", f"b{number}", repo="did:plc:b", now=NOW + 50 + number)
    later = NOW + 99
    assert await claimed(store, 3, later) == ["a0", "b0", "a1"]
    assert await claimed(store, 1, later) == ["b1"]
    assert await claimed(store, 2, later) == ["a2", "a3"]


async def test_a_provider_takes_no_more_than_it_may(store: Store) -> None:
    """The bound holds within a claim, and does not let a full provider's queue hide the others'."""
    for number in range(20):
        await accept(store, f"e{number}", f"slow{number:02}", provider="slow")
    await accept(store, "f1", "quick", provider="quick", now=NOW + 1)
    later = NOW + 2
    assert await claimed(store, 16, later, slow=2) == ["slow00", "slow01", "quick"]
    assert await claimed(store, 16, later, slow=0) == []
    assert await claimed(store, 16, later, slow=1) == ["slow02"]


async def test_settling_is_fenced(store: Store) -> None:
    """Whoever lost the claim cannot write its outcome, not even its statuses, and the one who has it now can."""
    await accept(store, "e1", "d1", workflow="ci")
    [lost] = await claim(store)
    assert await store.recover(lost.lease_until) == 1
    [now_ours] = await claim(store, now=lost.lease_until)
    late = done(Status.SUCCESS, "ci", "d1")
    assert not await store.settle(lost, late, NOW)
    assert len(await store.journal(0)) == 1
    assert await store.settle(now_ours, late, NOW)
    assert not await store.settle(now_ours, dead(), NOW)
    assert await state(store, "d1") is State.DONE


async def test_a_settled_delivery_keeps_receipt_attempt_and_status(store: Store) -> None:
    """All in one: what the provider said, when, and what we told."""
    await accept(store, "e1", "d1", workflow="ci")
    [got] = await claim(store, now=NOW + 1)
    await store.settle(got, done(Status.RUNNING, "ci", "d1"), NOW + 2)
    found = await row(store, "d1")
    assert (found.state, found.status, found.attempt, found.updated) == (State.DONE, "running", 1, NOW + 2)
    assert found.receipt["id"] == "build-7"
    assert [one["status"] for one in found.statuses] == ["pending", "running"]
    [attempt] = found.attempts
    assert (attempt["n"], attempt["verify"], attempt["started"], attempt["ended"]) == (1, False, NOW + 1, NOW + 2)
    assert attempt["outcome"] == "done"


async def test_an_outcome_says_only_what_is_news(store: Store) -> None:
    """A command says that it runs before it is over."""
    await accept(store, "e1", "d1", workflow="ci")
    [got] = await claim(store)
    await store.tell([entry(got.delivery, Status.RUNNING)], NOW)
    assert await store.settle(got, done(Status.RUNNING, "ci", "d1"), NOW + 7)
    assert [one.entry.status for one in await store.journal(0)] == [Status.PENDING, Status.RUNNING]


async def test_an_outcome_is_told_after_what_was_told_before(store: Store) -> None:
    """A reader that orders a workflow's statuses by their time reads the end last."""
    await accept(store, "e1", "d1", workflow="ci")
    [got] = await claim(store)
    await store.tell([entry(got.delivery, Status.RUNNING, NOW + 5)], NOW)
    await store.tell([Entry(delivery="d1", workflow="other", status=Status.RUNNING, at=NOW + 9)], NOW)
    await store.settle(got, done(Status.SUCCESS, "ci", "d1"), NOW + 7)
    (last,) = [one.entry for one in await store.journal(0) if one.entry.status is Status.SUCCESS]
    assert last.at == NOW + 6


async def test_what_no_rule_reports_and_is_over_at_once_is_in_its_receipt_alone(store: Store) -> None:
    """A webhook's success: nobody reads it in the journal, and what comes late takes it back as little as any other."""
    await accept(store, "e1", "d1")
    [got] = await claim(store)
    assert await store.settle(got, done(Status.SUCCESS, "", "d1"), NOW + 2)
    assert await store.journal(0) == []
    for late in (Status.RUNNING, Status.FAILED, Status.SUCCESS):
        assert await store.tell([entry(got.delivery, late, NOW + 3)], NOW + 3) == []
    after = await row(store, "d1")
    assert (after.state, after.status, after.statuses) == (State.DONE, "success", [])
    assert isinstance(after.receipt, dict)
    assert after.receipt["status"] == "success"


async def test_what_no_rule_reports_and_goes_on_is_told_until_it_is_over(store: Store) -> None:
    """A build: what comes of it is told later, and is in no receipt."""
    await accept(store, "e1", "d1")
    [got] = await claim(store)
    assert await store.settle(got, done(Status.RUNNING, "", "d1"), NOW + 2)
    told = await store.tell([entry(got.delivery, Status.FAILED, NOW + 3)], NOW + 3)
    assert [one.status for one in told] == [Status.FAILED]
    assert [one.entry.status for one in await store.journal(0)] == [Status.RUNNING, Status.FAILED]
    assert await store.open_receipts("toy") == []


async def test_tries_count_what_counts(store: Store) -> None:
    """A busy CI's 429 is an attempt that uses up no try."""
    await accept(store, "e1", "d1")
    seen = []
    for counts in (True, False, False, True):
        [got] = await claim(store)
        seen.append((got.delivery.attempt, got.tries))
        await store.settle(got, ready(counts=counts), NOW)
    [last] = await claim(store)
    assert [*seen, (last.delivery.attempt, last.tries)] == [(1, 1), (2, 2), (3, 2), (4, 2), (5, 3)]


async def test_what_may_have_happened_is_claimed_to_be_looked_up(store: Store) -> None:
    """With the time of its failure, which a look-up that failed or came too early does not put off."""
    await accept(store, "e1", "d1")
    [got] = await claim(store)
    assert (got.verify, got.failed_at) == (False, 0)
    await store.settle(got, verify(due=NOW + 20), NOW + 5)
    assert await state(store, "d1") is State.VERIFY
    [early] = await claim(store, now=NOW + 20)
    assert (early.verify, early.failed_at) == (True, NOW + 5)
    await store.settle(early, verify(due=NOW + 30, counts=False), NOW + 21)
    [again] = await claim(store, now=NOW + 30)
    assert (again.verify, again.failed_at) == (True, NOW + 5)
    await store.settle(again, verify(due=NOW + 40), NOW + 31)
    [made] = await claim(store, now=NOW + 40)
    assert (made.verify, made.failed_at) == (True, NOW + 31)
    await store.settle(made, ready(), NOW + 41)
    [sure] = await claim(store, now=NOW + 41)
    assert (sure.verify, sure.failed_at) == (False, 0)


async def test_a_lease_outlasts_its_attempt(store: Store) -> None:
    """What takes as long as it may is still its own, and for so long after that as was asked."""
    await accept(store, "e1", "d1")
    [got] = await store.claim("me", 1, 30.0, NOW, {})
    assert got.delivery.timeout > 0
    assert got.lease_until == NOW + int((got.delivery.timeout + 30.0) * SECOND)


async def test_a_lease_that_ran_out_is_looked_up(store: Store) -> None:
    """And not a moment earlier; the attempt is on record as lost."""
    await accept(store, "e1", "d1")
    [got] = await claim(store)
    assert await store.recover(got.lease_until - 1) == 0
    assert await store.recover(got.lease_until) == 1
    found = await row(store, "d1")
    assert (found.state, found.due) == (State.VERIFY, got.lease_until)
    assert found.attempts[0]["outcome"] == "verify"
    [again] = await claim(store, now=got.lease_until)
    assert (again.verify, again.failed_at, again.tries) == (True, got.lease_until, 2)


async def test_dying_uses_up_no_try(path: Path) -> None:
    """However often we are killed in an attempt or in its look-up, the other side has refused nothing."""
    store = await open_store(path)
    await accept(store, "e1", "d1")
    for death in range(12):
        [got] = await claim(store)
        assert (got.verify, got.delivery.attempt, got.tries) == (death > 0, death + 1, 1)
        await store.close()
        store = await open_store(path)
        assert await store.recover(NOW) == 1
    await store.close()


async def test_what_brings_us_down_each_time_comes_to_an_end(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After many deaths, each is a try that is used up."""
    monkeypatch.setattr(outbox, "DEATHS", 2)
    store, tries = await open_store(path), []
    await accept(store, "e1", "d1")
    for _ in range(5):
        [got] = await claim(store)
        tries.append(got.tries)
        await store.close()
        store = await open_store(path)
        await store.recover(NOW)
    await store.close()
    assert tries == [1, 1, 1, 2, 3]


async def test_next_due_is_the_next_moment_at_which_something_changes(store: Store) -> None:
    """What is overdue already says nothing of when; leases end too."""
    assert await store.next_due(NOW) is None
    await accept(store, "e1", "d1")
    assert await store.next_due(NOW - 1) == NOW
    assert await store.next_due(NOW) is None
    [got] = await claim(store)
    assert await store.next_due(NOW) == got.lease_until
    await accept(store, "e2", "d2", now=NOW + 3)
    assert await store.next_due(NOW) == NOW + 3


async def test_a_group_has_one_delivery_under_way(store: Store) -> None:
    """The oldest first, and its build counts until it is over; one that is to be tried again keeps its place."""
    group = Gates(group="main")
    for number in (1, 2, 3):
        await accept(store, f"e{number}", f"d{number}", gates=group, workflow="ci", now=NOW + number)
    later = NOW + 10
    [first] = await claim(store, now=later)
    assert first.delivery.id == "d1"
    assert await claimed(store, now=later) == []
    await store.settle(first, done(Status.RUNNING, "ci", "d1"), later)
    assert await claimed(store, now=later) == []
    await store.tell([Entry(delivery="d1", workflow="ci", status=Status.FAILED, at=later)], later)
    [second] = await claim(store, now=later)
    assert second.delivery.id == "d2"
    await store.settle(second, ready(due=later + 100), later)
    assert await claimed(store, now=later) == []
    assert await claimed(store, now=later + 100) == ["d2"]


async def test_a_group_without_statuses_is_free_once_it_is_delivered(store: Store) -> None:
    """Nothing will ever be told of it, so nobody waits."""
    await accept(store, "e1", "d1", gates=Gates(group="main"))
    await accept(store, "e2", "d2", gates=Gates(group="main"))
    [first] = await claim(store)
    await store.settle(first, done(), NOW)
    assert await claimed(store) == ["d2"]


async def test_two_of_a_group_that_may_have_happened_do_not_block_each_other(store: Store) -> None:
    """One that is asked for again takes its turn after what is under way, and before what never began."""
    for number in (1, 2, 3):
        await accept(store, f"e{number}", f"d{number}", gates=Gates(group="main"))
    [one] = await claim(store)
    await store.settle(one, verify(due=NOW), NOW)
    [one] = await claim(store)
    await store.settle(one, dead(), NOW)
    [two] = await claim(store)
    await store.retry(["d1"], NOW)
    await store.settle(two, verify(due=NOW), NOW)
    [two] = await claim(store)
    assert two.delivery.id == "d2"
    await store.settle(two, done(), NOW)
    assert await claimed(store) == ["d1"]


async def test_retry_makes_a_dead_delivery_once_more(store: Store) -> None:
    """At once, with all its tries, and marked as asked for; only for the one claim."""
    await accept(store, "e1", "d1")
    [got] = await claim(store)
    await store.settle(got, dead(), NOW)
    assert await claimed(store, now=NOW + 99) == []
    assert await store.retry(["d1", "d1", "nothing"], NOW + 100) == ["d1"]
    [again] = await claim(store, now=NOW + 100)
    assert (again.delivery.attempt, again.tries, again.verify, again.asked) == (2, 1, False, True)
    await store.settle(again, ready(), NOW + 100)
    [later] = await claim(store, now=NOW + 100)
    assert (later.tries, later.asked) == (2, False)


async def test_retry_looks_up_what_may_have_happened(store: Store) -> None:
    """Dead or waiting for its look-up, it is never simply made again."""
    await accept(store, "e1", "d1", "d2")
    one, two = await claim(store)
    await store.settle(one, verify(due=NOW + 500), NOW)
    await store.settle(two, verify(due=NOW), NOW)
    [two] = await claim(store)
    await store.settle(two, dead("may have happened"), NOW)
    assert await store.retry(["d1", "d2"], NOW + 1) == ["d1", "d2"]
    assert [(got.delivery.id, got.verify, got.failed_at) for got in await claim(store, now=NOW + 1)] == [
        ("d1", True, NOW),
        ("d2", True, NOW),
    ]


async def test_retry_leaves_alone_what_cannot_or_need_not_be_made(store: Store) -> None:
    """Under way, done, shadow, skipped, and what could not be rendered: its options are still templates."""
    made = {"born dead": State.DEAD, "shadow": State.SHADOW, "skipped": State.SKIPPED}
    planned = [delivery(name, state=wanted) for name, wanted in made.items()]
    await store.accept([arrival("e1", *planned, delivery("done"), delivery("under way"))], NOW)
    for got in await claim(store):
        if got.delivery.id == "done":
            await store.settle(got, done(), NOW)
    everything = [*made, "done", "under way"]
    assert await store.retry(everything, NOW) == []
    assert await store.discard(everything, "no", NOW) == ["born dead"]


async def test_discard_gives_up_for_good_and_says_so(store: Store) -> None:
    """Whoever saw it pending sees it cancelled; it can be asked for again."""
    await accept(store, "e1", "d1", workflow="ci")
    assert await store.discard(["d1"], "not wanted", NOW + 1) == ["d1"]
    found = await row(store, "d1")
    assert (found.state, found.reason, found.status) == (State.DISCARDED, "not wanted", "cancelled")
    assert await claimed(store) == []
    assert await store.discard(["d1"], "again", NOW) == []
    assert await store.retry(["d1"], NOW) == ["d1"]
    assert await claimed(store) == ["d1"]


async def test_an_outcome_says_why(store: Store) -> None:
    """The last reason stands in the row, every reason and response in the attempts."""
    await accept(store, "e1", "d1")
    [got] = await claim(store)
    await store.settle(got, dead("\ud800 said no"), NOW + SECOND)
    found = await row(store, "d1")
    assert found.reason.endswith("said no")
    assert found.attempts[0]["reason"] == found.reason


async def test_what_is_still_being_made_is_not_lost(store: Store) -> None:
    """Whoever holds a claim of this opening may say so; one of an opening before is lost whatever anybody says."""
    await accept(store, "e1", "d1", "d2")
    await claim(store)
    assert await store.recover(NOW + 3600 * SECOND, held=["d1"]) == 1
    assert [await state(store, name) for name in ("d1", "d2")] == [State.CLAIMED, State.VERIFY]


async def test_next_due_after_the_beginning_of_time_says_whether_anything_is_left(store: Store) -> None:
    """Waiting, overdue, under way, to be looked up: there is a moment as long as there is something to do."""
    assert await store.next_due(-1) is None
    await accept(store, "e1", "d1")
    assert await store.next_due(-1) is not None
    (held,) = await claim(store)
    assert await store.next_due(-1) is not None
    await store.settle(held, verify(), NOW)
    assert await store.next_due(-1) is not None
    (held,) = await claim(store)
    await store.settle(held, done(), NOW)
    assert await store.next_due(-1) is None


#: What a stranger may call something: a NUL, quotes, JSON, other planes, half of a pair.
ODD = 'a\0b"\\u0000\'{"c": [1]}\u2028\U0001f600\ud800'


async def test_whatever_it_is_called_is_claimed_and_settled_as_it_was_stored(store: Store) -> None:
    """Many rows are read as one JSON and written by one statement: neither changes a text."""
    names = [f"d{number}" for number in range(70)]
    made = [
        delivery(name, "e1", repo=f"did:plc:{name}{ODD}", ref=f"refs/heads/{ODD}", options={"odd": ODD, "big": 2**70}, item=ODD)
        for name in names
    ]
    await store.accept([arrival("e1", *made)], NOW)
    claims = await store.claim("me", 70, 30.0, NOW, {})
    kept = ODD.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    assert {one.delivery.id for one in claims} == set(names)
    for one in claims:
        assert one.delivery.subject.repo == f"did:plc:{one.delivery.id}{kept}"
        assert (one.delivery.subject.ref, one.delivery.item) == (f"refs/heads/{kept}", kept)
        assert one.delivery.options == {"odd": ODD, "big": 2**70}
    outcomes = [Outcome(state=State.DEAD, reason=f"{one.delivery.id}{ODD}", response=ODD) for one in claims]
    settling = (store.settle(one, outcome, NOW) for one, outcome in zip(claims, outcomes, strict=True))
    assert await asyncio.gather(*settling) == [True] * 70
    for name in names:
        shown = await row(store, name)
        assert (shown.reason, shown.attempts[0]["reason"], shown.attempts[0]["response"]) == (
            f"{name}{kept}",
            f"{name}{kept}",
            kept,
        )


async def test_of_outcomes_in_one_commit_each_is_fenced(store: Store) -> None:
    """Two of one claim, and one of a claim that was lost: one is settled."""
    await accept(store, "e1", "d1", "d2")
    [first, second] = await claim(store)
    lost = changed(second, owner="somebody else")
    done = Outcome(state=State.DONE, receipt=Receipt(id="r"))
    assert await asyncio.gather(*(store.settle(one, done, NOW) for one in (first, first, lost))) == [True, False, False]
    assert [(await row(store, name)).state for name in ("d1", "d2")] == [State.DONE, State.CLAIMED]


async def test_who_lost_a_claim_takes_nothing_from_who_has_it_now(store: Store) -> None:
    """An outcome that comes too late, in one commit with the one that counts: neither order loses that one."""
    await accept(store, "e1", "d1", "d2")
    late = await claim(store)
    assert await store.recover(late[0].lease_until) == 2
    held = {one.delivery.id: one for one in await claim(store, now=late[0].lease_until)}
    first, second = late
    order = (first, held[first.delivery.id], held[second.delivery.id], second)
    assert await asyncio.gather(*(store.settle(one, done(), NOW) for one in order)) == [False, True, True, False]
    assert [(await row(store, name)).state for name in ("d1", "d2")] == [State.DONE] * 2
