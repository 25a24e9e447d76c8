"""What a commit writes: pages, which are what the disk takes, whatever little of them has changed."""

from __future__ import annotations

import hashlib
from contextlib import closing
from typing import TYPE_CHECKING

from router.core.model import Status, changed
from router.engine.store import outbox
from router.engine.store.arrivals import accept
from router.engine.store.base import Claim, Wanted
from router.engine.store.connection import open_writing
from router.engine.store.policy import Policy
from tests.engine.store.parts import NOW, arrival, delivery, done

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence
    from pathlib import Path

MANY, TOGETHER = 1024, 32
#: Bytes of the head of a WAL, of that of each of its frames, and of a page.
HEAD, FRAME, PAGE = 32, 24, 4096


def written(path: Path, ids: Sequence[str]) -> int:
    """The pages of a commit that settles a few and claims as many, where most were made already."""
    with closing(open_writing(str(path))) as db:
        _begin(db)
        made = [delivery(name, f"e{at}", ref=f"refs/heads/{at:04}", workflow="ci.yml") for at, name in enumerate(ids)]
        accept(db, [arrival(f"e{at}", one) for at, one in enumerate(made)], Policy(), NOW)
        held = _claim(db, MANY - 2 * TOGETHER)
        _settle(db, held)
        held = _claim(db, TOGETHER)
        db.execute("COMMIT")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        _begin(db)
        _settle(db, held)
        assert len(_claim(db, TOGETHER)) == TOGETHER
        db.execute("COMMIT")
        return (path.with_name(path.name + "-wal").stat().st_size - HEAD) // (FRAME + PAGE)


def _begin(db: sqlite3.Connection) -> None:
    db.execute("BEGIN IMMEDIATE")


def _claim(db: sqlite3.Connection, count: int) -> list[Claim]:
    return outbox.claim(db, "session", Wanted(owner="me", count=count, lease=30.0, now=NOW, room={}), Policy())


def _settle(db: sqlite3.Connection, held: Sequence[Claim]) -> None:
    assert all(outbox.settle(db, [_made(one) for one in held], Policy()))


def _made(claim: Claim) -> outbox.Settling:
    """With a receipt of its own, as the other side gives it."""
    outcome = done(Status.SUCCESS, "ci.yml", claim.delivery.id)
    assert outcome.receipt is not None
    return outbox.Settling(claim, changed(outcome, receipt=changed(outcome.receipt, id=claim.delivery.id)), NOW)


def test_ids_that_are_random_cost_no_pages(tmp_path: Path) -> None:
    """Nothing that is written for each delivery has its place by what its id is: that would be another page for each."""
    random = [hashlib.sha256(str(number).encode()).hexdigest()[:32] for number in range(MANY)]
    assert written(tmp_path / "random.db", random) <= written(tmp_path / "sorted.db", sorted(random)) + 2
