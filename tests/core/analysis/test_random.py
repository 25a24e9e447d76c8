"""The analysis of random rules against what the rules do with random events: it may be silent, and must not be wrong."""

from __future__ import annotations

import ipaddress
import json
import math
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.core import match
from router.core.analysis import analyse, logic, sets
from router.core.analysis.automata import TooHard
from router.core.analysis.logic import PART, Each, Either, Fact, Formula, No, Present
from router.core.analysis.meaning import _formula
from router.core.analysis.sets import Values
from router.core.model import Event, Tree
from router.core.problems import Problems
from router.core.rulebook import Rulebook
from router.core.truth import Unevaluable
from router.core.values import instant
from router.core.view import View
from tests.core.conftest import ALICE, BOB, CORE, event, load
from tests.core.test_slow_evaluator import EVENTS, FILES, WHO, WORDS, asked_of

REPOS: list[Any] = ["@alice.example/core", "@nobody.example/*", "@alice.example/*", "@carol.example/core"]
REPOS += ["did:plc:alice*/co*", "did:plc:core*", "*", "did:plc:bob*/**"]
TIMES: list[Any] = [{"after": "2026-01-01T00:00:00Z"}, {"before": "2026-06-01T00:00:00Z"}, {"before": "2027-06-01T00:00:00Z"}]
NETWORKS: list[Any] = [{"cidr": "10.0.0.0/8"}, {"cidr": "10.1.0.0/16"}, {"cidr": "::/0"}, {"prefix": "10."}]
NAMED: list[Any] = ["Main", {"equals_ignore_case": "MAIN"}, {"regex": "(?i)main"}, {"suffix": "n"}, {"glob": "[mM]*"}]
KINDS = ["every", "none", "not"]
ASKED = {name: asked_of(name) for name in WORDS} | {
    "paths": asked_of("paths") | st.builds(lambda word, inner: {word: inner}, st.sampled_from(KINDS), asked_of("paths")),
    "repo": st.sampled_from(REPOS),
    "knot": st.sampled_from(["knot1.example.com", "*.example.com", {"prefix": "KNOT"}, {"exists": False}]),
    "source": st.sampled_from(["knot", "knot1", "jetstream", {"not": "knot"}]),
    "$.at": st.sampled_from(TIMES),
    "$.from": st.sampled_from(NETWORKS),
    "$.name": st.sampled_from(NAMED),
}
#: For each field, what an event may have of it; None where it has none.
HAD: dict[str, list[Any]] = {
    "branch": [None, "main", "dev", "mx", "rel/1", "rel/1/x", "x", ""],
    "tag": [None, "main", "dev", "mx", "rel/1", "rel/1/x", "x", ""],
    "paths": [None, ["docs/a"], ["docs/b.md", "src/x"], ["a.md"], ["src/y/x", "docs/a", "x"]],
    "nsid": ["a.b.c", "a.b.d", "x.y"],
    "trust": [None, "owner", "member", "unknown"],
    "actor": [None, ALICE, BOB],
    "repo": [None, {}, {"did": CORE}, {"owner": ALICE}, {"owner": ALICE, "name": "core"}, {"owner": BOB, "name": "core"}],
    "knot": [None, "knot1.example.com", "KNOT1.example.com", "elsewhere.example"],
    "source": ["knot1", "knot", "other"],
    "$.n": [None, 0, 1, 2, 3, 3.0, 1.5, "3", "x", True, False, float("nan"), [1, 2], [], ["x", 3], {"a": 1}],
    "$.list[*]": [None, [1], ["x"], [1, "xy"], [None, 2], [], ["m"]],
    "$.at": [None, "2025-01-01T00:00:00Z", "2026-03-01T00:00:00Z", "2027-01-01T00:00:00Z", "2028-01-01T00:00:00Z", "soon", 3],
    "$.from": [None, "10.1.2.3", "10.9.9.9", "192.0.2.1", "::1", "10.x", 7],
    "$.name": [None, "main", "Main", "MAIN", "maın", "other", 4],
}
HAD["repo"] += [{"did": CORE, "owner": ALICE, "name": "docs"}, {"name": "core"}, {"owner": BOB, "name": "a/b"}]


def on(field: str) -> st.SearchStrategy[Any]:
    """A condition on one field, in all the ways that it can be written."""
    asked = ASKED[field]
    lists = st.lists(asked.filter(lambda one: not isinstance(one, list)), min_size=1, max_size=2)
    either = asked | asked.map(lambda inner: {"not": inner}) | lists
    plain = either.map(lambda one: {field: one})
    pairs = st.lists(plain, min_size=1, max_size=2)
    return plain | st.builds(lambda word, parts: {word: parts}, st.sampled_from(["any", "all", "not"]), pairs)


PAIRS = st.sampled_from(sorted(ASKED)).flatmap(lambda field: st.tuples(st.just(field), on(field), on(field)))


def views(field: str) -> list[View]:
    """Every event that differs in this field."""
    return [view(field, had) for had in HAD[field]]


def view(field: str, had: Any) -> View:
    nsid, source, fields, record = "a.b.c", "knot1", dict[str, Any](), dict[str, Any]()
    if field == "nsid":
        nsid = had
    elif field == "source":
        source = had
    elif field.startswith("$"):
        record = {} if had is None else {field.removeprefix("$.").removesuffix("[*]"): had}
    elif had is not None:
        fields = {field: had}
    return View(event(nsid, source=source, record=record, **fields), WHO)


def true(formula: Formula, view: View) -> bool:
    """Whether a formula is true of an event, read as it says."""
    if isinstance(formula, No):
        return not true(formula.part, view)
    if isinstance(formula, Each):
        return all(true(part, view) for part in formula.parts)
    if isinstance(formula, Either):
        return any(true(part, view) for part in formula.parts)
    if isinstance(formula, Fact):
        raise Opaque
    field, _, part = formula.field.partition(PART)
    values = view.values(field)
    if isinstance(formula, Present):
        return len(values) > 0
    return any(member(value, formula.values) for value in parted(values, part))


class Opaque(Exception):
    """What a fact stands for is not looked into."""


def member(value: Tree, values: Values) -> bool:
    if isinstance(value, str) and value != sets.MISFIT:
        return values.texts.has(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool) and not math.isnan(value):
        return any(start <= (value, False) and (value, True) <= end for start, end in values.numbers)
    name = sets.NAN if isinstance(value, float) else value if isinstance(value, str) else json.dumps(value)
    return (name in values.others.some) is not values.others.but


def parted(values: Any, part: str) -> list[Tree]:
    """The values, or what is looked at of each."""
    single = [item for value in values for item in (value if isinstance(value, list) else [value])]
    if part == "lower":
        return [value.lower() for value in single]
    if part == "time":
        return [moment.timestamp() * 1_000_000 if (moment := instant(value)) else sets.MISFIT for value in single]
    if part == "address":
        return [address(value) for value in single]
    if part:
        return [value for repo in single if (value := repo.get(part, "" if part == "did" else None)) is not None]
    return single


def address(value: Tree) -> Tree:
    try:
        found = ipaddress.ip_address(value if isinstance(value, str) else "")
    except ValueError:
        return sets.MISFIT
    return int(found) + (0 if found.version == 4 else 1 << 33)


WRITTEN: list[tuple[str, Any]] = [
    ("paths", {"every": "docs/**"}),
    ("paths", {"every": {"not": "docs/**"}}),
    ("paths", {"every": ["docs/**", {"not": "**/x"}]}),
    ("paths", {"every": {"exists": True}}),
    ("paths", {"none": "docs/**", "any": "src/**"}),
    ("paths", {"not": {"every": "docs/**"}}),
    ("paths", ["**", "!docs/**"]),
    ("repo", "did:plc:alice*/*"),
    ("repo", "did:plc:alice*/co*"),
    ("repo", {"not": "did:plc:alice*/core"}),
    ("repo", {"not": "did:plc:alice*/**"}),
    ("actor", {"not": "did:plc:a*"}),
    ("knot", {"not": "*.example.com"}),
    ("$.n", {"not": {"gt": 1}}),
    ("$.n", [{"gt": 2}, "x"]),
    ("$.n", {"not": [{"gte": 2}, "x"]}),
    ("$.n", [{"lte": 0}, True, None]),
    ("$.at", {"not": {"after": "2026-01-01T00:00:00Z", "before": "2027-06-01T00:00:00Z"}}),
    ("$.from", {"not": {"cidr": "10.0.0.0/8"}}),
    ("$.from", {"cidr": "::/0"}),
]


@pytest.mark.parametrize(("field", "asked"), WRITTEN, ids=str)
def test_what_is_written_so_means_that(field: str, asked: Any) -> None:
    """As below, for each way of asking that leaves something open."""
    the_formulas_mean(field, {field: asked})


@settings(max_examples=250, deadline=None)
@given(PAIRS)
def test_a_formula_means_what_its_condition_does(pair: tuple[str, dict[str, Any], dict[str, Any]]) -> None:
    """A condition holds where its formula is true, and can be told not to hold where its other formula is."""
    the_formulas_mean(*pair[:2])


def the_formulas_mean(field: str, when: dict[str, Any]) -> None:
    condition = load(json.dumps({"rules": [{"name": "it", "when": when, "do": []}]})).rules[0].when
    for given_view in views(field):
        held = holds(condition, given_view)
        for wanted in (True, False):
            with suppress(Opaque):
                assert true(_formula(condition, wanted=wanted), given_view) is (held is wanted)


@settings(max_examples=250, deadline=None)
@given(PAIRS)
def test_what_is_proved_is_so(pair: tuple[str, dict[str, Any], dict[str, Any]]) -> None:
    """No event matches what is called impossible, and whatever matches a rule matches one that is called wider."""
    field, *whens = pair
    book = load(json.dumps({"rules": [{"name": f"r{n}", "when": when, "do": []} for n, when in enumerate(whens)]}))
    formulas = [_formula(rule.when, wanted=True) for rule in book.rules]
    both = [tuple(holds(rule.when, given_view) for rule in book.rules) for given_view in views(field)]
    try:
        assert logic.possible(formulas[0]) or all(held[0] is not True for held in both)
        assert logic.possible(*formulas) or (True, True) not in both
        assert not logic.implies(*formulas) or all(held[1] is True for held in both if held[0] is True)
    except TooHard:
        return


def holds(condition: Any, view: View) -> bool | None:
    try:
        return bool(condition.holds(view))
    except Unevaluable:
        return None


@settings(max_examples=200, deadline=None)
@given(FILES, st.lists(EVENTS, min_size=1, max_size=5))
def test_a_rule_called_impossible_or_shadowed_never_acts(file: dict[str, Any], events: list[Event]) -> None:
    """R060 and R061 are never false alarms, whatever the events."""
    rulebook = load(json.dumps(file))
    silent = named(rulebook, {"R060", "R061"})
    for given_event in events:
        if not {"branch", "tag"} <= given_event.fields.keys():
            chosen = match.select(View(given_event, WHO), rulebook).chosen
            assert silent.isdisjoint(rule.name for _, rule in chosen)


def named(rulebook: Rulebook, codes: set[str]) -> set[str]:
    """The rules that the analysis names first in a problem with one of these codes."""
    problems = Problems()
    analyse(rulebook, problems)
    return {found.message.split("`")[1] for found in problems.found if found.code in codes}
