"""TIDs: the record keys of AT Protocol that tell when they were made."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from router.core.model import Micros

_LETTERS = "234567abcdefghijklmnopqrstuvwxyz"
_DIGITS = {letter: value for value, letter in enumerate(_LETTERS)}
#: 13 digits of 5 bits are 65 bits, of which the first two are zero: hence the shorter choice for the first letter.
_TID = re.compile(r"[2-7a-j][2-7a-z]{12}")


def micros(text: object) -> Micros | None:
    """When a TID was made, or None where the value is none. Its last 10 bits tell makers apart and are no time."""
    if not isinstance(text, str) or _TID.fullmatch(text) is None:
        return None
    number = 0
    for letter in text:
        number = number << 5 | _DIGITS[letter]
    return number >> 10


def make(at: Micros, maker: int) -> str:
    """The TID of a moment. `maker` (10 bits) tells apart those who make one at the same moment."""
    number = (max(0, at) & (1 << 53) - 1) << 10 | maker & 1023
    return "".join(_LETTERS[number >> shift & 31] for shift in range(60, -1, -5))
