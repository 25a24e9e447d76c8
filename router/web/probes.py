"""How the router is, and reading again what it runs by."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from router.engine.pauses import RULE, SOURCE
from router.health import FINE
from router.http import product
from router.web.listed import source_rows

if TYPE_CHECKING:
    from router.web.desk import Ask, Desk


async def livez(desk: Desk, _ask: Ask) -> tuple[int, Any]:
    alive = desk.pulse.alive
    return 200 if alive else 503, {"ready": alive, "checks": {"loop": FINE if alive else "The event loop is late."}}


async def readyz(desk: Desk, _ask: Ask) -> tuple[int, Any]:
    told = await _readiness(desk)
    return 200 if told["ready"] else 503, told


async def _readiness(desk: Desk) -> dict[str, Any]:
    checks = dict(await desk.health.checks([source.name for source in desk.config().sources]))
    return {"ready": all(said == FINE for said in checks.values()), "checks": checks}


async def metrics(desk: Desk, _ask: Ask) -> tuple[int, Any]:
    return 200, await desk.metrics()


async def reload(desk: Desk, _ask: Ask) -> tuple[int, Any]:
    if desk.reload is None:
        return 409, {"error": "This router reads nothing again: it was not started from files."}
    result = await desk.reload.again()
    return 200 if result.ok else 422, result.tree()


async def status(desk: Desk, _ask: Ask) -> tuple[int, Any]:
    last = desk.reload.last if desk.reload is not None else None
    config = desk.config()
    return 200, {
        "version": product(),
        "started": desk.started,
        "now": desk.clock.now(),
        **await _readiness(desk),
        "config": str(config.file) if config.file is not None else None,
        "digest": desk.reload.running.digest if desk.reload is not None else "",
        "rules": len(desk.rulebook().rules),
        "sources": dict(Counter(row["state"] for row in await source_rows(desk))),
        "deliveries": dict(await desk.store.counts()),
        "paused_sources": sorted(desk.pauses.since(SOURCE)),
        "paused_rules": sorted(desk.pauses.since(RULE)),
        "reload": last.tree() if last is not None else None,
    }
