"""*Approvals*: events that wait until somebody lets them run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from router.engine.approvals import FACT, MARK
from router.web.page.events import row

if TYPE_CHECKING:
    from collections.abc import Mapping

    from router.core.model import Tree
    from router.web.desk import Desk

#: Events that wait, and decisions, that are shown.
LIMIT, DECIDED = 100, 20


async def look(desk: Desk, _path: Mapping[str, str], _query: Mapping[str, str]) -> dict[str, Any]:
    waiting = await desk.store.waiting(MARK, LIMIT)
    return {
        "rows": [row(one) for one in waiting],
        "cut": len(waiting) == LIMIT,
        "decided": decided(await desk.store.facts(FACT)),
    }


def decided(facts: Mapping[str, Tree]) -> list[dict[str, Any]]:
    """The last decisions, newest first."""
    told = [
        {"number": number, "decision": str(one.get("decision")), "by": str(one.get("by")), "at": int(str(one.get("at") or 0))}
        for number, one in facts.items()
        if isinstance(one, dict)
    ]
    return sorted(told, key=lambda one: -int(str(one["at"])))[:DECIDED]
