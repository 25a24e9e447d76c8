"""What a template takes from its context, name by name: `record.meta.commitCount`, `repo['name']`, `workflows[0].raw`.

Only what is written out is told: a chain ends before a method that is called and before a subscript that is computed, and names
that the template makes itself (`set`, `for`) begin none.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from msgspec import Struct

from router.core import plain

if TYPE_CHECKING:
    from router.core.shapes import Part


class Chain(Struct, frozen=True):
    """A name and what is taken from it. `sure` is how many parts must be there for the template to be rendered.

    The last one need not be where there is a `default` for it, or where the template asks whether it is there. `line` counts
    from 1 within the template.
    """

    parts: tuple[Part, ...]
    sure: int
    line: int


@lru_cache(maxsize=65536)
def chains(text: str) -> tuple[Chain, ...]:
    """The chains of a template, each of them once. Raises TemplateMistake."""
    used = plain.uses(text)
    if used is None:
        from router.core import expressions  # noqa: PLC0415 - only what is not plain needs Jinja

        return tuple(dict.fromkeys(Chain(*found) for found in expressions.chains(text)))
    return tuple(dict.fromkeys(Chain(use.parts, len(use.parts) - use.has_default, use.line) for use in used))
