"""*Now*: how the router is, at a glance, and first of all what is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from router.core.model import State
from router.engine.pauses import RULE
from router.health import FINE
from router.web.listed import OWN, source_rows
from router.web.page.plots import plots
from router.web.page.words import ago, duration, ref

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from router.core.model import Micros
    from router.engine.store.base import Backlog, DeliveryRow
    from router.web.desk import Desk

#: Dead letters that are shown.
DEAD = 5
#: Seconds that a delivery may be due before that is told as trouble.
LATE = 60.0
_BAD = ("down", "quarantined")


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong, in a sentence, and where to go about it."""

    sentence: str
    where: str = ""
    grave: bool = True


async def look(desk: Desk, _path: Mapping[str, str], _query: Mapping[str, str]) -> dict[str, Any]:
    now = desk.clock.now()
    rows, counts, backlog = await source_rows(desk), await desk.store.counts(), await desk.store.backlog(now)
    checks = await desk.health.checks([source.name for source in desk.config().sources])
    last = desk.reload.last if desk.reload is not None else None
    refused = last.sentence if last is not None and not last.ok else ""
    dead = await desk.store.deliveries(state=State.DEAD, limit=DEAD)
    paused = sorted(desk.pauses.since(RULE))
    where = desk.destinations.shown() if desk.destinations is not None else []
    return {
        "troubles": troubles(checks, rows, counts, backlog, refused, paused, where, now),
        "sources": rows,
        "own": OWN,
        "tiles": tiles(counts, backlog, len(desk.rulebook().rules), desk.started, now),
        "plots": plots(desk.recent.steps()),
        "dead": outline(dead),
    }


def troubles(
    checks: Mapping[str, str],
    sources: Sequence[Mapping[str, Any]],
    counts: Mapping[str, int],
    backlog: Backlog,
    refused: str,
    paused: Sequence[str],
    destinations: Sequence[Mapping[str, Any]],
    now: Micros,
) -> list[Trouble]:
    """The worst first. What an operator has paused is no fault, and is told so that nobody forgets it."""
    found = [Trouble(said) for said in checks.values() if said != FINE]
    if refused:
        found.append(Trouble(f"The last reload was refused: {refused}", "/rules"))
    found += [
        Trouble(f"{row['name']} is {row['state']}. {row['sentence']}".rstrip()) for row in sources if row["state"] in _BAD
    ]
    found += [one for row in destinations if (one := _shut(row, now)) is not None]
    if dead := counts.get(State.DEAD, 0):
        found.append(Trouble(f"{dead} dead {'letter' if dead == 1 else 'letters'}.", "/deliveries?state=dead"))
    late = (now - backlog.due) / 1e6 if backlog.due is not None else 0.0
    if late >= LATE:
        found.append(Trouble(f"A delivery has been due for {duration(late)}.", "/deliveries?state=ready"))
    if backlog.undecided:
        verb = "event waits" if backlog.undecided == 1 else "events wait"
        found.append(Trouble(f"{backlog.undecided} {verb} for something that is not known yet.", "/events", grave=False))
    found += [Trouble(f"{row['name']} missed something: {row['last_gap']}", grave=False) for row in sources if row.get("gaps")]
    found += [Trouble(f"The source {row['name']} is paused.", grave=False) for row in sources if row["paused"] is not None]
    found += [Trouble(f"The rule {name} is paused.", "/rules", grave=False) for name in paused]
    return found


def _shut(row: Mapping[str, Any], now: Micros) -> Trouble | None:
    """A destination that gets nothing now, or that only waits because it asked for that."""
    if row["state"] not in ("open", "half-open", "paused"):
        return None
    when = f", again {ago(row['until'], now)}" if row.get("until") and row["until"] > now else ""
    said = f"{row['name']} gets nothing now{when}. {row.get('reason') or ''}".rstrip()
    return Trouble(said, "/deliveries?state=ready", grave=row["state"] != "paused")


def tiles(counts: Mapping[str, int], backlog: Backlog, rules: int, started: Micros, now: Micros) -> list[dict[str, str]]:
    """A few numbers with names."""
    waiting = sum(counts.get(state, 0) for state in (State.READY, State.CLAIMED, State.VERIFY))
    age = "oldest due for " + duration(max(0, now - backlog.due) / 1e6) if backlog.due is not None else "nothing is due"
    return [
        {"name": "Outbox", "value": str(waiting), "more": age, "where": "/deliveries"},
        {"name": "Delivered", "value": str(counts.get(State.DONE, 0)), "more": "", "where": "/deliveries?state=done"},
        {"name": "Dead letters", "value": str(counts.get(State.DEAD, 0)), "more": "", "where": "/deliveries?state=dead"},
        {"name": "Rules", "value": str(rules), "more": "", "where": "/rules"},
        {"name": "Started", "value": ago(started, now), "more": "", "where": ""},
    ]


def outline(rows: Sequence[DeliveryRow]) -> list[dict[str, Any]]:
    """Deliveries as a table shows them."""
    return [
        {
            "id": row.id,
            "state": str(row.state),
            "status": row.status,
            "rule": row.rule,
            "provider": row.provider,
            "item": row.item,
            "repo": row.repo,
            "ref": ref(row.ref),
            "attempt": row.attempt,
            "due": row.due,
            "created": row.created,
            "reason": row.reason,
            "event": row.event,
        }
        for row in rows
    ]
