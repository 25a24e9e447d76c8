"""Where the parts of a rule are written, as numbers: it has some seven, and most rules are never looked at.

Places of one text take eight bytes each. Those of several texts, or beyond what that holds, are kept as they are.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, TypeAlias

from router.core.document import Source
from router.core.problems import Place

if TYPE_CHECKING:
    from collections.abc import Sequence

#: A place, and which of its neighbours it is as they are written.
Spot: TypeAlias = tuple[Place, int]
Packed: TypeAlias = "bytes | tuple[Spot, ...]"
#: Bits of a line; a column and a width; a rank.
_LINE, _COLUMN, _RANK = 28, 14, 8


def pack(spots: Sequence[Spot], source: Source | None) -> Packed:
    """The places, to be kept. `source` must be given to `unpack` again."""
    if source is None or not all(_fits(place, rank, source) for place, rank in spots):
        return tuple(spots)
    return array("Q", [_number(place, rank) for place, rank in spots]).tobytes()


def unpack(packed: Packed, source: Source | None) -> tuple[Spot, ...]:
    """What was packed."""
    if isinstance(packed, tuple):
        return packed
    # Without a source nothing was made a number.
    return tuple(_spot(number, source) for number in array("Q", packed)) if source is not None else ()


def first(packed: Packed, source: Source | None) -> Place:
    """The first place by itself."""
    return unpack(packed[:8] if isinstance(packed, bytes) else packed[:1], source)[0][0]


def last(packed: Packed, count: int, source: Source | None) -> list[Place]:
    """So many at the end."""
    kept = packed[len(packed) - count * (8 if isinstance(packed, bytes) else 1) :]
    return [place for place, _ in unpack(kept, source)]


def _fits(place: Place, rank: int, source: Source) -> bool:
    mine = isinstance(place.of, Source) and place.file == source.file
    small = place.line < 1 << _LINE and rank < 1 << _RANK
    return mine and small and place.column < 1 << _COLUMN and place.width < 1 << _COLUMN


def _number(place: Place, rank: int) -> int:
    return ((place.line << _COLUMN | place.column) << _COLUMN | place.width) << _RANK | rank


def _spot(number: int, source: Source) -> Spot:
    number, rank = number >> _RANK, number & (1 << _RANK) - 1
    number, width = number >> _COLUMN, number & (1 << _COLUMN) - 1
    return Place(source.file, number >> _COLUMN, number & (1 << _COLUMN) - 1, width, source), rank
