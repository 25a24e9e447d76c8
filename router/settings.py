"""What settings and options are built of, for router.yaml, sources and providers alike."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, WithJsonSchema

from router.core import durations


class Closed(BaseModel):
    """The base of Settings and Options: frozen, and an unknown key is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def _seconds(value: Any) -> Any:
    """Seconds of a text with a unit; a bare number passes, for defaults and code."""
    return durations.seconds(value) if isinstance(value, str) else value


_UNITS = {"": 1, "B": 1, "kB": 1000, "MB": 1000**2, "GB": 1000**3, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_SIZE = re.compile(r"([0-9]{1,15}) ?([A-Za-z]*)")


def _bytes(value: Any) -> Any:
    """Bytes of a text with a unit; a bare number passes."""
    if not isinstance(value, str):
        return value
    found = _SIZE.fullmatch(value.strip())
    if found is None or found[2] not in _UNITS:
        raise ValueError("write a size, like 8MiB or 500kB")
    return int(found[1]) * _UNITS[found[2]]


#: Bytes, written `500kB` or `8MiB`.
Size = Annotated[int, BeforeValidator(_bytes), WithJsonSchema({"type": "string", "description": "A size, like 8MiB or 500kB."})]
#: Seconds, written `30s`, `10m` or `1h30m`.
Duration = Annotated[
    float, BeforeValidator(_seconds), WithJsonSchema({"type": "string", "description": "A duration, like 30s, 10m or 1h30m."})
]
