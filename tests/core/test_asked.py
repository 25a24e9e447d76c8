"""Conditions as they are kept: what is asked apart from where it is written, and together again the same."""

from __future__ import annotations

import random
import tracemalloc
from typing import TYPE_CHECKING

import pytest

from router.core import asked, globs, rules, spots
from router.core.conditions import AllOf, AnyOf, Asks, Condition, Negation
from router.core.document import Source
from router.core.kept import LONG, Kept
from router.core.operators import Equals
from router.core.problems import Place, Problems
from router.core.view import View
from tests.core.conftest import PROVIDERS, WHO, pushed

if TYPE_CHECKING:
    from router.core.rulebook import Rule

FIELDS = ("branch", "trigger", "nsid", "$.a.b", "source", "actor")
SOURCE = Source("x.yaml", "rules: []\n")
RULES = """\
rules:
  - name: one
    when:
      "$.ref": {prefix: refs/}
      nsid: &nsid sh.tangled.git.refUpdate
      any:
        - {branch: main}
        - {not: {tag: "**"}, trigger: push}
      not: {trust: member}
    do: [{note: {text: hello}}]
  - name: other
    when: {branch: main, nsid: *nsid, not: {trust: member}}
    do: [{note: {text: hello}}, {note: {text: hello}, id: again}]
defaults:
  when: {source: knot}
"""


def load(text: str) -> tuple[Rule, ...]:
    problems = Problems()
    made = rules.load([rules.RuleText("team", "team.yaml", text)], PROVIDERS, problems)
    assert not problems.errors, problems.errors
    return made.rules


def drawn(draw: random.Random, depth: int = 0) -> Condition:
    """A condition, however nested."""
    place = Place("x.yaml", draw.randrange(1, 9999), draw.randrange(1, 200), draw.randrange(1, 50), SOURCE)
    kind = draw.randrange(5) if depth < 3 else 0
    if kind < 2:
        return Asks(draw.choice(FIELDS), Equals(draw.choice(["main", "push", "dev"])), place)
    if kind == 2:
        return Negation(drawn(draw, depth + 1), place)
    parts = [drawn(draw, depth + 1) for _ in range(draw.randrange(4))]
    return (AllOf if kind == 3 else AnyOf)(parts, place)


@pytest.mark.parametrize("seed", range(200))
def test_a_condition_is_the_same_again(seed: int) -> None:
    """Its parts in their order, their places, and its answer; and what is kept answers as it does."""
    draw = random.Random(seed)
    condition = drawn(draw)
    asks, places = asked.taken(condition, {})
    again = asked.bound(asks, iter(spots.unpack(spots.pack(places, SOURCE), SOURCE)))
    view = View(pushed(), WHO)
    assert again.answer(view) == condition.answer(view)
    assert asks.decide(view) is condition.decide(view) is again.decide(view)
    assert [one.field for one in condition.tests()] == [one.field for one in again.tests()]
    assert {id(one) for one in asks.questions()} == {id(one) for one in condition.questions()}


def test_what_is_within_others_is_one_object() -> None:
    one, other = load(RULES)
    assert one.asked is not other.asked
    assert next(part for part in one.asked if isinstance(part, asked.Not)) in other.asked  # type: ignore[union-attr, operator]


def test_rules_know_where_their_parts_are_written() -> None:
    """Also those of defaults that stand behind the rules, and of an alias."""
    one, other = load(RULES)
    assert [str(test.place) for test in one.when.tests()] == [
        *("team.yaml:15:18", "team.yaml:4:16", "team.yaml:5:13", "team.yaml:7:20", "team.yaml:8:23", "team.yaml:8:39"),
        "team.yaml:9:20",
    ]
    assert [str(test.place) for test in other.when.tests()] == [
        *("team.yaml:15:18", "team.yaml:12:20", "team.yaml:5:13", "team.yaml:12:52"),
    ]
    assert str(other.place) == "team.yaml:11:5"
    assert [str(place) for place in other.step_places] == ["team.yaml:13:11", "team.yaml:13:34"]


def test_a_rule_may_ask_for_something_else() -> None:
    """As its mutants do, whose conditions come from nowhere."""
    _, other = load(RULES)
    changed = other.asking(Asks("branch", Equals("dev"), Place("elsewhere.yaml", 7, 8)))
    assert str(changed.when) == 'branch: "dev"'
    assert str(changed.when.place) == "elsewhere.yaml:7:8"
    assert (changed.place, changed.step_places) == (other.place, other.step_places)
    assert changed.on(item_name="round").item_name == "round"
    assert other.item_name == "item"


@pytest.mark.parametrize(
    ("place", "rank"),
    [(Place("x.yaml", 3, 1 << 14, 1, SOURCE), 0), (Place("y.yaml", 3), 0), (Place("x.yaml", 3, 2, 1, SOURCE), 256)],
)
def test_places_that_are_no_numbers_are_kept_as_they_are(place: Place, rank: int) -> None:
    packed = spots.pack([(place, rank)], SOURCE)
    assert isinstance(packed, tuple)
    assert spots.unpack(packed, SOURCE) == ((place, rank),)
    assert spots.first(packed, SOURCE) == place
    assert spots.last(packed, 1, SOURCE) == [place]


@pytest.mark.parametrize("text", ["", "rules: []\n", "caf\u00e9 \ud800" * LONG, "x" * LONG])
def test_a_text_is_kept(text: str) -> None:
    kept = Kept(text)
    assert kept.text == text
    assert kept == Kept(text)
    assert hash(kept) == hash(Kept(text))
    assert kept != Kept(text + " ")


def test_plain_globs_are_not_remembered() -> None:
    """A hundred thousand rules name as many repos."""
    before = globs.predicate.cache_info().currsize
    for glob in ("did:plc:weighsnothing", "feature/weighs-nothing-*"):
        globs.check(glob)
        globs.check(glob, "")
    assert globs.compiled("did:plc:weighsnothing")("did:plc:weighsnothing")
    assert globs.matches("did:plc:weighsnothing", "", "did:plc:weighsnothing")
    assert not globs.matches("did:plc:weighsnothing", "", "did:plc:other")
    assert globs.predicate.cache_info().currsize == before


def test_a_further_rule_weighs_little() -> None:
    """Of what Python gives out: 700 bytes, with the index; each condition as an object, and each place, was over 1,500."""

    def text(count: int) -> str:
        when = '{{trigger: push, repo: "did:plc:{0:024}", branch: main}}'
        rule = f"  - {{{{name: r{{0}}, when: {when}, do: [{{{{note: {{{{text: hello}}}}}}}}]}}}}\n"
        return "rules:\n" + "".join(rule.format(number) for number in range(count))

    def weight(count: int) -> int:
        given = rules.RuleText("team", "team.yaml", text(count))
        before, _ = tracemalloc.get_traced_memory()
        made = rules.load([given], PROVIDERS, Problems())
        made.prepare()
        assert len(made.rules) == count
        after, _ = tracemalloc.get_traced_memory()
        return after - before

    tracemalloc.start()
    try:
        weight(10)
        assert (weight(6000) - weight(3000)) / 3000 < 900
    finally:
        tracemalloc.stop()
