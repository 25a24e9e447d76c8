"""*Deliveries*: the outbox, and everything about one of them: what is asked for, each attempt and the answer, what it says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web

from router.core.model import State
from router.web.page.now import outline
from router.web.page.pipelines import logged
from router.web.shapes import DeliveriesAsked

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from router.engine.store.base import DeliveryRow
    from router.web.desk import Desk

#: Deliveries on a page.
LIMIT = 100
_FILTERS = ("state", "rule", "repo", "event")
#: What a delivery can be made again from, and what can be given up.
RETRIED = (State.DEAD, State.DISCARDED, State.READY, State.VERIFY)
DISCARDED = (State.DEAD, State.READY, State.VERIFY)


async def look(desk: Desk, _path: Mapping[str, str], query: Mapping[str, str]) -> dict[str, Any]:
    given = {name: query[name].strip() for name in _FILTERS if query.get(name, "").strip()}
    wanted = DeliveriesAsked.model_validate({**given, "limit": LIMIT})
    rows = await desk.store.deliveries(**wanted.model_dump())
    counts = await desk.store.counts()
    shown = [changeable(one) for one in outline(rows)]
    return {
        "rows": shown,
        "changeable": any(one["can_retry"] or one["can_discard"] for one in shown),
        "filters": {name: given.get(name, "") for name in _FILTERS},
        "filtered": bool(given),
        "states": [(str(state), counts.get(state, 0)) for state in State],
        "rules": [rule.id for rule in desk.rulebook().rules],
        "cut": len(rows) == LIMIT,
    }


async def look_at(desk: Desk, path: Mapping[str, str], _query: Mapping[str, str]) -> dict[str, Any]:
    row = await desk.store.delivery(path["id"])
    if row is None:
        raise web.HTTPNotFound(text=f"There is no delivery {path['id']}, or several begin so.")
    run = await desk.store.run_of(row.id)
    lines = await desk.logbook.so_far(run) if run is not None else ()
    return {**whole(row), "log": logged(lines)}


def changeable(row: dict[str, Any]) -> dict[str, Any]:
    """With what can be done about it."""
    return {**row, "can_retry": row["state"] in RETRIED, "can_discard": row["state"] in DISCARDED}


def whole(row: DeliveryRow) -> dict[str, Any]:
    """One delivery, with its attempts newest first."""
    receipt = row.receipt if isinstance(row.receipt, dict) else {}
    (short,) = outline([row])
    return {
        "row": changeable(short),
        "step": row.step,
        "sha": row.sha,
        "workflow": row.workflow,
        "nsid": row.nsid,
        "event_id": row.event_id,
        "updated": row.updated,
        "options": row.options,
        "receipt": receipt,
        "url": str(receipt.get("url") or ""),
        "attempts": attempts(row.attempts),
        "statuses": list(row.statuses),
    }


def attempts(told: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Newest first, each with how many seconds it took; None while it goes on."""
    return [
        {**one, "took": (one["ended"] - one["started"]) / 1e6 if one.get("ended") and one.get("started") else None}
        for one in reversed(told)
    ]
