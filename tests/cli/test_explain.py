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

no         docs
             paths: every "docs/**"  is "src/app.py", "README.md"
             rules/first.yaml:4:34
matches    main
no         all-pushes
             `main` comes first
no         alice
             branch: "topic"  is "main"
             rules/first.yaml:14:45

log, by first/main
  {
    "message": "push to main"
  }
""",
        "",
    )


def test_all_shows_every_condition(call: Call) -> None:
    """--all shows the conditions that hold as well, and those that cannot be evaluated."""
    out = call("explain", "--all", "events/push.json").out
    assert '             yes trigger: "push"  is "push"\n             no  paths: every "docs/**"' in out
    assert "             ?   owner: @alice.example  cannot be evaluated: the handle alice.example is not resolved yet" in out


def test_rules_can_be_named(call: Call, folder: Path) -> None:
    """RULES replace what the configuration lists."""
    (folder / "other.yaml").write_text("rules: [{name: other, when: {trigger: push}, do: []}]\n")
    out = call("explain", "events/push.json", "other.yaml").out
    assert "matches    other\n\nNothing is done.\n" in out
    assert "all-pushes" not in out


def test_an_event_can_come_from_stdin(call: Call, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`-` reads the event that another program prints."""
    monkeypatch.setattr("sys.stdin", io.StringIO((folder / "events/push.json").read_text()))
    assert "matches    main" in call("explain", "-").out


def test_the_same_as_json(call: Call) -> None:
    """Programs get every condition of every rule, and the deliveries with their ids and options."""
    found: dict[str, Any] = json.loads(call("explain", "events/push.json", "--output", "json").out)
    assert [(rule["rule"], rule["matched"], rule["note"]) for rule in found["rules"]] == [
        ("first/docs", False, ""),
        ("first/main", True, ""),
        ("first/all-pushes", False, "`main` comes first"),
        ("first/alice", False, ""),
    ]
    (delivery,) = found["deliveries"]
    assert (delivery["provider"], delivery["options"], delivery["state"]) == ("log", {"message": "push to main"}, "ready")
    assert len(delivery["id"]) == 32


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "event.json is not JSON"),
        ("[]", "event.json holds no JSON object"),
        ("{}", "It has neither `nsid` and `record`"),
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
