"""JSON Schemas of what a spindle says, made of Tangled's lexicons, and an independent validator that judges by them.

Lexicons (https://atproto.com/specs/lexicon) are close to JSON Schema; what differs is written here. Objects are open in
lexicons; ours are closed, because a name that nobody asked for is a mistake of ours.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

Schema = dict[str, Any]
LEXICONS = {path.stem: json.loads(path.read_bytes()) for path in sorted((Path(__file__).parent / "lexicons").glob("*.json"))}
_FORMATS = {
    "did": r"^did:[a-z]+:[a-zA-Z0-9._:%-]*[a-zA-Z0-9._-]$",
    "at-uri": r"^at://did:[a-z]+:[a-zA-Z0-9._:%-]+(/[a-zA-Z0-9.-]+(/[a-zA-Z0-9._~:-]+)?)?$",
    "datetime": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$",
    "tid": r"^[234567abcdefghij][234567abcdefghijklmnopqrstuvwxyz]{12}$",
}
#: Members that records bear though their lexicon does not list them.
_OF_RECORDS = {"$type": {"type": "string"}}


def output(nsid: str) -> Schema:
    """Of what a query or a procedure answers."""
    return _schema(nsid, LEXICONS[nsid]["defs"]["main"]["output"]["schema"])


def answers(nsid: str) -> bool:
    """Whether the method answers with anything."""
    return "schema" in LEXICONS.get(nsid, {}).get("defs", {}).get("main", {}).get("output", {})


def record(nsid: str) -> Schema:
    """Of a record, or of another definition (`nsid#name`)."""
    lexicon, _, name = nsid.partition("#")
    made = LEXICONS[lexicon]["defs"][name or "main"]
    return _schema(lexicon, made["record"] if made["type"] == "record" else made)


def check(schema: Schema, value: Any) -> None:
    """Fails with everything that does not fit."""
    wrong = [f"{list(error.path)}: {error.message}" for error in Draft202012Validator(schema).iter_errors(value)]
    assert wrong == [], json.dumps(value)[:2000]


def _schema(nsid: str, lexicon: Any) -> Schema:
    kind = lexicon["type"]
    if kind == "ref":
        return record(lexicon["ref"] if not lexicon["ref"].startswith("#") else nsid + lexicon["ref"])
    if kind == "union":
        refs = [one if not one.startswith("#") else nsid + one for one in lexicon["refs"]]
        return {"oneOf": [_tagged(one) for one in refs]}
    if kind == "array":
        sizes = {"minItems": lexicon.get("minLength", 0), "maxItems": lexicon.get("maxLength", 10_000)}
        return {"type": "array", "items": _schema(nsid, lexicon["items"]), **sizes}
    if kind == "object":
        members = {name: _schema(nsid, one) for name, one in lexicon.get("properties", {}).items()}
        if nsid == "sh.tangled.pipeline.status":
            # The lexicon calls it an AT-URI; every server that ever sent one sends the workflow's name.
            members["workflow"] = {"type": "string"}
        required = lexicon.get("required", [])
        return {"type": "object", "properties": _OF_RECORDS | members, "required": required, "additionalProperties": False}
    return _plain(lexicon)


def _tagged(nsid: str) -> Schema:
    """One of a union: it says which."""
    made = record(nsid)
    return {
        **made,
        "properties": {**made["properties"], "$type": {"const": nsid}},
        "required": [*made.get("required", []), "$type"],
    }


def _plain(lexicon: Any) -> Schema:
    made: Schema = {"type": lexicon["type"]}
    if "enum" in lexicon:
        made["enum"] = lexicon["enum"]
    if lexicon.get("format") in _FORMATS:
        made["pattern"] = _FORMATS[lexicon["format"]]
    for ours, theirs in (("minGraphemes", "minLength"), ("maxGraphemes", "maxLength"), ("minLength", "minLength")):
        if ours in lexicon and lexicon["type"] == "string":
            made[theirs] = lexicon[ours]
    return made
