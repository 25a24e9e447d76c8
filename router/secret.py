"""Secrets by reference: a setting names where a secret is kept, and its value is read when it is used, never before."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from router.core.errors import RouterError


class SecretMissing(RouterError):
    """The variable is not set or the file cannot be read: configuration, not an attempt that failed."""


class Secret:
    """`{env: NAME}` or `{file: PATH}`. Its repr shows the reference; only `reveal()` shows the value."""

    __slots__ = ("kind", "name")

    def __init__(self, kind: str, name: str) -> None:
        self.kind = kind
        self.name = name

    def reveal(self) -> str:
        """The value, read now, so that a rotated file is picked up. Raises SecretMissing."""
        if self.kind == "env":
            value = os.environ.get(self.name, "")
            if not value:
                raise SecretMissing(f"The environment variable {self.name} is not set, or is empty.")
            return value
        try:
            value = Path(self.name).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise SecretMissing(f"The secret file {self.name} cannot be read: {error.strerror}.") from None
        except UnicodeDecodeError:
            raise SecretMissing(f"The secret file {self.name} is no text.") from None
        if not value:
            raise SecretMissing(f"The secret file {self.name} is empty.")
        return value

    def __repr__(self) -> str:
        return f"Secret({self.kind}: {self.name})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and (self.kind, self.name) == (other.kind, other.name)

    def __hash__(self) -> int:
        return hash((self.kind, self.name))

    @classmethod
    def _parse(cls, value: Any) -> Secret:
        if isinstance(value, Secret):
            return value
        if isinstance(value, dict) and len(value) == 1:
            ((kind, name),) = value.items()
            if kind in ("env", "file") and isinstance(name, str) and name:
                return cls(kind, name)
        raise PydanticCustomError(
            "secret_by_reference",
            "A secret is never written in a file: name where it is kept, {env: NAME} or {file: /path}.",
        )

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls._parse, serialization=core_schema.plain_serializer_function_ser_schema(lambda s: {s.kind: s.name})
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {
            "type": "object",
            "description": "Where a secret is kept.",
            "properties": {"env": {"type": "string"}, "file": {"type": "string"}},
            "minProperties": 1,
            "maxProperties": 1,
            "additionalProperties": False,
        }
