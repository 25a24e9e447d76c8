"""Parts of the schema for conditions: each field with the values and the operators that it can have."""

from __future__ import annotations

from router.core import grammar
from router.schema.values import TEXT, Schema, closed

_CONDITION: Schema = {"$ref": "#/$defs/condition"}
_HANDLE = r"@?([a-zA-Z0-9-]+\.)+[a-zA-Z][a-zA-Z0-9-]*"
_WHO = rf"(did:[^/]*|\*\*?|{_HANDLE})"
#: Every bracket is closed, and the last backslash escapes something.
_GLOB: Schema = {**TEXT, "pattern": r"^([^\\[]|\\.|\[([!^].|[^!^])[^\]]*\])*$"}
_TAKES_AWAY: Schema = {"type": "string", "pattern": "^!"}
_REPO = rf"^(did:[^/]*|\*\*?|{_WHO}/.*)$"
_KNOT = r"^([A-Za-z]+://|did:web:)?[A-Za-z0-9*?]([A-Za-z0-9.*?-]*[A-Za-z0-9*?])?(:[0-9]{1,5})?/*$"
_NETWORK = (
    r"^([0-9]{1,3}(\.[0-9]{1,3}){3}(/(3[0-2]|[12]?[0-9]|[0-9.]{7,15}))?"
    r"|[0-9a-fA-F.]*:[0-9a-fA-F:.]*(/(12[0-8]|1[01][0-9]|[1-9]?[0-9]))?)$"
)
_OF_VALUES = ("gt", "gte", "lt", "lte", "before", "after", "cidr")
_OF_TEXTS = tuple(name for name in grammar.OPERATORS if name not in _OF_VALUES)
_BETWEEN = (_OF_VALUES[:4], _OF_VALUES[4:6])
_MOMENT: Schema = {"type": ["string", "number"], "pattern": r"^[0-9]{4}", "description": "A time, like 2026-11-23T12:00:00Z."}
_SAID: dict[str, Schema] = {
    "exists": {"type": "boolean"},
    "glob": _GLOB,
    **{name: {**TEXT, "minLength": 1} for name in ("prefix", "suffix", "contains")},
    "regex": {**TEXT, "description": "An RE2 expression, found anywhere in the text."},
    "equals_ignore_case": TEXT,
    **{name: {"type": "number"} for name in _BETWEEN[0]},
    **dict.fromkeys(_BETWEEN[1], _MOMENT),
    "cidr": {"type": "string", "pattern": _NETWORK},
    "in": {"type": "string", "pattern": r"^vars\.", "description": "A list of the file's variables: vars.names."},
}
#: What each field's plain value is: the name of a definition.
_KINDS = {
    **dict.fromkeys(grammar.FIELDS, "text"),
    **dict.fromkeys(("nsid", "workflow", "branch", "tag", "ref", "target_branch"), "glob"),
    **{field: field for field in ("paths", "repo", "knot", *grammar.WORDS)},
    **dict.fromkeys(("owner", "actor"), "account"),
}


def definitions() -> dict[str, Schema]:
    """Everything that conditions refer to."""
    return {
        "condition": _condition(),
        "value-text": _value("text", TEXT),
        "value-glob": _globs("glob"),
        "value-paths": _globs("paths", _of_paths()),
        "value-repo": _value("repo", {"type": "string", "pattern": _REPO}, ("not", "exists", "in")),
        "value-account": _value("account", {"type": "string", "pattern": f"^{_WHO}$"}),
        "value-knot": _value("knot", {**TEXT, "pattern": _KNOT}),
        **{f"value-{field}": _value(field, {"enum": list(words)}) for field, words in grammar.WORDS.items()},
        "value-record": _value("record", {"type": ["string", "number", "boolean", "null"]}, grammar.OPERATORS),
    }


def _condition() -> Schema:
    nested = {"anyOf": [_CONDITION, {"type": "array", "items": _CONDITION, "minItems": 1}]}
    return {
        **closed(
            {
                **{field: {"$ref": f"#/$defs/value-{kind}"} for field, kind in _KINDS.items()},
                **dict.fromkeys(grammar.NESTING, nested),
            }
        ),
        "patternProperties": {r"^\$": {"$ref": "#/$defs/value-record"}},
    }


def _value(kind: str, plain: Schema, operators: tuple[str, ...] = _OF_TEXTS) -> Schema:
    """A plain value, a list of values of which any may hold, or a mapping of operators."""
    same: Schema = {"$ref": f"#/$defs/value-{kind}"}
    return {"anyOf": [plain, _list(same), *_operators(same, operators)]}


def _globs(kind: str, *others: Schema) -> Schema:
    """The same for globs. In a list one may take away from the others, if there are any."""
    made = _value(kind, {**_GLOB, "not": _TAKES_AWAY})
    with_negated = {**_list(_GLOB), "contains": {"not": _TAKES_AWAY}}
    return {"anyOf": [*made["anyOf"], with_negated, *others]}


def _of_paths() -> Schema:
    """Of changed files one can also ask that every one, or none, is such."""
    same: Schema = {"$ref": "#/$defs/value-paths"}
    return {**closed({"any": same, "every": same, "none": same}), "minProperties": 1}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items, "minItems": 1}


def _operators(same: Schema, names: tuple[str, ...]) -> list[Schema]:
    """One operator; or several that make a range."""
    known = {name: same if name == "not" else _SAID[name] for name in names}
    ranges = [{**closed({name: _SAID[name] for name in group}), "minProperties": 2} for group in _BETWEEN if group[0] in names]
    return [{**closed(known), "minProperties": 1, "maxProperties": 1}, *ranges]
