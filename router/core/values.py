"""JSON values: when two are the same, what times they say, and how a person sees them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from router.core.problems import printable

if TYPE_CHECKING:
    from router.core.model import Tree


def same(one: Tree, other: Tree) -> bool:
    """Equality of JSON values: types are strict, but 1 is 1.0."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    numbers = (int, float)
    if isinstance(one, numbers) and isinstance(other, numbers):
        return one == other
    return type(one) is type(other) and bool(one == other)


def instant(value: Any) -> datetime | None:
    """A time in RFC 3339, or None. One without a zone is taken as UTC."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def show(value: Tree, limit: int = 80) -> str:
    """A value for a person: JSON-like, on one line, cut, with everything unprintable escaped."""
    if isinstance(value, (list, tuple)):
        text = "[" + ", ".join(show(item, limit) for item in value[:8]) + (", …]" if len(value) > 8 else "]")
    elif isinstance(value, str):
        text = '"' + printable(value[: limit + 1]) + '"'
    elif value is None or isinstance(value, bool):
        text = {None: "null", True: "true", False: "false"}[value]
    else:
        text = printable(str(value))
    return text if len(text) <= limit else text[:limit] + "…"
