"""*Events*: what was heard, and why each rule matched it or did not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from aiohttp import web

from router.web import events as asked
from router.web.desk import Ask
from router.web.page.now import outline
from router.web.page.words import about, repo
from router.web.shapes import EventsAsked

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from router.engine.store.base import EventRow
    from router.web.desk import Desk

#: Events on a page, and rules of whose answers the tree is drawn.
LIMIT, RULES = 50, 200
_FILTERS = ("nsid", "repo", "rule", "matched", "before")


async def look(desk: Desk, _path: Mapping[str, str], query: Mapping[str, str]) -> dict[str, Any]:
    given = {name: query[name].strip() for name in _FILTERS if query.get(name, "").strip()}
    wanted = EventsAsked.model_validate({**given, "limit": LIMIT})
    rows = await desk.store.events(**wanted.model_dump())
    return {
        "rows": [row(one) for one in rows],
        "filters": {name: given.get(name, "") for name in _FILTERS},
        "filtered": bool(set(given) - {"before"}),
        "nsids": sorted({one.event.nsid for one in rows}),
        "rules": [rule.id for rule in desk.rulebook().rules],
        "older": older(given, rows),
    }


async def look_at(desk: Desk, path: Mapping[str, str], query: Mapping[str, str]) -> dict[str, Any]:
    number = path["number"]
    found = await desk.store.event(number)
    if found is None:
        raise web.HTTPNotFound(text=f"There is no event {number}.")
    _, told = await asked.explain(desk, Ask(path={"number": number}, given=None, who=""))
    led = await desk.store.deliveries(event=found.number, limit=256)
    everything = query.get("all") == "1"
    return {
        "row": row(found),
        "record": found.event.record,
        "fields": dict(found.event.fields),
        "troubles": [dict(one) for one in found.troubles],
        "everything": everything,
        **explained(told, everything=everything),
        "deliveries": outline(led),
    }


def row(found: EventRow) -> dict[str, Any]:
    """An event as a table shows it."""
    event = found.event
    return {
        "number": found.number,
        "heard": found.heard,
        "time": event.time,
        "source": event.source,
        "origin": event.origin,
        "id": event.id,
        "nsid": event.nsid,
        "repo": repo(event.fields),
        "about": about(event.fields),
        "actor": str(event.fields.get("actor") or ""),
        "matched": list(found.matched),
        "deliveries": found.deliveries,
        "undecided": found.undecided,
        "refused": str(event.fields.get("refused") or ""),
    }


def older(given: Mapping[str, str], rows: Sequence[EventRow]) -> str:
    """The address of those before; empty where there are none."""
    if len(rows) < LIMIT:
        return ""
    return "/events?" + urlencode({**given, "before": rows[-1].number})


def explained(told: Mapping[str, Any], *, everything: bool) -> dict[str, Any]:
    """What the rules say now: those that match, then those that do not; those that want another nsid are counted, unless
    everything is asked for. Of very many, the first are shown."""
    wanted = [one for one in told["rules"] if everything or one["matched"] or not _other_nsid(one["conditions"])]
    return {
        "explained": sorted(wanted, key=lambda one: not one["matched"])[:RULES],
        "others": len(told["rules"]) - len(wanted),
        "cut": max(0, len(wanted) - RULES),
        "planned": told["deliveries"],
        "plan_troubles": told["troubles"],
    }


def _other_nsid(part: Mapping[str, Any]) -> bool:
    return any(inner.get("field") == "nsid" and inner["held"] is False for inner in part.get("parts", ()))
