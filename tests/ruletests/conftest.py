"""A folder of rules with an event, and two providers, to write test files for."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from router import library, plugins
from router.provider import Closed
from router.ruletests.run import Session, run

if TYPE_CHECKING:
    from pathlib import Path

RULES = """\
strategy: first
vars: {org: acme}
rules:
  - name: docs-only
    when: {trigger: push, paths: {every: ["docs/**"]}}
    do: []
  - name: build
    when: {trigger: push, branch: [main, "release/*"]}
    do:
      - ci: {org: "{{ vars.org }}", pipeline: core, branch: "{{ branch }}", env: {A: "1", B: "2"}}
      - note: {text: "push to {{ branch }}"}
  - name: alice
    when: {trigger: push, owner: "@alice.example", trust: member}
    do:
      - note: {text: "alice's"}
  - name: broken
    when: {trigger: push, branch: broken}
    do:
      - note: {text: "{{ record.missing }}"}
  - name: night
    when: {trigger: push, branch: night}
    active: {between: ["22:00", "06:00"], timezone: UTC}
    mode: shadow
    do:
      - note: {text: "{{ branch }}"}
"""

PUSH: dict[str, Any] = {
    "rkey": "3n2y3epywm22e",
    "nsid": "sh.tangled.git.refUpdate",
    "event": {
        "$type": "",
        "changedFiles": ["src/app.py"],
        "committerDid": "did:plc:alice",
        "newSha": "6e13e68d383190280012b07f7a62f830da739b41",
        "oldSha": "e8ce712530443f70d7f0c8ceb1a049f3f272ccc5",
        "ownerDid": "did:plc:alice",
        "ref": "refs/heads/main",
        "repo": "did:plc:repo",
        "meta": {"sizes": [1, 2]},
    },
    "created": 1795435201000000123,
}


class Ci(Closed):
    """Options of a provider for these tests."""

    org: str
    pipeline: str
    branch: str
    env: dict[str, str] = {}  # noqa: RUF012 - pydantic copies it


class Note(Closed):
    """Options of another."""

    text: str


Judge = Callable[..., Session]


@pytest.fixture
def judge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Judge:
    """Runs a test file, given as text, that stands beside the rules."""
    monkeypatch.setattr(plugins, "OptionModels", lambda: {"ci": Ci, "note": Note})
    monkeypatch.chdir(tmp_path)

    def judge(cases: str, *, pins: dict[str, str] | None = None, only: str = "", rules: str = RULES) -> Session:
        folder = tmp_path / "rules"
        folder.mkdir(exist_ok=True)
        (folder / "core.yaml").write_text(rules)
        (folder / "push.json").write_text(json.dumps(PUSH))
        (folder / "core.test.yaml").write_text(cases)
        return run(library.on_command_line(["rules"]), pins or {}, lambda name: only in name)

    return judge


@pytest.fixture
def findings(judge: Judge) -> Callable[..., list[str]]:
    """What is wrong with one case, given without its name."""

    def findings(case: str, **given: Any) -> list[str]:
        lines = "\n".join("  " + line for line in case.splitlines())
        session = judge(f"- name: a case\n{lines}\n", **given)
        assert [str(problem) for problem in session.problems.found] == []
        (result,) = session.results
        return list(result.findings)

    return findings
