"""Parts of the schema for steps: the options of installed providers, and what stands beside them.

What is no free text in a provider's options may be a template all the same, and a template is text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from router.core import grammar, steps
from router.core.marks import Verbatim
from router.core.options import marked
from router.schema.values import FLAG, IS_TEMPLATE, SOME_DURATION, STEP_ID, Schema, closed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

_TEMPLATE: Schema = {"type": "string", "pattern": IS_TEMPLATE, "description": "A template."}
_WRITTEN_OUT: Schema = {"not": {"pattern": IS_TEMPLATE}}
#: What makes a text more than free text.
_BOUNDS = frozenset(("enum", "const", "pattern", "format", "minLength", "maxLength"))


def definitions(providers: Mapping[str, type[BaseModel]]) -> dict[str, Schema]:
    """A step, and the options of each provider."""
    return {"step": _step(providers), **{f"options-{name}": _options(name, model) for name, model in providers.items()}}


def _step(providers: Mapping[str, type[BaseModel]]) -> Schema:
    trust = {"enum": list(grammar.WORDS["trust"])}
    known: Schema = {
        "id": STEP_ID,
        "timeout": SOME_DURATION,
        "retry": {"$ref": "#/$defs/retry"},
        "if_trust": {"anyOf": [trust, {"type": "array", "items": trust}]},
        "idempotent": FLAG,
        "secrets": {"type": "array", "items": {"type": "string", "pattern": f"^{steps.SECRET_NAME.pattern}$"}},
        "allow": {"type": "object", "additionalProperties": {"$ref": "#/$defs/value-glob"}},
    }
    options = {name: {"$ref": f"#/$defs/options-{name}"} for name in providers}
    return {
        **closed({key: known[key] for key in steps.STEP_KEYS} | options),
        "oneOf": [{"required": [name]} for name in providers],
        "dependentSchemas": {name: _allows(model) for name, model in providers.items()},
    }


def _allows(model: type[BaseModel]) -> Schema:
    """A bound is on an option that the step's provider has; secrets are for those that are given any."""
    names = [info.alias or name for name, info in model.model_fields.items()]
    none = {} if getattr(model, "takes_secrets", False) else {"secrets": False}
    return {"properties": {"allow": {"propertyNames": {"enum": names}}, **none}}


def _options(name: str, model: type[BaseModel]) -> Schema:
    made = model.model_json_schema(ref_template=f"#/$defs/options-{name}/$defs/{{model}}")
    written_out = {field for field, _ in marked(model, Verbatim)}
    made["$defs"] = {inner: _properties(schema) for inner, schema in made.get("$defs", {}).items()}
    opened = _properties(made, written_out)
    return opened if opened.get("required") else {**opened, "type": ["object", "null"]}


def _properties(schema: Schema, written_out: set[str] = frozenset()) -> Schema:  # type: ignore[assignment]
    """A model's schema in which values may be templates, but for some."""
    properties = {
        key: {**one, **_WRITTEN_OUT} if key in written_out else _opened(one)
        for key, one in schema.get("properties", {}).items()
    }
    return {**schema, "properties": properties} if properties else schema


def _opened(schema: Schema) -> Schema:
    """A value's schema, which a template fits too."""
    inner = dict(schema)
    for key in ("items", "additionalProperties"):
        if isinstance(inner.get(key), dict):
            inner[key] = _opened(inner[key])
    if "additionalProperties" in inner:
        inner["propertyNames"] = _WRITTEN_OUT
    if "anyOf" in inner:
        inner["anyOf"] = [_opened(one) for one in inner["anyOf"]]
        return inner
    return inner if not inner.keys() - {"title", "description", "default"} or _is_free_text(inner) else _or_template(inner)


def _is_free_text(schema: Schema) -> bool:
    return schema.get("type") == "string" and not schema.keys() & _BOUNDS


def _or_template(schema: Schema) -> Schema:
    told: dict[str, Any] = {key: schema[key] for key in ("title", "description", "default") if key in schema}
    return {**told, "anyOf": [{key: one for key, one in schema.items() if key not in told}, _TEMPLATE]}
