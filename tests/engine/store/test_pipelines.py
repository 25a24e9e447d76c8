"""Runs as Tangled sees them: one for one trigger, statuses that only go forward, announcements in the order of their cursor."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.core import tid
from router.core.combine import combined
from router.core.model import Entry, Pipeline, Receipt, RecordChange, State, Status, Workflow, changed
from router.core.wire import PIPELINE, STATUS
from router.engine.store.base import SealedSecret
from router.engine.store.connection import MEMORY, open_writing
from router.engine.store.journal import tell
from tests.engine.store.parts import NOW, SECOND, arrival, claim, delivery, done, row, state

if TYPE_CHECKING:
    from router.engine.store.base import Store

ID = tid.make(NOW, 9)
KNOT = "knot1.example.com"
REPO = "did:plc:a"


def pipeline(number: str = ID, **over: Any) -> Pipeline:
    given: dict[str, Any] = {
        "id": number,
        "key": f"key of {number}",
        "knot": KNOT,
        "repo": REPO,
        "owner": "did:plc:owner",
        "name": "core",
        "kind": "push",
        "sha": "1f" * 20,
        "record": {"triggerMetadata": {"kind": "push"}, "workflows": []},
        "workflows": (Workflow(name="ci.yml"),),
    }
    return Pipeline(**{**given, **over})


async def begin(store: Store, *names: str, workflow: str = "ci.yml", event: str = "e1", **over: Any) -> Pipeline:
    """A run whose deliveries have these ids."""
    made = [delivery(name, event, workflow=workflow) for name in names]
    begun = pipeline(**over)
    await store.accept([arrival(event, *made, pipeline=begun)], NOW)
    return begun


async def tells(store: Store, name: str, status: Status, at: int = NOW, **more: Any) -> None:
    await store.tell([Entry(delivery=name, workflow="ci.yml", status=status, at=at, **more)], at)


async def statuses(store: Store, name: str = ID) -> dict[str, Status | None]:
    found = await store.pipeline(name)
    assert found is not None
    return {one.name: one.status for one in found.workflows}


@pytest.mark.parametrize(
    ("given", "whole"),
    [
        ([], None),
        (["pending", "pending"], "pending"),
        (["pending", "success"], "running"),
        (["running", "failed"], "running"),
        (["success", "success"], "success"),
        (["success", "cancelled"], "cancelled"),
        (["success", "cancelled", "timeout"], "timeout"),
        (["timeout", "failed", "success"], "failed"),
    ],
)
def test_a_workflow_is_over_when_all_of_it_is(given: list[str], whole: str | None) -> None:
    """And then it is the worst of what its parts have come to."""
    assert combined([Status(one) for one in given]) == (Status(whole) if whole else None)


@pytest.mark.parity(68)
async def test_a_run_goes_forward_and_never_leaves_its_end(store: Store) -> None:
    """Pending when it begins, running, a final status; nothing after that, and nothing twice."""
    await begin(store, "d1")
    assert await statuses(store) == {"ci.yml": Status.PENDING}
    for status in (Status.RUNNING, Status.PENDING, Status.RUNNING, Status.SUCCESS, Status.FAILED, Status.RUNNING):
        await tells(store, "d1", status)
    told = [one.event["status"] for one in await store.announcements(0) if one.nsid == STATUS]
    assert told == ["pending", "running", "success"]


async def test_a_workflow_knows_when_it_ran_and_why_it_failed(store: Store) -> None:
    """Its first running is when it started; of its deliveries the one that failed tells why."""
    await begin(store, "d1", "d2")
    await tells(store, "d1", Status.RUNNING, NOW + SECOND)
    await tells(store, "d2", Status.RUNNING, NOW + 2 * SECOND)
    await tells(store, "d2", Status.FAILED, NOW + 3 * SECOND, error="tests: exit 2", exit_code=2, url="https://ci.example/2")
    assert await statuses(store) == {"ci.yml": Status.RUNNING}
    await tells(store, "d1", Status.SUCCESS, NOW + 4 * SECOND)
    found = await store.pipeline(ID)
    assert found is not None
    (one,) = found.workflows
    assert (one.status, one.error, one.exit_code) == (Status.FAILED, "tests: exit 2", 2)
    assert one.started == NOW + SECOND
    assert one.finished is not None
    assert one.url == "https://ci.example/2"


async def test_the_run_is_announced_before_its_statuses(store: Store) -> None:
    """An appview drops the status of a run that it does not know."""
    await begin(store, "d1")
    run, status = await store.announcements(0)
    assert (run.nsid, run.rkey) == (PIPELINE, ID)
    assert status.event["pipeline"] == f"at://did:web:{KNOT}/sh.tangled.pipeline/{ID}"
    assert status.event["workflow"] == "ci.yml"
    assert tid.micros(status.rkey) is not None


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(list(Status)), st.integers(NOW - 9, NOW + 9), st.integers(NOW - 9, NOW + 9)), max_size=9)
)
def test_cursors_and_times_only_grow(told: list[tuple[Status, int, int]]) -> None:
    """Whatever clocks say: peers order by them, and what is not later than the last is lost on them."""
    from router.engine.store.arrivals import accept  # noqa: PLC0415 - only here without a store
    from router.engine.store.pipelines import announcements  # noqa: PLC0415 - as above
    from router.engine.store.policy import Policy  # noqa: PLC0415 - as above

    db = open_writing(MEMORY)
    accept(db, [arrival("e1", delivery("d1", workflow="ci.yml"), pipeline=pipeline())], Policy(), NOW)
    for status, at, now in told:
        tell(db, [Entry(delivery="d1", workflow="ci.yml", status=status, at=at)], now)
    found = announcements(db, 0, 100)
    db.close()
    assert all(one.created < two.created for one, two in itertools.pairwise(found))
    times = [one.event["createdAt"] for one in found if one.nsid == STATUS]
    assert all(one < two for one, two in itertools.pairwise(times))
    assert len({one.rkey for one in found}) == len(found)


async def test_a_cursor_is_followed_in_pages(store: Store) -> None:
    """`announcements` goes on after the last that was read, and nothing is left out between."""
    await begin(store, "d1")
    await tells(store, "d1", Status.RUNNING)
    first = await store.announcements(0, limit=2)
    rest = await store.announcements(first[-1].created)
    assert [one.nsid for one in (*first, *rest)] == [PIPELINE, STATUS, STATUS]
    assert await store.last_announced() == rest[-1].created


@pytest.mark.parity(23)
async def test_two_triggers_of_one_run_make_one(store: Store) -> None:
    """The second event has no deliveries, even where both were planned at the same moment."""
    await begin(store, "d1")
    await store.accept(
        [arrival("e2", delivery("d2", "e2", workflow="ci.yml"), pipeline=pipeline("2222222222223", key=f"key of {ID}"))], NOW
    )
    assert await store.delivery("d2") is None
    assert await store.pipeline("2222222222223") is None
    assert (await row(store, "d1")).status == "pending"


async def test_nobody_takes_the_name_of_a_run(store: Store) -> None:
    """A knot chooses the rkey of what it announces: that of another's run is not given to it."""
    await begin(store, "d1")
    await store.accept([arrival("e2", delivery("d2", "e2", workflow="ci.yml"), pipeline=pipeline(ID, key="another"))], NOW)
    assert await store.delivery("d2") is None
    assert [run.delivery for run in await store.runs(ID)] == ["d1"]


async def test_a_run_without_workflows_is_kept_and_not_shown(store: Store) -> None:
    """Its key stays taken, so that the second trigger of the same push sets nothing off again."""
    await begin(store, workflows=())
    assert await store.pipeline(ID) is None
    assert await store.pipelines(REPO) == ([], 0)
    assert await store.announcements(0) == []
    assert await store.pipeline_of(f"key of {ID}") is not None


async def test_a_workflow_that_nobody_runs_is_over_at_once(store: Store) -> None:
    """With the reason."""
    await begin(store, workflows=(Workflow(name="lint.yml", status=Status.FAILED, at=NOW, error="no rule runs it"),))
    assert await statuses(store) == {"lint.yml": Status.FAILED}
    (told,) = [one.event for one in await store.announcements(0) if one.nsid == STATUS]
    assert (told["error"], told["exitCode"]) == ("no rule runs it", -1)


async def test_a_delivery_that_is_not_made_ends_its_workflow(store: Store) -> None:
    """What a rule's dedupe holds back would else be a check that never comes."""
    made = delivery("d1", workflow="ci.yml", state=State.SKIPPED, reason="deduplicated")
    await store.accept([arrival("e1", made, pipeline=pipeline())], NOW)
    found = await store.pipeline(ID)
    assert found is not None
    assert [(one.status, one.error) for one in found.workflows] == [(Status.CANCELLED, "deduplicated")]


async def test_a_skipped_workflow_may_be_called_anything(store: Store) -> None:
    """Half of a surrogate pair in its name keeps no batch, and so no source, from being stored."""
    made = delivery("d1", workflow="ci\ud800", state=State.SKIPPED, reason="deduplicated")
    await store.accept([arrival("e1", made, pipeline=pipeline(workflows=()))], NOW)
    found = await store.pipeline(ID)
    assert found is not None
    assert [(one.name, one.status) for one in found.workflows] == [("ci\ufffd\ufffd\ufffd", Status.CANCELLED)]


async def test_what_is_planned_again_joins_its_run(store: Store) -> None:
    """An event that was undecided gets what it lacked, in the same run."""
    from router.core.model import Trouble  # noqa: PLC0415 - as above
    from tests.engine.store.parts import plan  # noqa: PLC0415 - only here

    doubt = plan(troubles=[Trouble(rule="r", sentence="?", undecided=True)])
    await store.accept([arrival("e1", plan=doubt, pipeline=pipeline(workflows=()))], NOW)
    await store.accept([arrival("e1", delivery("d1", workflow="ci.yml"), pipeline=pipeline())], NOW)
    assert await statuses(store) == {"ci.yml": Status.PENDING}


@pytest.mark.parity(62)
async def test_of_a_commit_the_newest_run_alone_is_listed(store: Store) -> None:
    """An appview lets the last of several win, which would be the oldest; the limit does not cut what was asked for."""
    for number in range(5):
        name = tid.make(NOW + number, 9)
        await store.accept(
            [
                arrival(
                    f"e{number}",
                    delivery(f"d{number}", f"e{number}", workflow="ci.yml"),
                    pipeline=pipeline(name, sha=f"{number % 2:040}"),
                )
            ],
            NOW + number,
        )
    shas = [f"{number:040}" for number in range(3)]
    found, total = await store.pipelines(REPO, commits=shas, limit=1)
    assert [(one.sha, one.id) for one in found] == [(shas[0], tid.make(NOW + 4, 9)), (shas[1], tid.make(NOW + 3, 9))]
    assert total == 2


async def test_runs_are_listed_in_pages_newest_first(store: Store) -> None:
    """`total` counts what is left from the cursor on, whatever the page's size; other repos and kinds are left out."""
    for number in range(5):
        kind = "manual" if number == 2 else "push"
        begun = pipeline(tid.make(NOW + number, 9), kind=kind)
        await store.accept(
            [arrival(f"e{number}", delivery(f"d{number}", f"e{number}", workflow="ci.yml"), pipeline=begun)], NOW + number
        )
    first, total = await store.pipelines(REPO, kinds=["push"], limit=2)
    rest, left = await store.pipelines(REPO, kinds=["push"], limit=9, before=first[-1].created)
    assert [tid.micros(one.id) for one in (*first, *rest)] == [NOW + 4, NOW + 3, NOW + 1, NOW]
    assert (total, left) == (4, 2)
    assert await store.pipelines("did:plc:another") == ([], 0)


@pytest.mark.parity(23)
async def test_a_run_is_announced_under_every_name(store: Store) -> None:
    """An older appview knows it by what the knot called it: statuses so far once more, and those to come twice."""
    await begin(store, "d1")
    assert await store.name_pipeline(ID, "old.example.com", "3knotknotkno2", NOW)
    assert not await store.name_pipeline(ID, "old.example.com", "3knotknotkno2", NOW)
    await tells(store, "d1", Status.RUNNING)
    named = [one.event["status"] for one in await store.announcements(0) if "old.example.com" in str(one.event.get("pipeline"))]
    assert named == ["pending", "running"]
    found = await store.pipeline("3knotknotkno2", "old.example.com")
    assert found is not None
    assert found.id == ID
    assert await store.pipeline("3knotknotkno2", "other.example.com") is None


@pytest.mark.parity(69)
async def test_statuses_are_announced_again_under_new_rkeys(store: Store) -> None:
    """An appview never takes the same rkey twice."""
    await begin(store, "d1")
    before = await store.announcements(0)
    assert await store.announce_again(ID, NOW + SECOND) == 1
    after = await store.announcements(before[-1].created)
    assert [one.event["status"] for one in after] == ["pending"]
    assert not {one.rkey for one in after} & {one.rkey for one in before}


@pytest.mark.parity(51)
async def test_what_is_built_again_is_a_new_run(store: Store) -> None:
    """The end of the first stays what it was; the second begins from the beginning, once for each key."""
    await begin(store, "d1")
    (held,) = await claim(store)
    await store.settle(held, done(Status.FAILED, "ci.yml", "d1"), NOW)
    receipt = Receipt(id="build-8", detail={"number": 8})
    assert await store.rerun("d1", receipt, "build-8", NOW + SECOND)
    assert not await store.rerun("d1", receipt, "build-8", NOW + SECOND)
    assert await statuses(store) == {"ci.yml": Status.FAILED}
    (newest, _oldest), total = await store.pipelines(REPO)
    assert total == 2
    assert [(one.name, one.status) for one in newest.workflows] == [("ci.yml", Status.PENDING)]
    assert [run.receipt for run in await store.runs(newest.id)] == [receipt]
    await tells(store, "d1", Status.SUCCESS)
    assert await statuses(store) == {"ci.yml": Status.FAILED}
    assert await statuses(store, newest.id) == {"ci.yml": Status.SUCCESS}


async def test_what_is_not_over_is_not_built_again(store: Store) -> None:
    """A webhook that tells of a rebuild too early changes nothing."""
    await begin(store, "d1")
    assert not await store.rerun("d1", None, "key", NOW)
    assert not await store.rerun("unknown", None, "key", NOW)


async def test_an_operators_retry_is_followed(store: Store) -> None:
    """What was told to have failed stays so, and what is made now is told in a run of its own."""
    await begin(store, "d1")
    (held,) = await claim(store)
    await store.settle(held, changed(done(Status.FAILED, "ci.yml", "d1"), state=State.DEAD, receipt=None), NOW)
    assert list(await store.retry(["d1"], NOW + SECOND)) == ["d1"]
    (newest, first), _ = await store.pipelines(REPO)
    assert await statuses(store, newest.id) == {"ci.yml": Status.PENDING}
    assert await statuses(store, first.id) == {"ci.yml": Status.FAILED}


@pytest.mark.parity(65)
async def test_cancelling_ends_what_waits_and_marks_what_runs(store: Store) -> None:
    """What was never sent is over at once; what a CI builds is over when the CI says so."""
    await begin(store, "d1", "d2")
    (held,) = await claim(store, 1)
    await store.settle(held, done(Status.RUNNING, "ci.yml", held.delivery.id), NOW)
    waiting = {"d1", "d2"} - {held.delivery.id}
    assert list(await store.ask_cancel(ID, [], "not wanted", NOW)) == ["ci.yml"]
    assert await state(store, waiting.pop()) is State.DISCARDED
    (under_way,) = await store.to_cancel("toy")
    assert (under_way.delivery, under_way.why, under_way.state) == (held.delivery.id, "not wanted", State.DONE)
    await tells(store, held.delivery.id, Status.CANCELLED)
    assert await store.to_cancel("toy") == []
    assert await statuses(store) == {"ci.yml": Status.CANCELLED}
    assert list(await store.ask_cancel(ID, [], "again", NOW)) == []


async def test_cancelling_names_what_exists_and_is_not_over(store: Store) -> None:
    """Neither a workflow that is over nor one that never was is told to be cancelled."""
    over = Workflow(name="lint.yml", status=Status.SUCCESS, at=NOW)
    await begin(store, "d1", workflows=(Workflow(name="ci.yml"), over))
    assert list(await store.ask_cancel(ID, ["lint.yml", "unknown.yml"], "no", NOW)) == []
    assert await statuses(store) == {"ci.yml": Status.PENDING, "lint.yml": Status.SUCCESS}


def member(rkey: str, subject: str | None, rev: str) -> RecordChange:
    record = None if subject is None else {"subject": subject, "instance": "spindle.example.com"}
    return RecordChange(did="did:plc:owner", collection="sh.tangled.spindle.member", rkey=rkey, rev=rev, record=record)


async def test_the_mirror_is_what_was_written_last(store: Store) -> None:
    """Jetstream tells an event again, and an old one after a new one: neither brings back what is gone."""
    changes = [member("a", "did:plc:x", "3a"), member("a", "did:plc:y", "3c"), member("a", "did:plc:x", "3a")]
    await store.mirror(changes, NOW)
    assert [one.record for one in await store.records("sh.tangled.spindle.member")] == [changes[1].record]
    await store.mirror([member("a", None, "3d"), member("a", "did:plc:y", "3c")], NOW)
    assert await store.records("sh.tangled.spindle.member") == []
    await store.mirror([member("a", "did:plc:z", "")], NOW)
    assert len(await store.records("sh.tangled.spindle.member")) == 1


async def test_the_mirror_is_written_with_the_cursor(store: Store) -> None:
    """What an event says of the roster is stored in the event's own transaction."""
    await store.accept([arrival("e1", records=[member("a", "did:plc:x", "3a")], cursor=7)], NOW)
    assert await store.cursor("a") == 7
    assert len(await store.records("sh.tangled.spindle.member")) == 1


@pytest.mark.parity(72)
async def test_what_may_happen_once_happens_once(store: Store) -> None:
    """Until it could not come again anyway."""
    assert await store.use("jti", "a", NOW + 5, NOW)
    assert not await store.use("jti", "a", NOW + 5, NOW + 5)
    assert await store.use("webhook", "a", NOW + 5, NOW)
    assert await store.use("jti", "a", NOW + 9, NOW + 6)


async def test_secrets_are_kept_by_repo_and_key(store: Store) -> None:
    """One of each key: it is removed before it is another."""
    secret = SealedSecret(repo=REPO, key="TOKEN", sealed=b"\x00\xff", created=NOW, creator="did:plc:owner")
    assert await store.add_secret(secret)
    assert not await store.add_secret(replace(secret, sealed=b"other"))
    assert await store.secrets(REPO) == [secret]
    assert await store.secrets("did:plc:another") == []
    assert await store.remove_secret(REPO, "TOKEN")
    assert not await store.remove_secret(REPO, "TOKEN")
