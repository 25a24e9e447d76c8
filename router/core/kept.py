"""The text of a file, for who compares it or, seldom, reads it again: a long one is kept compressed, which rules are well."""

from __future__ import annotations

import zlib

#: Characters from which on a text is compressed.
LONG = 1 << 14


class Kept:
    """Equal for equal texts."""

    __slots__ = ("_raw", "_short")

    def __init__(self, text: str) -> None:
        self._short = len(text) < LONG
        self._raw = text.encode("utf-8", "surrogatepass") if self._short else _compressed(text)

    @property
    def text(self) -> str:
        """As it was given."""
        return (self._raw if self._short else zlib.decompress(self._raw)).decode("utf-8", "surrogatepass")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Kept) and self._raw == other._raw

    def __hash__(self) -> int:
        return hash(self._raw)


def _compressed(text: str) -> bytes:
    """Piece by piece: a second copy of a large text is what this is to avoid."""
    made = zlib.compressobj(1)
    pieces = [made.compress(text[at : at + LONG].encode("utf-8", "surrogatepass")) for at in range(0, len(text), LONG)]
    return b"".join((*pieces, made.flush()))
