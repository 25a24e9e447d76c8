"""What a case promises, and what is said where the rules do something else."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from router.ruletests import diff

Findings = Callable[..., list[str]]

TOPIC = "{extends: push.json, with: {$.ref: refs/heads/topic}}"
BUILD = """\
event: push.json
expect:
  - rule: build
    ci: {pipeline: core, branch: main}
  - rule: build
    note: {text: push to main}
"""


def test_a_case_holds_where_the_plan_is_as_expected(findings: Findings) -> None:
    """Each delivery is expected with a part of its options, and nothing else happens."""
    assert findings(BUILD) == []


def test_the_order_of_expectations_does_not_matter(findings: Findings) -> None:
    """A test does not break when steps change places."""
    assert findings(
        """\
event: push.json
expect:
  - {rule: build, note: {text: push to main}}
  - {rule: core/build, ci: {}}
"""
    ) == []  # fmt: skip


def test_a_vague_expectation_does_not_take_what_a_precise_one_needs(findings: Findings) -> None:
    """Expectations get deliveries so that all are met, if they can be."""
    rules = """\
rules:
  - name: two
    when: {trigger: push}
    do: [{note: {text: a}}, {note: {text: b}}]
"""
    case = "event: push.json\nexpect: [{rule: two, note: {}}, {rule: two, note: {text: a}}]\n"
    assert findings(case, rules=rules) == []


def test_a_rule_that_does_nothing_can_be_expected(findings: Findings) -> None:
    """`do: []` matched is another thing than no match, and a test can say so."""
    case = "event: {extends: push.json, with: {$.changedFiles: [docs/a.md]}}\nexpect: [{rule: docs-only}]\n"
    assert findings(case) == []


def test_a_rule_that_does_not_match_is_told_with_the_condition_that_failed(findings: Findings) -> None:
    """What failed, and on what: enough to see whether the rule or the test is wrong."""
    case = f"event: {TOPIC}\nexpect: [{{rule: build, ci: {{}}}}]\n"
    assert findings(case) == [
        "`build` does not match:",
        '    branch: ["main", "release/*"], and it is "topic" (rules/core.yaml:8:35)',
    ]


EITHER = """\
rules:
  - name: either
    when:
      trigger: push
      any:
        - {branch: main, owner: "did:plc:bob"}
        - {tag: "v*"}
        - not: {paths: "src/**"}
    do: []
"""


def test_each_alternative_that_fails_is_told(findings: Findings) -> None:
    """Where any would do, each is a reason: with what it saw, and of `all` the first that fails."""
    case = "event: push.json\nexpect: [{rule: either}]\n"
    assert findings(case, rules=EITHER) == [
        "`either` does not match:",
        '    owner: did:plc:bob, and it is "did:plc:alice" (rules/core.yaml:6:33)',
        '    tag: "v*", and it is absent (rules/core.yaml:7:17)',
        '    not (paths: "src/**"), and it is "src/app.py" (rules/core.yaml:8:16)',
    ]


@pytest.mark.parametrize(("field", "right"), [("tag", True), ("paths", True), ("owner", True), ("branch", False)])
def test_each_alternative_that_fails_is_a_reason(findings: Findings, field: str, right: bool) -> None:  # noqa: FBT001
    """`why_not` may name the field of any alternative, and not one that holds."""
    assert (findings(f"event: push.json\nwhy_not: {{either: {field}}}\n", rules=EITHER) == []) is right


LONG = """\
rules:
  - name: long
    when: {trigger: push}
    do: [{note: {text: %s}}]
"""


@pytest.mark.parametrize(
    ("text", "wanted", "told"),
    [
        (r'"one\ntwo\nthree\nfour"', r'"one\ntwo\ndrei\nfour"', ["@@ -2,3 +2,3 @@", " two", "-drei", "+three", " four"]),
        (r'"one\ntwo"', r'"one"', ["@@ -1 +1,2 @@", " one", "+two"]),
        ('"' + "a" * 300 + 'b"', '"' + "a" * 300 + 'c"', [f'- …"{"a" * 40}c"', f'+ …"{"a" * 40}b"']),
        (r'"\e[31mred"', '"red"', ['- "red"', r'+ "\x1b[31mred"']),
    ],
    ids=["lines", "a line more", "long", "hostile"],
)
def test_texts_are_told_by_what_differs_in_them(findings: Findings, text: str, wanted: str, told: list[str]) -> None:
    """Long texts by line, long lines from shortly before the difference, and no character moves the terminal."""
    found = findings(f"event: push.json\nexpect: [{{rule: long, note: {{text: {wanted}}}}}]\n", rules=LONG % text)
    assert found == ["`long` to note differs:", "    text", *(f"      {line}" for line in told)]


def test_a_mapping_in_place_of_a_text_is_told_as_lines() -> None:
    """Whatever its kind, a value that differs is shown whole, keys sorted."""
    assert list(diff.options({"a": {"c": 1, "b": [2]}}, {"a": "x"}, exact=False)) == [
        "a",
        "  @@ -1,6 +1 @@",
        "  -{",
        '  -  "b": [',
        "  -    2",
        "  -  ],",
        '  -  "c": 1',
        "  -}",
        "  +x",
    ]
    assert list(diff.options({"a": [1]}, {"a": []}, exact=False)) == ["a", "  @@ -1,3 +1 @@", "  -[", "  -  1", "  -]", "  +[]"]


def test_a_very_long_difference_is_cut() -> None:
    """A golden or a script that is all different does not fill the screen."""
    (*_, last) = diff.options({"a": "x\n" * 100}, {"a": "y\n" * 100}, exact=False)
    assert last == "  … and 162 lines more"


def test_options_that_differ_are_told_one_by_one(findings: Findings) -> None:
    """A diff names each option with what was expected and what it is."""
    case = """\
event: push.json
expect:
  - {rule: build, ci: {pipeline: docs, branch: main, tag: v1, env: {A: "2"}}}
  - {rule: build, note: {}}
"""
    assert findings(case) == [
        "`build` to ci differs:",
        "    pipeline",
        '      - "docs"',
        '      + "core"',
        "    tag",
        '      - "v1"',
        "    env.A",
        '      - "2"',
        '      + "1"',
    ]


def test_exact_allows_no_other_option(findings: Findings) -> None:
    """`exact` holds for the whole tree of options."""
    case = """\
event: push.json
expect:
  - {rule: build, exact: true, ci: {org: acme, pipeline: core, branch: main, env: {A: "1"}}}
  - {rule: build, note: {text: push to main}, exact: true}
"""
    assert findings(case) == ["`build` to ci differs:", "    env.B", '      + "2"']


def test_values_are_compared_with_their_types(findings: Findings) -> None:
    """The number 1 is not the text "1": a provider would be sent another thing."""
    case = "event: push.json\nexpect: [{rule: build, ci: {env: {A: 1}}}, {rule: build, note: {}}]\n"
    assert findings(case) == ["`build` to ci differs:", "    env.A", "      - 1", '      + "1"']


def test_what_was_not_expected_is_told(findings: Findings) -> None:
    """Every delivery that no expectation speaks of is a failure."""
    case = "event: push.json\nexpect: [{rule: build, ci: {}}]\n"
    assert findings(case) == ["`build` was not expected to act on note", '    text: "push to main"']


def test_a_second_delivery_that_is_not_made_is_told(findings: Findings) -> None:
    """Expecting two where there is one fails."""
    case = "event: push.json\nexpect: [{rule: build, ci: {}}, {rule: build, ci: {}}, {rule: build, note: {}}]\n"
    assert findings(case) == ["`build` matches, but makes no further delivery to ci"]


def test_an_expectation_without_a_provider_is_met_by_any_delivery_of_the_rule(findings: Findings) -> None:
    """`{rule: build}` says that it acts; each delivery still needs an expectation of its own."""
    assert findings("event: push.json\nexpect: [{rule: build}, {rule: build}]\n") == []


def test_a_delivery_that_cannot_be_rendered_fails_the_case(findings: Findings) -> None:
    """A template that this event breaks would be a dead letter: it meets no expectation."""
    event = "event: {extends: push.json, with: {$.ref: refs/heads/broken}}\n"
    (found,) = findings(event + "expect: [{rule: broken, note: {}}]\n")
    assert found.startswith("`broken` to note cannot be rendered:")
    assert findings(event + "expect: []\n") == [found]


def test_a_delivery_that_cannot_be_rendered_can_be_expected(findings: Findings) -> None:
    """What a rule refuses to do is part of what it promises: such a delivery is dead, for a reason, and needs no answers."""
    event = "event: {extends: push.json, with: {$.ref: refs/heads/broken}}\n"
    assert findings(event + "expect: [{rule: broken, outcome: dead, reason: missing}]\n") == []
    (told, *_) = findings(event + "expect: [{rule: broken, outcome: dead, reason: not listed}]\n")
    assert told == "`broken` to note differs:"
    assert findings("event: push.json\nexpect: [{rule: build, outcome: dead}, {rule: build}]\n") == [
        "`build` to note differs:",
        "    it is not made: `answers` has nothing for its provider",
    ]


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        (f"event: {TOPIC}\nexpect: []\nwhy_not: {{build: branch}}\n", []),
        (
            f"event: {TOPIC}\nwhy_not: {{build: trigger}}\n",
            [
                "`build` is silent, but not because of `trigger`:",
                '    branch: ["main", "release/*"], and it is "topic" (rules/core.yaml:8:35)',
            ],
        ),
        ("event: push.json\nwhy_not: {build: branch}\n", ["`build` matches, and must not because of `branch`"]),
        (
            "event: push.json\ntrust: member\nidentities: {alice.example: did:plc:alice}\nwhy_not: {alice: owner}\n",
            ["`alice` is silent, but its conditions hold: `build` comes first"],
        ),
    ],
)
def test_why_not_demands_the_right_reason(findings: Findings, case: str, expected: list[str]) -> None:
    """A rule must be silent, and because of the field that is named."""
    assert findings(case) == expected


ALICE = f"event: {TOPIC}\nexpect: [{{rule: alice}}]\n"


def test_a_case_says_who_is_who_and_what_they_may(findings: Findings) -> None:
    """`identities` resolves a handle and `trust` says who triggered, without asking any network."""
    assert findings(ALICE + "trust: member\nidentities: {'@alice.example': did:plc:alice}\n") == []
    assert findings(ALICE + "trust: member\n", pins={"alice.example": "did:plc:alice"}) == []


def test_a_handle_that_nobody_names_belongs_to_nobody(findings: Findings) -> None:
    """Tests ask no network: an unknown handle matches no event, and the finding shows whom it was compared with."""
    assert findings(ALICE + "trust: member\n") == [
        "`alice` does not match:",
        '    owner: @alice.example, and it is "did:plc:alice" (rules/core.yaml:13:34)',
    ]


def test_a_case_can_change_variables(findings: Findings) -> None:
    """`vars` replaces the variables of the rule files that templates see."""
    case = "event: push.json\nvars: {org: other}\nexpect: [{rule: build, ci: {org: other}}, {rule: build, note: {}}]\n"
    assert findings(case) == []


@pytest.mark.parametrize(("now", "acts"), [("2026-11-23T23:00:00Z", True), ("2026-11-23T12:00:00Z", False)])
def test_a_case_can_say_when_it_is(findings: Findings, now: str, acts: bool) -> None:  # noqa: FBT001
    """`now` decides what `active` decides; a shadow delivery is expected like any other."""
    expect = "[{rule: night, note: {text: night}}]" if acts else "[]"
    case = f"event: {{extends: push.json, with: {{$.ref: refs/heads/night}}}}\nnow: {now}\nexpect: {expect}\n"
    assert findings(case) == []


def test_an_unexpected_shadow_delivery_is_told_as_such(findings: Findings) -> None:
    """Who reads the finding sees that nothing would have been sent."""
    case = "event: {extends: push.json, with: {$.ref: refs/heads/night}}\nnow: 2026-11-23T23:00:00Z\nexpect: []\n"
    assert findings(case)[0] == "`night` was not expected to act on note (shadow)"


def test_an_event_can_be_written_inline(findings: Findings) -> None:
    """A case can hold its whole event, in our own form."""
    case = """\
event: {nsid: sh.tangled.git.refUpdate, record: {ref: refs/heads/topic}}
expect: []
"""
    assert findings(case) == []


def test_overrides_reach_into_lists_and_quoted_keys(findings: Findings) -> None:
    """`with` takes plain paths: dots, positions and quoted names; the named fields follow the changed record."""
    rules = """\
rules:
  - name: sized
    when: {trigger: push, "$.meta.sizes[*]": 7, "$['new-key']": x, branch: other}
    do: [{note: {text: a}}]
"""
    changes = "{'$.meta.sizes[1]': 7, \"$['new-key']\": x, $.ref: refs/heads/other}"
    assert findings(f"event: {{extends: push.json, with: {changes}}}\nexpect: [{{rule: sized}}]\n", rules=rules) == []
