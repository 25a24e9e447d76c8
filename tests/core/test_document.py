"""YAML that cannot betray: what each scalar is, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from router.core import document
from router.core.problems import Problems


def read(text: str) -> tuple[Any, list[str]]:
    """The document as plain data, and its problems as lines."""
    problems = Problems()
    root = document.read(text, "f.yaml", problems)
    tree = document.tree(root, problems) if root is not None else None
    return tree, [f"{found.place.line}:{found.place.column} {found.code} {found.message}" for found in problems.found]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        *[(word, word) for word in ("on", "off", "yes", "no", "y", "N", "On", "10:30", "1:20:30", "1_000", "2026-11-23")],
        *[(word, word) for word in ("0b11", "1.10.2", "=", ".inf", ".nan", "+", ".", "e3", "0x", "0o8", "tRue", "nUll")],
        ("1.10", 1.1),
        ("1.", 1.0),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("-3", -3),
        ("+3", 3),
        ("0", 0),
        ("0o17", 15),
        ("0xfF", 255),
        ("9223372036854775807", 2**63 - 1),
        ("true", True),
        ("FALSE", False),
        ("null", None),
        ("~", None),
        ("", None),
        ('"true"', "true"),
        ("'1'", "1"),
        ('"012"', "012"),
        ('"\\e[31m"', "\x1b[31m"),
        ("|\n  a\n  b\n", "a\nb\n"),
        (">-\n  a\n  b\n", "a b"),
    ],
)
def test_scalars_are_those_of_yaml_1_2(written: str, value: Any) -> None:
    """A plain scalar is null, true, false or a number only in YAML 1.2's core spelling, and text otherwise."""
    tree, problems = read(f"x: {written}")
    assert problems == []
    assert tree == {"x": value}
    assert type(tree["x"]) is type(value)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("012", "`012` is 12 to some YAML readers and 10 to others."),
        ("-089", "`-089` is 89 to some YAML readers and text to others."),
        ("0123.5", "`0123.5` is 123.5 to some YAML readers and text to others."),
        ("00", "`00` is 0 to some YAML readers and 0 to others."),
        ("0" + "7" * 60, f"`0{'7' * 39}…` is too large a number for some YAML readers."),
        ("9223372036854775808", "`9223372036854775808` is too large a number for some YAML readers."),
        ("9" * 6000, f"`{'9' * 40}…` is too large a number for some YAML readers."),
        ("0x" + "f" * 6000, f"`0x{'f' * 38}…` is too large a number for some YAML readers."),
        ("1e999", "`1e999` is too large a number for some YAML readers."),
    ],
)
def test_a_number_that_reads_two_ways_is_refused(written: str, said: str) -> None:
    """Where a number could be meant, one that others read differently is a problem; a place for text takes it as written."""
    tree, problems = read(f"x: {written}")
    assert problems == [f"1:4 R007 {said}"]
    assert tree == {"x": written}
    found = Problems()
    root = document.read(f"x: {written}", "f.yaml", found)
    assert root is not None
    assert document.text(root.at(["x"]), found, "a branch") == written
    assert found.found == []


@pytest.mark.parametrize("written", ["1.10", "3", "0xff", "on", "10:30", "1e3"])
def test_a_place_for_text_takes_what_was_written(written: str) -> None:
    """Text is never what YAML makes of it: a branch `1.10` is not `1.1`."""
    problems = Problems()
    root = document.read(f"[{written}]", "f.yaml", problems)
    assert root is not None
    assert document.text(root.value[0], problems, "a branch") == written
    assert problems.found == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: 2\na: 3", "3:1 R002 The key `a` is written twice."),
        ("a: {b: 1, b: 2}", "1:11 R002 The key `b` is written twice."),
        ('1: a\n"1": b', "2:1 R002 The key `1` is written twice."),
        ("a: !!python/object:os.system x", "1:4 R006 The tag `tag:yaml.org,2002:python/object:os.system` is not used here."),
        ("a: !x {}", "1:4 R006 The tag `!x` is not used here."),
        ("a: 1\n---\nb: 2", "2:1 R006 A second document starts here."),
        ("x: &x {a: 1}\ny:\n  <<: *x", "3:3 R006 YAML 1.2 has no merge keys."),
        ("{a: 1}: b", "1:1 R006 A key must be text, and here a brace or bracket opens."),
        ("a: {{ b }}", "1:5 R006 A key must be text, and here a brace or bracket opens."),
        ("a: *b", "1:4 R006 Nothing in this file is named `&b`, so `*b` is no alias of it."),
        ("a: &a [*a]", "1:8 R006 The alias `*a` is one too many, or stands for something with an alias in it."),
        (
            "a: &a [x]\nb: &b [*a]\nc: *b",
            "3:4 R006 The alias `*b` is one too many, or stands for something with an alias in it.",
        ),
        ("[" * 65, "1:65 R006 This is nested deeper than 64 levels."),
        ("a: [1", "2:1 R001 This is not YAML: did not find expected ',' or ']'."),
        ("a:\n\tb: 1", "2:1 R001 This is not YAML: found character that cannot start any token."),
        ("a: @b", "1:4 R001 This is not YAML: found character that cannot start any token."),
        ("a: \x01", "1:1 R001 This is not YAML: unacceptable character #x0001: control characters are not allowed."),
        ("a: b\nc: \ud800", "2:1 R001 This is not YAML: it has half of a character in it."),
    ],
)
def test_what_is_refused(text: str, said: str) -> None:
    """What YAML allows and people do not expect is a problem, at its place."""
    _, problems = read(text)
    assert said in problems


def test_an_alias_repeats_a_value_and_costs_little() -> None:
    """Aliases may be used, but never to make a document larger than a small multiple of its text."""
    assert read("a: &a [1, 2]\nb: *a\nc: [*a, *a]") == ({"a": [1, 2], "b": [1, 2], "c": [[1, 2], [1, 2]]}, [])
    _, problems = read("a: &a x\nb: [" + "*a, " * 201 + "]")
    assert [line.split()[1] for line in problems] == ["R006"]


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? ", "a: ["])
def test_deep_nesting_ends_reading_and_not_the_process(opening: str) -> None:
    """A document of a hundred thousand levels is one problem."""
    _, problems = read(opening * 100_000)
    assert problems
    assert {line.split()[1] for line in problems} <= {"R001", "R006"}


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "\n\n"])
def test_an_empty_file_has_no_document(text: str) -> None:
    """A file without content is no mistake of YAML; who reads it says what is missing."""
    tree, problems = read(text)
    assert tree is None
    assert problems == []


def test_places_and_paths() -> None:
    """A node knows its line and column, how wide it is and the way to it."""
    root = document.read("rules:\n  - when: {branch: 'main'}\n", "f.yaml", Problems())
    assert root is not None
    node = root.at(["rules", 0, "when", "branch"])
    assert (str(node.place), node.place.width, node.path) == ("f.yaml:2:20", 6, "rules[0].when.branch")
    assert str(root.at(["rules", 0, "when"]).key_place("branch")) == "f.yaml:2:12"
    assert root.at(["rules", 7, "x"]) is root.at(["rules"])


def test_problems_are_safe_to_print_and_short() -> None:
    """What is quoted of a file cannot move a terminal's cursor, and does not fill a screen."""
    problems = Problems()
    root = document.read('["\\e[31m\\u202e' + "x" * 5000 + '"]', "f.yaml", problems)
    assert root is not None
    problems.error("R024", root.place, f"`{root.value[0].value}` cannot be a rule's name.")
    (found,) = problems.found
    assert str(found).isprintable()
    assert len(str(found)) < 1200
    assert "\\x1b[31m\\u202e" in found.message
