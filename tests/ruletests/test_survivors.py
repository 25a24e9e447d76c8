"""Which mutants `--mutate` says that no test notices."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.core import plan
from router.core.problems import Place
from router.core.rulebook import Rulebook
from router.ruletests import golden
from router.ruletests.cases import Case
from router.ruletests.events import EventText
from router.ruletests.survivors import mutated, of_folder, surviving
from router.ruletests.trials import Trial
from tests.core.conftest import load
from tests.core.test_slow_evaluator import EVENTS, FILES, WHO

if TYPE_CHECKING:
    from conftest import Judge  # type: ignore[import-not-found]

    from router.core.model import Event, Plan

GOLDEN = Path("a.golden.yaml")
RULES = """\
rules:
  - name: build
    when: {trigger: push, branch: [main, dev]}
    do: [{note: {text: a}}]
"""


def left(judge: Judge, cases: str, rules: str = RULES) -> list[str]:
    """What no test notices."""
    session = judge(cases, rules=rules)
    assert session.problems.found == []
    (folder,) = session.folders.values()
    return [mutant.what for mutant in surviving(folder.book, of_folder(folder.book), folder.trials)]


def case(ref: str, expect: str, more: str = "") -> str:
    event = f"{{extends: push.json, with: {{$.ref: {ref}}}}}"
    return f"- {{name: '{ref} {more}', event: {event}, expect: {expect}{more}}}\n"


BUILT = "[{rule: build}]"
MAIN = case("refs/heads/main", BUILT)


def test_a_mutant_that_no_test_notices_is_told(judge: Judge) -> None:
    """One test of what is built leaves everything that keeps the rule from building; each further test takes one away."""
    dropped, others = ['trigger: "push" → any trigger'], ['branch: ["main", "dev"] → any branch', 'branch: without "dev"']
    assert left(judge, MAIN) == dropped + others
    assert left(judge, MAIN + case("refs/heads/x", "[]")) == dropped + others[1:]
    assert left(judge, MAIN + case("refs/heads/x", "[]") + case("refs/heads/dev", BUILT)) == dropped


def test_a_test_that_fails_anyway_notices_nothing(judge: Judge) -> None:
    """Only from passing to failing is a notice."""
    assert len(left(judge, case("refs/heads/main", "[{rule: build, note: {text: other}}]"))) == 4


ELSE = """\
rules:
  - name: sizes
    when: {trigger: push}
    active: {between: ["08:00", "20:00"]}
    each: $.meta.sizes
    where: {$: 1}
    do: [{note: {text: a}, if_trust: owner}]
"""
NOON = "- {name: noon, event: push.json, trust: owner, now: 2026-11-23T12:00:00Z, expect: [{rule: sizes}]}\n"
NIGHT = "- {name: night, event: push.json, trust: owner, now: 2026-11-23T23:00:00Z, expect: []}\n"
OTHER = "- {name: member, event: push.json, trust: member, now: 2026-11-23T12:00:00Z, expect: []}\n"


def test_what_else_decides_must_be_noticed(judge: Judge) -> None:
    """A case at night, one of another's, and an item that is passed over each notice what they are about."""
    hours, trust, items = "active → at any time", "if_trust: owner → any trust", "where: $: 1 → any item"
    assert left(judge, NIGHT, ELSE) == ['trigger: "push" → any trigger', items, trust]
    assert left(judge, NOON, ELSE) == ['trigger: "push" → any trigger', hours, trust]
    assert left(judge, NOON + OTHER, ELSE) == ['trigger: "push" → any trigger', hours]
    assert left(judge, NOON + OTHER + NIGHT, ELSE) == ['trigger: "push" → any trigger']


def test_the_right_reason_is_noticed(judge: Judge) -> None:
    """`why_not` fails with a mutant that is silent for another reason, where `expect` alone would hold."""
    push = "- {name: a, event: {extends: push.json, with: {$.ref: refs/heads/x}}, %s}\n"
    rules = RULES.replace("trigger: push", 'trigger: push, owner: "did:plc:bob"').replace("[main, dev]", "main")
    mutant = "owner: did:plc:bob → any owner"
    assert mutant in left(judge, push % "expect: []", rules)
    assert mutant not in left(judge, push % "why_not: {build: owner}", rules)


def test_a_golden_notices(judge: Judge, tmp_path: Path) -> None:
    """A plan that is not the golden's is a notice, also without an `expect`."""
    text = "- {name: a, event: push.json, golden: a.golden.yaml}\n"
    judge(text, rules=RULES)
    made = '# The plan of "a". `router test --update` writes it.\nmatched:\n  - core/build\ndeliveries:\n'
    made += '  - rule: core/build\n    step: "0"\n    provider: note\n    options:\n      text: a\n'
    (tmp_path / "rules/a.golden.yaml").write_text(made)
    assert 'branch: without "main"' not in left(judge, text)
    assert 'branch: without "dev"' in left(judge, text)


ALIKE = {
    "a branch is no tag": ("when: {branch: main, tag: {exists: false}}", "{}", "tag: absent → any tag"),
    "a glob takes the text": ('when: {branch: [main, "m*"]}', "{}", 'branch: without "main"'),
    "a glob takes away more": ('when: {branch: ["**", "!x", "!x*"]}', "{}", 'branch: without "!x"'),
    "the rule asks for the same trust": ("when: {trust: owner}", "{if_trust: owner}", "if_trust"),
    "the rule never has the trust": ("when: {trust: owner}", "{if_trust: [owner, member]}", "if_trust: without member"),
    "a condition on items": ("each: workflows\n    where: {$.name: [a, {prefix: a}]}", "{}", 'where: $.name: without "a"'),
}


@pytest.mark.parametrize("why", ALIKE)
def test_what_no_event_can_tell_from_the_rule_is_left_out(why: str) -> None:
    """Another way to say the same is no hole in the tests: nothing could notice it."""
    head, step, what = ALIKE[why]
    book = load(f"rules:\n  - name: a\n    {head}\n    do: [{{note: {{text: a}}, {step[1:-1]}}}]\n")
    every = [mutant.what for mutant in of_folder(book)]
    found = [mutant.what for mutant in surviving(book, of_folder(book), [])]
    assert [told for told in every if told.startswith(what)]
    assert not [told for told in found if told.startswith(what)]
    assert found


def test_what_an_earlier_rule_takes_tells_no_mutant() -> None:
    """Under `first`, a rule that widens into what another takes before it acts on nothing more."""
    rules = """\
strategy: %s
rules:
  - {name: rest, when: {branch: {not: main}}, do: []}
  - {name: main, when: {branch: main}, do: [{note: {text: a}}]}
"""
    dropped = 'branch: "main" → any branch'
    for strategy, expected in (("first", False), ("all", True)):
        book = load(rules % strategy)
        assert (dropped in [mutant.what for mutant in surviving(book, of_folder(book), [])]) is expected


def test_our_own_statuses_are_told_by_who_asks_for_them(judge: Judge) -> None:
    """A rule that no longer asks for a status is not shown our own: that is noticed, though its conditions still hold."""
    rules = "rules:\n  - {name: broken, when: {source: spindle, branch: main}, do: []}\n"
    event = "{nsid: sh.tangled.pipeline.status, source: spindle, fields: {branch: main}, record: {}}"
    found = left(judge, f"- {{name: a, event: {event}, expect: [{{rule: broken}}]}}\n", rules)
    assert found == ['branch: "main" → any branch']


def test_a_step_is_called_for_each_mutant() -> None:
    """Somebody waits."""
    book, steps = load(RULES), []
    surviving(book, of_folder(book), [], lambda: steps.append(1))
    assert len(steps) == len(of_folder(book)) == 4


# -- against what is obvious

#: A ref is a branch or a tag, and never both.
POSSIBLE = EVENTS.filter(lambda event: not {"branch", "tag"} <= event.fields.keys())


def trial(book: Rulebook, event: Event, number: int) -> Trial:
    """A case whose golden is what the rules make of the event."""
    case = Case(name=str(number), place=Place(), event=EventText(place=Place()), golden=GOLDEN)
    return Trial(case=case, event=event, identities=WHO, kept=golden.text(case.name, plan.plan(event, book, WHO)))


def sure(made: Plan) -> tuple[object, ...] | None:
    """What is planned, or None where something cannot be decided: such a test fails anyway."""
    return None if made.troubles else (made.matched, made.deliveries)


@settings(max_examples=60, deadline=None)
@given(FILES, st.lists(POSSIBLE, min_size=1, max_size=4))
def test_a_survivor_survives_and_what_is_noticed_is(file: dict[str, Any], events: list[Event]) -> None:
    """Each mutant, planned in full for every event: a survivor changes no test, and any other does, or no event could."""
    book = load(json.dumps(file))
    trials = [trial(book, event, number) for number, event in enumerate(events)]
    every = of_folder(book)
    survivors = surviving(book, every, trials)
    possible = surviving(book, every, [])
    for mutant in every:
        changed = mutated(book, mutant)
        pairs = [(sure(plan.plan(event, book, WHO)), sure(plan.plan(event, changed, WHO))) for event in events]
        differs = any(before is not None and before != after for before, after in pairs)
        assert (mutant in survivors) is (not differs and mutant in possible)
        if mutant not in possible:
            assert not any(before is not None and after is not None and before != after for before, after in pairs)


@settings(max_examples=150, deadline=None)
@given(FILES, st.lists(EVENTS, min_size=1, max_size=3), st.data())
def test_a_dropped_condition_is_the_file_without_it(file: dict[str, Any], events: list[Event], data: st.DataObject) -> None:
    """A mutant plans exactly as rules do that are written without the condition, and loaded anew."""
    choices = [(n, key) for n, rule in enumerate(file["rules"]) for key in rule["when"] if key not in ("any", "all", "not")]
    choices = [(n, key) for n, key in choices if file["rules"][n]["mode"] != "off" and key not in file["defaults"]["when"]]
    if not choices:
        return
    number, key = data.draw(st.sampled_from(choices))
    book, name = load(json.dumps(file)), file["rules"][number]["name"]
    top = {part.place for part in getattr(book.rules[number].when, "parts", ())}
    (mutant,) = [
        mutant
        for mutant in of_folder(book)
        if mutant.place in top and mutant.rules[0].name == name and mutant.what.endswith(f" → any {key}")
    ]
    del file["rules"][number]["when"][key]
    without = load(json.dumps(file))
    for event in events:
        assert plan.plan(event, mutated(book, mutant), WHO) == plan.plan(event, without, WHO)
