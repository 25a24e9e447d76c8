"""Templates as those see them who read rules: what is one, whether it is right, which names it takes.

Nothing here imports Jinja before a template needs it (see `plain`); `render` is what compiles and renders.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from router.core import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from router.core.model import Tree

    Context: TypeAlias = Mapping[str, Tree]
    Renderer: TypeAlias = Callable[[Context], Tree]


class TemplateMistake(ValueError):
    """A template does not compile; the message is a sentence, `line` counts from 1 within the template."""

    def __init__(self, sentence: str, line: int = 1, hint: str = "") -> None:
        super().__init__(sentence)
        self.line = line
        self.hint = hint


def is_template(text: str) -> bool:
    """Whether the text has anything for Jinja in it."""
    return "{" in text and any(mark in text for mark in ("{{", "{%", "{#"))


def check(text: str) -> None:
    """Raises TemplateMistake where it does not compile."""
    if plain.pieces(text) is None:
        from router.core import render  # noqa: PLC0415 - see above

        render.compiled(text)


def names(text: str) -> frozenset[str]:
    """The names that a template takes from its context. Raises TemplateMistake."""
    used = plain.uses(text)
    if used is not None:
        return frozenset(use.parts[0] for use in used)
    from router.core import render  # noqa: PLC0415 - see above

    return render.names(text)


class Rendering:
    """A renderer for a tree of options: only strings that are templates are rendered.

    Templates were checked once when the rules were read, which proves them right. What they are compiled to is put together
    when it is first needed: of many rules most never act.
    """

    __slots__ = ("_made", "options")

    def __init__(self, options: Tree) -> None:
        self.options = options
        self._made: Renderer | None = None

    def __call__(self, context: Context) -> Tree:
        made = self._made
        if made is None:
            from router.core import render  # noqa: PLC0415 - see above

            made = self._made = render.tree(self.options)
        return made(context)
