"""Pull requests of strangers wait until somebody says that they may run.

What is approved is one more event: the one that waited, with a mark at the end of its id, and `approval: given`. The store
knows it by that id, so approving twice runs it once; and what it leads to is in the outbox before anybody is told that it was
approved.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.core.errors import BadInput, RouterError
from router.core.model import changed
from router.core.view import GIVEN

if TYPE_CHECKING:
    from router.engine.intake import Intake
    from router.engine.store.base import EventRow, Store
    from router.host import Clock

#: At the end of the id of what was approved.
MARK = "#approved"
#: The kind of fact that says who decided what about an event, by its number.
FACT = "approval"


class Approvals:
    """Decisions about events that wait."""

    def __init__(self, store: Store, intake: Intake, clock: Clock) -> None:
        self.store = store
        self.intake = intake
        self.clock = clock

    async def approve(self, name: str, by: str) -> bool:
        """Let the event of this number or id run, trusted no more than before; False where it was let already. Raises BadInput
        where there is no such event or it waits for nobody, and RouterError where it cannot run now."""
        row = await self._waiting(name)
        if await self._approved(row) is not None:
            return False
        given = changed(row.event, id=row.event.id + MARK, fields={**row.event.fields, "approval": GIVEN})
        await self.intake.conclude(await self.intake.spindle.admitted(given))
        if await self._approved(row) is None:
            raise RouterError(f"The event {row.number} is about no repo of ours any more.")
        await self._decide(row, "approved", by)
        return True

    async def deny(self, name: str, by: str) -> bool:
        """Let the event never run; False where it runs already. Raises BadInput as `approve` does."""
        row = await self._waiting(name)
        if await self._approved(row) is not None:
            return False
        await self._decide(row, "denied", by)
        return True

    async def _waiting(self, name: str) -> EventRow:
        row = await self.store.event(name)
        if row is None:
            raise BadInput(f"There is no event {name}: `router approvals` lists what waits.")
        if row.event.fields.get("approval") != "needed" or row.event.fields.get("refused"):
            raise BadInput(f"The event {name} waits for no approval: `router approvals` lists what does.")
        return row

    async def _approved(self, row: EventRow) -> EventRow | None:
        found = await self.store.event(row.event.id + MARK)
        return found if found is not None and found.event.origin == row.event.origin else None

    async def _decide(self, row: EventRow, decision: str, by: str) -> None:
        now = self.clock.now()
        await self.store.remember(FACT, {str(row.number): {"decision": decision, "by": by, "at": now}}, now)
