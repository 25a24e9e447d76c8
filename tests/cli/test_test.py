"""`router test` as a command; what a case can promise is tested in tests/ruletests."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

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
