"""The JSON Schema of rule files, for editors: keys, words and the options of installed providers, as the loader reads them.

It refuses nothing that the loader takes. `router validate` knows more: how names, paths and templates go together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.core import keys, rules
from router.core.model import Busy
from router.core.rulebook import Mode, Strategy, Unmatched
from router.schema import conditions, options
from router.schema.values import (
    CLOCK,
    DURATION,
    EACH,
    FLAG,
    ID,
    ITEM,
    NAME,
    SHARE,
    SOME_DURATION,
    TEMPLATE,
    TEXT,
    Schema,
    closed,
    counted,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_CONDITION: Schema = {"$ref": "#/$defs/condition"}
_RETRY: Schema = {"$ref": "#/$defs/retry"}


def rules_schema(providers: Mapping[str, type[BaseModel]]) -> Schema:
    """The schema of a rule file, whose steps may use these providers' options."""
    known = _rule()
    file = {
        "strategy": {"enum": [word.value for word in Strategy], "description": "`first`: the first rule that matches wins."},
        "unmatched": {
            "enum": [word.value for word in Unmatched],
            "description": "`silent`: a push that none of these rules acts on does not say so in Tangled.",
        },
        "defaults": closed({key: known[key] for key in rules.DEFAULTABLE}),
        "vars": {"type": "object"},
        "rules": {"type": "array", "items": {"$ref": "#/$defs/rule"}},
    }
    return {
        "$schema": DIALECT,
        "title": "Rules of tangled-router",
        **closed({key: file[key] for key in rules.FILE_KEYS}, ["rules"]),
        "allOf": [
            _unless_defaulted(["do"], {"required": ["do"]}),
            _unless_defaulted(["each", "as", "where"], {"dependentRequired": {"as": ["each"], "where": ["each"]}}),
        ],
        "$defs": {
            "rule": closed(known, ["name"]),
            "retry": _retry(),
            **conditions.definitions(),
            **options.definitions(providers),
        },
    }


def _unless_defaulted(names: list[str], needed: Schema) -> Schema:
    """What every rule needs, where the defaults have none of these keys."""
    defaulted = {"required": ["defaults"], "properties": {"defaults": {"anyOf": [{"required": [name]} for name in names]}}}
    return {"if": defaulted, "else": {"properties": {"rules": {"items": needed}}}}


def _rule() -> Schema:
    gate = {"key": TEMPLATE}
    known: Schema = {
        "name": NAME,
        "id": ID,
        "description": TEXT,
        "when": _CONDITION,
        "do": {"type": "array", "items": {"$ref": "#/$defs/step"}},
        "mode": {"anyOf": [{"enum": _words(Mode, Mode.CANARY)}, closed({"canary": SHARE}, ["canary"])]},
        "report": closed({"workflow": TEMPLATE}, ["workflow"]),
        "each": EACH,
        "as": ITEM,
        "where": _CONDITION,
        "concurrency": closed({"group": TEMPLATE, "policy": {"enum": _words(Busy)}}, ["group"]),
        "dedupe": closed({**gate, "within": SOME_DURATION}, ["within"]),
        "throttle": closed({**gate, "limit": counted(1_000_000), "per": SOME_DURATION}, ["limit", "per"]),
        "debounce": closed({**gate, "for": SOME_DURATION}, ["for"]),
        "retry": _RETRY,
        "timeout": SOME_DURATION,
        "active": closed({"between": _between(), "timezone": TEXT}, ["between"]),
        "allow_untrusted": FLAG,
    }
    return {key: known[key] for key in rules.RULE_KEYS}


def _words(words: type[Mode] | type[Busy], *but: str) -> list[str]:
    return [word.value for word in words if word not in but]


def _between() -> Schema:
    return {"type": "array", "items": CLOCK, "minItems": 2, "maxItems": 2, "uniqueItems": True}


def _retry() -> Schema:
    return closed(
        {
            "attempts": counted(keys.MOST_ATTEMPTS),
            "base": SOME_DURATION,
            "factor": counted(1000, is_whole=False),
            "cap": SOME_DURATION,
            "schedule": {"type": "array", "items": DURATION, "minItems": 1},
        }
    )
