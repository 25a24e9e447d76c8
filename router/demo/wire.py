"""Names and times as the network writes them."""

from __future__ import annotations

import json
import re
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from router.core.model import Tree

DID = re.compile(r"did:[a-z]+:[a-zA-Z0-9._:%-]*[a-zA-Z0-9._-]")
NSID = re.compile(r"[a-zA-Z][a-zA-Z0-9-]{0,62}(\.[a-zA-Z0-9][a-zA-Z0-9-]{0,62})+(\.[a-zA-Z][a-zA-Z0-9]{0,62})")
HANDLE = re.compile(r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
_TID_ALPHABET = "234567abcdefghijklmnopqrstuvwxyz"
#: Go's encoding/json escapes these in every string, and they occur nowhere else in JSON.
_GO_ESCAPES = str.maketrans({char: f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"})


def compact(value: Tree, *, sort_keys: bool = False) -> str:
    """JSON on one line, byte for byte as the Go services write it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=sort_keys).translate(_GO_ESCAPES)


class Ticks:
    """Unix nanoseconds that strictly increase, as the servers number what they send."""

    def __init__(self) -> None:
        self.last = 0

    def next(self, step: int = 1) -> int:
        """Now, or `step` nanoseconds after the last tick where the clock has not moved that far."""
        self.last = max(time.time_ns(), self.last + step)
        return self.last


class Tids:
    """Fresh TIDs: 53 bits of microseconds and 10 of a clock id, in sortable base 32; strictly increasing, so each is new."""

    def __init__(self, clock_id: int = 0) -> None:
        self.clock_id = clock_id
        self._ticks = Ticks()

    def next(self) -> str:
        value = (self._ticks.next(1000) // 1000) << 10 | self.clock_id
        return "".join(_TID_ALPHABET[value >> shift & 31] for shift in range(60, -1, -5))


def rfc3339() -> str:
    """Now, in whole seconds, as records and knots write it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
