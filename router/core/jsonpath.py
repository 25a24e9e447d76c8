"""JSONPath into a record. A plain path (`$.a.b[0]`, `$.a[*].b`) becomes a walk of our own; `jsonpath-ng` serves the rest.

jsonpath-ng's `=~` and `sub()` use Python's backtracking `re`, on text that strangers send: RE2 is put in the place of the one,
and the other is refused. Every pattern is compiled when the path is, because jsonpath-ng would only raise when it first meets a
value.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

from router.core import regex
from router.core.problems import printable
from router.core.truth import Unevaluable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from router.core.model import Tree

_PART = re.compile(r"""\.([A-Za-z_$][\w$-]*)|\['([^'\\]+)'\]|\["([^"\\]+)"\]|\[([0-9]{1,9})\]|(\[\*\])""")
#: Values that a path which is not plain may look at.
MAX_LOOKED = 8_000
_SUB = re.compile(r"`sub\(")


class PathError(ValueError):
    """The text is not a JSONPath; the message is a sentence."""


@lru_cache(maxsize=16384)
def finder(path: str) -> Callable[[Tree], list[Tree]]:
    """A function from a record to every value that the path finds, in order. Raises PathError.

    What it returns raises Unevaluable where a record cannot be sorted or computed with as the path wants.
    """
    parts = plain_parts(path)
    return _walker(parts) if parts is not None else _general(path)


@lru_cache(maxsize=16384)
def plain_parts(path: str) -> tuple[str | int | None, ...] | None:
    """The steps of a plain path (None for `[*]`), or None where the path is not plain. `$` alone has no steps."""
    if not path.startswith("$"):
        raise PathError(f"`{path}` does not start with `$`.")
    parts: list[str | int | None] = []
    at = 1
    while at < len(path):
        match = _PART.match(path, at)
        if match is None:
            return None
        dotted, single, double, index, _star = match.groups()
        parts.append(int(index) if index is not None else dotted or single or double)
        at = match.end()
    return tuple(parts)


def _walker(parts: tuple[str | int | None, ...]) -> Callable[[Tree], list[Tree]]:
    if None in parts:
        return lambda record: list(_branches(record, parts, 0))

    def walk(record: Tree) -> list[Tree]:
        for part in parts:
            try:
                if isinstance(record, str):
                    return []
                record = record[part]
            except (KeyError, IndexError, TypeError):
                return []
        return [record]

    return walk


def _branches(value: Tree, parts: tuple[str | int | None, ...], at: int) -> Iterator[Tree]:
    for index in range(at, len(parts)):
        part = parts[index]
        if part is None:
            if isinstance(value, list):
                for item in value:
                    yield from _branches(item, parts, index + 1)
            return
        if (isinstance(part, int) and isinstance(value, list) and part < len(value)) or (
            isinstance(part, str) and isinstance(value, dict) and part in value
        ):
            value = cast(Any, value)[part]
        else:
            return
    yield value


def _general(path: str) -> Callable[[Tree], list[Tree]]:
    from jsonpath_ng.ext import filter as filters  # noqa: PLC0415 - only paths that need it pay for it
    from jsonpath_ng.ext.parser import parse  # noqa: PLC0415

    filters.OPERATOR_MAP["=~"] = _linear_match
    if _SUB.search(path):
        raise PathError(f"`{path}` substitutes, which is not available.")
    try:
        parsed = parse(path)
    except Exception as error:  # noqa: BLE001 - the parser raises bare Exception and its lexer a class of its own
        reason = (str(error).splitlines() or ["it cannot be read"])[0].rstrip(".!")
        raise PathError(f"`{path}` is not a JSONPath: {reason}.") from None
    for expression in _filters(parsed, filters.Filter):
        for condition in expression.expressions:
            if getattr(condition, "op", None) == "=~":
                _compile(str(condition.value))

    descents = path.count("..")

    def find(record: Tree) -> list[Tree]:
        if not _is_small(record, descents):
            raise Unevaluable(f"{path} is not looked for in a record that has so much in it")
        try:
            return [found.value for found in parsed.find(record)]
        except Exception as error:  # noqa: BLE001 - whatever jsonpath-ng stumbles over, strangers chose the record
            raise Unevaluable(f"{path} cannot be found in this record: {printable(str(error)[:200])}") from None

    return find


def _is_small(record: Tree, descents: int) -> bool:
    """Whether a path with so many `..` looks at no more than MAX_LOOKED values: each `..` within another one looks at a value
    once for each level above it. jsonpath-ng needs some 20 microseconds for one."""
    values, depth, level = 0, 0, [record]
    while level:
        values, depth = values + len(level), depth + 1
        if values * depth ** max(0, descents - 1) > MAX_LOOKED:
            return False
        inner: list[Tree] = []
        for one in level:
            if isinstance(one, (dict, list)):
                inner.extend(one.values() if isinstance(one, dict) else one)
        level = inner
    return True


def _filters(node: Any, kind: type[Any]) -> Iterator[Any]:
    if isinstance(node, kind):
        yield node
    for name in ("left", "right", "child"):
        inner = getattr(node, name, None)
        if inner is not None:
            yield from _filters(inner, kind)


def _linear_match(value: Tree, pattern: Tree) -> bool:
    return isinstance(value, str) and regex.found(str(pattern), value)


def _compile(pattern: str) -> None:
    try:
        regex.compiled(pattern)
    except regex.RegexError as error:
        raise PathError(str(error)) from None
