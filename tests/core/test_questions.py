"""Each form of a question answers as the plain one would, whatever an event has."""

from __future__ import annotations

from typing import Any

import pytest

from router.core.identity import Account, Repo
from router.core.model import Event
from router.core.operators import Affix, Equals, Glob, Leaf, Not, Range
from router.core.questions import Question, question
from router.core.truth import Unevaluable
from router.core.view import View

ALICE, BOB = "did:plc:alicealicealicealicealic", "did:plc:bobbobbobbobbobbobbobbob"
CORE = "did:plc:corecorecorecorecorecore"
OPERATORS: list[tuple[str, Any]] = [
    ("branch", Equals("main")),
    ("branch", Equals(3)),
    ("branch", Not(Equals("main"))),
    ("branch", Not(Glob("ma*"))),
    ("branch", Glob("ma*")),
    ("branch", Affix("prefix", "m")),
    ("branch", Range((("gt", 1),))),
    ("actor", Account.parse(ALICE)),
    ("actor", Account.parse("did:plc:ali*")),
    ("actor", Account.parse("@alice.example")),
    ("trust", Equals("collaborator")),
    ("trust", Not(Equals("collaborator"))),
    ("nsid", Equals("sh.tangled.git.refUpdate")),
    ("nsid", Equals("sh.tangled.repo.pull")),
    ("nsid", Not(Equals("sh.tangled.repo.pull"))),
    ("repo", Repo.parse(CORE)),
    ("repo", Repo.parse("did:plc:core*")),
    ("repo", Repo.parse(f"{ALICE}/core")),
    ("repo", Repo.parse(f"{ALICE}/co*")),
    ("repo", Repo.parse("@alice.example/core")),
    ("repo", Not(Repo.parse(CORE))),
    ("paths", Glob("src/**")),
    ("paths", Not(Glob("src/**"))),
    ("$.title", Equals("a")),
    ("$.title", Not(Equals("a"))),
    ("$.title", Range((("gt", 1),))),
]
VALUES: list[Any] = [
    None,
    "",
    "main",
    "made",
    "3",
    3,
    True,
    [],
    ["main"],
    ["other", 3],
    {"a": 1},
    ALICE,
    BOB,
    "collaborator",
    "unknown",
    ["src/a.py"],
    ["docs/a.md", "src/a.py"],
    [["src/a.py"]],
    {},
    {"did": CORE},
    {"did": BOB, "owner": ALICE},
    {"did": CORE, "owner": ALICE, "name": "core"},
    {"owner": ALICE, "name": "core"},
    {"owner": ALICE, "name": "other"},
    {"owner": BOB, "name": "core"},
    {"name": "core"},
    {"name": "other"},
    {"owner": None, "name": None},
]


def told(answer: Any) -> Any:
    return (str(answer), answer.undecided) if isinstance(answer, Unevaluable) else answer


@pytest.mark.parametrize(("field", "operator"), OPERATORS, ids=str)
def test_a_form_answers_as_the_plain_question_does(field: str, operator: Any) -> None:
    form, plain = question(field, operator), Question(field, operator, leaf=isinstance(operator, Leaf))
    for value in VALUES:
        if field == "paths" and type(value) is not list:
            continue  # no event has such
        for more in ({}, {"approval": "given"}):
            fields = {**more, **({} if value is None else {field: value})}
            event = Event(
                origin="o",
                id="i",
                source="s",
                kind="knot",
                nsid="sh.tangled.git.refUpdate",
                time=0,
                record={"title": value},
                fields=fields,
            )
            for known in ({}, {"alice.example": ALICE}):
                view = View(event, known)
                answer = told(form.decide(view))
                assert type(answer) in (bool, tuple)
                # Asked again, and by others, it answers the same.
                assert told(form.decide(view)) == answer == told(plain.decide(View(event, known))), (value, more)


def test_what_nearly_all_rules_ask_has_a_form_of_its_own() -> None:
    usual: list[tuple[str, Any]] = [
        ("branch", Equals("main")),
        ("branch", Not(Equals("main"))),
        ("branch", Glob("ma*")),
        ("actor", Account.parse(ALICE)),
        ("trust", Equals("collaborator")),
        ("nsid", Equals("sh.tangled.repo.pull")),
        ("repo", Repo.parse(CORE)),
        ("repo", Repo.parse(f"{ALICE}/core")),
    ]
    assert all(type(question(field, operator)) is not Question for field, operator in usual)
