"""What settings and options are built of, for router.yaml, sources and providers alike."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, WithJsonSchema

from router.core import durations


class Closed(BaseModel):
    """The base of Settings and Options: frozen, and an unknown key is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def _seconds(value: Any) -> Any:
    """Seconds of a text with a unit. A bare number would be read as seconds by one and as minutes by the next."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        raise ValueError(f"`{value:g}` has no unit: write {value:g}s, or say which other, like 10m or 1h30m.")  # noqa: TRY004
    return durations.seconds(value) if isinstance(value, str) else value


#: Seconds, written `30s`, `10m` or `1h30m`.
Duration = Annotated[
    float, BeforeValidator(_seconds), WithJsonSchema({"type": "string", "description": "A duration, like 30s, 10m or 1h30m."})
]
