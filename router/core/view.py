"""An event as conditions see it: for each field, the values that it has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from router.core import jsonpath

if TYPE_CHECKING:
    from collections.abc import Sequence

    from router.core.model import Event, Tree
    from router.core.questions import Question
    from router.core.truth import Answer, Identities

#: `approval` of an event that somebody has looked at: it may set off what a collaborator's would. It is trusted with secrets no
#: more than before: those go by `trust` itself.
GIVEN = "given"
_NONE: tuple[Tree, ...] = ()
#: Fields of which an event has one value, under their own name. `trust` is none: see GIVEN.
SINGLE = frozenset(
    (
        *("trigger", "operation", "status", "repo", "owner", "actor", "knot"),
        *("branch", "tag", "ref", "target_branch"),
    )
)
#: An item may be null, and is then not the record.
_NO_ITEM: Tree = object()


class View(Struct, eq=False, gc=False):
    """One event during one decision. Values are looked up, and questions answered, once each for all rules.

    `item` is what `$` means while the items of an `each` are judged: else it is the record.
    """

    event: Event
    identities: Identities
    item: Tree = _NO_ITEM
    answers: dict[Question, Answer] = {}
    seen: dict[str, Sequence[Tree]] = {}

    @property
    def root(self) -> Tree:
        """What `$` means."""
        return self.event.record if self.item is _NO_ITEM else self.item

    def values(self, field: str) -> Sequence[Tree]:
        """The values of a named field or a JSONPath; none where the event does not have it."""
        seen = self.seen
        if field in seen:
            return seen[field]
        if field[0] == "$":
            found: Sequence[Tree] = jsonpath.finder(field)(self.event.record if self.item is _NO_ITEM else self.item)
        else:
            found = self._named(field)
        seen[field] = found
        return found

    def _named(self, field: str) -> Sequence[Tree]:
        event = self.event
        if field in SINGLE:
            value = event.fields.get(field)
            return _NONE if value is None else (value,)
        if field == "nsid":
            return (event.nsid,)
        if field == "source":
            return (event.kind, event.source) if event.kind != event.source else (event.kind,)
        if field == "workflow":
            return tuple(item["name"] for item in event.fields.get("workflows", ()) if "name" in item)
        if field == "paths":
            return tuple(event.fields.get("paths", ()))
        value = event.fields.get(field)
        if field == "trust" and value is not None and event.fields.get("approval") == GIVEN:
            return (value, "collaborator")
        return _NONE if value is None else (value,)
