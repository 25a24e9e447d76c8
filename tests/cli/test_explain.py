"""`router explain`."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Call  # type: ignore[import-not-found]

RULES = """\
strategy: first
rules:
  - name: docs
    when: {trigger: push, paths: {every: ["docs/**"]}}
    do: []
  - name: main
    when: {trigger: push, branch: main}
    do:
      - log: {message: "push to {{ branch }}"}
  - name: all-pushes
    when: {trigger: push}
    do: []
  - name: alice
    when: {owner: "@alice.example", branch: topic}
    do: []
  - name: repos
    when: {nsid: sh.tangled.repo}
    do: []
"""
NESTED = """\
rules:
  - name: nested
    when:
      trigger: push
      any:
        - {branch: "release/*", paths: "src/**"}
        - not: {any: [{branch: main}, {tag: "v*"}]}
        - $.n: {gt: 1}
      all: [{branch: main}]
    do: []
  - name: undecided
    when: {owner: "@alice.example"}
    do: []
  - name: long
    when: {branch: ["a-branch-with-a-long-name", "another-branch-with-a-long-name", "and-a-third"]}
    do: []
"""
#: A finding of no level that stops anything, in a rule that matches and in one that does not.
WARNED = """\
rules:
  - name: main
    when: {trigger: push, branch: [main, "release/*"]}
    dedupe: {key: "{{ branch }}", within: 1m}
    do: [{log: {message: "{{ record.nope }}"}}]
  - name: never
    when: {branch: {not: main}, all: [{branch: main}]}
    do: []
"""


@pytest.fixture(autouse=True)
def _project(call: Call, folder: Path) -> None:
    assert call("init", ".").code == 0
    (folder / "rules/first.yaml").write_text(RULES)


def test_each_rule_says_why_it_matches_or_does_not(call: Call) -> None:
    """The first condition that fails is shown with the value that it saw and its place; then what would be done."""
    assert call("explain", "events/push.json") == (
        0,
        """\
sh.tangled.git.refUpdate from knot, main

no   docs
└─ no   paths: every "docs/**"  is "src/app.py", "README.md"
        rules/first.yaml:4:34
yes  main
no   all-pushes: `main` comes first
no   alice
└─ no   branch: "topic"  is "main"
        rules/first.yaml:14:45
1 more rule wants another nsid (--all shows them).

log, by first/main
  {
    "message": "push to main"
  }

Validation: no problems.
""",
        "",
    )


def test_all_shows_every_condition(call: Call) -> None:
    """--all shows the conditions that hold as well, and those that cannot be evaluated."""
    out = call("explain", "--all", "events/push.json").out
    assert 'no   docs\n├─ yes  trigger: "push"  is "push"\n└─ no   paths: every "docs/**"' in out
    assert "├─ ?    owner: @alice.example\n│       cannot be evaluated: the handle alice.example is not resolved yet\n" in out
    assert 'no   repos\n└─ no   nsid: "sh.tangled.repo"  is "sh.tangled.git.refUpdate"\n' in out


def test_conditions_are_drawn_as_they_are_nested(call: Call, folder: Path) -> None:
    """Of `any` every alternative is shown, of `all` the first that fails, of `not` what held; nothing is wider than 80."""
    (folder / "other.yaml").write_text(NESTED)
    out = call("explain", "events/push.json", "other.yaml").out
    assert (
        out.partition("\n\n")[2]
        == """\
no   nested
└─ no   any
   ├─ no   all
   │  └─ no   branch: "release/*"  is "main"
   │          other.yaml:6:20
   ├─ no   not
   │  └─ yes  any
   │     ├─ yes  branch: "main"  is "main"
   │     └─ no   tag: "v*"  is absent
   │             other.yaml:7:45
   └─ no   $.n: gt 1  is absent
           other.yaml:8:16
?    undecided
└─ ?    owner: @alice.example
        cannot be evaluated: the handle alice.example is not resolved yet
        other.yaml:12:19
no   long
└─ no   branch: ["a-branch-with-a-long-name", "another-branch-with-a-long-name",
          "and-a-third"]
        is "main"
        other.yaml:15:20

undecided  other/undecided: the handle alice.example is not resolved yet
Nothing is done.
"""
    )


def test_what_validation_would_say_is_said_of_what_matched(call: Call, folder: Path) -> None:
    """Options that the event made unfit, and findings in the rules that matched: not those of the others."""
    (folder / "other.yaml").write_text(WARNED)
    out = call("explain", "events/push.json", "other.yaml").out
    assert "log, by other/main (dead)\n" in out
    assert "log, by other/main: `{{ record.nope }}` cannot be rendered for this event: " in out
    assert "other.yaml:4:19: warning R063: " in out
    assert "R060" not in out
    assert "Validation: no problems." not in out


def test_rules_can_be_named(call: Call, folder: Path) -> None:
    """RULES replace what the configuration lists."""
    (folder / "other.yaml").write_text("rules: [{name: other, when: {trigger: push}, do: []}]\n")
    out = call("explain", "events/push.json", "other.yaml").out
    assert "yes  other\n\nNothing is done.\n\nValidation: no problems.\n" in out
    assert "all-pushes" not in out


def test_an_event_can_come_from_stdin(call: Call, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`-` reads the event that another program prints."""
    monkeypatch.setattr("sys.stdin", io.StringIO((folder / "events/push.json").read_text()))
    assert "yes  main" in call("explain", "-").out


def test_the_same_as_json(call: Call) -> None:
    """Programs get every condition of every rule, and the deliveries with their ids and options."""
    found: dict[str, Any] = json.loads(call("explain", "events/push.json", "--output", "json").out)
    assert [(rule["rule"], rule["matched"], rule["note"]) for rule in found["rules"]] == [
        ("first/docs", False, ""),
        ("first/main", True, ""),
        ("first/all-pushes", False, "`main` comes first"),
        ("first/alice", False, ""),
        ("first/repos", False, ""),
    ]
    docs = found["rules"][0]["conditions"]
    assert (docs["kind"], docs["held"]) == ("all", False)
    assert [(part["field"], part["held"], part["saw"]) for part in docs["parts"]] == [
        ("trigger", True, '"push"'),
        ("paths", False, '"src/app.py", "README.md"'),
    ]
    assert found["problems"] == []
    (delivery,) = found["deliveries"]
    assert (delivery["provider"], delivery["options"], delivery["state"]) == ("log", {"message": "push to main"}, "ready")
    assert len(delivery["id"]) == 32


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "event.json is not JSON"),
        ("[]", "event.json holds no JSON object"),
        ("{}", "event.json is no event: It has neither `nsid` and `record`"),
    ],
)
def test_a_file_that_is_no_event_is_a_sentence(call: Call, folder: Path, text: str, sentence: str) -> None:
    """A wrong file exits with 2 and says what is wrong with it."""
    (folder / "event.json").write_text(text)
    code, out, err = call("explain", "event.json")
    assert (code, out) == (2, "")
    assert err.startswith(f"router: {sentence}")


def test_a_file_that_is_not_there_is_a_sentence(call: Call) -> None:
    """So does one that is missing, and no argument at all."""
    assert call("explain", "none.json")[::2] == (
        2,
        "router: The event file none.json cannot be read: No such file or directory.\n",
    )
    assert "Name an EVENT" in call("explain").err


def test_rules_with_errors_are_told(call: Call, folder: Path) -> None:
    """Explaining half of the rules would mislead: their problems are shown instead, on stderr."""
    (folder / "rules/first.yaml").write_text("rules: [{name: a, when: {branhc: x}, do: []}]\n")
    code, out, err = call("explain", "events/push.json")
    assert (code, out) == (2, "")
    assert err.startswith("rules/first.yaml:1:26: error R003: `branhc` is not a field of events.\n")
    assert err.endswith("router: The rules cannot be used: `router validate` checks them.\n")
