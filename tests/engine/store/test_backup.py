"""Copies of a store, and lives that begin with one: nothing that was done since the copy was made is done twice."""

# ruff: noqa: ASYNC240 - files are what this is about

from __future__ import annotations

import shutil
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest

from router.core.errors import StoreCorrupt, StoreError
from router.core.model import Busy, Event, Gates, State, Status
from router.engine.store.backup import STEP, back_up, restore
from router.engine.store.base import Arrival, SealedSecret
from router.engine.store.sqlite import open_store
from tests.engine.store.parts import NOW, SECOND, accept, arrival, claim, dead, delivery, done, event, plan, state

if TYPE_CHECKING:
    from pathlib import Path

    from router.engine.store.base import Store

MINUTE, DAY = 60 * SECOND, 86_400 * SECOND
#: When the copy was made, and when the router ran on it.
COPIED, BEGAN = NOW + MINUTE, NOW + DAY


def content(path: Path) -> bytes:
    return path.read_bytes()


def put(path: Path, text: bytes) -> None:
    path.write_bytes(text)


def touch(path: Path) -> None:
    path.touch()


def names(path: Path) -> list[str]:
    return sorted(one.name for one in path.iterdir())


async def filled(path: Path) -> Store:
    """An event with a delivery that waits, one that is under way, one that is made and one that is dead."""
    store = await open_store(path)
    await accept(store, "e1", "made", "dead", "claimed")
    first, second, _ = await claim(store)
    await store.settle(first, done(), NOW)
    await store.settle(second, dead(), NOW)
    await accept(store, "e2", "waits")
    return store


async def restored(path: Path) -> Store:
    """The store of `filled`, as it goes on a day after the copy was made."""
    store = await filled(path)
    back_up(path, path.with_name("copy.db"), COPIED)
    await store.close()
    restore(path.with_name("copy.db"), path, BEGAN - 1, "then")
    again = await open_store(path)
    assert await again.recover(BEGAN) == 2
    return again


def heard(name: str, time: int, *names: str, **more: Any) -> Arrival:
    made = [delivery(one, name, **more) for one in names]
    return arrival(name, *made, event=event(name, time=time), plan=plan(*made))


async def test_a_copy_is_made_beside_a_running_router(path: Path) -> None:
    """With what is committed, in one file for its owner alone, and the router has gone on."""
    store = await filled(path)
    copy = path.with_name("copy.db")
    size = back_up(path, copy, COPIED)
    await accept(store, "e3", "later")
    assert copy.stat().st_size == size
    assert copy.stat().st_mode & 0o777 == 0o600
    assert [name for name in names(path.parent) if name.startswith("copy")] == ["copy.db"]
    with sqlite3.connect(copy) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert {name for (name,) in db.execute("SELECT id FROM deliveries")} == {"made", "dead", "claimed", "waits"}
    db.close()
    assert await state(store, "later") is State.READY
    await store.close()


async def test_a_copy_tells_how_far_it_is(path: Path) -> None:
    """As it is written, not only when it is: a bar that stands at nothing until the end is none."""
    await (await open_store(path)).close()
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE ballast (number INTEGER PRIMARY KEY, text BLOB)")
        db.executemany("INSERT INTO ballast (text) VALUES (?)", ((bytes(1000),) for _ in range(10_000)))
    db.close()
    part, sizes = path.with_name("copy.db.part"), []
    size = back_up(path, path.with_name("copy.db"), COPIED, lambda: sizes.append(part.stat().st_size))
    assert size // STEP - 4 <= len(sizes) <= size // STEP  # the last pages come with the commit
    assert sizes[0] < size / 2


async def test_a_copy_replaces_nothing(path: Path) -> None:
    """What is there stays, byte for byte; and where no copy can be made, nothing is left behind."""
    store = await filled(path)
    other = path.with_name("other")
    put(other, b"precious")
    with pytest.raises(FileExistsError):
        back_up(path, other, COPIED)
    assert content(other) == b"precious"
    await store.close()
    put(path, b"no database at all, but quite long enough to be one, if only just." * 10)
    with pytest.raises(StoreCorrupt):
        back_up(path, path.with_name("copy.db"), COPIED)
    assert not [name for name in names(path.parent) if name.startswith("copy")]


async def test_what_was_deleted_is_not_in_a_copy(path: Path) -> None:
    """Nor the key that secrets are sealed with, which is not in the store."""
    store = await open_store(path)
    await store.add_secret(
        SealedSecret(repo="did:plc:a", key="TOKEN", sealed=b"first-sealed", created=NOW, creator="did:plc:a")
    )
    await store.remove_secret("did:plc:a", "TOKEN")
    await store.add_secret(
        SealedSecret(repo="did:plc:a", key="TOKEN", sealed=b"second-sealed", created=NOW, creator="did:plc:a")
    )
    back_up(path, path.with_name("copy.db"), COPIED)
    await store.close()
    copy = content(path.with_name("copy.db"))
    assert b"second-sealed" in copy
    assert b"first-sealed" not in copy


async def test_what_waited_is_looked_up_and_only_once_doubted(path: Path) -> None:
    """It may have been made after the copy was. A second start doubts nothing that came since."""
    store = await restored(path)
    assert {name: await state(store, name) for name in ("made", "dead", "claimed", "waits")} == {
        "made": State.DONE,
        "dead": State.DEAD,
        "claimed": State.VERIFY,
        "waits": State.VERIFY,
    }
    claims = await claim(store, now=BEGAN)
    assert {one.delivery.id: (one.verify, one.failed_at) for one in claims} == {
        "claimed": (True, BEGAN),
        "waits": (True, BEGAN),
    }
    await store.accept([heard("e9", BEGAN + DAY, "new")], BEGAN + DAY)
    await store.close()
    again = await open_store(path)
    assert await again.recover(BEGAN + DAY) == 2  # those that were claimed just now, and not the new one
    assert await state(again, "new") is State.READY
    await again.close()


@pytest.mark.parametrize(
    ("time", "at", "doubted"),
    [
        (COPIED, BEGAN, True),
        (BEGAN + 4 * MINUTE, BEGAN, True),
        (BEGAN + 6 * MINUTE, BEGAN + 6 * MINUTE, False),
        (BEGAN + DAY, BEGAN + 6 * MINUTE, True),
        (NOW - DAY, BEGAN + DAY, True),
    ],
    ids=["since the copy", "by a clock that is a bit fast", "new", "from the future", "old, and heard late"],
)
async def test_what_is_heard_again_is_looked_up(path: Path, time: int, at: int, doubted: bool) -> None:  # noqa: FBT001
    """An event that may have been acted on before; one that happened since is simply delivered."""
    store = await restored(path)
    await store.accept([heard("e9", time, "again")], at)
    [one] = [one for one in await claim(store, now=at) if one.delivery.id == "again"]
    assert (one.verify, one.failed_at) == (doubted, BEGAN if doubted else 0)
    await store.close()


async def test_an_event_that_was_undecided_is_looked_up_when_it_is_decided(path: Path) -> None:
    """The life before may have decided it, whatever its time says."""
    store = await open_store(path)
    late = event("e9", time=BEGAN + DAY)
    unknown = plan(troubles=[])
    await store.accept([Arrival(source="a", event=late, plan=unknown, keep=True)], NOW)
    with_trouble = sqlite3.connect(path)
    with_trouble.execute("UPDATE events SET undecided = 1")
    with_trouble.commit()
    with_trouble.close()
    back_up(path, path.with_name("copy.db"), COPIED)
    await store.close()
    restore(path.with_name("copy.db"), path, BEGAN, "then")
    again = await open_store(path)
    await again.recover(BEGAN)
    await again.accept([Arrival(source="a", event=late, plan=plan(delivery("late", "e9")), keep=True)], BEGAN + 2 * DAY)
    assert await state(again, "late") is State.VERIFY
    await again.close()


async def test_own_statuses_are_as_new_as_what_they_are_about(path: Path) -> None:
    """A status that is told again must not run its rule's command again; one of a new delivery runs it."""
    store = await restored(path)
    after = BEGAN + DAY
    await store.accept([heard("e9", after, "new")], after)
    for cause, wanted in (("made", State.VERIFY), ("new", State.READY), ("unknown", State.VERIFY)):
        told = Event(
            origin="spindle",
            id=f"{cause}/0/success",
            source="spindle",
            kind="spindle",
            nsid="x",
            time=after,
            record={},
            fields={},
        )
        made = delivery(f"of-{cause}", told.id)
        await store.accept([Arrival(source="spindle", event=told, plan=plan(made), keep=True)], after)
        assert await state(store, f"of-{cause}") is wanted
    await store.close()


async def test_a_dead_letter_that_is_retried_is_looked_up(path: Path) -> None:
    """Somebody may have retried it in the life before."""
    store = await restored(path)
    assert await store.retry(["dead"], BEGAN) == ["dead"]
    assert await state(store, "dead") is State.VERIFY
    await store.close()


@pytest.mark.parametrize(
    "gates",
    [Gates(debounce_key="k", debounce_for=60.0), Gates(group="g", busy=Busy.CANCEL_RUNNING)],
    ids=["debounce", "cancel"],
)
async def test_what_is_doubted_gives_way_as_what_is_ready_does(path: Path, gates: Gates) -> None:
    """Five pushes that came to one build before come to one look-up now."""
    store = await restored(path)
    await store.accept([heard(f"e{n}", COPIED, f"d{n}", gates=gates) for n in range(5, 10)], BEGAN)
    assert [await state(store, f"d{n}") for n in range(5, 10)] == [State.SKIPPED] * 4 + [State.VERIFY]
    await store.close()


async def test_a_copy_that_was_put_in_place_by_hand_knows_it(path: Path) -> None:
    """`cp` will do, as long as it is the copy that `router backup` made."""
    store = await filled(path)
    back_up(path, path.with_name("copy.db"), COPIED)
    await store.close()
    shutil.copyfile(path.with_name("copy.db"), path)
    again = await open_store(path)
    assert await again.recover(BEGAN) == 2
    assert await state(again, "waits") is State.VERIFY
    await again.close()


async def test_any_whole_copy_can_be_restored(path: Path) -> None:
    """A plain copy of the files, with what is in the WAL; and a file that is in its place already."""
    store = await filled(path)
    elsewhere = path.with_name("elsewhere")
    elsewhere.mkdir()
    for ending in ("", "-wal"):
        shutil.copyfile(path.with_name(f"router.db{ending}"), elsewhere / f"router.db{ending}")
    await store.close()
    put_back = restore(elsewhere / "router.db", path, BEGAN, "then")
    assert (put_back.copied, put_back.waiting, put_back.before) == (None, 2, path.with_name("router.db.before-then"))
    again = await open_store(path)
    assert await again.recover(BEGAN) == 2
    [*_, last] = await claim(again, now=BEGAN)
    await again.settle(last, done(Status.SUCCESS), BEGAN)
    await again.close()
    assert restore(path, path, BEGAN, "then").before is None
    third = await open_store(path)
    assert await third.recover(BEGAN + 1) == 1
    await third.close()


async def test_what_was_there_goes_aside_whole(path: Path) -> None:
    """With its WAL, without which it is not what was stored, and which would be taken for the copy's."""
    store = await filled(path)
    copy = path.with_name("copy.db")
    back_up(path, copy, COPIED)
    await accept(store, "e3", "later")
    killed = [path.with_name(f"killed{ending}") for ending in ("", "-wal")]
    for ending, to in zip(("", "-wal"), killed, strict=True):
        shutil.copyfile(path.with_name(f"router.db{ending}"), to)
    await store.close()
    killed[0].rename(path)
    killed[1].rename(path.with_name("router.db-wal"))
    restore(copy, path, BEGAN, "then")
    again = await open_store(path)
    assert await again.delivery("later-") is None
    assert len(await again.deliveries()) == 4
    await again.close()
    aside = await open_store(path.with_name("router.db.before-then"))
    assert await state(aside, "later") is State.READY
    await aside.close()


async def test_a_store_in_use_is_not_replaced(path: Path) -> None:
    """The router must be stopped first; its store and the copy are as they were."""
    store = await filled(path)
    copy = path.with_name("copy.db")
    back_up(path, copy, COPIED)
    before = content(copy)
    with pytest.raises(StoreError, match="in use by another router, process"):
        restore(copy, path, BEGAN, "then")
    assert content(copy) == before
    assert await state(store, "waits") is State.READY
    await store.close()


async def test_nothing_but_a_whole_copy_is_put_in_place(path: Path) -> None:
    """A copy that is damaged or is no store leaves everything as it was."""
    store = await filled(path)
    copy = path.with_name("copy.db")
    back_up(path, copy, COPIED)
    await store.close()
    before, whole = content(path), content(copy)
    other = path.with_name("bookmarks.db")
    with sqlite3.connect(other) as db:
        db.execute("CREATE TABLE bookmarks (url TEXT)")
    db.close()
    for bad, why in ((whole[: len(whole) // 2], "corrupt"), (whole[:8192] + b"\xff" * 4096 + whole[12288:], "corrupt")):
        put(copy, bad)
        with pytest.raises(StoreCorrupt, match=why):
            restore(copy, path, BEGAN, "then")
    with pytest.raises(StoreError, match="another program's database"):
        restore(other, path, BEGAN, "then")
    assert content(path) == before
    assert [name for name in names(path.parent) if "before" in name or "ing" in name] == []
    await (await open_store(path)).close()


async def test_a_restore_that_was_cut_off_is_done_once_more(path: Path) -> None:
    """Between two files, the store is neither the old one nor the new: no router starts on it, and none is made anew."""
    store = await filled(path)
    copy = path.with_name("copy.db")
    back_up(path, copy, COPIED)
    await store.close()
    path.rename(path.with_name("router.db.before-then"))
    touch(path.with_name("router.db.restoring"))
    with pytest.raises(StoreError, match=r"was being replaced .* Run `router restore BACKUP` once more"):
        await open_store(path)
    assert not path.exists()
    restore(copy, path, BEGAN, "later")
    again = await open_store(path)
    assert await again.recover(BEGAN) == 2
    await again.close()
