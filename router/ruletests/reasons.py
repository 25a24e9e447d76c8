"""Why a rule does not act: the conditions that settle it, each with the value that it saw and where it is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.core import outline

if TYPE_CHECKING:
    from collections.abc import Iterator

    from router.core.conditions import Condition
    from router.core.outline import Part
    from router.core.view import View


def settling(condition: Condition, view: View) -> list[Part]:
    """The conditions on fields, or those that negate some, for which this one does not hold; none where it does."""
    whole = outline.outline(condition, view)
    return [] if whole.held else list(_deciding(outline.reasons(whole)))


def _deciding(part: Part) -> Iterator[Part]:
    if part.kind in ("field", "not"):
        yield part
        return
    for inner in part.parts:
        yield from _deciding(inner)


def fields(part: Part) -> Iterator[Part]:
    """The conditions on fields within one."""
    if part.kind == "field":
        yield part
    for inner in part.parts:
        yield from fields(inner)


def told(part: Part) -> str:
    """One of the settling conditions, on one line."""
    asked = list(fields(part))
    text = f"not ({', '.join(one.text for one in asked)})" if part.kind == "not" else part.text
    error = next((one.error for one in asked if one.error), "")
    if error:
        why = f", which cannot be evaluated: {error}"
    else:
        seen = ", ".join(dict.fromkeys(one.saw for one in asked if one.saw))
        why = f", and it is {seen}" if seen else ""
    return f"{text}{why} ({part.place.file}:{part.place.line}:{part.place.column})"
