"""What is old is forgotten: events with all that they led to, once nothing of it is left to do.

Events are looked at in the order in which they were heard, a few at a time, so that nobody waits long for the writer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.core.model import State
from router.engine.store.rows import as_json

if TYPE_CHECKING:
    import sqlite3

    from router.core.model import Micros

#: Deliveries in these states have something left to do; a build that was made and never ends has not.
_OPEN = as_json([State.READY, State.CLAIMED, State.VERIFY])
#: Microseconds about its source's cursor within which an event of a knot may come again.
_OVERLAP = 120_000_000
#: In this order, because each refers to what comes after it.
_FORGET = (
    "DELETE FROM logs WHERE delivery IN (SELECT id FROM deliveries WHERE event IN (SELECT value FROM json_each(?)))",
    "DELETE FROM attempts WHERE delivery IN (SELECT number FROM deliveries WHERE event IN (SELECT value FROM json_each(?)))",
    "DELETE FROM statuses WHERE delivery IN (SELECT number FROM deliveries WHERE event IN (SELECT value FROM json_each(?)))",
    "DELETE FROM announcements WHERE pipeline IN (SELECT id FROM pipelines WHERE event IN (SELECT value FROM json_each(?)))",
    "DELETE FROM workflows WHERE pipeline IN (SELECT id FROM pipelines WHERE event IN (SELECT value FROM json_each(?)))",
    "DELETE FROM pipeline_names WHERE pipeline IN (SELECT id FROM pipelines WHERE event IN (SELECT value FROM json_each(?)))",
    "DELETE FROM pipelines WHERE event IN (SELECT value FROM json_each(?))",
    "DELETE FROM deliveries WHERE event IN (SELECT value FROM json_each(?))",
    "DELETE FROM events WHERE number IN (SELECT value FROM json_each(?))",
)
#: What belongs to no event. What a knot said of a repo is asked again where it matters; what was decided of an event goes
#: after it.
_ASIDE = (
    "DELETE FROM records WHERE collection = 'sh.tangled.repo.pull' AND heard < :before",
    "DELETE FROM facts WHERE kind IN ('repo', 'approval') AND updated < :before",
    "DELETE FROM queues WHERE NOT EXISTS (SELECT 1 FROM deliveries WHERE queue = queues.number)",
    "DELETE FROM bad_frames WHERE at < :before",
    "DELETE FROM gates WHERE until < :before",
    "DELETE FROM quotas WHERE hour < :before / 3600000000",
    "DELETE FROM used WHERE until < :before",
)
_LOOK = """
SELECT
    number,
    heard < :before AS old,
    undecided = 0 AND NOT EXISTS (
        SELECT 1 FROM deliveries
        WHERE
            event = events.number
            AND (state IN (SELECT value FROM json_each(:open)) OR state = 'dead' AND updated >= :dead_before)
    ) AND NOT coalesce(
        -- An older knot is asked again from a minute before its newest event, however old that is: it must still be known then.
        kind = 'knot' AND abs(time - (SELECT cursor FROM sources WHERE name = events.source) / 1000) <= :overlap, 0
    ) AS over
FROM events
WHERE number > :after
ORDER BY number
LIMIT :limit
"""


def forget(db: sqlite3.Connection, before: Micros, dead_before: Micros, after: int, limit: int) -> tuple[int, int | None]:
    """See Store.forget."""
    values: dict[str, int | str] = {"before": before, "dead_before": dead_before, "after": after, "limit": limit}
    values |= {"open": _OPEN, "overlap": _OVERLAP}
    looked = db.execute(_LOOK, values).fetchall()
    old = [row for row in looked if row["old"]]
    numbers = as_json([row["number"] for row in old if row["over"]])
    gone = 0
    for statement in _FORGET:
        gone = db.execute(statement, (numbers,)).rowcount
    if old and len(old) == limit:
        return gone, int(old[-1]["number"])
    for statement in _ASIDE:
        db.execute(statement, {"before": before})
    return gone, None
