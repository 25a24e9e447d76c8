"""Stores as earlier versions left them (released/, made by scripts/released_store.py) are understood, and gone on with."""

# ruff: noqa: ASYNC240 - files are what this is about

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from router.core.errors import StoreError
from router.core.model import State, Status
from router.engine.store.backup import back_up, restore
from router.engine.store.sqlite import open_store
from tests.engine.store.parts import NOW, SECOND, accept, claim, delivery, done, entry, row, state

if TYPE_CHECKING:
    from router.engine.store.base import Store

RELEASED = sorted((Path(__file__).parent / "released").glob("schema-*.sql"))
LATER = NOW + 7200 * SECOND
STATES = {
    "running": State.DONE,
    "over": State.DONE,
    "dead": State.DEAD,
    "discarded": State.DISCARDED,
    "retried": State.READY,
    "doubtful": State.VERIFY,
    "claimed": State.CLAIMED,
    "ready": State.READY,
    "shadow": State.SHADOW,
    "skipped": State.SKIPPED,
}


@pytest.fixture(params=RELEASED, ids=lambda file: file.stem)
def old(request: pytest.FixtureRequest, path: Path) -> Path:
    """The store of an earlier version, as a file."""
    with sqlite3.connect(path) as db:
        db.executescript(request.param.read_text(encoding="utf-8"))
    db.close()
    return path


def test_every_schema_that_was_in_use_is_kept() -> None:
    """Each is a step that somebody's store may have to take."""
    assert {file.stem for file in RELEASED} >= {"schema-1", "schema-2", "schema-3", "schema-6"}


async def test_what_is_in_it_means_what_it_meant(old: Path) -> None:
    """Events, deliveries in every state with their receipts, attempts and statuses, cursors, facts, what is undecided."""
    store = await open_store(old)
    assert {name: await state(store, name) for name in STATES} == STATES
    assert await store.cursor("a") == (12 if await store.pipeline("3l4f7xaaaaa22") else 11)
    assert [event.event.id for event in reversed(await store.events()) if event.event.id != "e6"] == ["e1", "e2", "e3", "e4"]
    assert [event.event.id for event in await store.undecided()] == ["e4"]
    running, dead = await row(store, "running"), await row(store, "dead")
    assert [one["status"] for one in running.statuses] == ["pending", "running"]
    assert isinstance(running.receipt, dict)
    assert (running.receipt["id"], running.receipt["detail"]) == ("build-7", {"org": "acme"})
    assert (dead.reason, dead.attempts[0]["outcome"], dead.attempt) == ("the CI said no", "dead", 1)
    assert (await row(store, "skipped")).reason.startswith("deduplicated")
    assert [one.delivery for one in await store.open_receipts("toy")] == ["running"]
    assert await store.facts("handle") == {"alice.example": "did:plc:a"}
    assert [frame["why"] for frame in await store.bad_frames("a")] == ["no JSON"]
    told = [one.entry.status for one in await store.journal(0) if one.entry.delivery == "over"]
    assert told == [Status.PENDING, Status.SUCCESS]
    assert (await store.event("e1")) is not None
    await store.close()


async def test_what_belongs_to_a_delivery_is_its_own(old: Path) -> None:
    """Each attempt, in order, and each status by its number: they refer to it in another way than they did."""
    with closing(sqlite3.connect(old)) as db, db:
        more = [("over", 3, 1, 30), ("dead", 2, 0, 20), ("over", 2, 0, 20)]
        db.executemany("INSERT INTO attempts (delivery, n, verify, started) VALUES (?, ?, ?, ?)", more)
        attempts = db.execute(
            "SELECT delivery, n, verify, started, ended, outcome, reason, response FROM attempts ORDER BY delivery, n"
        ).fetchall()
        statuses = db.execute("SELECT delivery, number, status, at FROM statuses ORDER BY delivery, number").fetchall()
    store = await open_store(old)
    rows = {name: await row(store, name) for name in sorted({name for name, *_ in (*attempts, *statuses)})}
    assert [(name, *one.values()) for name, shown in rows.items() for one in shown.attempts] == attempts
    told = [(name, one["number"], one["status"], one["at"]) for name, shown in rows.items() for one in shown.statuses]
    assert told == statuses
    assert [one.number for one in await store.journal(0)] == sorted(number for _, number, *_ in statuses)
    await store.close()


async def test_numbers_of_the_journal_never_come_again(old: Path) -> None:
    """Whoever reads it keeps one as a cursor, and the newest may be forgotten already."""
    with closing(sqlite3.connect(old)) as db, db:
        db.execute("DELETE FROM statuses")
        db.execute("UPDATE sqlite_sequence SET seq = 1000 WHERE name = 'statuses'")
    store = await open_store(old)
    await store.tell([entry(delivery("running", workflow="running"), Status.FAILED)], LATER)
    assert [one.number for one in await store.journal(0)] == [1001]
    await store.close()


async def test_it_goes_on(old: Path) -> None:
    """What was under way is looked up, what waits is delivered, what runs is followed, and what was heard is known."""
    store = await open_store(old)
    assert await store.recover(LATER) == 1
    await _known(store)
    claims = {one.delivery.id: one for one in await claim(store, now=LATER)}
    claims.pop("run", None)
    assert {name: one.verify for name, one in claims.items()} == {
        "claimed": True,
        "doubtful": True,
        "retried": False,
        "ready": False,
    }
    for held in claims.values():
        assert held.delivery.options == {"commit": held.delivery.id}
        assert await store.settle(held, done(), LATER)
        assert await state(store, held.delivery.id) is State.DONE
    assert (await row(store, "running")).status == Status.RUNNING
    assert len(await store.tell([entry(delivery("running", workflow="running"), Status.SUCCESS, LATER)], LATER)) == 1
    assert await store.retry(["dead"], LATER) == ["dead"]
    assert (await accept(store, "new", "new", now=LATER)).ready
    assert (await store.forget(LATER + 1))[0] >= 1
    await store.close()


async def _known(store: Store) -> None:
    """The same events once more lead to nothing."""
    before = len(await store.deliveries(limit=100))
    assert not (await accept(store, "e1", "running", "over")).fresh
    assert len(await store.deliveries(limit=100)) == before


async def test_a_spindles_store_goes_on(path: Path) -> None:
    """The run, its other name, its announcements, its log, secrets and what may be used once."""
    with sqlite3.connect(path) as db:
        db.executescript((RELEASED[0].parent / "schema-3.sql").read_text(encoding="utf-8"))
        db.execute("UPDATE statuses SET run = 1 WHERE delivery = 'over'")
    db.close()
    store = await open_store(path)
    run = await store.pipeline("3l4f7xbbbbb22", "knot.example.com")
    assert run is not None
    assert {one.name: one.status for one in run.workflows} == {"nobody.yml": None, "ci.yml": Status.PENDING}
    assert len(await store.announcements(0)) >= 2
    assert {one.run for one in await store.journal(0) if one.entry.delivery == "over"} == {1}
    assert [line.text for line in await store.log("run", 0)] == ["hello"]
    assert [secret.sealed for secret in await store.secrets("did:plc:a")] == [b"sealed"]
    assert not await store.use("jti", "one", NOW + SECOND, NOW)
    assert [record.rkey for record in await store.records("sh.tangled.repo")] == ["r"]
    last = await store.last_announced()
    await store.recover(LATER)
    held = None
    while held is None:  # one after the other, in the order of their events: all are of one branch
        for one in await claim(store, now=LATER):
            if one.delivery.id == "run":
                held = one
            else:
                await store.settle(one, done(), LATER)
    await store.settle(held, done(Status.SUCCESS, "ci.yml", "run"), LATER)
    assert await store.last_announced() > last
    await store.close()


async def test_an_old_store_is_backed_up_as_it_is_and_restored(old: Path) -> None:
    """By the version that is about to upgrade it: the copy is still the old version's, and can be restored into the new one."""
    before = old.read_bytes()
    copy = old.with_name("copy.db")
    back_up(old, copy, NOW)
    assert old.read_bytes() == before
    with pytest.raises(StoreError, match="older version"):
        await open_store(copy, read_only=True)
    restore(copy, old, LATER, "then")
    store = await open_store(old)
    assert await store.recover(LATER) >= 4
    assert await state(store, "ready") is State.VERIFY
    await store.close()
