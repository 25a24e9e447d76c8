"""`pause` and `resume`, of sources and of rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.cli import FINE, show
from router.cli.asking import change

if TYPE_CHECKING:
    from collections.abc import Sequence

    from router.config import Config
    from router.engine.store.base import Store

SOURCE, RULE = "source", "rule"


def turn(settings: Config, kind: str, verb: str, names: Sequence[str], output: str) -> int:
    """Pause or resume these: through the running router, else in the store, where the next one finds it."""

    async def directly(store: Store, now: int) -> Sequence[str]:
        if verb == "pause":
            return [name for name in names if await store.pause(kind, name, now)]
        return [name for name in names if await store.resume(kind, name)]

    changed = change(settings, f"/api/v1/{kind}s/{verb}", {"names": list(names)}, directly)
    if output == "json":
        show.as_json({"changed": list(changed)})
        return FINE
    for name in names:
        show.line(f"{name} {'is' if name in changed else 'was'} {'paused' if verb == 'pause' else 'resumed'}")
    return FINE
