"""A condition and what became of it for one event, nested as it was written: what `router explain` draws.

Every part is asked by itself, by the same code that decides, so that a part is told even where others settled the whole.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from router.core.conditions import AllOf, AnyOf, Asks, Condition, Negation

if TYPE_CHECKING:
    from router.core.problems import Place
    from router.core.view import View

#: How each kind of condition is written in a rule.
_KINDS: tuple[tuple[type[Condition], str], ...] = ((AllOf, "all"), (AnyOf, "any"), (Negation, "not"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A condition: `kind` is `field`, `all`, `any` or `not`. `held` is None where it cannot be evaluated; `error` says why."""

    kind: str
    text: str
    held: bool | None
    place: Place
    field: str = ""
    saw: str = ""
    error: str = ""
    parts: tuple[Part, ...] = ()


def outline(condition: Condition, view: View) -> Part:
    """The condition with all that is in it."""
    verdict = condition.answer(view)
    inner = condition.part if isinstance(condition, Negation) else None
    parts = (inner,) if inner is not None else getattr(condition, "parts", ())
    kind = next((kind for known, kind in _KINDS if isinstance(condition, known)), "field")
    return Part(
        kind=kind,
        text=verdict.text if kind == "field" else kind,
        held=verdict.held,
        field=condition.field if isinstance(condition, Asks) else "",
        saw=verdict.saw if kind == "field" else "",
        error=verdict.error if kind == "field" else "",
        place=condition.place,
        parts=tuple(_single(outline(part, view)) for part in parts),
    )


def _single(part: Part) -> Part:
    """Several of which there is one are that one."""
    return part.parts[0] if part.kind in ("all", "any") and len(part.parts) == 1 else part


def reasons(part: Part) -> Part:
    """Only what settles that the condition does not hold: of `all` the first that fails, of `any` each alternative."""
    if part.held or part.kind in ("field", "not"):
        return part
    settling = [inner for inner in part.parts if inner.held is part.held]
    return replace(part, parts=tuple(reasons(inner) for inner in (settling if part.kind == "any" else settling[:1])))


def wants_another_nsid(part: Part) -> bool:
    """Whether a rule's conditions say at once that it is not about such events."""
    return any(inner.field == "nsid" and inner.held is False for inner in part.parts)
