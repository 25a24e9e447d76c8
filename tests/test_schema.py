"""The JSON Schema of rule files, against the files that the loader accepts and refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router import library, plugins, schema
from router.core import document, grammar, rules, steps
from router.core.problems import Problems
from router.provider import Closed
from tests import blocks
from tests.core.conftest import PROVIDERS

ROOT = Path(__file__).parent.parent


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


class Quiet(Closed):
    """Options that can all be left out."""

    text: str = ""


SCHEMA = schema.rules_schema({"note": Note, "nested": Nested, "quiet": Quiet})
OF_THE_CORPUS = schema.rules_schema(PROVIDERS)
INSTALLED = schema.rules_schema(plugins.OptionModels())


def fits(value: Any, whole: dict[str, Any] = SCHEMA) -> bool:
    """Whether a value is valid, as somebody else's validator sees it."""
    return bool(jsonschema.Draft202012Validator(whole).is_valid(value))


def read(text: str) -> Any:
    """A rule file as an editor reads it: plain data, whatever is wrong with it."""
    node = document.read(text, "rules.yaml", Problems())
    return document.tree(node, Problems()) if node is not None else None


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
    "rules: [{name: a, do: [{quiet: }]}]\n",
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
    "rules: [{name: a, do: [{note: }]}]\n",
    "rules: [{name: a, do: [{nested: {inner: {kye: x}}}]}]\n",
]


@pytest.mark.parametrize("text", GOOD)
def test_what_the_loader_reads_fits(text: str) -> None:
    """An editor does not underline what `router validate` accepts."""
    assert fits(read(text))


@pytest.mark.parametrize("text", BAD)
def test_what_is_misspelt_does_not_fit(text: str) -> None:
    """An editor underlines keys, words and options that do not exist."""
    assert not fits(read(text))


def test_every_key_of_the_loader_is_described() -> None:
    """A key that the loader learns must be described here, or editors would call it a mistake."""
    definitions = SCHEMA["$defs"]
    assert list(SCHEMA["properties"]) == list(rules.FILE_KEYS)
    assert set(definitions["rule"]["properties"]) == set(rules.RULE_KEYS)
    assert set(definitions["condition"]["properties"]) == {*grammar.FIELDS, "any", "all", "not"}
    assert set(definitions["step"]["properties"]) == {*steps.STEP_KEYS, "note", "nested", "quiet"}
    assert all(definitions["rule"]["properties"].values())
    assert all(definitions["step"]["properties"].values())


BAD_FILES = ROOT / "tests" / "rules" / "bad"
#: What no schema can know, by the code that tells it.
BEYOND = {
    **dict.fromkeys(("R001", "R002", "R006", "R007"), "how it is written; an editor's YAML parser tells it"),
    **dict.fromkeys(("R012", "R013", "R015", "R031", "R036"), "what is in templates, and which variables there are"),
    **dict.fromkeys(("R021", "R022", "R026"), "another language in a text: expressions and paths"),
    **dict.fromkeys(("R030", "R032"), "how places far apart go together"),
    **dict.fromkeys(("R034", "R035", "R060", "R061", "R062", "R063"), "what the rules mean"),
}
#: Mistakes of other kinds that it cannot know either.
BEYOND_IN = {
    "active-in-no-zone": "the machine's list of time zones",
    "duration-of-centuries": "a sum",
    "variable-that-is-no-list": "what a variable holds",
    "variable-with-a-bad-handle": "what a variable holds",
}


@pytest.mark.parametrize("file", sorted(BAD_FILES.glob("*.yaml")), ids=lambda file: str(file.stem))
def test_bad_rules_do_not_fit_as_far_as_a_schema_can_know(file: Path) -> None:
    """Of the corpus of mistakes, an editor underlines each that is not listed above; what is no error fits."""
    problems = Problems()
    rules.load([rules.RuleText("bad", file.name, file.read_text())], PROVIDERS, problems)
    knowable = {found.code for found in problems.errors} - BEYOND.keys()
    if knowable and file.stem not in BEYOND_IN:
        assert not fits(read(file.read_text()), OF_THE_CORPUS)
    elif not problems.errors or file.stem in BEYOND_IN:
        assert fits(read(file.read_text()), OF_THE_CORPUS)


def shipped() -> list[Any]:
    """Every rule file of this repository that is meant to be right."""
    folders = ["rules", "router/demo/files/rules", "router/cli/starter/rules", *map(str, ROOT.glob("examples/*/rules"))]
    texts = library.rule_texts(library.on_command_line([str(ROOT / folder) for folder in folders]), Problems())
    return [pytest.param(text.text, id=str(Path(text.file).relative_to(ROOT))) for text in texts]


def of_the_docs() -> list[Any]:
    return [pytest.param(block.text, id=str(block)) for block in blocks.of_kind("yaml rules")]


@pytest.mark.parametrize("text", [*shipped(), *of_the_docs()])
def test_rules_that_ship_fit(text: str) -> None:
    """Bundled rulesets, examples, the demo's, the starter's and those of the docs open in an editor without a complaint."""
    assert fits(read(text), INSTALLED)


def test_the_schema_is_one() -> None:
    """It is valid JSON Schema of the dialect that it names."""
    assert INSTALLED["$schema"] == jsonschema.Draft202012Validator.META_SCHEMA["$id"]
    jsonschema.Draft202012Validator.check_schema(INSTALLED)


TEXTS = st.sampled_from(
    [
        *("main", "!main", "v*", "[ab]", "[!]", "[]]", "\\", "@a.example", "@a.example/x", "did:plc:x", "did:plc:x/y", "*", ""),
        *("core", "knot.example:80", "10.0.0.0/8", "::1/128", "10.0.0.0/40", "vars.names", "2026-11-23", "push", "owner"),
    ]
)
SCALARS = TEXTS | st.sampled_from([1, 2.5, True, None])
ASKED = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*grammar.OPERATORS, "any", "every", "none", "evry"]), inner, max_size=2)
    ),
    max_leaves=5,
)
FIELDS = st.dictionaries(st.sampled_from([*grammar.FIELDS, "$.a", "brnch"]), ASKED, max_size=2)
CONDITIONS = st.recursive(
    FIELDS, lambda inner: st.dictionaries(st.sampled_from(grammar.NESTING), inner | st.lists(inner, max_size=2)), max_leaves=3
)


@given(CONDITIONS)
def test_random_conditions_fit_where_the_loader_takes_them(condition: Any) -> None:
    """In a condition an editor underlines what `router validate` refuses, and nothing else."""
    file = {"vars": {"names": ["@a.example"]}, "rules": [{"name": "a", "when": condition, "do": []}]}
    problems = Problems()
    rules.load([rules.RuleText("a", "a.yaml", json.dumps(file))], {}, problems)
    assert fits(file) is not bool(problems.errors), problems.found
