"""What strangers send, and what a rule file may hold by accident: answers and problems, never a traceback."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.core import match, plan, rules
from router.core.problems import Problems
from tests.core.conftest import PROVIDERS, WHO, event, load, pushed

EVERYTHING = """\
vars: {names: [main], people: ["@alice.example"]}
rules:
  - name: named-fields
    when:
      any:
        - {nsid: "a*", source: x, trigger: push, operation: create, status: failed, trust: owner, workflow: "*.yml"}
        - {branch: ["m*n", "!x?"], tag: "v[0-9]*", ref: "refs/**/x", target_branch: {not: {regex: "^.*$"}}}
        - {paths: {every: "a/**/*.md", none: ["b*", {contains: x}]}}
        - {repo: ["@alice.example/c*", "did:plc:*", "@carol.example/x"], owner: "@alice.example", actor: {in: vars.people}}
        - {knot: "*.example.com", branch: {equals_ignore_case: X}}
        - {$.x: {gt: 3}, $..y: {before: 2026-01-01}, "$.x[*].y": {cidr: 10.0.0.0/8}, "$.x[?(@.y =~ 'a.c')].z": 1}
        - {branch: {suffix: x}, tag: {in: vars.names}, ref: {exists: false}, not: {branch: {prefix: a}}}
    do: []
  - name: rendered
    report: {workflow: "{{ branch | default(record.x) }}"}
    concurrency: {group: "{{ repo.did }}/{{ branch }}"}
    dedupe: {key: "{{ sha }}", within: 10m}
    do:
      - note: {text: "{{ [branch, tag, ref, paths, trust, actor, owner, knot, repo, workflows, record] }}"}
      - note: {text: "{{ branch | slug }} {{ record.x | tojson }} {{ sha | short }}"}
      - ci: {pipeline: "{{ record.x }}", priority: "{{ branch }}"}
        allow: {pipeline: [core, "a*b"]}
  - name: fanned
    each: $.x
    where: {$.y: {gt: 3}}
    do: [{note: {text: "{{ item }}"}}]
  - name: workflows
    each: workflows
    do: [{note: {text: "{{ workflow.name }}"}}]
"""
TEXTS = {
    "control characters": "\x00\x1b[2J\r\n\t\x7f\x9b",
    "bidirectional marks": "\u202e\u2066\u200f\ufeff",
    "half a character": "m\ud800n",
    "a megabyte": "m" * 1_000_000,
    "a megabyte of stars": "*" * 1_000_000,
    "looks like a template": "{{ ''.__class__ }}{% for x in y %}",
    "looks like a glob": "[!a-z]{a,b}**/\\",
    "looks like a path": "../../etc/passwd",
    "looks like a shell": "$(reboot); `reboot` && reboot",
    "empty": "",
    "normal forms": "e\u0301\u1e9e\ufb01",
}
NAMED = ("trigger", "operation", "trust", "status", "branch", "tag", "ref", "target_branch", "actor", "owner", "knot", "sha")


def nested(levels: int) -> Any:
    value: Any = "x"
    for level in range(levels):
        value = [value] if level % 2 else {"y": value}
    return value


def survives(given_event: Any) -> None:
    """Planned and explained without an exception; everything that is told of it is printable and short."""
    rulebook = load(EVERYTHING)
    made = plan.plan(given_event, rulebook, WHO)
    assert made == plan.plan(given_event, rulebook, WHO)
    told = [trouble.sentence for trouble in made.troubles] + [delivery.reason for delivery in made.deliveries]
    for verdict in match.explain(given_event, rulebook, WHO):
        told += [verdict.note, verdict.verdict.error]
        told += [part for leaf in verdict.verdict.leaves() for part in (leaf.saw, leaf.error)]
    told += [part for rule in rulebook.rules for part in match.why(given_event, rule, WHO)]
    assert [sentence for sentence in told if not sentence.isprintable() or len(sentence) > 1000] == []


@pytest.mark.parametrize("name", [*NAMED, "record", "paths", "repo", "workflows", "nsid", "id"])
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
def test_hostile_texts_in_every_field(name: str, text: str) -> None:
    """Whatever text stands in a field, rules are decided and rendered, or it is told why not."""
    if name == "nsid":
        survives(event(text, record={"x": 1}))
    elif name == "record":
        survives(pushed(record={"x": text, text: {"y": text}}))
    elif name == "repo":
        survives(pushed(repo={"did": text, "owner": text, "name": text, "knot": text}))
    elif name == "workflows":
        survives(pushed(workflows=[{"name": text, "engine": text}], record={"x": 1}))
    else:
        survives(pushed(**{name: [text, "a"] if name == "paths" else text}, record={"x": 1}))


@pytest.mark.parametrize(
    "value",
    [
        nested(60),
        nested(400),
        [nested(10)] * 100,
        [[[]]] * 1000,
        {"y": 10**300},
        {"y": -(2**63)},
        {"y": 1e308},
        [None] * 10_000,
    ],
    ids=["deep", "deeper", "wide", "empty lists", "large", "negative", "float", "nulls"],
)
def test_hostile_shapes_in_a_record(value: Any) -> None:
    """Depth, width and size of a record cost no more than a told trouble."""
    survives(pushed(record={"x": value}))


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("xyz") | st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["x", "y"]), JSON, max_size=2))
def test_no_record_is_too_strange(record: Any) -> None:
    """Any JSON may be a record."""
    survives(pushed(record=record))


@settings(deadline=None)
@given(
    st.dictionaries(st.sampled_from(NAMED), st.text(max_size=8)),
    st.lists(st.text(max_size=8), max_size=3),
    st.fixed_dictionaries({}, optional={name: st.text(max_size=8) for name in ("did", "owner", "name", "knot")}),
)
def test_no_text_in_a_field_is_too_strange(fields: dict[str, str], paths: list[str], repo: dict[str, str]) -> None:
    """Any text may be a branch, a path or a name."""
    survives(event(**fields, paths=paths, repo=repo))


def problems_of(text: str) -> list[Any]:
    problems = Problems()
    rulebook = rules.load([rules.RuleText("r", "r.yaml", text)], PROVIDERS, problems)
    assert not (problems.errors and rulebook.rules)
    for found in problems.found:
        assert str(found).isprintable()
        assert found.place.line >= 1
        assert found.place.column >= 1
    return problems.found


@settings(deadline=None)
@given(st.text(st.sampled_from("rules:- \n{}[]&*!|>'\"%@`#,?\t\\0x1ea\ud800\x00"), max_size=60))
def test_no_text_is_too_strange_for_the_loader(text: str) -> None:
    """Any text is a rule file, or has problems."""
    problems_of(text)


WORDS = st.sampled_from(
    [
        *rules.FILE_KEYS,
        *rules.RULE_KEYS,
        *("note", "ci", "script", "pipeline", "text", "env", "branch", "paths", "nsid", "$.x", "$.x[", "any", "all", "not"),
        *("every", "none", "in", "gt", "regex", "cidr", "exists", "before", "canary", "group", "key", "within", "per", "limit"),
        *("between", "timezone", "attempts", "schedule", "base", "factor", "cap", "allow", "if_trust", "timeout", "workflow"),
        *("main", "!x", "[a", "@a.example", "did:plc:x", "{{ branch }}", "{{ x", "{{ x | y }}", "5s", "0s", "10%", "live"),
        *("first", "true", "null", "3", "012", "1e999", "9" * 50, "(", "*", "\x1b", "vars.x", "08:00", "Europe/Berlin"),
    ]
)
SCALARS = WORDS | st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
TREES: st.SearchStrategy[Any] = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4), max_leaves=15
)
STEPS = st.fixed_dictionaries({}, optional=dict.fromkeys(("note", "ci", "allow", "retry", "timeout", "if_trust", "id"), TREES))
RULES = st.fixed_dictionaries(
    {"name": WORDS | st.just("ok"), "do": TREES | st.lists(STEPS, max_size=2)},
    optional={key: TREES for key in rules.RULE_KEYS if key not in ("name", "do")},
)
FILES = st.fixed_dictionaries(
    {"rules": st.lists(RULES | TREES, max_size=2)}, optional={"defaults": TREES | RULES, "vars": TREES, "strategy": TREES}
)


@settings(max_examples=300, deadline=None)
@given(FILES | TREES)
def test_no_tree_is_too_strange_for_the_loader(tree: Any) -> None:
    """Whatever stands where, the loader tells problems; and a file that has none can be planned by."""
    text = json.dumps(tree)
    if not problems_of(text):
        rulebook = load(text, "r")
        given_event = pushed(record={"x": [{"y": 4}, "text", None]})
        plan.plan(given_event, rulebook, {})
        match.explain(given_event, rulebook, {})


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(EVERYTHING)), st.integers(0, 12), st.text(st.sampled_from("{}[]:,'\"! \n-*&x0"), max_size=3))
def test_no_slip_of_the_hand_crashes_the_loader(at: int, removed: int, typed: str) -> None:
    """A good file with something cut out and something typed in is a file, or has problems."""
    problems_of(EVERYTHING[:at] + typed + EVERYTHING[at + removed :])
