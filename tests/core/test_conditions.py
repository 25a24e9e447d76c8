"""What each field and each way of nesting conditions means."""

from __future__ import annotations

from typing import Any

import pytest

from tests.core.conftest import ALICE, BOB, CORE, PUSH, decide, event, pushed, with_when

NAMED: list[tuple[str, dict[str, Any], bool]] = [
    ("nsid: sh.tangled.git.refUpdate", {}, True),
    ('nsid: "sh.tangled.*"', {}, True),
    ('nsid: "sh.*"', {}, True),
    ('nsid: "sh.tangled.repo.*"', {}, False),
    ('nsid: ["sh.tangled.repo", "*.refUpdate"]', {}, True),
    ('nsid: ["sh.tangled.*", "!*.refUpdate"]', {}, False),
    ("source: knot", {}, True),
    ("source: knot1", {}, True),
    ("source: knot2", {}, False),
    ("source: [jetstream, knot1]", {}, True),
    ("source: {not: knot}", {}, False),
    ("trigger: push", {}, True),
    ("trigger: [pull_request, manual]", {}, False),
    ("trigger: push", {"trigger": None}, False),
    ("operation: {not: delete}", {}, True),
    ("operation: {not: delete}", {"operation": "delete"}, False),
    ("operation: {not: delete}", {"operation": None}, True),
    ("branch: main", {}, True),
    ("branch: mai", {}, False),
    ("branch: Main", {}, False),
    ('branch: "release/*"', {"branch": "release/1"}, True),
    ('branch: "release/*"', {"branch": "release/1/2"}, False),
    ('branch: "release/**"', {"branch": "release/1/2"}, True),
    ('branch: ["release/**", "!release/old/**"]', {"branch": "release/old/1"}, False),
    ('branch: ["release/**", "!release/old/**"]', {"branch": "release/new/1"}, True),
    ('branch: ["release/**", "!release/old/**", "release/old/2"]', {"branch": "release/old/2"}, True),
    ('branch: ["!release/old/**", "release/**"]', {"branch": "release/old/1"}, True),
    ('branch: {not: ["release/**", "!release/old/**"]}', {"branch": "release/old/1"}, True),
    ('branch: ["**", "!main"]', {"branch": None}, False),
    (r'branch: "\\!main"', {"branch": "!main"}, True),
    ("branch: 1.10", {"branch": "1.10"}, True),
    ("branch: 1.10", {"branch": "1.1"}, False),
    ("branch: 012", {"branch": "012"}, True),
    ("branch: on", {"branch": "on"}, True),
    ("tag: v1.*", {"tag": "v1.2"}, True),
    ("tag: v1.*", {}, False),
    ("ref: refs/heads/main", {}, True),
    ("ref: refs/*", {}, False),
    ("ref: refs/**", {}, True),
    ("target_branch: main", {"target_branch": "main"}, True),
    ("target_branch: main", {}, False),
    ("trust: [owner, member]", {}, True),
    ("trust: [member, collaborator]", {}, False),
    ("status: failed", {"status": "failed"}, True),
    ("status: {not: success}", {"status": "failed"}, True),
    ("workflow: ci.yml", {"workflows": [{"name": "a.yml"}, {"name": "ci.yml"}]}, True),
    ("workflow: c*", {"workflows": [{"name": "a.yml"}]}, False),
    ("workflow: {exists: false}", {"workflows": []}, True),
]

IDENTITIES: list[tuple[str, dict[str, Any], bool]] = [
    ('repo: "@alice.example/core"', {}, True),
    ("repo: alice.example/core", {}, True),
    ('repo: "@ALICE.example/core"', {}, True),
    (f"repo: {ALICE}/core", {}, True),
    (f"repo: {CORE}", {}, True),
    ('repo: "@alice.example/*"', {}, True),
    ('repo: "@alice.example/c?re"', {}, True),
    ('repo: "@alice.example/other"', {}, False),
    ('repo: "@bob.example/core"', {}, False),
    ('repo: "@nobody.example/core"', {}, False),
    (f"repo: {ALICE}", {}, False),
    ('repo: "*"', {}, True),
    ('repo: "*"', {"repo": None}, False),
    ('repo: ["@bob.example/core", "@alice.example/core"]', {}, True),
    ('repo: {not: "@alice.example/core"}', {"repo": None}, True),
    ('owner: "@alice.example"', {}, True),
    ("owner: alice.example", {}, True),
    (f"owner: {ALICE}", {}, True),
    ("owner: did:plc:alice*", {}, True),
    ("owner: did:web:*", {}, False),
    (f"actor: {{not: {BOB}}}", {}, True),
    ('actor: ["@bob.example", "@nobody.example"]', {}, False),
    ("knot: knot1.example.com", {}, True),
    ("knot: KNOT1.example.com", {}, True),
    ("knot: https://knot1.example.com/", {}, True),
    ('knot: "*.example.com"', {}, True),
    ("knot: knot2.example.com", {}, False),
]

PATHS: list[tuple[str, list[str] | None, bool]] = [
    ('"docs/**"', ["src/a.py", "docs/b/c.md"], True),
    ('"docs/**"', ["src/a.py"], False),
    ('"*.md"', ["docs/a.md"], False),
    ('"**/*.md"', ["a.md"], True),
    ('{any: "docs/**"}', ["src/a.py", "docs/a"], True),
    ('{every: ["docs/**", "*.md"]}', ["docs/a", "README.md"], True),
    ('{every: ["docs/**", "*.md"]}', ["docs/a", "src/a.py"], False),
    ('{every: ["docs/**", "!docs/api/**"]}', ["docs/a", "docs/api/b"], False),
    ('{every: "docs/**"}', [], False),
    ('{every: "docs/**"}', None, False),
    ('{none: "docs/**"}', ["src/a.py"], True),
    ('{none: "docs/**"}', ["src/a.py", "docs/a"], False),
    ('{none: "docs/**"}', None, True),
    ('{any: "src/**", none: "src/generated/**"}', ["src/a", "docs/b"], True),
    ('{any: "src/**", none: "src/generated/**"}', ["src/a", "src/generated/b"], False),
    ('{not: "docs/**"}', ["src/a", "docs/a"], False),
    ('{every: {suffix: ".md"}}', ["a.md", "b/c.md"], True),
    ('["src/**", {suffix: ".md"}]', ["a.md"], True),
]

NESTED: list[tuple[str, bool]] = [
    ("any: [{branch: x}, {trigger: push}]", True),
    ("any: [{branch: x}, {trigger: manual}]", False),
    ("any: {branch: main}", True),
    ("all: [{branch: main}, {trigger: push}]", True),
    ("all: [{branch: main}, {trigger: manual}]", False),
    ("not: {branch: main}", False),
    ("not: {branch: x}", True),
    ("not: [{branch: x}, {trigger: manual}]", True),
    ("not: [{branch: x}, {trigger: push}]", False),
    ("not: {branch: main, trigger: manual}", True),
    ("branch: main, not: {any: [{trigger: manual}, {all: [{branch: main}, {actor: did:plc:x}]}]}", True),
    ("any: [{not: {branch: main}}, {not: {not: {branch: main}}}]", True),
    ("", True),
    ("any: [{}]", True),
    ("not: {}", False),
]


@pytest.mark.parametrize(("when", "changed", "expected"), NAMED)
def test_named_fields(when: str, changed: dict[str, Any], expected: bool) -> None:  # noqa: FBT001
    """Every named field is compared as its row of the language's table says."""
    assert decide(with_when(when), pushed(**changed)) is expected


@pytest.mark.parametrize(("when", "changed", "expected"), IDENTITIES)
def test_identities_in_any_spelling(when: str, changed: dict[str, Any], expected: bool) -> None:  # noqa: FBT001
    """A repo, an account or a knot may be written in any of its spellings."""
    assert decide(with_when(when), pushed(**changed)) is expected


@pytest.mark.parametrize(("when", "paths", "expected"), PATHS)
def test_paths(when: str, paths: list[str] | None, expected: bool) -> None:  # noqa: FBT001
    """`any` asks for one changed file, `every` for all and at least one, `none` for no such file."""
    assert decide(with_when(f"paths: {when}"), pushed(paths=paths)) is expected


@pytest.mark.parametrize(("when", "expected"), NESTED)
def test_nesting(when: str, expected: bool) -> None:  # noqa: FBT001
    """`any`, `all` and `not` take whole conditions, to any depth."""
    assert decide(with_when(when), pushed()) is expected


@pytest.mark.parametrize("field", ["trigger", "branch", "tag", "ref", "target_branch", "trust", "status", "actor", "paths"])
def test_an_absent_field(field: str) -> None:
    """What an event lacks holds for `not` and `{exists: false}`, and for nothing else."""
    value = {"trigger": "push", "trust": "owner", "status": "failed", "actor": ALICE}.get(field, "x*")
    bare = event()
    assert decide(with_when(f'{field}: "{value}"'), bare) is False
    assert decide(with_when(f"{field}: {{exists: true}}"), bare) is False
    assert decide(with_when(f"{field}: {{exists: false}}"), bare) is True
    assert decide(with_when(f'{field}: {{not: "{value}"}}'), bare) is True
    assert decide(with_when(f'not: {{{field}: "{value}"}}'), bare) is True


def test_all_fields_must_hold() -> None:
    """Fields of one condition are joined by "and", the values of one field by "or"."""
    rulebook = with_when("trigger: [push, manual], branch: [main, dev], trust: owner")
    assert decide(rulebook, pushed()) is True
    assert decide(rulebook, pushed(branch="x")) is False
    assert decide(rulebook, pushed(trust="unknown")) is False


UNKNOWN = {"alice.example": ALICE}


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ('owner: "@carol.example"', "undecided: the handle carol.example is not resolved yet"),
        ('owner: {not: "@carol.example"}', "undecided: the handle carol.example is not resolved yet"),
        ('owner: ["@carol.example", "@alice.example"]', True),
        ('owner: "@carol.example", branch: x', False),
        ('branch: x, owner: "@carol.example"', False),
        ('any: [{owner: "@carol.example"}, {branch: main}]', True),
        ('any: [{owner: "@carol.example"}, {branch: x}]', "undecided: the handle carol.example is not resolved yet"),
        ('not: {owner: "@carol.example", branch: x}', True),
        ('repo: "@carol.example/core"', "undecided: the handle carol.example is not resolved yet"),
        ('repo: "@carol.example/other"', False),
        ('repo: "@alice.example/core"', True),
        ('any: [{$.n: {gt: 3}}, {owner: "@carol.example"}]', "undecided: the handle carol.example is not resolved yet"),
        ('any: [{owner: "@carol.example"}, {$.n: {gt: 3}}]', "undecided: the handle carol.example is not resolved yet"),
        ('$.n: {gt: 3}, owner: "@carol.example"', "undecided: the handle carol.example is not resolved yet"),
        (
            '$.n: {gt: 3}, all: [{owner: "@carol.example"}, {repo: "*"}]',
            "undecided: the handle carol.example is not resolved yet",
        ),
        ('owner: "@carol.example", $.n: {gt: 3}', "undecided: the handle carol.example is not resolved yet"),
    ],
)
def test_an_unresolved_handle_decides_only_where_it_must(when: str, expected: bool | str) -> None:  # noqa: FBT001
    """A handle that is not known yet leaves the event undecided, unless the other conditions settle it."""
    assert decide(with_when(when), pushed(record={"n": "x"}), UNKNOWN) == expected


@pytest.mark.parametrize("when", ["$.n: {gt: 3}", "not: {$.n: {gt: 3}}", "$.n: {not: {gt: 3}}", "any: [{$.n: {gt: 3}}]"])
def test_text_compared_with_a_number_is_an_error(when: str) -> None:
    """A comparison that makes no sense is told, and never counts as false or as true."""
    expected = '"3" is not a number, so it cannot be compared with gt 3'
    assert decide(with_when(when), event(record={"n": "3"})) == expected


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ("$.n: {gt: 3}, $.m: 2", False),
        ("$.m: 2, $.n: {gt: 3}", False),
        ("any: [{$.n: {gt: 3}}, {$.m: 1}]", True),
        ("any: [{$.m: 1}, {$.n: {gt: 3}}]", True),
        ("$.n: [{gt: 3}, x]", True),
        ('"$.list[*]": {gt: 3}', True),
        ("$.list: {gt: 3}", True),
    ],
)
def test_an_error_gives_way_to_what_settles_the_answer(when: str, expected: bool) -> None:  # noqa: FBT001
    """The answer does not depend on the order in which conditions are written or looked at."""
    assert decide(with_when(when), event(record={"n": "x", "m": 1, "list": ["x", 4]})) is expected


def test_a_repo_of_which_too_little_is_known() -> None:
    """Whose repo it is may become known later, so a rule that asks for it is undecided and not false."""
    only_did = pushed(repo={"did": CORE}, owner=None)
    told = f'undecided: whose repo "{CORE}" is, and its name, are not known yet'
    assert decide(with_when('repo: "@alice.example/core"'), only_did) == told
    assert decide(with_when(f"repo: {CORE}"), only_did) is True
    only_owner = pushed(repo={"did": CORE, "owner": ALICE})
    assert decide(with_when('repo: "@alice.example/core"'), only_owner) == told
    assert decide(with_when('repo: "@alice.example/*"'), only_owner) is True
    assert decide(with_when('repo: "@bob.example/core"'), only_owner) is False


def test_the_nsid_may_be_asked_for_anywhere() -> None:
    """A rule whose nsid stands inside `any`, `all` or `not` is still looked at for each event."""
    assert decide(with_when(f"any: [{{nsid: {PUSH}}}, {{branch: x}}]"), event()) is True
    assert decide(with_when(f"all: [{{nsid: {PUSH}}}]"), event("sh.tangled.repo")) is False
    assert decide(with_when(f"not: {{nsid: {PUSH}}}"), event("sh.tangled.repo")) is True
    assert decide(with_when(f"not: {{nsid: {PUSH}}}"), event()) is False


def test_the_same_nsid_is_remembered_and_no_more_than_a_thousand() -> None:
    """Strangers choose nsids: what is remembered of them is bounded, and forgetting changes no answer."""
    rulebook = with_when("nsid: 'a.b*'")
    for number in range(rulebook.REMEMBERED * 2 + 10):
        assert decide(rulebook, event(f"a.b{number}")) is True
        assert len(rulebook._asked) <= rulebook.REMEMBERED
    assert decide(rulebook, event("a.c")) is False
