"""What answers operators, over whatever store a test has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from router.config import Config
from router.core.rulebook import Rulebook
from router.engine.approvals import Approvals
from router.engine.bell import Bell
from router.engine.logbook import Logbook
from router.engine.pauses import Pauses
from router.engine.pulse import Pulse
from router.health import Health, Sources
from router.host import SystemClock
from router.observe import Silent
from router.recent import Recent
from router.web.desk import Desk

if TYPE_CHECKING:
    from router.engine.store.base import Store

NOW = 1_795_435_201_000_000


async def no_metrics() -> bytes:
    return b"up 1\n"


def desk(store: Store, rulebook: Rulebook | None = None, **more: Any) -> Desk:
    """A desk that was just set up."""
    observer, clock = more.pop("observer", Silent()), more.pop("clock", SystemClock())
    config, book = more.pop("config", Config()), rulebook or Rulebook(())
    sources = more.pop("sources", None) or Sources(clock)
    given: dict[str, Any] = {
        "store": store,
        "bell": Bell(),
        "clock": clock,
        "observer": observer,
        "pauses": Pauses(store, clock),
        "approvals": Approvals(store, cast("Any", None), clock),
        "sources": sources,
        "health": Health(store, clock, sources),
        "pulse": Pulse(observer),
        "recent": Recent(clock),
        "logbook": Logbook(store, {}, Bell(), clock),
        "config": lambda: config,
        "rulebook": lambda: book,
        "identities": dict,
        "metrics": no_metrics,
        "refused": lambda _status: None,
        "started": NOW,
    }
    return Desk(**(given | more))
