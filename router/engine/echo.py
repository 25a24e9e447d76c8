"""The router's own statuses as events, so that rules can act on them: "tell the chat when main breaks".

A source like any other, over the journal: it keeps a cursor, so a status that was stored is heard, whatever happens between.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from router.core.model import Event, Heard
from router.core.rulebook import OWN_STATUS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from router.engine.bell import Bell
    from router.engine.store.base import Store, Told


#: What an event says of itself alone.
_ITS_OWN = frozenset(("trigger", "operation", "workflows", "action", "inputs", "approval", "refused", "only", "quiet"))


class Echo:
    """The source named `spindle`."""

    name = "spindle"
    finite = False

    def __init__(self, store: Store, bell: Bell) -> None:
        self.store = store
        self.bell = bell

    async def hear(self, cursor: int | None, wants: object = None) -> AsyncIterator[Sequence[Heard]]:
        """Every status after `cursor`, which is the journal's row number."""
        after = cursor or 0
        while True:
            rung = self.bell.count
            if page := await self.store.journal(after):
                after = page[-1].number
                # Only what a rule reports is a status to others; a webhook's own success would set off its rule again.
                yield [Heard(event=_event(told) if told.entry.workflow else None, cursor=told.number) for told in page]
            if self.bell.count == rung:
                await self.bell.wait(rung)


def _event(told: Told) -> Event:
    """The status, with the named fields of the event that its delivery came from: repo, branch, sha and the rest."""
    entry, cause = told.entry, told.event
    # A status of a push is no push: a rule that builds pushes must not build their statuses.
    fields: dict[str, Any] = {key: value for key, value in cause.fields.items() if key not in _ITS_OWN}
    fields |= {"status": str(entry.status), "workflows": [{"name": entry.workflow}] if entry.workflow else []}
    return Event(
        origin="spindle",
        # Not by the journal's number: in a store that was restored, the same status may get another one.
        id=f"{entry.delivery}/{told.run}/{entry.status}",
        source=Echo.name,
        kind="spindle",
        nsid=OWN_STATUS,
        time=entry.at,
        record=_record(told),
        fields=fields,
        depth=cause.depth + 1,
    )


def _record(told: Told) -> dict[str, Any]:
    entry, cause = told.entry, told.event
    record: dict[str, Any] = {
        "delivery": entry.delivery,
        "rule": told.rule,
        "trigger": cause.fields.get("trigger"),
        "workflow": entry.workflow,
        "status": str(entry.status),
        "url": entry.url,
        "error": entry.error,
    }
    known = {
        "exitCode": entry.exit_code,
        "previous": str(told.previous) if told.previous is not None else None,
        "outdated": told.outdated or None,
        "defaultBranch": _on_default_branch(cause),
    }
    return record | {key: value for key, value in known.items() if value is not None}


def _on_default_branch(cause: Event) -> bool | None:
    """Whether it was on its repo's default branch; None where the event does not say."""
    branch, meta = cause.fields.get("branch"), cause.record.get("meta")
    if branch is None:
        return None
    default = (cause.fields.get("repo") or {}).get("default_branch")
    if default is not None:
        return bool(branch == default)
    said = meta.get("isDefaultRef") if cause.kind == "knot" and isinstance(meta, dict) else None
    return said if isinstance(said, bool) else None
