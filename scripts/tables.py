"""Tables of what a pydantic model takes, for the pages of docs/reference."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from pydantic import BaseModel

from router.settings import Duration, Size, is_size, size

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

#: The first mark of a Duration and of a Size.
_MARKS = tuple((like.__metadata__[0], word) for like, word in ((Duration, "duration"), (Size, "size")))
_TYPES = {"string": "text", "object": "mapping", "integer": "whole number", "boolean": "true or false", "array": "list"}


def table(model: type[BaseModel]) -> str:
    """Each field: its name, what it takes, its default, and what it is."""
    if not model.model_fields:
        return "None."
    schema = model.model_json_schema(mode="serialization")["properties"]
    rows = [_row(info.alias or name, schema[info.alias or name], info) for name, info in model.model_fields.items()]
    return "\n".join(["| name | type | default | |", "|---|---|---|---|", *rows])


def _row(name: str, schema: dict[str, object], info: FieldInfo) -> str:
    given = "needed" if info.is_required() else default(info, schema)
    return f"| `{name}` | {_what(info) or kind(schema)} | {given} | {info.description or ''} |"


def _what(info: FieldInfo) -> str:
    """What a schema does not say: that a text is a duration, or a size."""
    marks = [*info.metadata, *(mark for choice in get_args(info.annotation) for mark in getattr(choice, "__metadata__", ()))]
    return next((word for mark in marks for like, word in _MARKS if mark == like), "")


def default(info: FieldInfo, schema: dict[str, object]) -> str:
    """As a file would say it; nothing where what is not said is not there."""
    value = info.get_default(call_default_factory=True)
    if value is None or isinstance(value, BaseModel) or value in ({}, [], ""):
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if is_size(info):
        return f"`{size(value)}`"
    if isinstance(value, float) and schema.get("type") == "string":
        return f"`{_time(value)}`"
    if isinstance(value, list):
        return ", ".join(f"`{one}`" for one in value)
    return f"`{value}`".replace("\n", "")


def _time(seconds: float) -> str:
    """`90d`, `10m`, `15s`."""
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds and seconds % length == 0:
            return f"{seconds / length:g}{unit}"
    return f"{seconds:g}s"


def kind(schema: dict[str, object]) -> str:
    """The type in a word or two, of a property's schema."""
    if isinstance(choices := schema.get("anyOf"), list):
        return ", or ".join(kind(choice) for choice in choices if choice.get("type") != "null")
    if isinstance(words := schema.get("enum"), list):
        return ", ".join(f"`{word}`" for word in words)
    if isinstance(items := schema.get("items"), dict):
        return f"list of {kind(items)}"
    if isinstance(values := schema.get("additionalProperties"), dict):
        return f"mapping of {kind(values)}"
    if isinstance(members := schema.get("properties"), dict) and set(members) == {"env", "file"}:
        return "secret"
    return _TYPES.get(str(schema.get("type")), "mapping" if "$ref" in schema else "anything")
