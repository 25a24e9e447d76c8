"""Plain templates (see `plain`) rendered without Jinja, where an event has texts at the places that they name.

Whatever else is there (nothing, a number, a text that is too long) is left to Jinja, which says what it comes to or what is
wrong with it. What Jinja would count (see `work`) is counted here as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jinja2.exceptions import SecurityError

from router.core import filters, plain, work
from router.core.filters import MAX_TEXT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from router.core.plain import Use
    from router.core.templates import Context, Renderer

#: Each gives a text for a text.
_FILTERS: Mapping[str, Callable[[str], str]] = {
    "short": filters.short,
    "slug": filters.slug,
    "lower": str.lower,
    "upper": str.upper,
    "trim": str.strip,
    "string": str,
}
#: Uses in one template. So many, with all of their filters and whatever texts, are within the bound of a template.
_MOST = 16
#: Units of calling a filter that looks at its value and its arguments, of which there are none; and of one that does not.
_CALL, _GLANCE = work.STEP + 3, work.STEP


def renderer(text: str, otherwise: Renderer) -> Renderer | None:
    """What renders a plain template: as `otherwise` does, which is asked where it must be. None for any other template."""
    read = plain.pieces(text)
    uses = [one for one in read or () if not isinstance(one, str)]
    if read is None or len(uses) > _MOST or not all(map(_has_keys_only, uses)):
        return None
    if len(read) == len(uses) == 1:
        return _used(uses[0], otherwise)
    return _joined([one if isinstance(one, str) else _used(one, _nothing) for one in read], otherwise)


def _has_keys_only(use: Use) -> bool:
    """Whether its parts can be nothing but keys: what every mapping has goes before them."""
    return not any(hasattr(dict, part) for part in use.parts[1:])


def _nothing(context: Context) -> None:
    """A part that is no text: all of its template is left to Jinja."""


def _used(use: Use, otherwise: Renderer) -> Renderer:
    found = _found(use.parts, use.texts[0] if use.has_default else None, _nothing if use.filters else otherwise)
    return _filtered(found, use.filters, otherwise) if use.filters else found


def _found(parts: tuple[str, ...], default: str | None, otherwise: Renderer) -> Renderer:
    """The text at a place, or `default` where only its last part is missing. The usual places are looked at in one go."""
    first, *way = parts
    if not way:

        def named(context: Context) -> Any:
            try:
                value = context[first]
            except KeyError:
                return otherwise(context) if default is None else default
            return value if type(value) is str and len(value) <= MAX_TEXT else otherwise(context)

        return named
    *middle, last = way
    if not middle and default is None:

        def member(context: Context) -> Any:
            try:
                value = context[first][last]
            except (KeyError, TypeError):
                return otherwise(context)
            return value if type(value) is str and len(value) <= MAX_TEXT else otherwise(context)

        return member

    def inner(context: Context) -> Any:
        try:
            around = context[first]
            for name in middle:
                around = around[name]
        except (KeyError, TypeError):
            return otherwise(context)
        value = around.get(last, default) if type(around) is dict else None
        return value if type(value) is str and len(value) <= MAX_TEXT else otherwise(context)

    return inner


def _filtered(found: Renderer, names: Sequence[str], otherwise: Renderer) -> Renderer:
    # What is there is its own default.
    calls = [_FILTERS.get(name) for name in names]

    def filtered(context: Context) -> Any:
        value = found(context)
        if value is None:
            return otherwise(context)
        try:
            for call in calls:
                if call is None:
                    work.spend(_GLANCE)
                else:
                    work.spend(_CALL + len(value) // 8)
                    value = call(value)
        except SecurityError:
            return otherwise(context)
        return value if len(value) <= MAX_TEXT else otherwise(context)

    return filtered


def _joined(parts: Sequence[str | Renderer], otherwise: Renderer) -> Renderer:
    uses = sum(not isinstance(part, str) for part in parts)

    def joined(context: Context) -> Any:
        try:
            made = "".join([part if type(part) is str else part(context) for part in parts])  # type: ignore[operator]
        except TypeError:  # one of them is no text
            return otherwise(context)
        if len(made) > MAX_TEXT:
            return otherwise(context)
        try:
            # Each is looked at when it is said, and again when all are put together.
            work.spend(uses + 2 * (len(made) // 8))
        except SecurityError:
            return otherwise(context)
        return made

    return joined
