"""Two values, and what differs: `-` is expected, `+` is what came."""

from __future__ import annotations

import difflib
import json
from typing import TYPE_CHECKING

from router.core.values import show

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from router.core.model import Tree

#: Characters of a value in one line, and of what stands before the place where two long ones differ.
_WIDTH, _BEFORE = 200, 40
#: Lines of one difference that are shown.
_MOST_LINES = 40
_ABSENT = object()


def options(want: Tree, got: Tree, *, exact: bool) -> Iterator[str]:
    """The path of each value that differs, and under it the values. A mapping may hold more than is asked for, unless
    `exact`; a list may not."""
    yield from _differing(want, got, "", exact=exact)


def _differing(want: Tree, got: Tree, path: str, *, exact: bool) -> Iterator[str]:
    if isinstance(want, dict) and isinstance(got, dict):
        for key in (*want, *(key for key in got if exact and key not in want)):
            inner = f"{path}.{key}".lstrip(".")
            yield from _differing(want.get(key, _ABSENT), got.get(key, _ABSENT), inner, exact=exact)
    elif isinstance(want, list) and isinstance(got, list) and len(want) == len(got):
        for position, (one, other) in enumerate(zip(want, got, strict=True)):
            yield from _differing(one, other, f"{path}[{position}]", exact=exact)
    elif type(want) is not type(got) or want != got:
        yield path or "the options"
        yield from (f"  {line}" for line in _apart(want, got))


def _apart(want: Tree, got: Tree) -> Iterator[str]:
    old, new = _lines(want), _lines(got)
    if max(len(old), len(new)) > 1:
        lines = list(difflib.unified_diff(old, new, n=1, lineterm=""))[2:]
        yield from lines[:_MOST_LINES]
        if len(lines) > _MOST_LINES:
            yield f"… and {len(lines) - _MOST_LINES} lines more"
        return
    start = _start(want, got)
    yield from (f"- {_cut(want, start)}" for _ in old)
    yield from (f"+ {_cut(got, start)}" for _ in new)


def _lines(value: Tree) -> Sequence[str]:
    if value is _ABSENT:
        return ()
    if isinstance(value, (dict, list)):
        return json.dumps(value, indent=2, sort_keys=True).splitlines()
    return value.split("\n") if isinstance(value, str) else (show(value, _WIDTH),)


def _start(want: Tree, got: Tree) -> int:
    """Where to begin to show two texts of one line, so that what differs is seen."""
    if not (isinstance(want, str) and isinstance(got, str)) or max(len(want), len(got)) <= _WIDTH:
        return 0
    same = next((at for at, (one, other) in enumerate(zip(want, got, strict=False)) if one != other), min(len(want), len(got)))
    return max(0, same - _BEFORE)


def _cut(value: Tree, start: int) -> str:
    if isinstance(value, (dict, list)):
        return json.dumps(value)
    return ("…" if start else "") + show(value[start:] if start else value, _WIDTH)
