"""Mistakes in test files, and which cases run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from router import library
from router.ruletests.run import run

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Judge  # type: ignore[import-not-found]

GOOD = "- {name: good, event: push.json, expect: [{rule: build}, {rule: build}]}\n"

MISTAKES = {
    "an unknown key": (
        "- {name: a, event: push.json, expect: [], gloden: true}\n",
        "1:43: R003: `gloden` is not a key of a case. Did you mean `golden`?",
    ),
    "a golden that is somewhere else": (
        "- {name: a, event: push.json, golden: ../a.golden.yaml}\n",
        "1:39: R050: A golden is a file beside its test. Write a name that ends in .golden.yaml, or `true` for",
    ),
    "a golden that looks like rules": (
        "- {name: a, event: push.json, golden: a.yaml}\n",
        "1:39: R050: A golden is a file beside its test.",
    ),
    "no name": ("- {event: push.json, expect: []}\n", "1:3: R005: A case needs a `name`."),
    "no event": ("- {name: a, expect: []}\n", "1:3: R005: A case needs an `event`."),
    "no promise": ("- {name: a, event: push.json}\n", "1:3: R005: A case needs `expect`."),
    "a name twice": (GOOD + GOOD, "2:10: R050: Two cases are named `good`."),
    "no list": ("name: a\n", "1:1: R004: A test file must be a list of cases"),
    "not YAML": ("- {name: a\n", "2:1: R001: This is not YAML"),
    "an expectation that is no list": (
        "- {name: a, event: push.json, expect: none}\n",
        "1:39: R004: `expect` must be a list",
    ),
    "an unknown provider": (
        "- {name: a, event: push.json, expect: [{rule: build, nota: {}}]}\n",
        "1:54: R003: `nota` is not a key of an item of `expect`. Did you mean `note`?",
    ),
    "an expectation without a rule": (
        "- {name: a, event: push.json, expect: [{note: {}}]}\n",
        "1:40: R005: An item of `expect` needs a `rule`.",
    ),
    "an unknown rule": (
        "- {name: a, event: push.json, expect: [{rule: bild}]}\n",
        "1:47: R050: There is no rule `bild`. Did you mean `build`?",
    ),
    "an unknown rule that must be silent": (
        "- {name: a, event: push.json, why_not: {bild: branch}}\n",
        "1:41: R050: There is no rule `bild`. Did you mean `build`?",
    ),
    "an unknown field": (
        "- {name: a, event: push.json, why_not: {build: branhc}}\n",
        "1:48: R003: `branhc` is not a field of events. Did you mean `branch`?",
    ),
    "an unknown word of trust": (
        "- {name: a, event: push.json, expect: [], trust: ownr}\n",
        "1:50: R024: `trust` is never `ownr`. Did you mean `owner`?",
    ),
    "a time that is none": (
        "- {name: a, event: push.json, expect: [], now: noon}\n",
        "1:48: R024: `now` must be a time.",
    ),
    "an unknown variable": (
        "- {name: a, event: push.json, expect: [], vars: {ogr: x}}\n",
        "1:3: R031: No rule file here has a variable `ogr`. Did you mean `org`?",
    ),
    "a file that is not there": (
        "- {name: a, event: pull.json, expect: []}\n",
        "1:20: R050: rules/pull.json cannot be read: No such file or directory.",
    ),
    "a file that is no JSON": (
        "- {name: a, event: core.yaml, expect: []}\n",
        "1:20: R050: rules/core.yaml is not JSON",
    ),
    "an inline event that is none": (
        "- {name: a, event: {nsid: x.y.z}, expect: []}\n",
        "1:20: R050: the event is no event",
    ),
    "a path with a wildcard": (
        "- {name: a, event: {extends: push.json, with: {'$.meta.*': 1}}, expect: []}\n",
        "1:48: R022: `$.meta.*` is not a plain path into the record.",
    ),
    "a path that leads nowhere": (
        "- {name: a, event: {extends: push.json, with: {$.mata.size: 1}}, expect: []}\n",
        "1:48: R050: The event's record has nothing at `mata` on the way of $.mata.size.",
    ),
    "a position beyond the end": (
        "- {name: a, event: {extends: push.json, with: {'$.meta.sizes[2]': 1}}, expect: []}\n",
        "1:48: R050: The event's record has no place for $.meta.sizes[2].",
    ),
}


@pytest.mark.parametrize("what", MISTAKES)
def test_a_mistake_in_a_test_file_is_told_where_it_stands(judge: Judge, what: str) -> None:
    """Each mistake is a problem with file:line:column, and the case does not count as passed."""
    text, expected = MISTAKES[what]
    session = judge(text)
    (found,) = [str(problem) for problem in session.problems.errors]
    assert found.startswith(f"rules/core.test.yaml:{expected}")
    assert [result.name for result in session.results if result.findings] == []


def test_one_case_that_cannot_run_does_not_stop_the_others(judge: Judge) -> None:
    """A missing event file is a problem of its case alone."""
    session = judge("- {name: bad, event: none.json, expect: []}\n" + GOOD)
    assert [(result.name, result.findings) for result in session.results] == [("good", ())]
    assert len(session.problems.errors) == 1


def test_only_selected_cases_run(judge: Judge) -> None:
    """What is not selected is counted and not run."""
    session = judge(GOOD + "- {name: other, event: push.json, expect: []}\n", only="good")
    assert [result.name for result in session.results] == ["good"]
    assert session.unselected == 1


def test_a_result_knows_where_its_case_stands(judge: Judge) -> None:
    """A failure can be clicked."""
    (result,) = judge("\n- {name: fails, event: push.json, expect: []}\n").failed
    assert (result.name, result.place.file, result.place.line) == ("fails", "rules/core.test.yaml", 2)


def test_rules_with_errors_are_told_and_not_tested(judge: Judge) -> None:
    """Testing half of a folder's rules would say something about other rules than those that would run."""
    session = judge(GOOD, rules="rules: [{name: build, when: {branhc: x}, do: []}]\n")
    assert [problem.code for problem in session.problems.errors] == ["R003"]
    assert session.results == []


def test_all_rule_files_of_the_folder_are_under_test(judge: Judge, tmp_path: Path) -> None:
    """A test beside a.yaml sees what b.yaml does as well, as the router would; those in folders below have their own."""
    (tmp_path / "rules/below").mkdir(parents=True)
    always = "rules: [{name: always, when: {trigger: push}, do: [{note: {text: x}}]}]\n"
    (tmp_path / "rules/also.yaml").write_text(always)
    (tmp_path / "rules/below/not.yaml").write_text(always.replace("always", "below"))
    (result,) = judge(GOOD).results
    assert result.findings == ("`always` was not expected to act on note", '    text: "x"')


def test_a_rule_name_that_two_files_have_needs_its_id(judge: Judge, tmp_path: Path) -> None:
    """An ambiguous name is told with the ids that are meant."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules/also.yaml").write_text("rules: [{name: build, when: {branch: x}, do: []}]\n")
    (problem,) = judge(GOOD).problems.errors
    assert (problem.message, problem.hint) == ("Several rules are named `build`.", "Write one of also/build, core/build.")


def test_a_folder_without_tests_is_a_finding(judge: Judge, tmp_path: Path) -> None:
    """Zero tests that all pass would look like proof."""
    (tmp_path / "empty").mkdir()
    session = run(library.on_command_line(["empty"]), {}, lambda _name: True)
    assert [str(problem) for problem in session.problems.found] == [
        "empty:1:1: R041: There is no test here. Tests are files beside the rules whose names end in .test.yaml."
    ]
