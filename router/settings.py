"""What settings and options are built of, for router.yaml, sources and providers alike."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, WithJsonSchema

from router.core import durations


class Closed(BaseModel):
    """The base of Settings and Options: frozen, and an unknown key is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def _seconds(value: Any) -> Any:
    """Seconds of a text with a unit; a bare number passes, for defaults and code."""
    return durations.seconds(value) if isinstance(value, str) else value


#: Seconds, written `30s`, `10m` or `1h30m`.
Duration = Annotated[
    float, BeforeValidator(_seconds), WithJsonSchema({"type": "string", "description": "A duration, like 30s, 10m or 1h30m."})
]
