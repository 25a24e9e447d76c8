"""Which rules act: strategies, defaults, modes, hours of the day; and that `explain` says what `plan` does."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from router.core import match, plan, rules
from router.core.problems import Problems
from tests.core.conftest import PROVIDERS, PUSH, WHO, event, load, pushed, with_when


def explained(text: str, given: Any) -> list[tuple[str, bool, str]]:
    return [(one.rule.name, one.matched, one.note) for one in match.explain(given, load(text), WHO)]


def acting(text: str, given: Any) -> list[str]:
    names = [rule_id.removeprefix("team/") for rule_id in plan.plan(given, load(text), WHO).matched]
    assert names == [name for name, matched, _ in explained(text, given) if matched]
    return names


THREE = """\
strategy: {strategy}
rules:
  - {{name: no, when: {{branch: x}}, do: []}}
  - {{name: one, when: {{branch: main}}, do: []}}
  - {{name: two, do: []}}
"""


def test_all_is_every_rule_that_matches() -> None:
    """Without `first`, rules do not know of each other."""
    assert acting(THREE.format(strategy="all"), pushed()) == ["one", "two"]
    assert acting(THREE.replace("strategy: {strategy}\n", "").format(), pushed()) == ["one", "two"]


def test_first_is_the_first_rule_that_matches() -> None:
    """Under `first` one rule acts, and `explain` names it to those behind it."""
    text = THREE.format(strategy="first")
    assert acting(text, pushed()) == ["one"]
    assert explained(text, pushed()) == [("no", False, ""), ("one", True, ""), ("two", False, "`one` comes first")]
    assert acting(text, pushed(branch="z")) == ["two"]


def test_strategies_end_at_the_file() -> None:
    """A winner in one file does not silence another file."""
    texts = [rules.RuleText(name, f"{name}.yaml", THREE.format(strategy="first")) for name in ("a", "b")]
    problems = Problems()
    rulebook = rules.load(texts, PROVIDERS, problems)
    assert problems.found == []
    assert plan.plan(pushed(), rulebook, WHO).matched == ("a/one", "b/one")


FIRST = """\
strategy: first
rules:
  - {{name: doubtful, when: {when}, do: [], {more}}}
  - {{name: second, when: {{branch: main}}, do: []}}
  - {{name: third, do: []}}
"""


def test_under_first_an_undecided_rule_holds_back_those_behind_it() -> None:
    """What comes after a rule that may yet match must not win by accident."""
    text = FIRST.format(when='{owner: "@carol.example"}', more="")
    assert acting(text, pushed()) == []
    assert explained(text, pushed()) == [
        ("doubtful", False, ""),
        ("second", False, "`doubtful` comes first"),
        ("third", False, "`doubtful` comes first"),
    ]


def test_under_first_a_rule_that_never_can_be_evaluated_is_passed_over() -> None:
    """A mistake in one rule does not silence the others, and `explain` names the rule that acts instead."""
    text = FIRST.format(when="{$.n: {gt: 3}}", more="")
    given = pushed(record={"n": "x"})
    assert acting(text, given) == ["second"]
    assert explained(text, given)[2] == ("third", False, "`second` comes first")
    (trouble,) = plan.plan(given, load(text), WHO).troubles
    assert (trouble.rule, trouble.undecided) == ("team/doubtful", False)


@pytest.mark.parametrize("more", ["mode: off", 'active: {between: ["00:00", "00:01"]}'])
def test_a_rule_that_cannot_act_holds_nobody_back(more: str) -> None:
    """A rule that is off, or not active now, is no trouble and ends nothing, whatever it does not know."""
    text = FIRST.format(when='{owner: "@carol.example"}', more=more)
    assert acting(text, pushed()) == ["second"]
    assert plan.plan(pushed(), load(text), WHO).troubles == ()


def test_shadow_rules_take_part_in_first() -> None:
    """A shadow rule is matched like a live one, so that going live changes nothing else."""
    assert acting(FIRST.format(when="{branch: main}", more="mode: shadow"), pushed()) == ["doubtful"]


def test_why_a_rule_that_holds_does_not_act() -> None:
    """`explain` tells a rule that is off from one that sleeps."""
    text = """\
rules:
  - {name: gone, mode: off, do: []}
  - {name: asleep, active: {between: ["00:00", "00:01"]}, do: []}
  - {name: other, when: {branch: x}, active: {between: ["00:00", "00:01"]}, do: []}
"""
    assert explained(text, pushed()) == [
        ("gone", False, "the rule is off"),
        ("asleep", False, "the rule is not active at this time of the day"),
        ("other", False, ""),
    ]


DEFAULTS = """\
defaults:
  when: {nsid: sh.tangled.git.refUpdate, branch: main}
  mode: shadow
  do: [{note: {text: default}}]
rules:
  - {name: plain}
  - {name: other-branch, when: {branch: dev}, mode: live}
  - {name: more, when: {trust: owner}, do: []}
"""


@pytest.mark.parametrize(
    ("given", "names"),
    [
        (pushed(), ["plain", "more"]),
        (pushed(branch="dev"), ["other-branch"]),
        (pushed(trust="unknown"), ["plain"]),
        (event("sh.tangled.pipeline", branch="main"), []),
    ],
)
def test_defaults_are_merged_under_each_rule(given: Any, names: list[str]) -> None:
    """A rule keeps the conditions of the defaults on fields that it does not speak of, and any key that it does not have."""
    assert acting(DEFAULTS, given) == names


def test_a_guard_of_the_defaults_stays() -> None:
    """`not` in the defaults is no field that a rule's own `not` could replace: both hold."""
    text = """\
defaults:
  when: {not: {branch: main}}
rules:
  - {name: guarded, when: {not: {branch: old}}, do: []}
"""
    names = [acting(text, pushed(branch=branch)) for branch in ("main", "old", "new")]
    assert names == [[], [], ["guarded"]]


def test_a_rules_keys_replace_those_of_the_defaults() -> None:
    """`do` and the like are taken whole from the rule, or whole from the defaults."""
    rulebook = load(DEFAULTS)
    assert [rule.mode.value for rule in rulebook.rules] == ["shadow", "live", "shadow"]
    assert [len(rule.steps) for rule in rulebook.rules] == [1, 1, 0]


def at(text: str, zone: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC).timestamp()) * 1_000_000


@pytest.mark.parametrize(
    ("between", "zone", "moment", "expected"),
    [
        ('["08:00", "20:00"]', "UTC", at("2026-01-05T07:59:59", "UTC"), False),
        ('["08:00", "20:00"]', "UTC", at("2026-01-05T08:00:00", "UTC"), True),
        ('["08:00", "20:00"]', "UTC", at("2026-01-05T19:59:59", "UTC"), True),
        ('["08:00", "20:00"]', "UTC", at("2026-01-05T20:00:00", "UTC"), False),
        ('["22:00", "06:00"]', "UTC", at("2026-01-05T23:00:00", "UTC"), True),
        ('["22:00", "06:00"]', "UTC", at("2026-01-05T00:00:00", "UTC"), True),
        ('["22:00", "06:00"]', "UTC", at("2026-01-05T05:59:00", "UTC"), True),
        ('["22:00", "06:00"]', "UTC", at("2026-01-05T06:00:00", "UTC"), False),
        ('["22:00", "06:00"]', "UTC", at("2026-01-05T21:59:00", "UTC"), False),
        ('["00:00", "24:00"]', "UTC", at("2026-01-05T23:59:59", "UTC"), True),
        ('["23:00", "24:00"]', "UTC", at("2026-01-05T23:59:59", "UTC"), True),
        ('["24:00", "01:00"]', "UTC", at("2026-01-05T00:30:00", "UTC"), True),
        ('["08:00", "20:00"]', "Europe/Berlin", at("2026-01-05T07:30:00", "UTC"), True),
        ('["08:00", "20:00"]', "Europe/Berlin", at("2026-07-05T05:59:00", "UTC"), False),
        ('["08:00", "20:00"]', "Europe/Berlin", at("2026-07-05T06:00:00", "UTC"), True),
        ('["02:00", "03:00"]', "Europe/Berlin", at("2026-03-29T00:59:00", "UTC"), False),
        ('["02:00", "03:00"]', "Europe/Berlin", at("2026-03-29T01:00:00", "UTC"), False),
        ('["02:00", "03:00"]', "Europe/Berlin", at("2026-10-25T00:30:00", "UTC"), True),
        ('["02:00", "03:00"]', "Europe/Berlin", at("2026-10-25T01:30:00", "UTC"), True),
        ('["02:00", "03:00"]', "Europe/Berlin", at("2026-10-25T02:00:00", "UTC"), False),
        ('["08:00", "20:00"]', "Asia/Kolkata", at("2026-01-05T02:30:00", "UTC"), True),
    ],
)
def test_active_hours(between: str, zone: str, moment: int, expected: bool) -> None:  # noqa: FBT001
    """Hours are the wall clock's in the rule's zone, from the first minute up to the last one, over midnight if need be.

    On the day that summer time begins the clock has no 02:30; on the day that it ends it has two.
    """
    text = f"rules: [{{name: it, active: {{between: {between}, timezone: {zone}}}, do: []}}]"
    assert (acting(text, pushed(time=moment)) == ["it"]) is expected


@pytest.mark.parametrize(
    ("when", "given", "text", "saw"),
    [
        ("trigger: push, branch: dev, trust: member", pushed(), 'branch: "dev"', '"main"'),
        ("tag: v1", pushed(), 'tag: "v1"', "absent"),
        ("all: [{branch: main}, {any: [{trust: member}, {trust: unknown}]}]", pushed(), 'trust: "member"', '"owner"'),
        ("not: {branch: main, trigger: push}", pushed(), 'not (branch: "main", trigger: "push")', '"main", "push"'),
        ("not: [{branch: x}, {trigger: push}]", pushed(), 'not (branch: "x", trigger: "push")', '"main", "push"'),
        ("$.n: {gt: 3}, branch: x", pushed(record={"n": "a"}), 'branch: "x"', '"main"'),
        ("$.n: {gt: 3}, branch: main", pushed(record={"n": "a"}), "$.n: gt 3", '"a"'),
        ('repo: "@bob.example/core"', pushed(), "repo: @bob.example/core", None),
        ("paths: other/**", pushed(paths=list("abcdef")), 'paths: "other/**"', '"a", "b", "c", "d" and 2 more'),
        ("branch: dev", pushed(branch="\x1b[31m\u202e"), 'branch: "dev"', '"\\x1b[31m\\u202e"'),
        ("branch: dev", pushed(branch="x" * 1_000_000), 'branch: "dev"', '"' + "x" * 79 + "…"),
    ],
)
def test_the_reason_that_explain_gives(when: str, given: Any, text: str, saw: str | None) -> None:
    """The part that is named as the reason is the first one that settles the answer, with the value that it saw."""
    (verdict,) = match.explain(given, with_when(when), WHO)
    failed = verdict.verdict.failed()
    assert failed is not None
    assert failed.text == text
    assert saw is None or failed.saw == saw
    assert failed.place.line == 3


def test_why_a_rule_matched() -> None:
    """What made a rule match is each condition that held, with the value that it saw."""
    rulebook = with_when("branch: main, any: [{trust: member}, {trust: owner}], tag: {exists: false}")
    assert match.why(pushed(), rulebook.rules[0], WHO) == [
        'branch: "main" (is "main")',
        'trust: "owner" (is "owner")',
        "tag: absent (is absent)",
    ]


def test_an_event_of_another_nsid_is_explained_too() -> None:
    """`explain` shows every rule, also those that are no candidates for the event."""
    (verdict,) = match.explain(event("sh.tangled.repo"), with_when(f"nsid: {PUSH}, branch: main"), WHO)
    failed = verdict.verdict.failed()
    assert failed is not None
    assert failed.text == f'nsid: "{PUSH}"'


def test_a_ruleset_may_keep_silent_about_what_it_does_not_match() -> None:
    """Where every ruleset that is about such pushes says so; one that is about something else has no say."""

    def silent(*texts: str) -> bool:
        problems = Problems()
        given = [rules.RuleText(str(number), f"{number}.yaml", text) for number, text in enumerate(texts)]
        rulebook = rules.load(given, PROVIDERS, problems)
        assert problems.errors == []
        return match.keeps_silent(pushed(), rulebook, WHO)

    quiet = "unmatched: silent\nrules: [{name: a, when: {trigger: push, branch: other}, do: []}]"
    loud = "rules: [{name: b, when: {trigger: push, branch: another}, do: []}]"
    elsewhere = "rules: [{name: c, when: {trigger: schedule}, do: []}]"
    assert silent(quiet)
    assert silent(quiet, elsewhere)
    assert not silent(quiet, loud)
    assert not silent(elsewhere)
