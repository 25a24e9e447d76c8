"""What we tell of a workflow makes sense to whoever reads it in order."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.core.combine import is_news
from router.core.model import Entry, Receipt, Status, Subject, changed
from router.engine.store.arrivals import accept as accept_now
from router.engine.store.connection import MEMORY, open_writing
from router.engine.store.journal import journal, tell
from router.engine.store.policy import Policy
from router.engine.store.rows import LARGEST
from tests.engine.store.parts import NOW, accept, arrival, claim, delivery, done, event, row

if TYPE_CHECKING:
    from router.engine.store.base import Store

FINAL = [status for status in Status if status.final]
ENTRIES = st.lists(
    st.builds(
        Entry,
        delivery=st.sampled_from(["d1", "d2", "unknown"]),
        workflow=st.just("ci"),
        status=st.sampled_from(list(Status)),
        at=st.integers(min_value=NOW - 5, max_value=NOW + 5),
    ),
    max_size=12,
)


@pytest.mark.parametrize(("before", "after"), list(itertools.product([None, *Status], Status)))
def test_legal_transitions(before: Status | None, after: Status) -> None:
    """Forward only: pending, running, one final."""
    order = {None: 0, Status.PENDING: 1, Status.RUNNING: 2} | dict.fromkeys(FINAL, 3)
    assert is_news(before, after) == (order[before] < order[after])


@settings(max_examples=60, deadline=None)
@given(batches=st.lists(ENTRIES, max_size=4))
def test_a_journal_is_always_readable_in_order(batches: list[list[Entry]]) -> None:
    """Whatever is reported, in whatever order: per workflow the times grow, nothing follows a final status, nothing repeats,
    the numbers grow, and what `tell` returned is what the journal holds."""
    db = open_writing(MEMORY)
    arrivals = [arrival("e1", delivery("d1", workflow="ci")), arrival("e2", delivery("d2", "e2", workflow="ci"))]
    accept_now(db, arrivals, Policy(), NOW)
    told = [one for batch in batches for one in tell(db, batch, NOW)]
    rows = journal(db, 2, 1000)
    everything = journal(db, 0, 1000)
    db.close()
    assert [found.entry for found in rows] == told
    assert [found.number for found in everything] == sorted({found.number for found in everything})
    for name in ("d1", "d2"):
        mine = [found.entry for found in everything if found.entry.delivery == name]
        assert all(one.at < two.at for one, two in itertools.pairwise(mine))
        assert all(is_news(one.status, two.status) for one, two in itertools.pairwise(mine))
    assert {found.entry.delivery for found in everything} <= {"d1", "d2"}


async def test_only_news_is_told(store: Store) -> None:
    """A poll that says the same again says nothing, and a late `running` does not take back a success."""
    await accept(store, "e1", "d1", workflow="ci")
    reported = [Status.RUNNING, Status.RUNNING, Status.SUCCESS, Status.RUNNING, Status.FAILED]
    entries = [Entry(delivery="d1", workflow="ci", status=status, at=NOW, url="https://ci.example/7") for status in reported]
    news = await store.tell(entries, NOW)
    assert [one.status for one in news] == [Status.RUNNING, Status.SUCCESS]
    assert [one.at for one in news] == [NOW + 1, NOW + 2]
    assert (await row(store, "d1")).status == "success"


async def test_the_journal_is_read_from_a_cursor(store: Store) -> None:
    """Each row with its rule and the event that its delivery came from; nothing twice, nothing left out."""
    await accept(store, "e1", "d1", "d2", "d3", workflow="ci")
    first = await store.journal(0, limit=2)
    rest = await store.journal(first[-1].number)
    assert [one.entry.delivery for one in (*first, *rest)] == ["d1", "d2", "d3"]
    assert (rest[0].rule, rest[0].event) == ("ci/build", event("e1"))
    assert await store.journal(rest[-1].number) == []


async def test_open_receipts_are_those_that_are_not_over(store: Store) -> None:
    """Of this provider, delivered, and without a final status."""
    for name, provider in (("d1", "ci"), ("d2", "ci"), ("d3", "other"), ("d4", "ci")):
        await accept(store, f"e-{name}", name, provider=provider, workflow="ci")
    for got in await claim(store, 3):
        await store.settle(got, done(Status.RUNNING, "ci", got.delivery.id), NOW)
    await store.tell([Entry(delivery="d2", workflow="ci", status=Status.SUCCESS, at=NOW)], NOW)
    [found] = await store.open_receipts("ci")
    assert (found.delivery, found.workflow, found.status) == ("d1", "ci", "running")
    expected = Receipt(id="build-7", url="https://ci.example/7", status=Status.RUNNING, detail={"org": "acme"})
    assert found.receipt == expected


@pytest.mark.parametrize("exit_code", [2**80, -(2**80)])
async def test_a_number_that_no_column_holds_is_told_as_the_nearest(store: Store, exit_code: int) -> None:
    """A CI chooses its exit codes: one that is nonsense must not end whoever tells it."""
    await accept(store, "e1", "d1", workflow="ci")
    reported = Entry(delivery="d1", workflow="ci", status=Status.FAILED, at=NOW, exit_code=exit_code)
    (told,) = await store.tell([reported], NOW)
    assert told.exit_code == (LARGEST if exit_code > 0 else -LARGEST)


async def tells(store: Store, *told: tuple[str, Status]) -> list[tuple[str, str | None, bool]]:
    """The verdicts that were told of deliveries, in this order: each with what was known before it."""
    for name, status in told:
        await store.tell([Entry(delivery=name, workflow="ci", status=status, at=NOW)], NOW)
    rows = [found for found in await store.journal(0) if found.entry.status.final]
    return [(found.entry.delivery, found.previous and str(found.previous), found.outdated) for found in rows]


async def test_a_verdict_knows_the_one_before(store: Store) -> None:
    """What the build before came to; running and cancelled are no verdicts, and the first one has none before it."""
    for name in ("d1", "d2", "d3", "d4"):
        await accept(store, f"e-{name}", name, workflow="ci", ref="refs/heads/main")
    told = (("d1", Status.FAILED), ("d2", Status.CANCELLED), ("d3", Status.RUNNING), ("d4", Status.SUCCESS))
    assert await tells(store, *told) == [("d1", None, False), ("d2", None, False), ("d4", "failed", False)]


async def test_a_build_that_a_later_one_overtook_is_outdated(store: Store) -> None:
    """Builds end in any order: what is known of a later commit counts, and the next one knows the latest before it."""
    for name in ("d1", "d2", "d3"):
        await accept(store, f"e-{name}", name, workflow="ci", ref="refs/heads/main")
    told = (("d2", Status.SUCCESS), ("d1", Status.TIMEOUT), ("d3", Status.FAILED))
    assert await tells(store, *told) == [("d2", None, False), ("d1", None, True), ("d3", "success", False)]


async def test_what_is_told_later_changes_nothing(store: Store) -> None:
    """A reader that comes late reads of each row what was known when it was told."""
    for name in ("d1", "d2", "d3"):
        await accept(store, f"e-{name}", name, workflow="ci", ref="refs/heads/main")
    told = (("d1", Status.SUCCESS), ("d3", Status.FAILED), ("d2", Status.FAILED))
    assert (await tells(store, *told))[:2] == [("d1", None, False), ("d3", "success", False)]


@pytest.mark.parametrize(
    "other",
    [{"rule": "ci/other"}, {"step": "other"}, {"repo": "did:plc:b"}, {"workflow": "lint"}],
    ids=lambda other: next(iter(other)),
)
async def test_verdicts_on_something_else_are_not_before(store: Store, other: dict[str, Any]) -> None:
    """Another repo, workflow, rule or step of a rule has verdicts of its own."""
    await accept(store, "e1", "d1", ref="refs/heads/main", **({"workflow": "ci"} | other))
    await accept(store, "e2", "d2", ref="refs/heads/main", workflow="ci")
    await store.tell([Entry(delivery="d1", workflow=other.get("workflow", "ci"), status=Status.FAILED, at=NOW)], NOW)
    assert (await tells(store, ("d2", Status.SUCCESS)))[-1] == ("d2", None, False)


@pytest.mark.parametrize(
    ("first", "second", "before"),
    [("refs/heads/main", "refs/heads/main", "failed"), ("refs/heads/main", "refs/heads/x", None), ("", "", None)],
)
async def test_a_ref_has_verdicts_of_its_own(store: Store, first: str, second: str, before: str | None) -> None:
    """Branches do not break each other, and what has no ref (a pull request) is not compared with another such."""
    for name, ref in (("d1", first), ("d2", second)):
        made = changed(delivery(name, f"e-{name}"), subject=Subject(repo="did:plc:a", ref=ref, workflow="ci"))
        await store.accept([arrival(f"e-{name}", made)], NOW)
    assert (await tells(store, ("d1", Status.FAILED), ("d2", Status.SUCCESS)))[-1] == ("d2", before, False)
