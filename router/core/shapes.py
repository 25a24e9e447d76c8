"""What data may look like: the names and lists in it, and whether a way leads through them."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Sequence

    from router.core.model import Tree


class Leaf(Enum):
    """A single value, and something that is not looked into."""

    VALUE = "value"
    ANYTHING = "anything"


VALUE, ANYTHING = Leaf.VALUE, Leaf.ANYTHING
#: A mapping has these members and no others; a list of one shape is a list of such items.
Shape: TypeAlias = "Leaf | list[Shape] | dict[str, Shape]"
#: A step of a way: the name of a member, the position of an item, or None for every item.
Part: TypeAlias = str | int | None


class Miss(Struct, frozen=True):
    """The first part of a way that is not there: its position, the names beside it, and whether a list is in their place."""

    at: int
    names: tuple[str, ...] = ()
    listed: bool = False


def values(names: str) -> dict[str, Shape]:
    """Members that are single values, by their names with spaces between."""
    return dict.fromkeys(names.split(), VALUE)


def shape_of(value: Tree) -> Shape:
    """The shape of a value that is written out. Items of its lists are not looked into: they may differ."""
    if isinstance(value, dict):
        return {key: shape_of(member) for key, member in value.items()}
    return [ANYTHING] if isinstance(value, list) else VALUE


def missing(shapes: Sequence[Shape], parts: Sequence[Part]) -> Miss | None:
    """What a way lacks in all of the shapes, told of those that it leads furthest into; None where one has the whole way."""
    misses: list[Miss] = []
    for shape in shapes:
        miss = _missing(shape, parts)
        if miss is None:
            return None
        misses.append(miss)
    furthest = [miss for miss in misses if miss.at == max(miss.at for miss in misses)]
    if not furthest:
        return None
    names = dict.fromkeys(name for miss in furthest for name in miss.names)
    return Miss(furthest[0].at, tuple(names), listed=any(miss.listed for miss in furthest))


def along(shape: Shape, parts: Sequence[Part]) -> Shape | None:
    """What a way leads to; None where the shape does not have it."""
    at: Shape | None = shape
    for part in parts:
        at = _step(at, part) if at is not None else None
    return at


def _missing(shape: Shape, parts: Sequence[Part]) -> Miss | None:
    for at, part in enumerate(parts):
        inner = _step(shape, part)
        if inner is None:
            return Miss(at, tuple(shape) if isinstance(shape, dict) else (), listed=isinstance(shape, list))
        shape = inner
    return None


def _step(shape: Shape, part: Part) -> Shape | None:
    if isinstance(shape, list):
        return None if isinstance(part, str) else shape[0]
    if isinstance(shape, dict):
        return shape.get(part) if isinstance(part, str) else None
    # A text has characters, which have positions.
    return ANYTHING if shape is ANYTHING or isinstance(part, int) else None
