"""Which mutants a rule has, each with its place and what was changed; and what each piece of a rule is."""

from __future__ import annotations

import pytest

from router.core.rulebook import Ruleset
from router.core.view import View
from router.ruletests import mutants
from router.ruletests.pieces import Written, pieces
from tests.core.conftest import ALICE, event, load

#: A condition, its pieces without the condition itself, and its mutants without the one that drops it: column, what.
CONDITIONS: dict[str, tuple[list[str], list[str]]] = {
    "branch: main": ([], []),
    "branch: [main]": ([], []),
    'branch: [main, "release/*"]': (
        ['10 branch: "main"', '16 branch: "release/*"'],
        ['10 branch: without "main"', '16 branch: without "release/*"'],
    ),
    "branch: {not: main}": ([], ['9 branch: not "main" → "main"']),
    "branch: {not: [x, y]}": (
        ['16 branch: "x"', '19 branch: "y"'],
        ['9 branch: not ["x", "y"] → ["x", "y"]', '16 branch: within not: without "x"', '19 branch: within not: without "y"'],
    ),
    "branch: [main, {not: x}]": (
        ['10 branch: "main"', '16 branch: not "x"'],
        ['10 branch: without "main"', '16 branch: without not "x"', '16 branch: not "x" → "x"'],
    ),
    'tag: ["v*", "!v0*"]': (['7 tag: "v*"', '13 tag: "!v0*"'], ['13 tag: without "!v0*"']),
    'tag: ["v*", "w*", "!v0*"]': (
        ['7 tag: "v*"', '13 tag: "w*"', '19 tag: "!v0*"'],
        ['7 tag: without "v*"', '13 tag: without "w*"', '19 tag: without "!v0*"'],
    ),
    "branch: {exists: true}": ([], ["9 branch: exists → absent"]),
    "branch: {prefix: rel}": ([], []),
    '$.n: {gt: 1, lte: 5}': (
        ["11 $.n: gt 1", "19 $.n: lte 5"],
        ["11 $.n: without gt 1", "19 $.n: without lte 5", "11 $.n: gt 1 → gte 1", "19 $.n: lte 5 → lt 5"],
    ),
    "$.n: {gte: 1}": ([], ["6 $.n: gte 1 → gt 1"]),
    "$.t: {after: 2026-01-01T00:00:00Z}": ([], []),
    "$.t: {after: 2026-01-01T00:00:00Z, before: 2026-02-01T00:00:00Z}": (
        ["44 $.t: before 2026-02-01T00:00:00+00:00", "14 $.t: after 2026-01-01T00:00:00+00:00"],
        ["44 $.t: without before 2026-02-01T00:00:00+00:00", "14 $.t: without after 2026-01-01T00:00:00+00:00"],
    ),
    'paths: {every: ["docs/**"]}': (
        ['16 paths: "docs/**"'],
        ['8 paths: every "docs/**" → "docs/**"'],
    ),
    'paths: {any: "a", none: ["b", "c"]}': (
        ['14 paths: "a"', '25 paths: not ["b", "c"]', '26 paths: "b"', '31 paths: "c"'],
        [
            '14 paths: without "a"',
            '25 paths: without not ["b", "c"]',
            '25 paths: not ["b", "c"] → ["b", "c"]',
            '26 paths: within not: without "b"',
            '31 paths: within not: without "c"',
        ],
    ),
    'paths: {any: ["a", "b"]}': (
        ['15 paths: "a"', '20 paths: "b"'],
        ['15 paths: without "a"', '20 paths: without "b"'],
    ),
    "owner: {in: vars.people}": ([], []),
    "branch: {in: vars.names}": ([], []),
}  # fmt: skip


def ruleset(text: str) -> Ruleset:
    (found,) = load(text).rulesets
    return found


def asked(condition: str) -> Ruleset:
    """A rule whose `when` is this one condition, which begins in the first column of line 5. Another is off."""
    head = "vars: {people: ['@alice.example', '@bob.example'], names: [a, b]}\nrules:\n  - name: a\n    when: {\n"
    tail = "  - {name: b, mode: off, when: {owner: {in: vars.people}, branch: {in: vars.names}}, do: []}\n"
    return ruleset(f"{head}{condition}\n     }}\n    do: [{{note: {{}}}}]\n{tail}")


def found(one: Ruleset) -> list[str]:
    return [f"{mutant.place.line}:{mutant.place.column} {mutant.what}" for mutant in mutants.of(one)]


@pytest.mark.parametrize("condition", CONDITIONS)
def test_every_way_to_weaken_an_operator_is_a_mutant(condition: str) -> None:
    """The condition is dropped, and each part of its operator is left out, turned or moved by one, where it is written."""
    first, *rest = found(asked(condition))
    assert first.endswith(f" → any {condition.partition(': ')[0]}")
    assert rest == [f"5:{what}" for what in CONDITIONS[condition][1]]


def test_a_mutant_does_what_it_says() -> None:
    """The bound that is told is the one that is gone or moved; the other is as it was."""
    one = asked("$.n: {gt: 1, lte: 5}")
    told = {mutant.what: [str(test) for test in mutant.rules[0].when.tests()] for mutant in mutants.of(one)}
    assert told == {
        "$.n: gt 1 and lte 5 → any $.n": [],
        "$.n: without gt 1": ["$.n: lte 5"],
        "$.n: without lte 5": ["$.n: gt 1"],
        "$.n: gt 1 → gte 1": ["$.n: gte 1 and lte 5"],
        "$.n: lte 5 → lt 5": ["$.n: gt 1 and lt 5"],
    }


@pytest.mark.parametrize("condition", CONDITIONS)
def test_every_part_of_an_operator_is_a_piece(condition: str) -> None:
    """Each alternative, and each side of `paths`, is told with the place where it is written."""
    one = asked(condition)
    whole, *rest = pieces(one.rules[0].when, Written(one))
    assert whole.text.startswith(condition.partition(": ")[0])
    assert [f"{piece.place.column} {piece.text}" for piece in rest] == CONDITIONS[condition][0]


NESTED = """\
rules:
  - name: a
    when:
      trigger: push
      any:
        - {branch: main, trust: owner}
        - {tag: "v*"}
      not: {actor: "@alice.example"}
    do: [{note: {}}]
"""


def test_conditions_within_conditions_have_mutants() -> None:
    """`any` loses each alternative, `all` each part, and `not` is turned; what is the only part is dropped with the whole."""
    assert found(ruleset(NESTED)) == [
        '4:16 trigger: "push" → any trigger',
        '6:9 branch: "main" and trust: "owner" or tag: "v*" → anything',
        '6:11 any: without branch: "main" and trust: "owner"',
        '6:20 branch: "main" → any branch',
        '6:33 trust: "owner" → any trust',
        '7:11 any: without tag: "v*"',
        "8:12 not (actor: @alice.example) → anything",
        "8:12 not (actor: @alice.example) → actor: @alice.example",
    ]


def test_conditions_within_conditions_are_pieces() -> None:
    """So a test may have to show each alternative by itself."""
    one = ruleset(NESTED)
    _, *found = pieces(one.rules[0].when, Written(one))
    assert [f"{piece.place.line} {piece.text}" for piece in found] == [
        '4 trigger: "push"',
        '6 branch: "main" and trust: "owner" or tag: "v*"',
        '6 branch: "main" and trust: "owner"',
        '6 branch: "main"',
        '6 trust: "owner"',
        '7 tag: "v*"',
        "8 actor: @alice.example",
    ]


def test_what_else_decides_has_mutants() -> None:
    """`where`, `active` and `if_trust` are weakened like conditions."""
    one = ruleset("""\
rules:
  - name: a
    active: {between: ["08:00", "20:00"]}
    each: workflows
    where: {$.name: [x, y]}
    do:
      - {note: {}, if_trust: [owner, member]}
      - {note: {}, if_trust: owner}
      - note: {}
""")
    assert found(one) == [
        '5:5 where: $.name: ["x", "y"] → any item',
        '5:22 where: $.name: without "x"',
        '5:25 where: $.name: without "y"',
        "3:5 active → at any time",
        "7:10 if_trust: member, owner → any trust",
        "7:10 if_trust: without member",
        "7:10 if_trust: without owner",
        "8:10 if_trust: owner → any trust",
    ]


def test_what_defaults_say_is_one_mutant_for_all_their_rules() -> None:
    """It is written once, so it is weakened once: in every rule that has it, and in no other."""
    one = ruleset("""\
defaults: {when: {trigger: push, branch: main}}
rules:
  - {name: a, do: [{note: {}}]}
  - {name: b, when: {branch: x}, do: [{note: {}}]}
  - {name: c, mode: off, do: [{note: {}}]}
""")
    told = [(mutant.what, [rule.name for rule in mutant.rules]) for mutant in mutants.of(one)]
    assert told == [
        ('trigger: "push" → any trigger', ["a", "b"]),
        ('branch: "main" → any branch', ["a"]),
        ('branch: "x" → any branch', ["b"]),
    ]


def test_a_rule_without_conditions_has_no_mutants() -> None:
    """Nor has one that is off."""
    assert found(ruleset("rules:\n  - {name: a, do: []}\n  - {name: b, mode: off, when: {branch: x}, do: []}\n")) == []


def test_an_alias_is_where_its_anchor_is() -> None:
    """What is written once has one place, in both rules, and one mutant."""
    one = ruleset("""\
rules:
  - {name: a, when: {branch: &x [main, dev]}, do: []}
  - {name: b, when: {branch: *x}, do: []}
""")
    assert found(one) == [
        '2:30 branch: ["main", "dev"] → any branch',
        '2:34 branch: without "main"',
        '2:40 branch: without "dev"',
    ]


def answers(condition: str, **fields: object) -> dict[str, list[bool]]:
    one = asked(condition)
    view = View(event(**fields), {"alice.example": ALICE})
    return {piece.text: list(piece.answers(view)) for piece in pieces(one.rules[0].when, Written(one))}


def test_a_piece_answers_by_itself() -> None:
    """That another part settles the whole hides nothing, and a part that cannot be told does not answer."""
    assert answers("branch: [main, dev]", branch="main") == {
        'branch: ["main", "dev"]': [True],
        'branch: "main"': [True],
        'branch: "dev"': [False],
    }
    assert answers("$.n: {gt: 1, lte: 5}", record={"n": 9}) == {
        "$.n: gt 1 and lte 5": [False],
        "$.n: gt 1": [True],
        "$.n: lte 5": [False],
    }
    assert set(map(tuple, answers("$.n: {gt: 1, lte: 5}", record={"n": "x"}).values())) == {()}


def test_what_every_path_must_be_is_asked_of_each() -> None:
    """Under `every`, each path answers for itself: of a mixed push both answers are seen."""
    assert answers('paths: {every: ["docs/**", "*.md"]}', paths=["docs/a", "src/b"]) == {
        'paths: every ["docs/**", "*.md"]': [False],
        'paths: ["docs/**", "*.md"]': [True, False],
        'paths: "docs/**"': [True, False],
        'paths: "*.md"': [False, False],
    }
