"""Recorded events, and why rules match them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from router.core import explained, plan
from router.core.rulebook import Rulebook
from router.core.written import event_to
from router.engine.aside import aside

if TYPE_CHECKING:
    from router.engine.store.base import EventRow
    from router.web.desk import Ask, Desk


async def listed(desk: Desk, ask: Ask) -> tuple[int, Any]:
    return 200, [row_tree(row) for row in await desk.store.events(**ask.given.model_dump())]


async def one(desk: Desk, ask: Ask) -> tuple[int, Any]:
    row = await desk.store.event(ask.path["number"])
    return (404, _no_such(ask.path["number"])) if row is None else (200, row_tree(row))


async def explain(desk: Desk, ask: Ask) -> tuple[int, Any]:
    row = await desk.store.event(ask.path["number"])
    if row is None:
        return 404, _no_such(ask.path["number"])
    book, identities, event = desk.rulebook(), dict(desk.identities()), row.event

    def work() -> dict[str, Any]:
        """Of a rulebook of its own: the running one's indexes belong to the event loop."""
        own = Rulebook(book.rulesets, book.handles)
        return explained.tree(event, explained.every_rule(event, own, identities), plan.plan(event, own, identities))

    return 200, await aside(work, "explain")


def _no_such(number: str) -> dict[str, str]:
    return {"error": f"The store has no event {number}."}


def row_tree(row: EventRow) -> dict[str, Any]:
    """`event` is what `router explain`, tests and `run --source` read again."""
    return {
        "number": row.number,
        "heard": row.heard,
        "matched": list(row.matched),
        "deliveries": row.deliveries,
        "undecided": row.undecided,
        "troubles": [dict(trouble) for trouble in row.troubles],
        "event": event_to(row.event),
        "fields": dict(row.event.fields),
    }
