"""A store that was restored from a backup does not know what was done after the backup was made.

So every delivery that may have been made in that time is looked up before it is made: those that wait in the store, and those
of events that are heard again. A backup bears a mark, so it makes no difference how it came to its place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3

    from router.core.model import Micros

#: Microseconds by which the clocks of others may be wrong, before or after ours.
LEEWAY: Micros = 300_000_000
#: The origin of the router's own statuses, whose ids begin with their delivery's.
_OWN = "spindle"
WHY = "The store was restored from a backup: it may have happened after the backup was made."


def mark(db: sqlite3.Connection, now: Micros) -> None:
    """This is a copy."""
    db.execute("INSERT INTO restores (copied) VALUES (?)", (now,))


def begin(db: sqlite3.Connection, now: Micros) -> int:
    """A router runs on this store. Where that was a copy until now: how many deliveries are to be looked up. Called when none
    is claimed."""
    if not db.execute("UPDATE restores SET began = max(copied, ?) WHERE began IS NULL", (now,)).rowcount:
        return 0
    # What is over may have been retried; if somebody retries it, it is looked up as well.
    again = "UPDATE deliveries SET failed_at = ? WHERE state IN ('dead', 'discarded') AND planned = 'ready'"
    db.execute(again, (now,))
    doubted = """
        UPDATE deliveries SET state = 'verify', failed_at = :now, reason = :why, updated = :now
        WHERE state IN ('ready', 'verify')
    """
    return db.execute(doubted, {"now": now, "why": WHY}).rowcount


def doubted(db: sqlite3.Connection, event: int, now: Micros) -> Micros:
    """When the router began on a restored store, if what this event leads to may have been done before; otherwise 0.

    An event is new only if it happened since, by a clock that is not far ahead of ours. Our own statuses are as new as what
    they are about.
    """
    since = began(db)
    return since if since is not None and _old(db, event, since, now) else 0


def began(db: sqlite3.Connection) -> Micros | None:
    """When the router began on a restored store; None where it never was one."""
    found: Micros | None = db.execute("SELECT max(began) FROM restores").fetchone()[0]
    return found


def _old(db: sqlite3.Connection, event: int, began: Micros, now: Micros) -> bool:
    row = db.execute("SELECT time, heard, origin, id FROM events WHERE number = ?", (event,)).fetchone()
    if row["heard"] < began or not began + LEEWAY < row["time"] <= now + LEEWAY:
        return True
    if row["origin"] != _OWN:
        return False
    delivery = str(row["id"]).partition("/")[0]
    cause = db.execute("SELECT event FROM deliveries WHERE id = ?", (delivery,)).fetchone()
    return cause is None or _old(db, cause["event"], began, now)
