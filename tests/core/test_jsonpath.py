"""JSONPath: plain paths by our own walk, the rest by jsonpath-ng, with RE2 behind `=~`."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonpath_ng.ext.parser import parse

from router.core import jsonpath
from router.core.truth import Unevaluable
from tests.core.conftest import decide, event, read, with_when

RECORD: dict[str, Any] = {
    "a": {"b": [{"c": 1}, {"c": 2}, {"d": "x"}]},
    "list": ["p", "q"],
    "two words": {"x.y": 3},
    "null": None,
    "text": "abc",
    "$type": "sh.tangled.x",
    "target": {"branch": "main"},
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("$", [RECORD]),
        ("$.text", ["abc"]),
        ("$.null", [None]),
        ("$.$type", ["sh.tangled.x"]),
        ("$.absent", []),
        ("$.text.x", []),
        ("$.text[0]", []),
        ("$.list", [["p", "q"]]),
        ("$.list[1]", ["q"]),
        ("$.list[2]", []),
        ("$.list[*]", ["p", "q"]),
        ("$.list.p", []),
        ("$.text[*]", []),
        ("$.a[*]", []),
        ("$.a.b[*].c", [1, 2]),
        ("$.a.b[0].c", [1]),
        ("$['two words']['x.y']", [3]),
        ('$["two words"]', [{"x.y": 3}]),
        ("$.a[0]", []),
        ("$..c", [1, 2]),
        ("$.a.b[-1].d", ["x"]),
        ("$.a.b[0:2].c", [1, 2]),
        ("$.*.branch", ["main"]),
        ("$.a.b[?(@.c > 1)].c", [2]),
        ("$.a.b[?(@.c)].c", [1, 2]),
        ("$.a.b[?(@.d == 'x')].d", ["x"]),
        ("$.a.b[?(@.d =~ '^x$')].d", ["x"]),
        ("$.a.b[?(@.d =~ 'y')].d", []),
        ("$.a.b[?(@.c =~ '1')].c", []),
        ("$.a.b.`len`", [3]),
    ],
)
def test_what_a_path_finds(path: str, found: list[Any]) -> None:
    """A path gives every value that it finds, in order, and nothing where there is none."""
    assert jsonpath.finder(path)(RECORD) == found


@pytest.mark.parametrize(
    "path",
    ["x", "", "a.b", "$.", "$..", "$[", "$.a[?", "$.a[?(@.b =~ '(')]", r"$[?(@.b =~ '(?=x)')]", "$.a b", "$.a.`sub(/a/, b)`"],
)
def test_what_is_no_path(path: str) -> None:
    """A mistake is found when the path is compiled, never when an event arrives."""
    with pytest.raises(jsonpath.PathError) as caught:
        jsonpath.finder(path)
    assert str(caught.value).endswith(".")


def test_a_pattern_that_backtracks_elsewhere_is_linear_here() -> None:
    """`=~` is RE2's, so that a stranger's text cannot hold up the router."""
    record = {"items": [{"b": "a" * 50_000 + "!"}]}
    assert jsonpath.finder("$.items[?(@.b =~ '^(a+)+$')]")(record) == []


def test_what_cannot_be_sorted_is_an_error_and_no_crash() -> None:
    """A record that does not fit the path leaves its rule undecided for good, and told, for `plan` and `explain` alike."""
    rulebook = with_when('"$.list[/n][0].n": 1')
    assert decide(rulebook, event(record={"list": [{"n": 2}, {"n": 1}]})) is True
    said = decide(rulebook, event(record={"list": [{"n": 2}, {"n": "x"}]}))
    assert str(said).startswith("$.list[/n][0].n cannot be found in this record: '<' not supported")


@pytest.mark.parametrize("path", ["$.list[/n][0].n", "$..n", "$.list[?(@.n > 3)]", "$.list[?(@.n =~ 'x')]", "$.list[*].n"])
@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=3), lambda inner: st.lists(inner, max_size=3)))
def test_no_record_crashes_a_path(path: str, value: Any) -> None:
    """Whatever strangers put where the path looks, the answer is a list of values or Unevaluable."""
    for record in ({"list": [{"n": value}, {"n": 1}, value]}, {"list": value}):
        with contextlib.suppress(Unevaluable):
            assert isinstance(jsonpath.finder(path)(record), list)


KEYS = st.sampled_from(["a", "b"])
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.integers(0, 3), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=2), max_leaves=8
)
STEPS = st.lists(st.sampled_from([".a", ".b", "[0]", "[1]", "[*]"]), max_size=4).map("".join)


@given(STEPS, st.dictionaries(KEYS, VALUES, max_size=2))
def test_our_walk_finds_what_jsonpath_ng_finds(steps: str, record: dict[str, Any]) -> None:
    """A plain path means the same whichever of the two walks it (for mappings and lists; `[*]` is for lists)."""
    theirs = [found.value for found in parse("$" + steps).find(record)]
    ours = jsonpath.finder("$" + steps)(record)
    if not _star_or_index_meets_another(steps, record):
        assert ours == theirs


def _star_or_index_meets_another(steps: str, record: dict[str, Any]) -> bool:
    """jsonpath-ng treats a single value as a list of one, which the rule language does not."""
    values: list[Any] = [record]
    for step in steps.replace("[", " [").replace(".", " .").split():
        if step.startswith("[") and any(not isinstance(value, list) for value in values):
            return True
        values = [inner for value in values for inner in jsonpath.finder("$" + step)(value)]
    return False


def test_a_path_in_a_rule_is_checked_at_its_place() -> None:
    """A wrong path is found by `validate`, with its place."""
    _, problems = read("rules:\n  - name: a\n    when: {$.a..: 1}\n    do: []\n")
    assert len(problems) == 1
    assert problems[0].startswith("team.yaml:3:12: R022: `$.a..` is not a JSONPath")
