"""What a workflow file asks for."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.core import members, workflows
from router.core.workflows import MAX_ALL, MAX_TEXT

#: Pieces that make texts which are nearly workflow files.
PIECES = (
    "tack",
    "router",
    ":",
    " ",
    "\n",
    "{",
    "}",
    "[",
    "]",
    "&a",
    "*a",
    "!",
    "---",
    "buildkite",
    "pipeline",
    "x",
    "'",
    '"',
    "\t",
    "\ud800",
)


def listed(*raws: str) -> list[dict[str, Any]]:
    """What an event's field says of files with these texts."""
    found = members.workflows([{"name": f"{number}.yml", "raw": raw} for number, raw in enumerate(raws)])
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("tack:\n  buildkite:\n    pipeline: ci\n", {"provider": "buildkite", "options": {"pipeline": "ci"}}),
        ("tack: {tekton: {a: 1}, buildkite: {pipeline: ci}}", {"provider": "tekton", "options": {"a": 1}}),
        ("tack: {fake: {}}\nrouter: {buildkite: {pipeline: ci}}", {"provider": "buildkite", "options": {"pipeline": "ci"}}),
        ("engine: tack\ntack: {fake: }", {"provider": "fake", "options": {}}),
        ("when:\n  - event: push\nengine: nixery\n", {}),
        ("# no tack here\nsteps: []", {}),
        ("- tack", {}),
        ("", {}),
    ],
    ids=["block", "the first key decides", "our own key goes first", "no options", "none", "a comment", "a list", "empty"],
)
def test_the_first_key_of_the_block_is_the_provider(raw: str, expected: object) -> None:
    """A provider and its options, as the file has them; nothing of a file that does not speak to us."""
    assert workflows.asked(raw) == expected


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        ("tack: [", "Line 2: This is not YAML: did not find expected node content."),
        ("tack: {a: {}, a: {}}", "Line 1: The key `a` is written twice."),
        (
            "a: &x 1\ntack: {b: {c: *x}}",
            "Line 2: The alias `*x` is one too many, or stands for something with an alias in it.",
        ),
        ("tack:\n  b: {c: 012}", "Line 2: `012` is 12 to some YAML readers and 10 to others."),
        ("tack: {b: !x {}}", "Line 1: The tag `!x` is not used here."),
        ("tack: {b: {}}\n---\n{}", "Line 2: A second document starts here."),
        ("x: 1\ntack:\n", "`tack` in line 2 names no provider."),
        ("router: {}\ntack: {b: {}}", "`router` in line 1 names no provider."),
        ("tack: buildkite", "`tack` in line 1 names no provider."),
        ("tack:\n  b: ci", "The options of `b` in line 2 are text, no mapping."),
        ("tack: {../b: {}}", "`tack` names a provider that there cannot be: `../b`."),
        ("tack: {" + "x" * 65 + ": {}}", "`tack` names a provider that there cannot be: `" + "x" * 65 + "`."),
        ("tack: " + "[" * 70 + "]" * 70, "Line 1: This is nested deeper than 64 levels."),
        ("tack: {}" + " " * MAX_TEXT, f"The file is longer than {MAX_TEXT} characters."),
        ('tack: {"\\x1b[31m": {}}', "`tack` names a provider that there cannot be: `\\x1b[31m`."),
    ],
)
def test_a_file_that_cannot_be_read_says_why(raw: str, fault: str) -> None:
    """Whatever is wrong is a sentence that a person can act on, without the characters that move a terminal."""
    assert workflows.asked(raw) == {"fault": fault}


def test_a_fault_is_short_whatever_it_quotes() -> None:
    """A stranger's text cannot make our sentences long, not even by what escaping it takes."""
    raw = 'tack: {"' + r"\x1b" * 100 + '": {}}'
    assert len(workflows.asked(raw)["fault"]) == 300


def test_one_bad_file_hides_no_other() -> None:
    """Each workflow of an event is judged by itself, and keeps what it is beside what it asks for."""
    bad, good = listed("tack: [", "tack: {fake: {}}")
    assert bad["name"] == "0.yml"
    assert "fault" in bad
    assert good == {"name": "1.yml", "raw": "tack: {fake: {}}", "provider": "fake", "options": {}}


def test_an_event_is_read_within_bounds() -> None:
    """Many files, each of a length that is allowed, are together read up to a limit; those after it say so."""
    file = "tack: {fake: {}}".ljust(MAX_TEXT)
    found = listed(*[file] * (MAX_ALL // MAX_TEXT), file)
    assert [item.get("provider") for item in found] == ["fake"] * (MAX_ALL // MAX_TEXT) + [None]
    assert found[-1]["fault"] == f"The workflow files of this event are longer than {MAX_ALL} characters together."


@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
def test_no_text_is_an_exception(raw: str) -> None:
    """Any text gives nothing, a fault, or a provider with options that JSON can say."""
    found = workflows.asked(raw)
    assert set(found) in ({"provider", "options"}, {"fault"}, set())
    json.dumps(found)
