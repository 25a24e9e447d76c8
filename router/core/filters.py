"""Filters that are not Jinja's own, what its own may make, and those that `core.sandbox` puts around everything else."""

from __future__ import annotations

import operator
import re
from typing import TYPE_CHECKING, Any

from jinja2.exceptions import SecurityError

from router.core.work import STEP, spend, steps, weigh

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

#: Characters that one rendered text may have: more than any commit message, less than trouble.
MAX_TEXT = 65536
MAX_RANGE = 1000
FILTERS = frozenset(
    (
        *("abs", "batch", "capitalize", "count", "d", "default", "dictsort", "e", "escape", "first", "float", "groupby"),
        *("indent", "int", "items", "join", "last", "length", "list", "lower", "map", "max", "min", "reject", "rejectattr"),
        *("replace", "reverse", "round", "select", "selectattr", "slice", "sort", "string", "sum", "title", "tojson", "trim"),
        *("truncate", "unique", "upper", "urlencode", "wordcount", "short", "slug"),
    )
)
_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "gteq": operator.ge,
    "lt": operator.lt,
    "lteq": operator.le,
    "in": lambda left, right: left in right,
    "notin": lambda left, right: left not in right,
}


def too_long() -> SecurityError:
    return SecurityError(f"it comes to more than {MAX_TEXT} characters")


def pay_comparison(name: str, left: Any, right: Any) -> None:
    """Texts are compared up to where they differ, and a list with an item each."""
    if name in ("in", "notin"):
        spend(len(right) // (8 if isinstance(right, str) else 4) if hasattr(right, "__len__") else STEP)
        if isinstance(right, (list, tuple)):
            spend(len(right) * (len(left) // 64) if isinstance(left, str) else 0)
            weigh(*(right if isinstance(left, (list, tuple, dict)) else ()))
    elif isinstance(left, str) and isinstance(right, str):
        spend(min(len(left), len(right)) // 64)
    elif isinstance(left, (list, tuple, dict)) and isinstance(right, (list, tuple, dict)):
        weigh(left if len(left) < len(right) else right)


def _compare(value: Any, *chain: Any) -> bool:
    """`a < b < c`: the names of operators and their right sides, in turn."""
    for name, right in zip(chain[::2], chain[1::2], strict=True):
        spend(1)
        pay_comparison(name, value, right)
        if not _COMPARISONS[name](value, right):
            return False
        value = right
    return True


def said(value: Any) -> str:
    if not isinstance(value, str):
        weigh(value)
    text = str(value)
    spend(1 + len(text) // 8)
    if len(text) > MAX_TEXT:
        raise too_long()
    return text


def _concat(*values: Any) -> str:
    parts = [said(value) for value in values]
    if sum(map(len, parts)) > MAX_TEXT:
        raise too_long()
    return "".join(parts)


def _sliced(value: Any) -> Any:
    spend(len(value) // 8 if isinstance(value, str) else len(value) if isinstance(value, (list, tuple)) else 1)
    return value


def bounded_range(*bounds: int) -> range:
    made = range(*bounds)
    if len(made) > MAX_RANGE:
        raise SecurityError(f"range() is limited to {MAX_RANGE} steps")
    return made


def short(sha: str, length: int = 8) -> str:
    """The first characters of a sha."""
    return str(sha)[:length]


def slug(text: str, limit: int = 63) -> str:
    """Lower-case letters, digits and single hyphens only: fit for a name elsewhere."""
    return re.sub(r"[^a-z0-9]+", "-", str(text).lower()).strip("-")[:limit].strip("-")


def replace(text: str, old: str, new: str) -> str:
    """As Jinja's, without its count, and bounded."""
    text, old, new = str(text), str(old), str(new)
    if old and len(text) + text.count(old) * max(0, len(new) - len(old)) > MAX_TEXT:
        raise SecurityError(f"replace() comes to more than {MAX_TEXT} characters")
    return text.replace(old, new)


def join(values: Iterable[Any], d: Any = "", attribute: str | int | None = None) -> str:
    """As Jinja's, and bounded before it is made."""
    between, parts, length = str(d), list[str](), 0
    for value in values:
        for name in str(attribute).split(".") if attribute is not None else ():
            value = value[int(name) if name.isdigit() else name]  # noqa: PLW2901 - a walk
        part = str(value)
        parts.append(part)
        length += len(part) + len(between)
        if length - len(between) > MAX_TEXT:
            raise SecurityError(f"join() comes to more than {MAX_TEXT} characters")
    return between.join(parts)


def _few(_value: Any, number: Any = 0, *_more: Any, **named: Any) -> None:
    """Batches, slices, columns and digits are made by number, whatever there is to fill them with."""
    wanted = [number, *(one for one in named.values() if isinstance(one, int))]
    if any(isinstance(one, int) and abs(one) > MAX_RANGE for one in wanted):
        raise SecurityError(f"its number is limited to {MAX_RANGE}")


def _indent(value: Any, width: Any = 4, *more: Any, **named: Any) -> None:
    _few(value, width, *more, **named)
    each = len(width) if isinstance(width, str) else int(width)
    text = str(value)
    if len(text) + (1 + sum(text.count(end) for end in "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029")) * each > MAX_TEXT:
        raise too_long()


def _in_json(_value: Any, indent: Any = None) -> None:
    if isinstance(indent, str) or (isinstance(indent, int) and indent > 8):
        raise SecurityError("its indent is limited to 8")


def _numbers(_value: Any, attribute: Any = None, start: Any = 0) -> None:  # noqa: ARG001 - the filter's own
    if not isinstance(start, (int, float)):
        raise SecurityError("sum() is for numbers only")


def _trimmed(value: Any, chars: Any = None) -> None:
    if chars is not None:
        spend(len(str(value)) * len(str(chars)) // 8)


BEFORE: Mapping[str, Callable[..., None]] = {
    "batch": _few,
    "indent": _indent,
    "round": _few,
    "slice": _few,
    "sum": _numbers,
    "tojson": _in_json,
    "trim": _trimmed,
}
#: No template can spell their names.
OURS: Mapping[str, Callable[..., Any]] = {
    "compare!": _compare,
    "concat!": _concat,
    "said!": said,
    "sliced!": _sliced,
    "steps!": steps,
}
