"""What settings and options are built of, for router.yaml, sources and providers alike."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, WithJsonSchema

from router.core import durations

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo


class Closed(BaseModel):
    """The base of Settings and Options: frozen, and an unknown key is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def is_size(info: FieldInfo) -> bool:
    """Whether a setting is a Size."""
    return _AS_BYTES in info.metadata


def _seconds(value: Any) -> Any:
    """Seconds of a text with a unit. A bare number would be read as seconds by one and as minutes by the next."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        raise ValueError(f"`{value:g}` has no unit: write {value:g}s, or say which other, like 10m or 1h30m.")  # noqa: TRY004
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


def size(count: int) -> str:
    """A size as one would write it: `8MiB`, `500B`."""
    for unit in ("GiB", "MiB", "KiB"):
        if count and count % _UNITS[unit] == 0:
            return f"{count // _UNITS[unit]}{unit}"
    return f"{count}B"


_AS_BYTES = BeforeValidator(_bytes)
#: Bytes, written `500kB` or `8MiB`.
Size = Annotated[int, _AS_BYTES, WithJsonSchema({"type": "string", "description": "A size, like 8MiB or 500kB."})]
#: Seconds, written `30s`, `10m` or `1h30m`.
Duration = Annotated[
    float, BeforeValidator(_seconds), WithJsonSchema({"type": "string", "description": "A duration, like 30s, 10m or 1h30m."})
]
