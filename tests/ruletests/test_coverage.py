"""What `--coverage` says that tests never showed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.core import plan
from router.core.problems import Place
from router.core.rulebook import Mode
from router.ruletests.cases import Case
from router.ruletests.coverage import Coverage, Goal, Share, measure, together
from router.ruletests.events import EventText
from router.ruletests.trials import Trial
from tests.core.conftest import load
from tests.core.test_slow_evaluator import EVENTS, FILES, WHO, condition

if TYPE_CHECKING:
    from conftest import Judge  # type: ignore[import-not-found]

    from router.core.model import Event

ONE = """\
rules:
  - name: build
    when: {branch: [main, dev]}
    do: [{note: {text: a}}]
"""


def measured(judge: Judge, cases: str, rules: str) -> Coverage:
    session = judge(cases, rules=rules)
    assert session.problems.found == []
    (folder,) = session.folders.values()
    (found,) = measure(folder.book, folder.trials)
    return found


def gaps(judge: Judge, cases: str, rules: str) -> list[str]:
    return [
        f"{goal.place.line}:{goal.place.column} {gap}" for goal in measured(judge, cases, rules).goals for gap in goal.gaps()
    ]


def case(name: str, ref: str = "refs/heads/main", **more: Any) -> str:
    made = {"name": name, "event": {"extends": "push.json", "with": {"$.ref": ref}}, "why_not": {}, **more}
    return f"- {json.dumps(made)}\n"


def test_a_piece_that_is_never_true_or_never_false_is_a_gap(judge: Judge) -> None:
    """One event shows each piece one way only; the alternative that it does not have is never true."""
    assert gaps(judge, case("a"), ONE) == [
        "2:5 the rule `build` is never passed over",
        '3:20 `branch: ["main", "dev"]` is never false',
        '3:21 `branch: "main"` is never false',
        '3:27 `branch: "dev"` is never true',
    ]
    assert gaps(judge, case("a") + case("b", "refs/heads/dev"), ONE) == [
        "2:5 the rule `build` is never passed over",
        '3:20 `branch: ["main", "dev"]` is never false',
    ]
    assert gaps(judge, case("a") + case("b", "refs/heads/dev") + case("c", "refs/heads/x"), ONE) == []


def test_what_settles_the_whole_hides_nothing(judge: Judge) -> None:
    """A piece is asked also where another one, or an earlier rule, has decided already."""
    rules = """\
strategy: first
rules:
  - {name: first, when: {branch: main}, do: []}
  - {name: second, when: {trigger: manual, branch: [main, dev]}, do: []}
"""
    assert gaps(judge, case("a") + case("b", "refs/heads/dev"), rules) == [
        "4:5 the rule `second` never matches",
        '4:36 `trigger: "manual"` is never true',
        '4:52 `branch: ["main", "dev"]` is never false',
    ]


def test_a_rule_that_takes_everything_is_not_asked_to_pass_anything_over(judge: Judge) -> None:
    """Without conditions there is no other way; behind another rule under `first` there is."""
    rules = "strategy: %s\nrules:\n  - {name: a, when: {branch: main}, do: []}\n  - {name: rest, do: []}\n"
    both = case("a", "refs/heads/dev")
    assert [gap for gap in gaps(judge, both, rules % "all") if "rest" in gap] == []
    assert [gap for gap in gaps(judge, both, rules % "first") if "rest" in gap] == ["4:5 the rule `rest` is never passed over"]
    assert gaps(judge, both + case("b"), rules % "first") == []
    assert gaps(judge, both, "strategy: first\nrules: [{name: rest, do: []}]\n") == []


def test_steps_are_taken_and_where_trust_decides_skipped(judge: Judge) -> None:
    """A step is there to be taken; one with `if_trust` is there to be skipped, too."""
    rules = """\
rules:
  - name: build
    when: {branch: main}
    do: [{note: {text: a}}, {note: {text: b}, if_trust: owner}]
"""
    cases = case("a", trust="owner") + case("b", "refs/heads/x")
    assert gaps(judge, cases, rules) == ["4:30 step 1 to note is never skipped"]
    assert gaps(judge, case("a", trust="member") + case("b", "refs/heads/x"), rules) == ["4:30 step 1 to note is never taken"]
    assert gaps(judge, cases + case("c", trust="member"), rules) == []


def test_where_is_asked_of_each_item(judge: Judge) -> None:
    """The items of one event can show both ways; items of a rule that does not match are not looked at."""
    rules = """\
rules:
  - name: sizes
    when: {branch: main}
    each: $.meta.sizes
    where: {$: {gt: 1}}
    do: [{note: {text: "{{ item }}"}}]
"""
    assert gaps(judge, case("a") + case("b", "refs/heads/x"), rules) == []
    assert gaps(judge, case("b", "refs/heads/x"), rules) == [
        "2:5 the rule `sizes` never matches",
        '3:20 `branch: "main"` is never true',
        "5:16 `$: gt 1` is never true",
        "5:16 `$: gt 1` is never false",
        "6:11 step 0 to note is never taken",
    ]


def test_hours_are_a_condition(judge: Judge) -> None:
    """`active` must be seen within and without."""
    rules = """\
rules:
  - name: day
    active: {between: ["08:00", "20:00"]}
    do: []
"""
    noon, night = case("a", now="2026-11-23T12:00:00Z"), case("b", now="2026-11-23T23:00:00Z")
    assert gaps(judge, noon, rules) == ["2:5 the rule `day` is never passed over", "3:5 `active` is never false"]
    assert gaps(judge, noon + night, rules) == []


def test_a_rule_that_is_off_is_left_out(judge: Judge) -> None:
    """No event can show anything of it."""
    found = measured(judge, case("a"), "rules: [{name: a, mode: off, when: {branch: main}, do: []}]\n")
    assert (found.goals, str(found.share)) == ([], "100.0% (0 of 0)")


def test_what_defaults_say_is_one_goal_for_all_their_rules(judge: Judge) -> None:
    """It is written once: what one rule shows of it need not be shown of the other."""
    rules = """\
defaults: {when: {trigger: push}}
rules:
  - {name: a, when: {branch: main}, do: []}
  - {name: b, when: {branch: dev}, do: []}
"""
    (goal,) = [goal for goal in measured(judge, case("a"), rules).goals if "trigger" in goal.text]
    assert (goal.rules, goal.seen, list(goal.gaps())) == (["a", "b"], {True}, ['`trigger: "push"` is never false'])


@pytest.mark.parametrize(
    ("reached", "total", "percent"), [(0, 0, 100.0), (0, 3, 0.0), (2, 3, 66.6), (9999, 10000, 99.9), (3, 3, 100.0)]
)
def test_a_percentage_is_rounded_down(reached: int, total: int, percent: float) -> None:
    """100 % is said only of what is whole."""
    assert Share(reached, total).percent == percent


def test_the_least_share_is_compared_exactly() -> None:
    """Not as it is shown: of 10,000 the last one counts."""
    assert Share(9999, 10000).is_at_least(99.99)
    assert not Share(9999, 10000).is_at_least(100)
    assert Share(2, 3).is_at_least(66.6)
    assert Share(0, 0).is_at_least(100)


def test_several_files_are_counted_together() -> None:
    """A small file does not weigh as much as a large one."""
    ways = {True: "is never true", False: "is never false"}
    full, half = Goal("a", Place(), ways, seen={True, False}), Goal("b", Place(), ways, seen={True})
    assert str(together([Coverage("a", [full, full]), Coverage("b", [half])])) == "83.3% (5 of 6)"


@settings(max_examples=150, deadline=None)
@given(FILES, st.lists(EVENTS, min_size=1, max_size=4))
def test_goals_are_seen_as_the_slow_evaluator_sees_them(file: dict[str, Any], events: list[Event]) -> None:
    """A rule has matched and was passed over, and its own fields were true and false, for exactly the events that say so."""
    book = load(json.dumps(file))
    (found,) = measure(book, [trial(one) for one in events])
    goals = {(goal.text, name): goal for goal in found.goals for name in goal.rules}
    matched = [set(plan.plan(one, book, WHO).matched) for one in events]
    for rule, asked in zip(book.rules, file["rules"], strict=True):
        if rule.mode is Mode.OFF:
            continue
        assert goals[f"the rule `{rule.name}`", rule.name].seen == {rule.id in acting for acting in matched}
        for part in getattr(rule.when, "parts", ()):
            name = getattr(part, "field", "")
            if name in asked["when"]:
                answers = {condition({name: asked["when"][name]}, one) for one in events}
                assert goals[f"`{part}`", rule.name].seen == {answer for answer in answers if isinstance(answer, bool)}


def trial(event: Event) -> Trial:
    return Trial(case=Case(name="a", place=Place(), event=EventText(place=Place())), event=event, identities=WHO)
