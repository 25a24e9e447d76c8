"""A tree of options whose templates are all plain (see `plain`), rendered by one function of its own.

`direct` has a function for each template, and calling them costs more than what they do. Here Python source is made of the
tree, once: what its places are called and its texts say goes into it as literals. It is for what nearly all events are: short
texts at each place. In any other case the tree is left to `direct`, and by it to Jinja.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jinja2.exceptions import SecurityError

from router.core import plain, work
from router.core.filters import slug
from router.core.templates import is_template

if TYPE_CHECKING:
    from router.core.model import Tree
    from router.core.plain import Use
    from router.core.templates import Context, Renderer

#: Characters of all places together. What filters (`upper` makes three of some) and joins make of so few is no longer than a
#: text may be.
MOST = 1024
#: Places and templates of a tree, and uses in a template, beyond which it is left to others.
_PLACES, _TEMPLATES, _USES = 64, 64, 16
_FILTERS = {
    "short": "{}[:8]",
    "slug": "slug({})",
    "lower": "{}.lower()",
    "upper": "{}.upper()",
    "trim": "{}.strip()",
}
_SOURCE = """\
def render(context):
    try:
        {places}
    except odd:
        return otherwise(context)
    if not ({types} is str) or {lengths} > {most}:
        return otherwise(context)
    {joins}
    try:
        spend({units})
    except tired:
        return otherwise(context)
    return {body}
"""


class _NotPlain(Exception):
    """It is no error: the tree is left to others."""


def renderer(options: Tree, otherwise: Renderer) -> Renderer | None:
    """What renders the tree, by `otherwise` where a place has no short text. None where the tree is not for it."""
    writer = _Writer()
    try:
        body = writer.value(options)
        if not 0 < len(writer.places) <= _PLACES or writer.templates > _TEMPLATES:
            return None
        names = list(writer.places.values())
        source = _SOURCE.format(
            places="\n        ".join(f"{name} = {place}" for place, name in writer.places.items()),
            types=" is ".join(f"type({name})" for name in names),
            lengths=" + ".join(f"len({name})" for name in names),
            most=MOST,
            joins="\n    ".join(writer.joins),
            units=" + ".join(writer.units) or "0",
            body=body,
        )
        known: dict[str, Any] = {"otherwise": otherwise, "odd": (KeyError, TypeError, AttributeError), "tired": SecurityError}
        known |= {"spend": work.spend, "slug": slug, "named": _named, **writer.constants}
        exec(compile(source, "<options>", "exec"), known)  # noqa: S102 - of literals, and of names that are made here
    except (_NotPlain, RecursionError, SyntaxError, MemoryError):
        return None
    made: Renderer = known["render"]
    return made


def _named(context: Context, name: str, default: str) -> Any:
    """What is there, or made when it is asked for."""
    try:
        return context[name]
    except KeyError:
        return default


class _Writer:
    """Writes expressions. `places` are those of texts in the context, with the variable that each becomes; `joins` are
    assignments, and `units` what all of it costs, as `direct` counts it."""

    def __init__(self) -> None:
        self.places: dict[str, str] = {}
        self.constants: dict[str, Any] = {}
        self.joins: list[str] = []
        self.units: list[str] = []
        self.templates = 0

    def value(self, tree: Tree) -> str:
        """Raises _NotPlain."""
        if isinstance(tree, dict):
            return "{" + ", ".join(f"{key!r}: {self.value(value)}" for key, value in tree.items()) + "}"
        if isinstance(tree, list):
            return "[" + ", ".join(map(self.value, tree)) + "]"
        if isinstance(tree, str) and is_template(tree):
            return self._template(tree)
        name = f"k{len(self.constants)}"
        self.constants[name] = tree
        return name

    def _template(self, text: str) -> str:
        self.templates += 1
        read = plain.pieces(text)
        uses = [one for one in read or () if not isinstance(one, str)]
        if read is None or len(uses) > _USES:
            raise _NotPlain
        said = [repr(one) if isinstance(one, str) else self._use(one) for one in read]
        if len(said) == 1:
            return said[0]
        name = f"j{len(self.joins)}"
        self.joins.append(f"{name} = {' + '.join(said)}")
        self.units.append(f"{len(uses)} + len({name}) // 8 * 2")
        return name

    def _use(self, use: Use) -> str:
        if any(hasattr(dict, part) for part in use.parts[1:]):
            raise _NotPlain
        name = self.places.setdefault(self._place(use), f"v{len(self.places)}")
        said = name
        for one in use.filters:
            self.units.append(f"{work.STEP + 3} + len({name}) // 8" if one in _FILTERS or one == "string" else f"{work.STEP}")
            said = _FILTERS.get(one, "{}").format(said)
        return said

    def _place(self, use: Use) -> str:
        first, *way = use.parts
        if not use.has_default:
            return "context" + "".join(f"[{name!r}]" for name in use.parts)
        default = use.texts[0]
        if not way:
            return f"named(context, {first!r}, {default!r})"
        *middle, last = way
        return "context" + "".join(f"[{name!r}]" for name in (first, *middle)) + f".get({last!r}, {default!r})"
