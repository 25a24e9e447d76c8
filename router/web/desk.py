"""What is needed to answer those who operate the router."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from router.config import Config
    from router.core.model import Micros
    from router.core.rulebook import Rulebook
    from router.engine.approvals import Approvals
    from router.engine.bell import Bell
    from router.engine.destinations import Destinations
    from router.engine.logbook import Logbook
    from router.engine.pauses import Pauses
    from router.engine.pulse import Pulse
    from router.engine.store.base import Store
    from router.health import Health, Sources
    from router.host import Clock
    from router.observe import Observer
    from router.recent import Recent
    from router.reload import Reload


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request: what its path names, what its query or body says, as the operation's model, and who it is from."""

    path: Mapping[str, str]
    given: Any
    who: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """`rulebook`, `config` and `identities` give what there is now; `reload` is None where nothing can be read again."""

    store: Store
    bell: Bell
    clock: Clock
    observer: Observer
    pauses: Pauses
    approvals: Approvals
    sources: Sources
    health: Health
    pulse: Pulse
    recent: Recent
    logbook: Logbook
    config: Callable[[], Config]
    rulebook: Callable[[], Rulebook]
    identities: Callable[[], Mapping[str, str | None]]
    metrics: Callable[[], Awaitable[bytes]]
    refused: Callable[[int], object]
    started: Micros
    reload: Reload | None = None
    destinations: Destinations | None = None
