"""The JSON Schema of rule files, for editors: keys, words and the options of installed providers, as the loader reads them.

It is looser than `router validate`, which also knows globs, paths, templates and how keys go together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from router.core import grammar, rules, steps

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_TEXT: dict[str, Any] = {"type": "string"}
_DURATION: dict[str, Any] = {"type": "string", "description": "A duration, like 30s, 10m or 1h30m."}
_TEMPLATE: dict[str, Any] = {"type": "string", "description": "Text that may be a template."}
_CONDITION: dict[str, Any] = {"$ref": "#/$defs/condition"}


def rules_schema(providers: Mapping[str, type[BaseModel]]) -> dict[str, Any]:
    """The schema of a rule file."""
    return {
        "$schema": DIALECT,
        "title": "Rules of tangled-router",
        **_closed(
            {
                "strategy": {"enum": ["all", "first"], "description": "`first`: the first rule that matches wins."},
                "defaults": _closed({key: value for key, value in _rule().items() if key not in ("name", "id", "description")}),
                "vars": {"type": "object"},
                "rules": {"type": "array", "items": {"$ref": "#/$defs/rule"}},
            },
            required=["rules"],
        ),
        "$defs": {
            "rule": _closed(_rule(), required=["name"]),
            "condition": _conditions(),
            "value": _values(),
            "step": _step(providers),
            "retry": _retry(),
            **{f"options-{name}": _options(name, model) for name, model in providers.items()},
        },
    }


def _closed(properties: dict[str, Any], required: list[str] | None = None) -> dict[str, Any]:
    made: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
    return {**made, "required": required} if required else made


def _rule() -> dict[str, Any]:
    gate = {"key": _TEMPLATE}
    known: dict[str, Any] = {
        "name": _TEXT,
        "id": {"type": "string", "description": "What deliveries are known by; survives renaming the rule."},
        "description": _TEXT,
        "when": _CONDITION,
        "do": {"type": "array", "items": {"$ref": "#/$defs/step"}},
        "mode": {"oneOf": [{"enum": ["live", "shadow", "off"]}, _closed({"canary": {"type": "string"}}, ["canary"])]},
        "report": _closed({"workflow": _TEMPLATE}, ["workflow"]),
        "each": {"type": "string", "description": "`workflows`, or a JSON path to a list in the record."},
        "as": _TEXT,
        "where": _CONDITION,
        "concurrency": _closed({"group": _TEMPLATE, "policy": {"enum": ["queue", "cancel_running", "skip"]}}, ["group"]),
        "dedupe": _closed({**gate, "within": _DURATION}),
        "throttle": _closed({**gate, "limit": {"type": "integer", "minimum": 1}, "per": _DURATION}),
        "debounce": _closed({**gate, "for": _DURATION}),
        "retry": {"$ref": "#/$defs/retry"},
        "timeout": _DURATION,
        "active": _closed({"between": {"type": "array", "items": _TEXT}, "timezone": _TEXT}, ["between"]),
        "allow_untrusted": {"type": "boolean"},
    }
    return {key: known.get(key, {}) for key in rules.RULE_KEYS}


def _conditions() -> dict[str, Any]:
    nested = {"oneOf": [_CONDITION, {"type": "array", "items": _CONDITION, "minItems": 1}]}
    named = {field: {"$ref": "#/$defs/value"} for field in grammar.FIELDS}
    return {
        "type": "object",
        "properties": {**named, "any": nested, "all": nested, "not": nested},
        "patternProperties": {r"^\$": {"$ref": "#/$defs/value"}},
        "additionalProperties": False,
    }


def _values() -> dict[str, Any]:
    """One value, a list of values of which any may hold, or a mapping of operators."""
    operators: dict[str, Any] = {name: {} for name in (*grammar.OPERATORS, "any", "every", "none")}
    operator = {**_closed(operators), "minProperties": 1}
    scalar = {"type": ["string", "number", "boolean", "null"]}
    return {"anyOf": [scalar, operator, {"type": "array", "items": {"anyOf": [scalar, operator]}, "minItems": 1}]}


def _step(providers: Mapping[str, type[BaseModel]]) -> dict[str, Any]:
    policy: dict[str, Any] = {
        "id": _TEXT,
        "timeout": _DURATION,
        "retry": {"$ref": "#/$defs/retry"},
        "if_trust": {"oneOf": [{"enum": list(grammar.WORDS["trust"])}, {"type": "array"}]},
        "idempotent": {"type": "boolean"},
        "allow": {"type": "object"},
    }
    known = {key: policy.get(key, {}) for key in steps.STEP_KEYS}
    options = {name: {"$ref": f"#/$defs/options-{name}"} for name in providers}
    return {**_closed({**known, **options}), "oneOf": [{"required": [name]} for name in providers]}


def _retry() -> dict[str, Any]:
    return _closed(
        {
            "attempts": {"type": "integer", "minimum": 1},
            "base": _DURATION,
            "factor": {"type": "number", "minimum": 1},
            "cap": _DURATION,
            "schedule": {"type": "array", "items": _DURATION, "minItems": 1},
        }
    )


def _options(name: str, model: type[BaseModel]) -> dict[str, Any]:
    """A provider's options. What is no free text may be a template all the same, and a template is text."""
    made = model.model_json_schema(ref_template=f"#/$defs/options-{name}/$defs/{{model}}")
    properties = {
        key: one if _is_free_text(one) else {"anyOf": [one, _TEMPLATE]} for key, one in made.get("properties", {}).items()
    }
    return {**made, "properties": properties}


def _is_free_text(schema: dict[str, Any]) -> bool:
    return schema.get("type") == "string" and not schema.keys() & {"enum", "const", "pattern", "format", "maxLength"}
