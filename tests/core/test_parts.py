"""A long rule file is read piece by piece, and what is made of it is the same."""

from __future__ import annotations

import gc
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings

from router.core import document, parts, rules
from router.core.problems import Problems
from router.core.view import View
from tests.core.conftest import PROVIDERS, WHO, pushed
from tests.core.test_slow_evaluator import FILES

if TYPE_CHECKING:
    from router.core.rulebook import Rulebook

PLAIN = """
strategy: first
rules:
  - {name: a, when: {branch: main}, do: [{note: {text: '{{ sha }}'}}]}
  - {name: b, do: []}
vars: {}
"""


def both(text: str, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Rulebook, list[tuple[str, str]]]]:
    """The rules and the problems of a text, read as a whole and piece by piece."""
    found = []
    for long in (1 << 30, 0):
        monkeypatch.setattr(rules, "LONG", long)
        problems = Problems()
        book = rules.load([rules.RuleText("team", "team.yaml", text)], PROVIDERS, problems)
        found.append((book, [(str(problem), problem.place.path) for problem in problems.found]))
    return found


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        "rules: []",
        "rules: nothing",
        "rules:\n",
        "[]",
        "",
        "a: [",
        "rules: [{name: a, do: []}, {name: a, do: []}]",
        "rules: [{name: a, do: [{note: {text: '{{ nobody }}'}}]}, {name: b}]",
        "rules: [{name: a, name: b, do: []}]",
        "rules: [{name: &x a, description: *x, do: []}]",
        "rules: [{name: !!str a, do: []}]",
        "rules: [{name: a, do: []}]\n---\nrules: []",
        "rules: [{name: a, do: []}\n",
        "rules: [" + "[" * 70 + "]" * 70 + "]",
        "rules: [[rules], {name: a, do: []}]",
        "rules: [{name: a, when: {rules: [x]}, do: []}]",
        "rules: [{name: a, do: []}]\nrules: [{name: b, do: []}]",
        "vars: {a: 1}\nrules: [{name: a, do: []}]\nwhat: 1",
        "vars: {a: 1}\nrules:\n  - {name: a, do: []}\n  - {name: b, do: []}\n# the end\n",
        "rules:\n- {name: a, do: []}\n-what: 1\n",
        "rules:\n- {name: a, do: []}\n- {name: b, do: [}\n",
        "rules:\n- {name: &x a, do: []}\n- {name: b, description: *x, do: []}\n",
        "rules: [{name: a, when: {$.none: 1, nsid: sh.tangled.repo}, do: []}]",
    ],
)
def test_a_file_says_the_same_piece_by_piece(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rules, problems, their places and their paths."""
    (whole, told), (pieces, told_too) = both(text, monkeypatch)
    assert told_too == told
    assert [(rule.id, rule.place, rule.place.path) for rule in pieces.rules] == [
        (rule.id, rule.place, rule.place.path) for rule in whole.rules
    ]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(file=FILES)
def test_rules_decide_the_same_piece_by_piece(file: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    (whole, told), (pieces, told_too) = both(json.dumps(file), monkeypatch)
    assert told == told_too
    view = View(pushed(), WHO)
    for one, other in zip(whole.rules, pieces.rules, strict=True):
        assert one.when.answer(view) == other.when.answer(view)


def test_nodes_are_gone_when_the_next_piece_is_read() -> None:
    """Without a collection: what stays between pieces is what a hundred thousand rules would weigh."""
    gc.collect()
    gc.disable()
    try:
        most = 0
        for _ in parts.split("rules:\n" + "  - {name: a, do: [{note: {text: x}}]}\n" * 50, "f.yaml", "rules")[1]:
            most = max(most, sum(isinstance(one, document.Node) for one in gc.get_objects()))
    finally:
        gc.enable()
    assert most < 40


def test_a_place_outlives_its_document() -> None:
    """Conditions keep numbers, and find their path when somebody asks."""
    problems = Problems()
    text = "rules:\n  - name: a\n    when: {any: [{branch: main}, {branch: dev}]}\n    do: [{note: {}}]\n"
    (rule,) = rules.load([rules.RuleText("team", "team.yaml", text)], PROVIDERS, problems).rules
    assert rule.place.path == "rules[0]"
    assert [test.place.path for test in rule.when.tests()] == ["rules[0].when.any[0].branch", "rules[0].when.any[1].branch"]
    assert rule.step_places[0].path == "rules[0].do[0].note"
    assert str(next(rule.when.tests()).place) == "team.yaml:3:27"
