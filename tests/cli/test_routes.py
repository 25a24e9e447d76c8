"""`router routes`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Call  # type: ignore[import-not-found]

RULES = """\
rules:
  - name: docs
    when: {branch: docs}
    do: []
  - name: build
    when: {branch: [main, shadow]}
    do:
      - log: {message: "{{ branch }} of a repo with quite a long name, which is cut"}
      - {webhook: {url: https://chat.example.com/hook, json: {a: 1}}, id: tell}
  - name: watch
    mode: shadow
    when: {branch: shadow}
    do: [{log: {message: "{{ record.nope }}"}}]
  - name: each
    when: {branch: each}
    each: $.items
    do: [{log: {message: "{{ item.name }}"}}]
  - name: alice
    when: {owner: "@alice.example", branch: owned}
    do: []
"""
GOLDEN = """\
docs    team/docs       -
main    team/build      log      message="main of a repo with quite a long name, which is…
main    team/build      webhook  url="https://chat.example.com/hook"
shadow  team/build      log      message="shadow of a repo with quite a long name, which …
shadow  team/build      webhook  url="https://chat.example.com/hook"
shadow  team/watch      log      message="{{ record.nope }}"  shadow
each    team/each[one]  log      message="one"
each    team/each[two]  log      message="two"
other   -
"""
NAMES = [line.split()[0] for line in GOLDEN.splitlines()]


def event(branch: str, **more: Any) -> dict[str, Any]:
    record = {"repo": "did:plc:repodiddemo2222222222222", "ref": f"refs/heads/{branch}", "newSha": "6e13e68d" * 5}
    return {"nsid": "sh.tangled.git.refUpdate", "record": {**record, **more}}


@pytest.fixture(autouse=True)
def _project(folder: Path) -> None:
    (folder / "team.yaml").write_text(RULES)
    (folder / "events").mkdir()
    for name in NAMES:
        (folder / f"events/{name}.json").write_text(json.dumps(event(name, items=[{"name": "one"}, {"name": "two"}])))


def given() -> list[str]:
    return [f"events/{name}.json" for name in dict.fromkeys(NAMES)]


def test_each_event_and_delivery_has_a_line(call: Call) -> None:
    """In the order given, aligned, with the options that the provider needs; nothing is a dash."""
    assert call("routes", "team.yaml", *given()) == (0, GOLDEN, "")


def test_a_folder_of_events_is_sorted(call: Call) -> None:
    """By name: the same lines on every machine."""
    lines = call("routes", "team.yaml", "events").out.splitlines()
    assert [line.split()[0] for line in lines] == sorted(NAMES)


def test_the_same_as_json(call: Call) -> None:
    """Programs get the cells."""
    found = json.loads(call("routes", "team.yaml", "events/each.json", "--output", "json").out)
    assert found[0] == {"event": "each", "rule": "team/each[one]", "provider": "log", "options": 'message="one"', "state": ""}


def test_a_rule_that_cannot_be_decided_is_a_line(call: Call, folder: Path) -> None:
    """Only pins say who is who, so that a golden means the same everywhere; what they do not say is shown."""
    (folder / "e.json").write_text(json.dumps(event("owned", ownerDid="did:plc:alicealicealicealicealic")))
    assert call("routes", "team.yaml", "e.json").out == "e  team/alice  ?  the handle alice.example is not resolved yet\n"
    (folder / "router.yaml").write_text('identity: {pins: {alice.example: "did:plc:alicealicealicealicealic"}}\n')
    assert call("routes", "team.yaml", "e.json").out == "e  team/alice  -\n"


def test_lines_are_kept_as_a_golden(call: Call, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """--update writes it, --check compares and shows the difference, and CI never writes."""
    monkeypatch.delenv("CI", raising=False)
    check = ("routes", "team.yaml", *given(), "--check", "routes.txt")
    assert call(*check).err == "router: There is no routes.txt: --check routes.txt --update writes it.\n"
    assert call(*check, "--update") == (0, "wrote routes.txt: 9 lines\n", "")
    assert (folder / "routes.txt").read_text() == GOLDEN
    assert call(*check) == (0, "9 lines: as in routes.txt.\n", "")
    (folder / "team.yaml").write_text(RULES.replace("[main, shadow]", "[main]"))
    code, out, _ = call(*check)
    assert code == 1
    assert out.startswith("--- routes.txt\n+++ now\n@@ ")
    assert '-shadow  team/build      webhook  url="https://chat.example.com/hook"\n' in out
    monkeypatch.setenv("CI", "true")
    code, out, err = call(*check, "--update")
    assert (code, out, err.startswith("router: A golden is not written in CI")) == (2, "", True)
    assert (folder / "routes.txt").read_text() == GOLDEN


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (("team.yaml", "events", "--update"), "Say which file to write"),
        (("team.yaml", "none.json"), "The events of none.json cannot be read"),
        (("team.yaml", "events", "team.yaml"), "team.yaml holds what is no event: team:1: It is not JSON."),
        (("none.yaml", "events"), "The rules cannot be used"),
        (("team.yaml", "events", "--check", "none/x", "--update"), "none/x cannot be written"),
    ],
)
def test_a_slip_is_a_sentence(call: Call, args: tuple[str, ...], sentence: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 2, and no line: half of a golden proves nothing."""
    monkeypatch.delenv("CI", raising=False)
    code, out, err = call("routes", *args)
    assert (code, out) == (2, "")
    assert sentence in err
