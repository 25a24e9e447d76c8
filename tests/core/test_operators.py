"""What each operator asks of a value, and that types are strict."""

from __future__ import annotations

from typing import Any

import pytest

from router.core import values
from tests.core.conftest import ALICE, BOB, decide, event, load, pushed, read, with_when

ABSENT = object()

OPERATORS: list[tuple[str, Any, bool]] = [
    ("3", 3, True),
    ("3", 3.0, True),
    ("3", "3", False),
    ("3", True, False),
    ("1", True, False),
    ('"3"', "3", True),
    ('"3"', 3, False),
    ("true", True, True),
    ("true", "true", False),
    ("true", 1, False),
    ("null", None, True),
    ("null", ABSENT, False),
    ("null", 0, False),
    ("a*", "ab", False),
    ("a*", "a*", True),
    ("[1, x, null]", "x", True),
    ("[1, x, null]", None, True),
    ("[1, x]", "y", False),
    ("x", ["y", "x"], True),
    ("x", [["x"]], False),
    ("x", {"x": 1}, False),
    ('{glob: "a/*"}', "a/b", True),
    ('{glob: "a/*"}', "a/b/c", False),
    ('{glob: "*"}', 3, False),
    ("{prefix: ab}", "abc", True),
    ("{prefix: ab}", "xab", False),
    ("{suffix: bc}", "abc", True),
    ("{contains: b}", "abc", True),
    ("{contains: b}", "ac", False),
    ("{contains: b}", ["ab"], True),
    ("{contains: 1}", 1, False),
    ('{regex: "^a.c$"}', "abc", True),
    ('{regex: "b"}', "abc", True),
    ('{regex: "^b"}', "abc", False),
    ('{regex: "."}', 3, False),
    ("{equals_ignore_case: STRASSE}", "straße", True),
    ("{equals_ignore_case: Main}", "mAIN", True),
    ("{equals_ignore_case: Main}", "maine", False),
    ("{not: x}", "x", False),
    ("{not: x}", "y", True),
    ("{not: x}", ABSENT, True),
    ("{not: [x, y]}", "y", False),
    ("{not: {not: x}}", "x", True),
    ("{not: {prefix: x}}", "ax", True),
    ("{exists: true}", "x", True),
    ("{exists: true}", None, True),
    ("{exists: true}", ABSENT, False),
    ("{exists: false}", ABSENT, True),
    ("{exists: false}", 0, False),
    ("{gt: 3}", 3, False),
    ("{gt: 3}", 3.5, True),
    ("{gte: 3}", 3, True),
    ("{lt: 3}", 2, True),
    ("{lte: 3}", 3, True),
    ("{lte: -1.5}", -2, True),
    ("{gte: 3, lt: 5}", 4, True),
    ("{gte: 3, lt: 5}", 5, False),
    ("{gt: 3}", ABSENT, False),
    ("{not: {gt: 3}}", ABSENT, True),
    ("[{lt: 0}, {gt: 10}]", 11, True),
    ("[{lt: 0}, {gt: 10}]", 5, False),
    ("{cidr: 10.0.0.0/8}", "10.1.2.3", True),
    ("{cidr: 10.0.0.1/8}", "10.1.2.3", True),
    ("{cidr: 10.0.0.0/8}", "11.1.2.3", False),
    ('{cidr: "2001:db8::/32"}', "2001:db8::1", True),
    ('{cidr: "2001:db8::/32"}', "10.0.0.1", False),
    ("{before: 2026-01-01T00:00:00Z}", "2025-12-31T23:59:59Z", True),
    ("{before: 2026-01-01T00:00:00Z}", "2026-01-01T00:00:00Z", False),
    ("{before: 2026-01-01T00:00:00Z}", "2026-01-01T00:30:00+01:00", True),
    ("{after: 2026-01-01}", "2026-01-01T00:00:00.000001Z", True),
    ("{after: 2026-01-01, before: 2026-02-01}", "2026-01-15T00:00:00Z", True),
    ("{after: 2026-01-01, before: 2026-02-01}", "2026-02-15T00:00:00Z", False),
]


def of(value: Any) -> dict[str, Any]:
    return {} if value is ABSENT else {"x": value}


@pytest.mark.parametrize(("asked", "value", "expected"), OPERATORS)
def test_an_operator_on_a_value(asked: str, value: Any, expected: bool) -> None:  # noqa: FBT001
    """Each operator holds for the values that it names and for no others."""
    assert decide(with_when(f"$.x: {asked}"), event(record=of(value))) is expected


@pytest.mark.parametrize(
    ("asked", "value", "said"),
    [
        ("{gt: 3}", "4", '"4" is not a number, so it cannot be compared with gt 3'),
        ("{gte: 3, lt: 1234567}", True, "true is not a number, so it cannot be compared with gte 3 and lt 1234567"),
        ("{lt: 3}", None, "null is not a number, so it cannot be compared with lt 3"),
        ("{lt: 3}", {"a": 1}, "{'a': 1} is not a number, so it cannot be compared with lt 3"),
        ("{cidr: 10.0.0.0/8}", "here", '"here" is not an IP address'),
        ("{cidr: 0.0.0.0/8}", 3, "3 is not an IP address"),
        ("{cidr: 0.0.0.0/8}", True, "true is not an IP address"),
        ("{before: 2026-01-01}", "soon", '"soon" is not a time in RFC 3339'),
        ("{before: 2026-01-01}", 3, "3 is not a time in RFC 3339"),
        ("{not: {gt: 3}}", "\x1b[2J\u202e", '"\\x1b[2J\\u202e" is not a number, so it cannot be compared with gt 3'),
    ],
)
def test_what_makes_no_sense_is_told(asked: str, value: Any, said: str) -> None:
    """An operator that does not fit the value says so, with the value made safe to print."""
    assert decide(with_when(f"$.x: {asked}"), event(record=of(value))) == said


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ("branch: {in: vars.names}", True),
        ("branch: {not: {in: vars.names}}", False),
        ("actor: {in: vars.people}", True),
        ("actor: {in: vars.others}", False),
        ("repo: {in: vars.repos}", True),
        ("$.x: {in: vars.names}", False),
        ("branch: [{in: vars.people}, {prefix: ma}]", True),
    ],
)
def test_in_a_long_list(when: str, expected: bool) -> None:  # noqa: FBT001
    """`in` compares with a list of the file's `vars`; people and repos in it may be in any spelling."""
    lists = f'names: [main, dev], people: ["@alice.example", {BOB}], others: [{BOB}], repos: ["@alice.example/core"]'
    rulebook, _ = read(f"vars: {{{lists}}}\nrules:\n  - name: it\n    when: {{{when}}}\n    do: []\n")
    assert decide(rulebook, pushed(record={"x": 1})) is expected


def test_handles_to_resolve_are_told_wherever_they_stand() -> None:
    """Every handle that rules name is known at load, so that it can be resolved before an event asks for it."""
    rulebook = load(
        """\
vars: {people: ["@a.example", did:plc:x]}
defaults: {when: {owner: "@b.example"}}
rules:
  - name: it
    when:
      actor: {not: {in: vars.people}}
      repo: ["@c.example/*", did:plc:y]
      any: [{not: {owner: ["@d.example", {not: "@e.example"}]}}]
    each: $.items
    where: {actor: "@f.example"}
    do: []
"""
    )
    assert rulebook.handles == {f"{letter}.example" for letter in "abcdef"}


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("a", '"a"'),
        (None, "null"),
        (True, "true"),
        (1.5, "1.5"),
        ([1, "a", [None]], '[1, "a", [null]]'),
        ([0] * 9, "[0, 0, 0, 0, 0, 0, 0, 0, …]"),
        ("a\nb\r\t\x00", '"a\\nb\\r\\t\\x00"'),
        ("\u202e\u2066\u200b", '"\\u202e\\u2066\\u200b"'),
        ("\ud800", '"\\ud800"'),
        ("é漢字", '"é漢字"'),
        ({"k": "\x1b"}, "{'k': '\\x1b'}"),
    ],
)
def test_a_value_as_it_is_shown(value: Any, shown: str) -> None:
    """A value is shown on one line, in JSON's manner, with everything unprintable escaped."""
    assert values.show(value) == shown


@pytest.mark.parametrize("value", ["x" * 1_000_000, ["x" * 1000] * 1000, "\u202e" * 1_000_000, {"k": "x" * 1_000_000}])
def test_what_is_shown_is_short(value: Any) -> None:
    """However long a value is, what is shown of it fits a line."""
    assert len(values.show(value)) <= 81
    assert values.show(value).isprintable()


@pytest.mark.parametrize(
    ("when", "text"),
    [
        ("branch: [main, dev]", 'branch: ["main", "dev"]'),
        ('branch: ["a*", "!ab"]', 'branch: ["a*", not "ab"]'),
        ("paths: {any: a, none: b}", 'paths: "a" and not "b"'),
        ("paths: {every: a}", 'paths: every "a"'),
        ("$.x: {gte: 3, lt: 1234567}", "$.x: gte 3 and lt 1234567"),
        ("$.x: {exists: false}", "$.x: absent"),
        ("$.x: {not: {prefix: a}}", '$.x: not prefix "a"'),
        ("$.x: {after: 2026-01-01}", "$.x: after 2026-01-01T00:00:00+00:00"),
        ("$.x: {cidr: 10.0.0.0/8}", "$.x: cidr 10.0.0.0/8"),
        ("$.x: {regex: a}", '$.x: regex "a"'),
        ("$.x: {equals_ignore_case: A}", '$.x: equals_ignore_case "a"'),
        ('repo: "@Alice.example/core"', "repo: @alice.example/core"),
        (f"owner: {ALICE}", f"owner: {ALICE}"),
        ("knot: Knot.example", "knot: knot.example"),
    ],
)
def test_conditions_read_as_they_were_written(when: str, text: str) -> None:
    """What `explain` prints of a condition is what its author wrote."""
    (rule,) = with_when(when).rules
    assert [str(test) for test in rule.when.tests()] == [text]
