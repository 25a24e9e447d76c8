"""Two rulebooks on the same events."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.core import differences, plan, rules
from router.core.differences import ABSENT, Kind, Pair, Tally, Term
from router.core.model import Event, Plan, Retry, State
from router.core.problems import Problems
from router.core.rulebook import Rulebook
from tests.core.conftest import PROVIDERS, WHO, event, load, pushed

ONE = "rules: [{{name: build, {when}do: [{{note: {{text: {text}}}}}]}}]"


def one(text: str, when: str = "") -> Rulebook:
    return load(ONE.format(text=text, when=f"when: {when}, " if when else ""))


def changes(old: Rulebook, new: Rulebook, given: Event | None = None) -> list[differences.Change]:
    given = given if given is not None else pushed()
    return list(differences.compare(plan.plan(given, old, WHO), plan.plan(given, new, WHO)))


def test_what_only_one_plans_is_added_or_removed() -> None:
    """A delivery is known by its rule, event, item and step, so a rule of another name makes another."""
    other = load(ONE.format(text="a", when="").replace("build", "make"))
    assert [(found.kind, found.delivery.rule) for found in changes(one("a"), other)] == [
        (Kind.REMOVED, "team/build"),
        (Kind.ADDED, "team/make"),
    ]
    assert [found.kind for found in changes(one("a"), one("a", "{branch: dev}"))] == [Kind.REMOVED]


@pytest.mark.parametrize(
    ("old", "new", "terms"),
    [
        ("do: [{note: {text: 1}}]", "do: [{note: {text: true}}]", [Term("options.text", 1, new=True)]),
        ("do: [{note: {text: [1, 2]}}]", "do: [{note: {text: [1, 3]}}]", [Term("options.text[1]", 2, 3)]),
        ("do: [{note: {text: [1]}}]", "do: [{note: {text: [1, 3]}}]", [Term("options.text", [1], [1, 3])]),
        ("do: [{note: {text: {a: {b: 1}}}}]", "do: [{note: {text: {a: {}}}}]", [Term("options.text.a.b", 1, ABSENT)]),
        ("do: [{note: {}}]", "do: [{note: {text: 1}}]", [Term("options.text", ABSENT, 1)]),
        ("do: [{note: {text: 1}}]", "do: [{note: {text: 1}, timeout: 9s}]", [Term("timeout", 60.0, 9.0)]),
        ("do: [{note: {}}]", "do: [{note: {}, retry: {attempts: 3}}]", [Term("retry", None, asdict(Retry(attempts=3)))]),
        ("do: [{note: {}}]", "do: [{note: {}, idempotent: true}]", [Term("idempotent", old=False, new=True)]),
        ("do: [{note: {}}]", "mode: shadow\n    do: [{note: {}}]", [Term("state", "ready", "shadow")]),
        ("do: [{note: {}}]", "report: {workflow: ci}\n    do: [{note: {}}]", [Term("report", "", "ci")]),
        (
            "dedupe: {key: a, within: 1m}\n    do: [{note: {}}]",
            "dedupe: {key: b, within: 1m}\n    do: [{note: {}}]",
            [Term("gates.dedupe_key", "a", "b")],
        ),
        ("do: [{note: {}, id: a}]", "do: [{script: {script: x}, id: a}]", None),
    ],
)
def test_what_both_plan_is_compared_term_by_term(old: str, new: str, terms: list[Term] | None) -> None:
    """Options, provider, state, gates, retry, timeout, report: whatever somebody would notice, and with strict types."""
    before, after = (load(f"rules:\n  - name: build\n    {text}\n") for text in (old, new))
    (found,) = changes(before, after)
    assert found.kind is Kind.CHANGED
    if terms is None:
        assert [term.path for term in found.terms] == ["provider", "options.script"]
    else:
        assert list(found.terms) == terms


def test_a_delivery_that_dies_is_a_change_with_its_reason() -> None:
    """An option that the provider refuses after rendering."""
    old, new = (
        load(f"rules: [{{name: b, do: [{{ci: {{pipeline: x, branch: '{{{{ {name} }}}}'}}}}]}}]") for name in ("ref", "old_sha")
    )
    (found,) = changes(old, new)
    assert [term.path for term in found.terms] == ["options.branch", "state", "reason"]


def test_examples_are_kept_by_what_differs_and_not_by_what_an_event_says() -> None:
    """Keys that strangers choose make no groups: there would be no end of them."""
    old, new = one("'{{ record.x }}'"), one("'{{ record.y }}'")
    tally = Tally()
    for number in range(50):
        given = pushed(id=f"e{number}", record={"x": {f"k{number}": 1}, "y": {f"k{number}": 2}})
        tally.add(f"file:{number}", given, *Pair(old, new).plans(given, {}))
    (group,) = tally.groups.values()
    assert (group.count, group.where, group.change.names) == (50, "file:0", ("options.text",))
    assert (tally.events, tally.differing, tally.counted(Kind.CHANGED), tally.counted(Kind.ADDED)) == (50, 50, 50, 0)


def test_rules_that_cannot_be_decided_are_told() -> None:
    """A handle that nobody knows makes no difference to deliveries, and must not look like one that makes none."""
    tally, given = Tally(), pushed()
    tally.add("e", given, *Pair(one("a"), one("a", "{owner: '@carol.example'}")).plans(given, WHO))
    assert tally.doubts["team/build"].count == 1
    assert "carol.example" in tally.doubts["team/build"].sentence


def test_equal_rulesets_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what can differ costs anything; where nothing can, no event is needed."""
    old, new = (_book([("same", SAME), ("ci", ONE.format(text=text, when=""))]) for text in "ab")
    asked: list[list[str]] = []
    real = plan.plan

    def counting(event: Event, book: Rulebook, who: Any) -> Plan:
        asked.append([ruleset.name for ruleset in book.rulesets])
        return real(event, book, who)

    monkeypatch.setattr(plan, "plan", counting)
    Pair(old, new).plans(pushed(), WHO)
    assert asked == [["ci"], ["ci"]]
    assert not Pair(old, new).same
    assert Pair(old, _book([("same", SAME), ("ci", ONE.format(text="a", when=""))])).same
    assert not Pair(old, _book([("ci", ONE.format(text="a", when="")), ("same", SAME)])).same


SAME = "rules: [{name: s, when: {branch: main}, do: [{note: {text: s}}]}]"
WHENS = ["", "{branch: main}", "{branch: dev}", "{owner: '@alice.example'}", "{owner: '@carol.example'}", "{$.n: {gt: 1}}"]
RULE = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["a", "b", "c"]),
        "when": st.sampled_from(WHENS),
        "text": st.sampled_from(["1", "true", "'{{ branch }}'", "'{{ record.n }}'"]),
        "more": st.sampled_from(["", "mode: shadow, ", "mode: off, ", "each: $.list, ", "report: {workflow: ci}, "]),
        "steps": st.integers(0, 2),
    }
)


def _name(rule: Any) -> Any:
    return rule["name"]


def _written(file: Any) -> str:
    lines = [f"strategy: {file['strategy']}", "rules:"]
    for rule in file["rules"]:
        when = f"when: {rule['when']}, " if rule["when"] else ""
        steps = ", ".join([f"{{note: {{text: {rule['text']}}}}}"] * rule["steps"])
        lines.append(f"  - {{name: {rule['name']}, {when}{rule['more']}do: [{steps}]}}")
    return "\n".join(lines)


FILE = st.fixed_dictionaries(
    {
        "strategy": st.sampled_from(["all", "first"]),
        "rules": st.lists(RULE, min_size=1, max_size=3, unique_by=_name),
    }
).map(_written)
FILES = st.lists(st.tuples(st.sampled_from(["x", "y", "z"]), FILE), max_size=3, unique_by=lambda file: file[0])
EVENTS = st.builds(
    lambda branch, n, items, number: event(
        id=f"e{number}", branch=branch, owner=WHO["alice.example"], record={"n": n, "list": list(range(items))}
    ),
    st.sampled_from(["main", "dev"]),
    st.sampled_from([0, 2, "x"]),
    st.integers(0, 4),
    st.integers(0, 3),
)


def _book(files: list[tuple[str, str]]) -> Rulebook:
    problems = Problems()
    book = rules.load([rules.RuleText(name, f"{name}.yaml", text) for name, text in files], PROVIDERS, problems)
    assert not problems.errors
    return book


@settings(max_examples=150)
@given(
    shared=FILES,
    old=FILES,
    new=FILES,
    events=st.lists(EVENTS, max_size=4),
    room=st.integers(1, 12),
    last=st.booleans(),
    turned=st.booleans(),
)
def test_the_short_way_finds_what_the_long_way_finds(
    shared: list[tuple[str, str]],
    old: list[tuple[str, str]],
    new: list[tuple[str, str]],
    events: list[Event],
    room: int,
    last: bool,  # noqa: FBT001 - hypothesis passes it by name
    turned: bool,  # noqa: FBT001 - as above
) -> None:
    """Whatever the rules and events, and also where a plan has no room for all deliveries: both ways find the same changes."""
    names = {name for name, _ in shared}
    sides = [[file for file in side if file[0] not in names] for side in (old, new)]
    files = [[*side, *shared] if last else [*shared, *side] for side in sides]
    books = [_book(files[0]), _book(files[1][::-1] if turned else files[1])]
    pair = Pair(*books)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "MAX_DELIVERIES", room)
        for given_event in events:
            slow = [_known(change) for change in _slowly(*(plan.plan(given_event, book, WHO) for book in books))]
            quick = [_known(change) for change in differences.compare(*pair.plans(given_event, WHO))]
            assert Counter(quick) == Counter(slow)
            assert not (pair.same and slow)


EACH = "rules: [{name: each, each: $.list, do: [{note: {text: '{{ item }}'}}]}]"
LAST = "rules: [{name: z, do: [{note: {text: z}}]}]"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ([("each", EACH), ("team", ONE.format(text="a", when=""))], [("each", EACH), ("team", ONE.format(text="b", when=""))]),
        ([("each", EACH), ("z", LAST)], [("z", LAST), ("each", EACH)]),
    ],
    ids=["what is left depends on a ruleset that both have", "what is left depends on the order"],
)
def test_where_there_is_no_room_all_rules_are_asked(
    old: list[tuple[str, str]], new: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit on one event's deliveries cuts those of the last rules, whosever they are."""
    monkeypatch.setattr(plan, "MAX_DELIVERIES", 3)
    books, given_event = [_book(files) for files in (old, new)], event(record={"list": [1, 2, 3]})
    slow = _slowly(*(plan.plan(given_event, book, WHO) for book in books))
    quick = list(differences.compare(*Pair(*books).plans(given_event, WHO)))
    assert Counter(map(_known, quick)) == Counter(map(_known, slow))
    assert bool(slow) is (old[0] == ("each", EACH) and new[0] != ("each", EACH))


def _known(change: differences.Change) -> tuple[object, ...]:
    return change.kind, change.delivery.id, repr(sorted(change.terms, key=lambda term: term.path))


def _slowly(old: Plan, new: Plan) -> list[differences.Change]:
    """Obvious: each delivery of either plan, looked up in the other."""
    before, after = ({made.id: made for made in made_of.deliveries} for made_of in (old, new))
    found = [differences.Change(Kind.REMOVED, made) for key, made in before.items() if key not in after]
    found += [differences.Change(Kind.ADDED, made) for key, made in after.items() if key not in before]
    for key in before.keys() & after.keys():
        one, other = before[key], after[key]
        if repr(one) != repr(other):
            (change,) = differences.compare(Plan(deliveries=(one,)), Plan(deliveries=(other,)))
            assert change.kind is Kind.CHANGED
            found.append(change)
    return found


def test_states_of_a_plan_are_apart() -> None:
    """A delivery that is only watched and one that is made are different news."""
    tally, given = Tally(), pushed()
    shadow = load("rules: [{name: build, mode: shadow, do: [{note: {text: a}}]}]")
    for number, book in enumerate([one("a"), shadow]):
        tally.add(str(number), given, Plan(), plan.plan(given, book, WHO))
    assert [group.change.delivery.state for group in tally.by_rule()["team/build"]] == [State.READY, State.SHADOW]
