"""Random rules and events, decided by the router and by a slow evaluator that is written for being obvious."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from router.core import match, plan
from router.core.model import Event, State
from tests.core.conftest import ALICE, BOB, event, load
from tests.core.test_globs import slow as slow_glob

#: The two ways in which a condition is neither true nor false.
ERROR, UNDECIDED = "error", "undecided"
WHO = {"alice.example": ALICE, "nobody.example": None}
NSIDS = ["a.b.c", "a.b.d", "x.y"]


def either(answers: list[Any]) -> Any:
    """Kleene's "or": true settles it, else doubt does."""
    for settling in (True, UNDECIDED, ERROR):
        if settling in answers:
            return settling
    return False


def negated(answer: Any) -> Any:
    return (not answer) if isinstance(answer, bool) else answer


def every(answers: list[Any]) -> Any:
    return negated(either([negated(answer) for answer in answers]))


def values_of(name: str, given: Event) -> list[Any]:
    if name == "$.n":
        return [given.record["n"]] if "n" in given.record else []
    if name == "$.list[*]":
        return list(given.record.get("list", []))
    if name == "nsid":
        return [given.nsid]
    value = given.fields.get(name)
    return value if isinstance(value, list) else [] if value is None else [value]


def is_one(name: str, asked: Any, value: Any) -> Any:
    """A plain value of a rule against one value of an event."""
    if name == "actor":
        if asked.startswith("did:"):
            return slow_glob(asked.replace("*", "**"), value)
        return WHO[asked[1:]] == value if asked[1:] in WHO else UNDECIDED
    if name == "nsid":
        return slow_glob(asked.replace("*", "**"), value)
    if name in ("branch", "tag", "paths"):
        return slow_glob(asked, value)
    if isinstance(asked, bool) or isinstance(value, bool) or isinstance(asked, str) is not isinstance(value, str):
        return asked is value
    return asked == value


def holds(name: str, asked: Any, values: list[Any]) -> Any:
    """What a rule asks of a field, against the values that the event has."""
    if isinstance(asked, list):
        if any(isinstance(one, str) and one.startswith("!") for one in asked):
            return any(last_word(asked, value) for value in values)
        return either([holds(name, one, values) for one in asked])
    if not isinstance(asked, dict):
        return either([is_one(name, asked, value) for value in values])
    if name == "paths" and set(asked) & {"any", "every", "none"}:
        return every([paths(kind, inner, values) for kind, inner in asked.items()])
    (key, inner), *more = asked.items()
    if more or key in ("gt", "lt"):
        return either([in_range(asked, value) for value in values])
    if key == "not":
        return negated(holds(name, inner, values))
    if key == "exists":
        return (len(values) > 0) is inner
    texts = [value for value in values if isinstance(value, str)]
    if key == "prefix":
        return any(text.startswith(inner) for text in texts)
    if key == "contains":
        return any(inner in text for text in texts)
    assert key == "regex"
    return any(re.search(inner, text) is not None for text in texts)


def last_word(asked: list[str], value: str) -> bool:
    answer = False
    for one in asked:
        if slow_glob(one.removeprefix("!"), value):
            answer = not one.startswith("!")
    return answer


def paths(kind: str, inner: Any, values: list[Any]) -> Any:
    if kind == "any":
        return holds("paths", inner, values)
    if kind == "none":
        return negated(holds("paths", inner, values))
    return every([holds("paths", inner, [value]) for value in values]) if values else False


def in_range(asked: dict[str, float], value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return ERROR
    return ("gt" not in asked or value > asked["gt"]) and ("lt" not in asked or value < asked["lt"])


def condition(asked: dict[str, Any], given: Event) -> Any:
    answers = []
    for key, inner in asked.items():
        if key == "all":
            answers.append(every([condition(one, given) for one in inner]))
        elif key == "any":
            answers.append(either([condition(one, given) for one in inner]))
        elif key == "not":
            answers.append(negated(condition(inner, given)))
        else:
            answers.append(holds(key, inner, values_of(key, given)))
    return every(answers)


@dataclass
class Expected:
    """What the slow evaluator says of a file."""

    answers: list[Any]
    matched: list[str] = field(default_factory=list)
    troubles: list[tuple[str, bool]] = field(default_factory=list)


def decide(file: dict[str, Any], given: Event) -> Expected:
    defaults = file["defaults"]["when"]
    said = Expected([condition(defaults | rule["when"], given) for rule in file["rules"]])
    for rule, answer in zip(file["rules"], said.answers, strict=True):
        if rule["mode"] == "off" or answer is False:
            continue
        if answer is True:
            said.matched.append(f"team/{rule['name']}")
        else:
            said.troubles.append((f"team/{rule['name']}", answer == UNDECIDED))
        if file["strategy"] == "first" and answer != ERROR:
            break
    return said


GLOBS = ["main", "dev", "m*", "rel/*", "rel/**", "**", "*", "**/x", "[md]*"]
WORDS: dict[str, list[Any]] = {
    "branch": GLOBS,
    "tag": GLOBS,
    "paths": ["docs/a", "docs/**", "*.md", "**/*.md", "src/*"],
    "nsid": ["a.b.c", "a.*", "*", "x.y"],
    "trust": ["owner", "member"],
    "actor": ["@alice.example", "@carol.example", "@nobody.example", BOB, "did:plc:a*"],
    "$.n": [1, 3, "x", "3", True, None],
    "$.list[*]": [1, "x", "xy"],
}


def asked_of(name: str) -> st.SearchStrategy[Any]:
    """A random question about a field."""
    plain = st.sampled_from(WORDS[name])
    choices: list[st.SearchStrategy[Any]] = [plain, st.lists(plain, min_size=1, max_size=3)]
    choices.append(st.booleans().map(lambda wanted: {"exists": wanted}))
    if name in ("branch", "tag", "paths"):
        signed = st.tuples(st.sampled_from(["", "!"]), plain).map("".join)
        choices.append(st.lists(signed, min_size=1, max_size=3).map(lambda globs: ["**", *globs]))
    if name != "actor":
        choices.append(st.sampled_from([{"prefix": "m"}, {"contains": "x"}, {"regex": "^[mx3]"}]))
    if name.startswith("$"):
        choices.append(st.sampled_from([{"gt": 1}, {"lt": 2}, {"gt": 0, "lt": 3}]))
    if name == "paths":
        kinds = st.dictionaries(st.sampled_from(["any", "every", "none"]), st.one_of(choices), min_size=1, max_size=2)
        choices.append(kinds)
    base = st.one_of(choices)
    return base | base.map(lambda inner: {"not": inner}) | st.lists(base.filter(_may_be_listed), min_size=1, max_size=2)


def _may_be_listed(asked: Any) -> bool:
    return not isinstance(asked, list)


FIELDS = st.fixed_dictionaries({}, optional={name: asked_of(name) for name in WORDS})
CONDITIONS = st.recursive(
    FIELDS,
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "any": st.lists(inner, min_size=1, max_size=3),
            "all": st.lists(inner, min_size=1, max_size=2),
            "not": inner,
            "branch": asked_of("branch"),
            "$.n": asked_of("$.n"),
        },
    ),
    max_leaves=4,
)
RULES = st.lists(
    st.fixed_dictionaries({"when": CONDITIONS, "mode": st.sampled_from(["live", "live", "shadow", "off"])}),
    min_size=1,
    max_size=4,
).map(lambda rules: [{"name": f"r{number}", "do": [{"note": {}}], **rule} for number, rule in enumerate(rules)])
FILES = st.fixed_dictionaries(
    {"strategy": st.sampled_from(["all", "first"]), "defaults": st.fixed_dictionaries({"when": FIELDS}), "rules": RULES}
)
NAMES = ["main", "dev", "mx", "rel/1", "rel/1/x", "x", ""]
EVENTS = st.builds(
    lambda nsid, fields, record: event(nsid, record=record, **fields),
    st.sampled_from(NSIDS),
    st.fixed_dictionaries(
        {},
        optional={
            "branch": st.sampled_from(NAMES),
            "tag": st.sampled_from(NAMES),
            "trust": st.sampled_from(["owner", "member", "unknown"]),
            "actor": st.sampled_from([ALICE, BOB]),
            "paths": st.lists(st.sampled_from(["docs/a", "docs/b.md", "a.md", "src/x", "src/y/x"]), max_size=3),
        },
    ),
    st.fixed_dictionaries(
        {},
        optional={
            "n": st.sampled_from([0, 1, 2, 3.0, "3", "x", True, None]),
            "list": st.lists(st.sampled_from([1, 2, "x", "xyz", None]), max_size=3),
        },
    ),
)


@settings(max_examples=400, deadline=None)
@given(FILES, st.lists(EVENTS, min_size=1, max_size=3))
def test_the_router_decides_as_the_slow_evaluator_does(file: dict[str, Any], events: list[Event]) -> None:
    """Costs, indexes, shortcuts and shared look-ups change no answer: rules act, err and stay undecided as they read."""
    rulebook = load(json.dumps(file))
    for given_event in events:
        said = decide(file, given_event)
        made = plan.plan(given_event, rulebook, WHO)
        assert list(made.matched) == said.matched
        assert [(trouble.rule, trouble.undecided) for trouble in made.troubles] == said.troubles


@settings(max_examples=400, deadline=None)
@given(FILES, EVENTS)
def test_explain_says_what_plan_does(file: dict[str, Any], given_event: Event) -> None:
    """A rule that `explain` calls matched is exactly one that `plan` acts on, and every other has its reason."""
    rulebook = load(json.dumps(file))
    said = decide(file, given_event)
    verdicts = match.explain(given_event, rulebook, WHO)
    assert [verdict.rule.id for verdict in verdicts if verdict.matched] == said.matched
    for verdict, answer in zip(verdicts, said.answers, strict=True):
        assert verdict.verdict.held is (answer if isinstance(answer, bool) else None)
        reason = verdict.verdict.failed()
        assert (reason is None) is (answer is True)
        assert reason is None or reason.held is verdict.verdict.held
        assert bool(verdict.verdict.error) is not isinstance(answer, bool)
        if not verdict.matched:
            assert verdict.note or not verdict.verdict.held


@settings(max_examples=100, deadline=None)
@given(FILES, EVENTS)
def test_planning_twice_is_harmless(file: dict[str, Any], given_event: Event) -> None:
    """The same event and rules give the same deliveries, also from rules that were loaded afresh; ids are distinct."""
    text = json.dumps(file)
    made = plan.plan(given_event, load(text), WHO)
    assert made == plan.plan(given_event, load(text), WHO)
    ids = [delivery.id for delivery in made.deliveries]
    assert len(set(ids)) == len(ids) == len(made.matched)
    shadows = {f"team/{rule['name']}" for rule in file["rules"] if rule["mode"] == "shadow"}
    assert {one.rule for one in made.deliveries if one.state is State.SHADOW} == shadows & set(made.matched)
