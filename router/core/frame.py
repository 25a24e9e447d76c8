"""The text of a peer as a JSON object that can be stored and rendered, and its members of a certain type, or BadFrame.

A sentence of BadFrame is safe for a log line: cut, on one line, with everything unprintable escaped.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias, TypeGuard

import msgspec

from router.core.errors import BadFrame
from router.core.members import LONGEST, canonical_host, is_did
from router.core.values import show

if TYPE_CHECKING:
    from router.core.model import Tree

Frame: TypeAlias = "str | bytes | Mapping[str, Tree]"

DEEPEST = 64
#: Values in one frame. Looking at each costs more than reading it did, and a megabyte of zeros has half a million.
MOST = 50_000
#: The knot of an event in a file that names none.
SOME_KNOT = "knot.example"
NSID = re.compile(r"(?=.{3,317}$)[A-Za-z][A-Za-z0-9-]*(?:\.[A-Za-z0-9][A-Za-z0-9-]*)+")
_SURROGATE = re.compile("[\ud800-\udfff]")
_DECODE = msgspec.json.Decoder().decode
#: What a comma and the beginnings of objects and lists are, in bytes and in text.
_STRUCTURE, _WRITTEN = (b",", b"{", b"["), (",", "{", "[")
_NESTS = (dict, list)
_LONGEST_NSID = 317
#: What a cursor can be.
LARGEST = (1 << 63) - 1


def tree(frame: Frame) -> dict[str, Tree]:
    """The frame as a JSON object that can be stored and rendered. Raises BadFrame."""
    if isinstance(frame, (bytes, str)):
        return _quickly(frame) or _thoroughly(frame)
    parsed = dict(frame)
    _check(parsed)
    return parsed


def _quickly(frame: str | bytes) -> dict[str, Tree] | None:
    """The same for a frame that is well-formed: msgspec takes less than the standard library does, and no text that is half of
    a character and no number that is not finite. None for any other frame, of which the slow way says what is wrong."""
    try:
        parsed = _DECODE(frame)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    if type(parsed) is not dict:
        return None
    comma, brace, bracket = _STRUCTURE if isinstance(frame, bytes) else _WRITTEN
    opened = frame.count(brace) + frame.count(bracket)  # type: ignore[arg-type]
    if opened > DEEPEST and _is_deep(parsed):
        return None
    # Each value but the first of its object or list has a comma before it; each key has a value.
    if len(frame) > MOST and 2 * (opened + frame.count(comma)) >= MOST:  # type: ignore[arg-type]
        _check(parsed)
    return parsed


def is_utf8(frame: bytes) -> bool:
    try:
        frame.decode()
    except UnicodeDecodeError:
        return False
    return True


def is_small(frame: bytes) -> bool:
    """Whether a frame surely has not too many values, and is not nested too deep."""
    # A copy without the brackets takes a third of the time that counting them does.
    size = len(frame)
    return size <= MOST and size - len(frame.replace(b"{", b"").replace(b"[", b"")) <= DEEPEST


def _thoroughly(frame: str | bytes) -> dict[str, Tree]:
    try:
        parsed: Tree = json.loads(frame if isinstance(frame, str) else frame.decode("utf-8"))
    except UnicodeDecodeError:
        raise BadFrame("The frame is not UTF-8.") from None
    except (ValueError, RecursionError):
        raise BadFrame("The frame is not JSON.") from None
    if not isinstance(parsed, dict):
        raise BadFrame("The frame is JSON, but no object.")
    _check(parsed)
    return parsed


def _is_deep(root: Tree) -> bool:
    level = [root]
    for _ in range(DEEPEST):
        level = [
            inner for value in level for inner in (value.values() if type(value) is dict else value) if type(inner) in _NESTS
        ]
        if not level:
            return False
    return True


def _check(root: Tree) -> None:
    level = [root]
    left = MOST
    for _ in range(DEEPEST + 1):
        if (left := left - len(level)) < 0:
            raise BadFrame(f"The frame has more than {MOST} values.")
        inner: list[Tree] = []
        for value in level:
            if isinstance(value, dict):
                inner.extend(value)
                inner.extend(value.values())
            elif isinstance(value, list):
                inner.extend(value)
            else:
                _check_leaf(value)
        if not inner:
            return
        level = inner
    raise BadFrame(f"The frame is nested more than {DEEPEST} levels deep.")


def _check_leaf(value: Tree) -> None:
    if isinstance(value, str):
        if not value.isascii() and _SURROGATE.search(value):
            raise BadFrame(f"The text {show(value)} is half of a character, which no UTF-8 can say.")
    elif isinstance(value, float) and not math.isfinite(value):
        raise BadFrame("The frame has a number that is not finite.")
    elif value is not None and not isinstance(value, (bool, int, float)):
        raise BadFrame(f"A {type(value).__name__} is nothing that JSON can say.")


def nsid(sent: Mapping[str, Tree], key: str) -> str:
    """The nsid at `key`."""
    value = sent.get(key)
    if isinstance(value, str) and is_nsid(value):
        return value
    raise _wrong(key, value)


def is_nsid(text: str) -> bool:
    return len(text) <= _LONGEST_NSID and _is_nsid(text)


@lru_cache(maxsize=1024)
def _is_nsid(text: str) -> bool:
    """There are few nsids, and each comes again and again."""
    return NSID.fullmatch(text) is not None


def did(sent: Mapping[str, Tree], key: str) -> str:
    """The DID at `key`."""
    value = sent.get(key)
    if isinstance(value, str) and len(value) <= LONGEST and is_did(value):
        return value
    raise _wrong(key, value)


def matching(sent: Mapping[str, Tree], key: str, pattern: re.Pattern[str], letters: int = 0) -> str:
    """The text at `key`, which follows the grammar. One that allows so many `letters` and digits in any order need not be asked
    where there is nothing else."""
    value = sent.get(key)
    if isinstance(value, str) and follows(value, pattern, letters):
        return value
    raise _wrong(key, value)


def follows(text: str, pattern: re.Pattern[str], letters: int = 0) -> bool:
    """See `matching`."""
    if text.isalnum() and text.isascii() and len(text) <= letters:
        return True
    return len(text) <= LONGEST and pattern.fullmatch(text) is not None


def _wrong(key: str, value: Tree) -> BadFrame:
    return BadFrame(f"`{key}` is missing." if value is None else f"`{key}` cannot be {show(value)}.")


def member(sent: Mapping[str, Tree], key: str) -> dict[str, Tree]:
    """The object at `key`."""
    value = sent.get(key)
    if not isinstance(value, dict):
        raise BadFrame(f"`{key}` is missing." if value is None else f"`{key}` must be an object, not {show(value)}.")
    return value


def host(value: Tree) -> str:
    """A knot's host name in our spelling."""
    name = canonical_host(value)
    if name is None:
        raise BadFrame(f"`knot` must be a host name, not {show(value)}.")
    return name


def whole(value: Tree) -> TypeGuard[int]:
    """A positive whole number that a 64-bit cursor can be."""
    return type(value) is int and 0 < value <= LARGEST
