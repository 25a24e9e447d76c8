"""The index finds every rule that may match, and no more than it must look at."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from router.core import index, match
from router.core.questions import Question
from router.core.rulebook import OWN_STATUS, Mode, asks_for_statuses
from router.core.truth import Known, Unevaluable
from router.core.view import View
from tests.core.conftest import ALICE, BOB, CORE, PUSH, event, pushed, read
from tests.core.test_slow_evaluator import CONDITIONS, WORDS, asked_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from router.core.model import Event
    from router.core.rulebook import Rulebook

OTHER = "did:plc:otherotherotherotherother"
TOLD: dict[str, list[Any]] = {
    "repo": [CORE, OTHER, "@alice.example/core", "@alice.example/*", "@carol.example/c*", f"{BOB}/core", "did:plc:c*", "*"],
    "owner": ["@alice.example", "@carol.example", BOB, "did:plc:b*", "*"],
    "knot": ["Knot1.example.com", "knot?.example.com", "*.example.com", "*not1*"],
    "source": ["knot", "knot1", "jetstream"],
    "trigger": ["push", "manual"],
    "status": ["success", "failed"],
    "target_branch": ["**/rel/**", "a/**/b", "{a,b}/x", "a?/x", "*elea*", "re[kl]/*", "\\*", "x\\a*"],
    "$.n": [{"gt": 1, "lt": 3}, {"lt": 2}, {"gte": 3}, {"cidr": "10.0.0.0/8"}, {"exists": False}, {"equals_ignore_case": "X"}],
    "$.list[?(@.n > 1)].n": [{"exists": True}, {"not": 3}],
    "$.deep": [{"contains": "abcd"}, {"suffix": "yz"}, {"glob": "*bcd*z"}, None, True, 1, 1.5],
}


def load(text: str) -> Rulebook:
    """The rules of a file that may have warnings."""
    rulebook, problems = read(text)
    assert rulebook.rulesets, problems
    return rulebook


def field(name: str) -> st.SearchStrategy[Any]:
    plain = st.sampled_from(TOLD[name])
    texts = st.sampled_from([one for one in TOLD[name] if not isinstance(one, dict)] or [1])
    return plain | st.lists(texts, min_size=1, max_size=3) | plain.map(lambda inner: {"not": inner}).filter(_sound)


def _sound(asked: Any) -> bool:
    return not isinstance(asked["not"], dict) or len(asked["not"]) == 1


WIDE = st.fixed_dictionaries({}, optional={name: field(name) for name in TOLD} | {name: asked_of(name) for name in WORDS})
RULES = st.lists(
    st.fixed_dictionaries(
        {
            "when": WIDE
            | CONDITIONS
            | st.fixed_dictionaries({"any": st.lists(WIDE, min_size=1, max_size=3), "branch": st.just("main")})
        },
        optional={
            "mode": st.sampled_from(["shadow", "off"]),
            "active": st.just({"between": ["08:00", "20:00"]}),
        },
    ),
    min_size=1,
    max_size=14,
).map(lambda rules: [{"name": f"r{number}", "do": [], **rule} for number, rule in enumerate(rules)])
FILES = st.fixed_dictionaries({"strategy": st.sampled_from(["all", "first"]), "rules": RULES})
MAYBE = {
    "repo": st.fixed_dictionaries(
        {},
        optional={
            "did": st.sampled_from([CORE, OTHER]),
            "owner": st.sampled_from([ALICE, BOB]),
            "name": st.sampled_from(["core", "c2"]),
        },
    ),
    "owner": st.sampled_from([ALICE, BOB, OTHER]),
    "actor": st.sampled_from([ALICE, BOB]),
    "knot": st.sampled_from(["knot1.example.com", "KNOT1.example.com", "other.example"]),
    "trigger": st.sampled_from(["push", "manual"]),
    "status": st.just("success"),
    "approval": st.just("needed"),
    "trust": st.sampled_from(["owner", "unknown"]),
    "branch": st.sampled_from(["main", "rel/1", "x", "dev"]),
    "target_branch": st.sampled_from(["rel/1", "x/rel/1", "a/b", "a/x/b", "b/x", "ab/x", "release", "rel/1", "*", "xab", ""]),
    "paths": st.lists(st.sampled_from(["docs/a", "a.md", "src/x"]), max_size=2),
}
VALUES = st.sampled_from(
    [0, 1, 2, 3.0, "3", "x", True, None, "10.1.1.1", [1, "x"], {"a": 1}, "abcdxyz", 1.5, float(10**30), 10**400]
)
RECORDS = st.fixed_dictionaries(
    {}, optional={"n": VALUES, "deep": VALUES, "list": st.lists(VALUES | st.just({"n": 2}), max_size=2)}
)
EVENTS = st.builds(
    lambda nsid, time, fields, record: event(nsid, time=time, record=record, **fields),
    st.sampled_from([PUSH, "a.b.c", OWN_STATUS]),
    st.sampled_from([1_795_435_201_000_000, 1_795_400_000_000_000]),
    st.fixed_dictionaries({}, optional=MAYBE),
    RECORDS,
)
WHO = st.fixed_dictionaries(
    {}, optional={name: st.sampled_from([ALICE, BOB, None]) for name in ("alice.example", "carol.example", "nobody.example")}
)


def one_by_one(
    given_event: Event, rulebook: Rulebook, who: Mapping[str, str | None]
) -> tuple[list[str], list[tuple[str, str, bool]]]:
    """Every rule in turn, as a loop over all of them decides: the rules that act, and the troubles."""
    view = View(given_event, who)
    chosen: list[str] = []
    troubles: list[tuple[str, str, bool]] = []
    for ruleset in rulebook.rulesets:
        for rule in ruleset.rules:
            hidden = given_event.nsid == OWN_STATUS and not asks_for_statuses(rule)
            if rule.mode is Mode.OFF or hidden or not match.is_active(rule, given_event.time):
                continue
            answer = rule.when.decide(view)
            if isinstance(answer, Unevaluable):
                troubles.append((rule.id, str(answer), answer.undecided))
                if answer.undecided and ruleset.strategy == "first":
                    break
            elif answer and given_event.fields.get("approval") == "needed" and not match.names_trust(rule):
                troubles.append((rule.id, match.WAITS, False))
            elif answer:
                chosen.append(rule.id)
                if ruleset.strategy == "first":
                    break
    return chosen, troubles


def selected(
    given_event: Event, rulebook: Rulebook, who: Mapping[str, str | None]
) -> tuple[list[str], list[tuple[str, str, bool]]]:
    selection = match.select(View(given_event, who), rulebook)
    return [rule.id for _, rule in selection.chosen], [(one.rule, one.sentence, one.undecided) for one in selection.troubles]


@pytest.mark.parametrize("few", [0, 2, index.FEW])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(file=FILES, events=st.lists(EVENTS, min_size=1, max_size=4), learned=st.lists(WHO, min_size=1, max_size=3))
def test_the_index_decides_as_a_loop_over_all_rules(
    few: int, file: dict[str, Any], events: list[Event], learned: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Errors, doubts, order and what becomes known meanwhile included."""
    monkeypatch.setattr(index, "FEW", few)
    rulebook = load(json.dumps(file))
    known = Known()
    for who in learned:
        for handle, did in who.items():
            known[handle] = did
        for given_event in events:
            expected = one_by_one(given_event, rulebook, dict(known))
            assert selected(given_event, rulebook, known) == expected
            assert selected(given_event, rulebook, dict(known)) == expected


@settings(max_examples=60, deadline=None)
@given(FILES, st.lists(EVENTS, min_size=1, max_size=4))
def test_what_rules_are_about_is_told_as_by_a_loop(file: dict[str, Any], events: list[Event]) -> None:
    """Whether some rule is about such an event does not depend on what was asked before."""
    rulebook = load(json.dumps(file))
    for given_event in events:
        alone = load(json.dumps(file)).topics.about(View(given_event, {}))
        assert [one.name for one in rulebook.topics.about(View(given_event, {}))] == [one.name for one in alone]
        assert bool(alone) is any(_speaks_of(rule, View(given_event, {})) for rule in rulebook.candidates(given_event.nsid))


def _speaks_of(rule: Any, view: View) -> bool:
    tests = [part for part in rule.when.parts if hasattr(part, "question")]
    kinds = [test for test in tests if test.field in ("nsid", "source", "trigger", "operation", "status")]
    if any(test.decide(view) is not True for test in kinds):
        return False
    named = any(test.field in ("nsid", "source") for test in tests)
    return named or all(view.values(test.field) for test in tests if not test.field.startswith("$"))


# -- counts: what an event costs does not grow with rules that it cannot match


def many(number: int) -> dict[str, Any]:
    """Rules of all kinds, each for a repo, a branch, a path, a person or a number of its own; the first is what happens."""
    kinds: list[Callable[[int], dict[str, Any]]] = [
        lambda n: {"repo": f"@alice.example/core{n}", "branch": "main"},
        lambda n: {"repo": f"did:plc:repo{n:020}", "branch": {"not": "main"}},
        lambda n: {"branch": f"release/{n}/**", "not": {"trust": "unknown"}},
        lambda n: {"branch": f"*-fix-{n}-*", "trigger": "push"},
        lambda n: {"$.meta.count": n, "trust": {"not": ["member", "owner"]}},
        lambda n: {"$.meta.title": {"contains": f"issue-{n}."}, "tag": {"exists": False}},
        lambda n: {"actor": [f"did:plc:actor{n:019}", f"did:plc:other{n:019}"], "paths": {"none": "docs/**"}},
        lambda n: {"any": [{"branch": f"a{n}"}, {"tag": f"v{n}.*"}], "operation": "update"},
        lambda n: {"repo": CORE, "branch": f"only/{n}"},
        lambda n: {"$.meta.size": {"gte": 10 * n + 5, "lt": 10 * n + 6}, "repo": CORE, "paths": f"src/{n}/*"},
    ]
    rules = [{"when": kinds[at % len(kinds)](at)} for at in range(number - 1)]
    rules.append({"when": {"repo": CORE, "branch": "main", "$.meta.count": {"gt": 1}}})
    return {"rules": [{"name": f"r{at}", "do": [], **rule} for at, rule in enumerate(rules)]}


def asked(monkeypatch: pytest.MonkeyPatch, rulebook: Rulebook, given_event: Event) -> tuple[list[str], int, int]:
    """The rules that act, how many were looked at, and how many questions were answered."""
    count = 0

    def counted(decide: Callable[[Question, View], Any]) -> Callable[[Question, View], Any]:
        def counting(self: Question, view: View) -> Any:
            nonlocal count
            count += 1
            return decide(self, view)

        return counting

    with monkeypatch.context() as patched:
        forms: list[Any] = [Question, *Question.__subclasses__()]
        for form in forms:
            patched.setattr(form, "decide", counted(form.decide))
        chosen, troubles = selected(given_event, rulebook, {"alice.example": ALICE})
    assert not troubles
    return (
        [one.removeprefix("team/r") for one in chosen],
        len(rulebook.index.near(View(given_event, {"alice.example": ALICE}))),
        count,
    )


@pytest.mark.scale
def test_conditions_evaluated_do_not_grow_with_rules_that_cannot_match(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten rules or ten thousand: an event asks the same questions, and looks at the same few rules."""
    happened = pushed(record={"meta": {"count": -7, "title": "issue-x", "size": 5}}, branch="unheard-of")
    matching = pushed(record={"meta": {"count": 12, "title": "issue-x", "size": 5.5}}, branch="main")
    few, more = (load(json.dumps(many(number))) for number in (10, 10_000))
    for given_event in (happened, matching):
        _, near, questions = asked(monkeypatch, few, given_event)
        _, near_of_more, questions_of_more = asked(monkeypatch, more, given_event)
        assert near_of_more <= near
        assert questions_of_more <= questions
    assert asked(monkeypatch, more, matching)[0] == ["9999"]


def test_a_rule_is_decided_for_its_repo_although_it_negates(monkeypatch: pytest.MonkeyPatch) -> None:
    """`not` beside an exact field does not make a rule one of those that are always looked at."""
    file = {
        "rules": [{"name": f"r{n}", "when": {"repo": f"{ALICE}/r{n}", "not": {"branch": "main"}}, "do": []} for n in range(200)]
    }
    rulebook = load(json.dumps(file))
    given_event = pushed(repo={"owner": ALICE, "name": "r7"}, branch="dev")
    assert rulebook.index.near(View(given_event, {})) == [7]
    assert selected(given_event, rulebook, {})[0] == ["team/r7"]
