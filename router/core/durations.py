"""Durations as people write them: `30s`, `1h30m`, `2d`."""

from __future__ import annotations

import re

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
#: Ten years: what is longer is a slip, and would leave the calendar.
LONGEST = 10 * 366 * 86400.0
_PART = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,12})?)(ms|[smhdw])")
WHOLE = re.compile(rf"(?:{_PART.pattern})+")


def seconds(text: str) -> float:
    """The duration in seconds. Raises ValueError with a sentence that says what to write."""
    if WHOLE.fullmatch(text) is None:
        raise ValueError(f"`{text}` is not a duration: write a number with a unit, like 30s, 10m, 1h30m or 2d.")
    whole = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
    if whole > LONGEST:
        raise ValueError(f"`{text}` is longer than ten years.")
    return whole


def text(seconds: float) -> str:
    """The duration as one would write it: `90d`, `1h30m`, `0s`."""
    left, parts = round(seconds * 1000), []
    for unit in ("d", "h", "m", "s", "ms"):
        size = round(_UNITS[unit] * 1000)
        if left >= size:
            parts.append(f"{left // size}{unit}")
            left %= size
    return "".join(parts) or "0s"
