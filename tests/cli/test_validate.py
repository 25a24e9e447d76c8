"""`router validate`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Call  # type: ignore[import-not-found]

GOOD = "rules: [{name: a, when: {branch: main}, do: [{log: {message: hi}}]}]\n"
BAD = """\
strategy: first
rules:
  - name: build
    when: {branchs: main}
    do:
      - lgo: {message: hi}
"""


def test_problems_are_shown_where_they_are(call: Call, folder: Path) -> None:
    """Each problem has its place, a code, the line with a caret, and a hint; the counts come last. Findings exit with 1."""
    (folder / "rules").mkdir()
    (folder / "rules/bad.yaml").write_text(BAD)
    (folder / "rules/good.yaml").write_text(GOOD)
    assert call("validate", "rules") == (
        1,
        """\
rules/bad.yaml:4:12: error R003: `branchs` is not a field of events.
  4 |     when: {branchs: main}
    |            ^^^^^^^
    = Did you mean `branch`?
rules/bad.yaml:6:9: error R010: There is no provider `lgo`.
  6 |       - lgo: {message: hi}
    |         ^^^
    = Did you mean `log`?
2 files, 1 rule: 2 errors.
""",
        "",
    )


def test_good_rules_are_fine(call: Call, folder: Path) -> None:
    """No findings exit with 0 and say what was looked at."""
    (folder / "good.yaml").write_text(GOOD)
    assert call("validate", "good.yaml") == (0, "1 file, 1 rule: no problems.\n", "")


def test_problems_as_json(call: Call, folder: Path) -> None:
    """Programs get the same problems with every part on its own."""
    (folder / "bad.yaml").write_text(BAD)
    code, out, _ = call("validate", "bad.yaml", "--output", "json")
    found = json.loads(out)
    assert (code, found["files"], found["rules"]) == (1, 1, 0)
    assert found["problems"][0] == {
        "code": "R003",
        "level": "error",
        "message": "`branchs` is not a field of events.",
        "hint": "Did you mean `branch`?",
        "file": "bad.yaml",
        "line": 4,
        "column": 12,
        "width": 7,
        "path": "rules[0].when.branchs",
    }


def test_without_a_path_the_configuration_and_its_rules_are_checked(call: Call, folder: Path) -> None:
    """`router validate` in a project checks everything that `router run` would read."""
    (folder / "router.yaml").write_text("lgo: {level: info}\nrules: [./mine.yaml]\n")
    (folder / "mine.yaml").write_text(BAD)
    code, out, _ = call("validate")
    assert code == 1
    assert "router.yaml:1:1: error R003: `lgo` is not a key of router.yaml." in out


def test_rules_that_the_configuration_lists_must_be_there(call: Call, folder: Path) -> None:
    """A path that leads nowhere is told where router.yaml lists it."""
    (folder / "router.yaml").write_text("rules:\n  - ./ruls\n")
    code, out, _ = call("validate")
    assert code == 1
    assert out.startswith("router.yaml:2:5: error R041: There is no `ruls`.\n  2 |   - ./ruls\n")


def test_a_provider_without_the_settings_that_it_needs_is_told(call: Call, folder: Path) -> None:
    """Rules and configuration are checked together: a build without a token would never be made."""
    (folder / "router.yaml").write_text("rules: [./mine.yaml]\n")
    build = "{pipeline: p, commit: abc, branch: main}"
    (folder / "mine.yaml").write_text(f"rules: [{{name: a, when: {{trigger: push}}, do: [{{buildkite: {build}}}]}}]\n")
    code, out, _ = call("validate")
    assert code == 1
    assert "The provider `buildkite` is used by a rule and needs settings" in out


def test_a_path_that_is_not_there_is_a_finding(call: Call) -> None:
    """What was asked for cannot be checked, so nothing is said to be fine."""
    code, out, _ = call("validate", "nowhere")
    assert code == 1
    assert "nowhere:1:1: error R041: There is no `nowhere`." in out


def test_a_line_cannot_move_the_terminal(call: Call, folder: Path) -> None:
    """Control characters of a checked file are shown as replacement characters, in place."""
    (folder / "bad.yaml").write_text('rules:\n  - name: "a\u202e"\n    when: {branchs: "\u202ex"}\n    do: []\n')
    out = call("validate", "bad.yaml").out
    assert "\u202e" not in out
    assert '  3 |     when: {branchs: "\ufffdx"}\n    |            ^^^^^^^\n' in out


def test_a_long_line_is_cut_around_the_place(call: Call, folder: Path) -> None:
    """A rule on one long line is shown where the problem is."""
    (folder / "bad.yaml").write_text(f"rules: [{{name: a, description: {'x' * 300}, when: {{branchs: main}}, do: []}}]\n")
    line, caret = call("validate", "bad.yaml").out.splitlines()[1:3]
    assert len(line) <= 110
    assert line[caret.index("^") : caret.rindex("^") + 1] == "branchs"


def test_a_secret_that_was_written_out_is_not_repeated(call: Call, folder: Path) -> None:
    """The mistake is told with its place and what to write, without the line that holds the secret."""
    (folder / "router.yaml").write_text("providers:\n  buildkite: {token: bkua_canary_in_clear}\n")
    code, out, err = call("validate")
    assert code != 0
    assert "router.yaml:2:22: error R042" in out + err
    assert "{env: NAME} or {file: /path}" in out + err
    assert "canary" not in out + err
