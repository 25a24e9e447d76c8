"""The JSON Schema of rule files, against the files that the loader accepts and refuses."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import pytest

from router import library, plugins, schema
from router.core import document, grammar, rules, steps
from router.core.problems import Problems
from router.provider import Closed

_TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
    "null": type(None),
}


class Note(Closed):
    """Options of a provider for these tests."""

    text: str
    level: Literal["low", "high"] = "low"
    times: int = 1


class Inner(Closed):
    """A model within options, which is a reference in their schema."""

    key: str


class Nested(Closed):
    """Options with a model in them."""

    inner: Inner


SCHEMA = schema.rules_schema({"note": Note, "nested": Nested})


def fits(value: Any, part: dict[str, Any], whole: dict[str, Any]) -> bool:
    """Whether a value is valid, by as much of JSON Schema as our schema uses."""
    if "$ref" in part:
        return fits(value, _resolved(part["$ref"], whole), whole)
    kinds = part.get("type", [])
    if kinds and not any(_is(value, kind) for kind in ([kinds] if isinstance(kinds, str) else kinds)):
        return False
    if "enum" in part and value not in part["enum"]:
        return False
    if "anyOf" in part and not any(fits(value, one, whole) for one in part["anyOf"]):
        return False
    if "oneOf" in part and sum(fits(value, one, whole) for one in part["oneOf"]) != 1:
        return False
    if isinstance(value, list):
        return len(value) >= part.get("minItems", 0) and all(fits(item, part.get("items", {}), whole) for item in value)
    return not isinstance(value, dict) or _object_fits(value, part, whole)


def _object_fits(value: dict[str, Any], part: dict[str, Any], whole: dict[str, Any]) -> bool:
    if not set(part.get("required", [])) <= value.keys() or len(value) < part.get("minProperties", 0):
        return False
    patterns = part.get("patternProperties", {})
    for key, child in value.items():
        inner = part.get("properties", {}).get(key)
        inner = inner if inner is not None else next((patterns[one] for one in patterns if re.search(one, key)), None)
        inner = inner if inner is not None else part.get("additionalProperties", True)
        if inner is False or (isinstance(inner, dict) and not fits(child, inner, whole)):
            return False
    return True


def _is(value: Any, kind: str) -> bool:
    return isinstance(value, _TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))


def _resolved(reference: str, whole: dict[str, Any]) -> dict[str, Any]:
    part: Any = whole
    for step in reference.removeprefix("#/").split("/"):
        part = part[step]
    assert isinstance(part, dict)
    return part


def read(text: str) -> Any:
    node = document.read(text, "rules.yaml", Problems())
    assert node is not None
    return document.tree(node, Problems())


def rule(text: str) -> str:
    return f"rules: [{{name: a, do: [], {text}}}]\n"


GOOD = [
    "strategy: first\nvars: {a: [1]}\ndefaults: {when: {nsid: x.y.z}}\nrules: []\n",
    rule("when: {branch: [main, 'release/*'], '$.a[0]': {gt: 1, lt: 3}, not: {paths: {every: a, none: [b]}}}"),
    rule("when: {any: [{tag: '**'}, {all: [{trust: owner}]}], repo: {not: {exists: false}}}"),
    rule("mode: {canary: 10%}, report: {workflow: ci}, each: workflows, as: flow, where: {$.engine: {not: nixery}}"),
    rule("concurrency: {group: x, policy: skip}, dedupe: {key: x, within: 1m}, throttle: {limit: 1, per: 1m}"),
    rule("retry: {attempts: 3, base: 1s, factor: 2, cap: 1m}, timeout: 5s, active: {between: ['08:00', '20:00']}"),
    "rules: [{name: a, do: [{note: {text: hi, times: 2}, id: x, timeout: 1s, if_trust: [owner]}]}]\n",
    'rules: [{name: a, do: [{note: {text: hi, times: "{{ record.n }}", level: "{{ vars.level }}"}}]}]\n',
    "rules: [{name: a, do: [{nested: {inner: {key: x}}}]}]\n",
]
BAD = [
    "strategy: last\nrules: []\n",
    "strategy: all\n",
    "rules: [{do: []}]\n",
    rule("when: {branhc: main}"),
    rule("when: {branch: {globb: x}}"),
    rule("when: {branch: []}"),
    rule("mode: on"),
    "rules: [{name: a, do: [{nota: {text: hi}}]}]\n",
    "rules: [{name: a, do: [{note: {text: hi}, nested: {inner: {key: x}}}]}]\n",
    "rules: [{name: a, do: [{note: {txt: hi}}]}]\n",
    "rules: [{name: a, do: [{note: {}}]}]\n",
    "rules: [{name: a, do: [{nested: {inner: {kye: x}}}]}]\n",
]


@pytest.mark.parametrize("text", GOOD)
def test_what_the_loader_reads_fits(text: str) -> None:
    """An editor does not underline what `router validate` accepts."""
    assert fits(read(text), SCHEMA, SCHEMA)


@pytest.mark.parametrize("text", BAD)
def test_what_is_misspelt_does_not_fit(text: str) -> None:
    """An editor underlines keys, words and options that do not exist."""
    assert not fits(read(text), SCHEMA, SCHEMA)


def test_every_key_of_the_loader_is_described() -> None:
    """A key that the loader learns must be described here, or editors would call it a mistake."""
    definitions = SCHEMA["$defs"]
    assert list(SCHEMA["properties"]) == list(rules.FILE_KEYS)
    assert set(definitions["rule"]["properties"]) == set(rules.RULE_KEYS)
    assert set(definitions["condition"]["properties"]) == {*grammar.FIELDS, "any", "all", "not"}
    assert set(definitions["step"]["properties"]) == {*steps.STEP_KEYS, "note", "nested"}
    assert all(definitions["rule"]["properties"].values())
    assert all(definitions["step"]["properties"].values())


def test_the_rules_that_ship_fit() -> None:
    """Bundled rulesets, the demo's and the starter's open in an editor without a complaint."""
    whole = schema.rules_schema(plugins.OptionModels())
    shipped = [Path(str(files("router"))) / "demo/files/rules", Path(str(files("router"))) / "cli/starter/rules"]
    entries = library.on_command_line(["bundled:tangled", *map(str, shipped)])
    texts = library.rule_texts(entries, Problems())
    assert len(texts) >= 3
    assert [text.file for text in texts if not fits(read(text.text), whole, whole)] == []
