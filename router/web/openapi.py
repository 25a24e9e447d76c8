"""openapi.json, made of the table of operations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import TypeAdapter

from router.http import product
from router.web import shapes
from router.web.operations import OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from router.web.operations import Operation

Mode = Literal["validation", "serialization"]
_SCHEMAS = "#/components/schemas/{model}"
_ABOUT = (
    "What a running router is asked by its command line and its page, on its Unix socket or on `admin.listen`. Times are "
    "microseconds since 1970."
)


def document(operations: Sequence[Operation] = OPERATIONS) -> dict[str, Any]:
    """OpenAPI 3.1."""
    schemas: dict[str, Any] = {}
    paths: dict[str, dict[str, Any]] = {}
    for one in operations:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "tangled-router", "version": product().rpartition("/")[2], "description": _ABOUT},
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}, {}],
    }


def _operation(one: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    text = {"text/plain": {"schema": {"type": "string"}}}
    answers = {"200": {"description": "Done.", "content": text if one.tells is None else _json(one.tells, schemas)}}
    for status, (what, tells) in one.also.items():
        answers[str(status)] = {"description": what, "content": _json(tells, schemas)}
    refused = {400: "It cannot be read, or means nothing."} if one.query or one.body else {}
    refused |= {403: "It comes from another place than it may."} | ({} if one.open else {401: "The token is missing or wrong."})
    refused |= {503: "The store does not answer."} if 503 not in one.also else {}
    refused |= {413: "The body is too long.", 415: "The body is no JSON."} if one.body else {}
    for status, what in refused.items():
        answers[str(status)] = {"description": what, "content": _json(shapes.Problem, schemas)}
    made: dict[str, Any] = {"operationId": one.name, "summary": one.summary, "responses": dict(sorted(answers.items()))}
    if parameters := [*_path(one), *_query(one, schemas)]:
        made["parameters"] = parameters
    if one.body is not None:
        made["requestBody"] = {"required": True, "content": _json(one.body, schemas, "validation")}
    if one.open:
        made["security"] = []
    return made


def _path(one: Operation) -> Sequence[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "pattern": f"^{pattern}$"}}
        for name, pattern in one.where.items()
    ]


def _query(one: Operation, schemas: dict[str, Any]) -> Sequence[dict[str, Any]]:
    if one.query is None:
        return []
    properties = _schema(one.query, schemas, "validation", inline=True)["properties"]
    return [{"name": name, "in": "query", "schema": _given(schema)} for name, schema in properties.items()]


def _given(schema: dict[str, Any]) -> dict[str, Any]:
    """A query has no null: what may be left out is left out."""
    choices = [choice for choice in schema.get("anyOf", ()) if choice.get("type") != "null"]
    if not choices:
        return schema
    return {**{key: value for key, value in schema.items() if key not in ("anyOf", "default")}, **choices[0]}


def _json(tells: Any, schemas: dict[str, Any], mode: Mode = "serialization") -> dict[str, Any]:
    return {"application/json": {"schema": _schema(tells, schemas, mode)}}


def _schema(tells: Any, schemas: dict[str, Any], mode: Mode, *, inline: bool = False) -> dict[str, Any]:
    """A reference, or for lists, choices and queries the schema itself; what it refers to goes into `schemas`."""
    made = TypeAdapter(tells).json_schema(ref_template=_SCHEMAS, mode=mode)
    schemas.update(made.pop("$defs", {}))
    if inline or not isinstance(tells, type) or not hasattr(tells, "model_fields"):
        return made
    schemas[tells.__name__] = made
    return {"$ref": _SCHEMAS.format(model=tells.__name__)}
