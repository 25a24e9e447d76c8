"""The mirror: records of others' accounts that say who and what is ours, as they are now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.core.model import RecordChange
from router.engine.store.rows import as_json, from_json, text

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from router.core.model import Micros

_WRITE = """
INSERT INTO records (did, collection, rkey, rev, record, heard) VALUES (:did, :collection, :rkey, :rev, :record, :now)
ON CONFLICT (did, collection, rkey) DO UPDATE
SET record = excluded.record, heard = excluded.heard, rev = CASE excluded.rev WHEN '' THEN rev ELSE excluded.rev END
"""
_NEWER = "SELECT 1 FROM records WHERE did = :did AND collection = :collection AND rkey = :rkey AND rev > :rev AND :rev != ''"


def write(db: sqlite3.Connection, changes: Iterable[RecordChange], now: Micros) -> None:
    """See Store.mirror. Revs are TIDs, which sort by time as texts; Jetstream may tell an event again after a later one, so a
    deletion leaves its rev behind."""
    for change in changes:
        values = {
            "did": text(change.did),
            "collection": text(change.collection),
            "rkey": text(change.rkey),
            "rev": text(change.rev),
            "now": now,
        }
        if db.execute(_NEWER, values).fetchone():
            continue
        db.execute(_WRITE, {**values, "record": as_json(change.record)})


def records(db: sqlite3.Connection, collection: str) -> list[RecordChange]:
    """See Store.records."""
    wanted = (
        "SELECT did, collection, rkey, rev, record FROM records WHERE collection = ? AND record != 'null' ORDER BY did, rkey"
    )
    return [
        RecordChange(
            did=row["did"], collection=row["collection"], rkey=row["rkey"], rev=row["rev"], record=from_json(row["record"])
        )
        for row in db.execute(wanted, (text(collection),))
    ]
