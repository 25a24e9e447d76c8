"""`router test` as a command; what a case can promise is tested in tests/ruletests."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from router.cli.test import selector

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Call  # type: ignore[import-not-found]

CASES = """\
- name: a push to main is logged
  event: ../events/push.json
  expect: [{rule: push-to-main, log: {message: wrong}}]
- name: a push to another branch is not
  event: {extends: ../events/push.json, with: {$.ref: refs/heads/topic}}
  expect: []
"""


@pytest.fixture(autouse=True)
def _project(call: Call, folder: Path) -> None:
    assert call("init", ".").code == 0
    (folder / "rules/first.test.yaml").write_text(CASES)


def test_a_failure_is_shown_with_what_differs(call: Call) -> None:
    """A failing case has its place and the difference; the exit code is 1."""
    assert call("test", "rules") == (
        1,
        """\
FAIL  a push to main is logged (rules/first.test.yaml:1)
      `push-to-main` to log differs:
          message
            - "wrong"
            + "push to main: 6e13e68d383190280012b07f7a62f830da739b41"
ok    a push to another branch is not
2 tests: 1 passed, 1 failed.
""",
        "",
    )


def test_a_selection_runs_less(call: Call) -> None:
    """-k runs the cases whose names have the words, and says how many it left out."""
    code, out, _ = call("test", "-k", "another and not main", "rules")
    assert (code, out) == (0, "ok    a push to another branch is not\n1 test: 1 passed, 1 not selected.\n")


@pytest.mark.parametrize(
    ("expression", "selected"),
    [
        ("", ["push to main", "pull request", "tag"]),
        ("PUSH", ["push to main"]),
        ("not push", ["pull request", "tag"]),
        ("push or tag", ["push to main", "tag"]),
        ("push and tag or pull", ["pull request"]),
    ],
)
def test_a_selection_has_and_or_not(expression: str, selected: list[str]) -> None:
    """The words are looked for without case; `and` binds closer than `or`."""
    selects = selector(expression)
    assert [name for name in ("push to main", "pull request", "tag") if selects(name)] == selected


def test_results_as_json(call: Call) -> None:
    """Programs get each case with its place and its findings."""
    code, out, _ = call("test", "rules", "--output", "json")
    found = json.loads(out)
    assert code == 1
    assert [(test["ok"], test["file"], test["line"]) for test in found["tests"]] == [
        (False, "rules/first.test.yaml", 1),
        (True, "rules/first.test.yaml", 4),
    ]
    assert (found["problems"], found["not_selected"]) == ([], 0)


def test_nothing_selected_is_a_finding(call: Call) -> None:
    """A misspelt -k in a CI job must not look like tests that pass."""
    code, out, _ = call("test", "-k", "mian", "rules")
    assert (code, out) == (1, "0 tests: 0 passed, 2 not selected.\nNo test was selected.\n")


def test_goldens_are_written_where_they_are_asked_for(call: Call, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """--update writes and says what; the next run compares; and where CI is set nothing is written or run."""
    monkeypatch.delenv("CI", raising=False)
    (folder / "rules/first.test.yaml").write_text("- {name: A push, event: ../events/push.json, golden: true}\n")
    golden = folder / "rules/first.a-push.golden.yaml"
    assert call("test", "rules").code == 1
    assert call("test", "rules", "--update") == (
        0,
        "ok    A push\nwrote rules/first.a-push.golden.yaml\n1 test: 1 passed.\n",
        "",
    )
    assert call("test", "rules").code == 0
    golden.unlink()
    monkeypatch.setenv("CI", "true")
    code, out, err = call("test", "rules", "--update")
    assert (code, out, err.startswith("router: Goldens are not written in CI")) == (2, "", True)
    assert not golden.exists()


ONE = """\
rules:
  - name: build
    when: {trigger: push, branch: [main, dev]}
    do: [{log: {message: hi}}]
"""
BUILT = """\
- {name: main, event: ../events/push.json, expect: [{rule: build}]}
- {name: topic, event: {extends: ../events/push.json, with: {$.ref: refs/heads/topic}}, expect: []}
"""


@pytest.fixture
def _one(folder: Path) -> None:
    (folder / "rules/first.yaml").write_text(ONE)
    (folder / "rules/first.test.yaml").write_text(BUILT)


@pytest.mark.usefixtures("_one")
def test_what_is_not_covered_is_told_with_its_place(call: Call) -> None:
    """Without --min it is a report, and fails nothing."""
    assert call("test", "rules", "--coverage") == (
        0,
        """\
ok    main
ok    topic
2 tests: 2 passed.

FILE              SEEN  OF  COVERED
rules/first.yaml  9     11  81.8%
rules/first.yaml:3:21: `trigger: "push"` is never false in build.
rules/first.yaml:3:42: `branch: "dev"` is never true in build.
81.8% covered.
""",
        "",
    )


@pytest.mark.usefixtures("_one")
@pytest.mark.parametrize(("least", "code"), [("81.8", 0), ("81.9", 1), ("0", 0), ("100", 1)])
def test_less_than_the_least_fails(call: Call, least: str, code: int) -> None:
    """--min implies --coverage; what is missing to it is said."""
    done = call("test", "rules", "--min", least)
    assert done.code == code
    assert ("81.8% covered, and at least" in done.out) is bool(code)


def test_the_least_is_a_percentage(call: Call) -> None:
    """Anything else is a mistake in the call."""
    assert call("test", "rules", "--min", "101").code == 2


@pytest.mark.usefixtures("_one")
def test_a_mutant_that_survives_fails_the_run(call: Call, folder: Path) -> None:
    """It is told with its place and what was changed; with tests that notice every one, the run passes."""
    assert call("test", "rules", "--mutate") == (
        1,
        """\
ok    main
ok    topic
2 tests: 2 passed.

rules/first.yaml:3:21: build: trigger: "push" → any trigger
rules/first.yaml:3:42: build: branch: without "dev"
4 mutants: 2 noticed by no test.
""",
        "",
    )
    with (folder / "rules/first.test.yaml").open("a") as file:
        file.write(
            "- {name: dev, event: {extends: ../events/push.json, with: {$.ref: refs/heads/dev}}, expect: [{rule: build}]}\n"
        )
        file.write("- {name: by hand, event: {nsid: a.b.c, fields: {branch: main}, record: {}}, expect: []}\n")
    code, out, _ = call("test", "rules", "--mutate")
    assert (code, out.splitlines()[-1]) == (0, "4 mutants: each is noticed by a test.")


@pytest.mark.usefixtures("_one")
def test_gaps_and_mutants_as_json(call: Call) -> None:
    """Programs get what is lacking with its place."""
    code, out, _ = call("test", "rules", "--coverage", "--mutate", "--output", "json")
    found = json.loads(out)
    assert code == 1
    assert found["coverage"] == {
        "percent": 81.8,
        "enough": True,
        "files": [{"file": "rules/first.yaml", "percent": 81.8, "seen": 9, "of": 11}],
        "gaps": [
            {"what": '`trigger: "push"` is never false in build.', "file": "rules/first.yaml", "line": 3, "column": 21},
            {"what": '`branch: "dev"` is never true in build.', "file": "rules/first.yaml", "line": 3, "column": 42},
        ],
    }
    assert found["mutants"]["total"] == 4
    assert found["mutants"]["survivors"][1] == {
        "rules": ["first/build"],
        "what": 'branch: without "dev"',
        "file": "rules/first.yaml",
        "line": 3,
        "column": 42,
    }


HOSTILE = """\
- {name: "a \\u202e<&\\e[31m\\x00 name", event: ../events/push.json, expect: [{rule: push-to-main, log: {message: "]]>\\x01"}}]}
- {name: good, event: ../events/push.json, expect: [{rule: push-to-main}]}
"""


def test_results_as_junit(call: Call, folder: Path) -> None:
    """A suite for each file, which an XML parser reads back, whatever is in names and values."""
    (folder / "rules/first.test.yaml").write_text(HOSTILE)
    (folder / "rules/other.test.yaml").write_text(
        "- {name: other, event: ../events/push.json, expect: [{rule: push-to-main}]}\n"
    )
    code, out, _ = call("test", "rules", "--output", "junit")
    assert code == 1
    assert out.isascii()
    assert all(char.isprintable() or char == "\n" for char in out)
    first, other = ET.fromstring(out)
    assert first.attrib == {"name": "rules/first.test.yaml", "tests": "2", "failures": "1", "errors": "0"}
    bad, good = first
    assert bad.attrib["name"] == r"a \u202e<&\x1b[31m\x00 name"
    assert (bad.attrib["file"], bad.attrib["line"]) == ("rules/first.test.yaml", "1")
    (failure,) = bad
    assert failure.attrib["message"] == "`push-to-main` to log differs:"
    assert r'- "]]>\x01"' in (failure.text or "")
    assert (list(good), [case.attrib["name"] for case in other]) == ([], ["other"])


@pytest.mark.usefixtures("_one")
def test_junit_fails_for_all_that_fails_the_run(call: Call, folder: Path) -> None:
    """Mistakes in files, too little coverage and surviving mutants are failures, so that CI and exit code agree."""
    code, out, _ = call("test", "rules", "--min", "90", "--mutate", "--output", "junit")
    _, coverage, mutants = ET.fromstring(out)
    assert (code, coverage.attrib["failures"], mutants.attrib["failures"]) == (1, "1", "1")
    assert 'rules/first.yaml:3:42: build: branch: without "dev"' in (mutants[0][0].text or "")
    assert coverage[0].attrib["name"] == "81.8% covered, at least 90% wanted"
    _, coverage = ET.fromstring(call("test", "rules", "--coverage", "--output", "junit").out)
    assert coverage.attrib["failures"] == "0"
    (selection,) = ET.fromstring(call("test", "rules", "-k", "none", "--output", "junit").out)
    assert selection.attrib["failures"] == "1"
    (folder / "rules/first.test.yaml").write_text("- {name: a, evnt: x, expect: []}\n")
    (files,) = ET.fromstring(call("test", "rules", "--output", "junit").out)
    assert (files.attrib["name"], files.attrib["failures"], files[0].attrib["line"]) == ("files", "2", "1")


def test_a_mistake_in_a_test_file_is_a_finding(call: Call, folder: Path) -> None:
    """A test file that cannot be read fails the run, with its place."""
    (folder / "rules/first.test.yaml").write_text("- {name: a, evnt: x, expect: []}\n")
    code, out, _ = call("test")
    assert code == 1
    assert "rules/first.test.yaml:1:13: error R003: `evnt` is not a key of a case.\n" in out
    assert out.endswith("0 tests: 0 passed, 2 errors in files.\n")


def test_pins_of_the_configuration_are_known(call: Call, folder: Path) -> None:
    """A rule that names a handle can be tested without a network: router.yaml pins whose it is."""
    (folder / "rules/first.yaml").write_text(
        'rules: [{name: alice, when: {owner: "@alice.example"}, do: [{log: {message: hi}}]}]\n'
    )
    (folder / "rules/first.test.yaml").write_text("- {name: a, event: ../events/push.json, expect: [{rule: alice}]}\n")
    assert call("test").code == 1
    (folder / "router.yaml").write_text("identity: {pins: {alice.example: did:plc:aliceaaaaaaaaaaaaaaaaaaa}}\n")
    assert call("test").code == 0
