"""The outbox, as people see it and change it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from router.core.model import State
from router.web.shapes import MOST, DeliveriesNamed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from router.engine.store.base import Store
    from router.web.desk import Ask, Desk
    from router.web.shapes import DeliveriesMeant

#: What the log of a discarded delivery says.
BY_WHOM = "discarded by the operator"


async def listed(desk: Desk, ask: Ask) -> tuple[int, Any]:
    return 200, [asdict(row) for row in await desk.store.deliveries(**ask.given.model_dump())]


async def one(desk: Desk, ask: Ask) -> tuple[int, Any]:
    row = await desk.store.delivery(ask.path["id"])
    if row is None:
        return 404, {"error": f"There is no delivery {ask.path['id']}, or several begin so."}
    return 200, asdict(row)


async def retry(desk: Desk, ask: Ask) -> tuple[int, Any]:
    # Whoever asks for them now has mended something: circuits let one through at once.
    if desk.destinations is not None:
        desk.destinations.circuits.close_all()
    return _changed(desk, ask, "retry", await desk.store.retry(await _ids(desk, ask.given), desk.clock.now()))


async def discard(desk: Desk, ask: Ask) -> tuple[int, Any]:
    return _changed(desk, ask, "discard", await desk.store.discard(await _ids(desk, ask.given), BY_WHOM, desk.clock.now()))


def _changed(desk: Desk, ask: Ask, verb: str, changed: Sequence[str]) -> tuple[int, Any]:
    desk.observer.operated(verb, "delivery", changed, ask.who)
    desk.bell.ring()
    return 200, {"changed": list(changed)}


async def _ids(desk: Desk, meant: DeliveriesMeant) -> Sequence[str]:
    if isinstance(meant, DeliveriesNamed):
        return meant.ids
    return await chosen(desk.store, meant.model_dump())


async def chosen(store: Store, meant: Mapping[str, Any]) -> Sequence[str]:
    """The ids that a state means, with what narrows it."""
    narrowed = {name: meant.get(name, "") for name in ("rule", "provider", "repo")}
    return await store.chosen(State(meant["state"]), **narrowed, since=meant.get("since", 0), limit=MOST)


async def destinations(desk: Desk, _ask: Ask) -> tuple[int, Any]:
    return 200, desk.destinations.shown() if desk.destinations is not None else []
