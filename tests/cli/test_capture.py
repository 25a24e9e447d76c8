"""`router capture`."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from router.core import envelope
from router.core.model import Plan
from router.engine.store.base import Arrival
from router.engine.store.sqlite import open_store

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Call  # type: ignore[import-not-found]

ALICE, BOB, REPO = (f"did:plc:{name * 5}"[:32] for name in ("alice", "bobbo", "corec"))
NOW = 1_795_435_201_000_000
RULES = """\
rules:
  - name: build
    when: {trigger: push, branch: main, owner: "@alice.acme.dev"}
    do:
      - log: {message: "{{ branch }} of {{ repo.did }} by {{ actor }}: {{ record.message | default('nothing: \\"said\\"') }}"}
  - name: tell
    mode: shadow
    when: {knot: "*.acme.dev", branch: main}
    do: [{log: {message: told}}]
  - name: nothing
    when: {branch: main}
    do: []
"""
PUSH: dict[str, Any] = {
    "repo": REPO,
    "ownerDid": ALICE,
    "committerDid": BOB,
    "ref": "refs/heads/main",
    "newSha": "6e13e68d383190280012b07f7a62f830da739b41",
    "message": "Zoe's secret plan",
    "token": "hunter2",
}


@pytest.fixture(autouse=True)
def _heard(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store with one push, the handle of its owner, and rules that ask for both."""
    monkeypatch.delenv("CI", raising=False)
    (folder / "rules").mkdir()
    (folder / "rules/first.yaml").write_text(RULES)

    async def fill() -> None:
        store = await open_store(folder / "router.db")
        await store.remember("handle", {"alice.acme.dev": ALICE}, NOW)
        sent = {"nsid": "sh.tangled.git.refUpdate", "id": "e1", "time": NOW, "record": PUSH, "knot": "knot.acme.dev"}
        await store.accept([Arrival(source="a", event=envelope.event_from(sent), plan=Plan(), keep=True)], NOW)
        await store.close()

    asyncio.run(fill())


def test_a_captured_event_is_a_test_that_runs_at_once(call: Call, folder: Path) -> None:
    """What the rules name is kept (here the branch, and the owner by the handle), everything else is nobody's; it is told."""
    code, out, err = call("capture", "1", "--keep", "knot")
    assert (code, err) == (0, "")
    assert out == (
        "wrote rules/refUpdate-1.json\nwrote rules/refUpdate-1.golden.yaml\nwrote rules/refUpdate-1.test.yaml\n"
        "Replaced: 3 accounts, 1 text; 1 secret redacted. Read the event before you publish it.\n"
        "Kept, as the rules or --keep name them: knot.acme.dev.\n"
    )
    written = [(folder / f"rules/refUpdate-1{ending}").read_text() for ending in (".json", ".golden.yaml")]
    for name in (ALICE, BOB, REPO, "Zoe", "hunter2"):
        assert not [text for text in written if name in text]
    test = (folder / "rules/refUpdate-1.test.yaml").read_text()
    assert ALICE not in test
    assert '"alice.acme.dev": "did:plc:' in test
    assert call("test", "rules").out == "ok    refUpdate-1, as it was captured\n1 test: 1 passed.\n"


def test_the_test_notices_a_change_of_the_rules(call: Call, folder: Path) -> None:
    """It expects every delivery with all its options, shadow ones too, and rules that do nothing."""
    assert call("capture", "1", "--keep", "knot", "--name", "push").code == 0
    rules = folder / "rules/first.yaml"
    for old, new in (("told", "tell"), ("{branch: main}", "{branch: dev}"), ("{{ branch }} of", "of")):
        rules.write_text(RULES.replace(old, new))
        assert call("test", "rules").code == 1, old
    rules.write_text(RULES)
    assert call("test", "rules").code == 0


def test_what_the_stand_ins_change_is_told(call: Call) -> None:
    """A glob names no knot literally, so the stand-in does not match: the rule, the condition and the way out are shown."""
    code, out, _ = call("capture", "e1", "--name", "push")
    assert code == 1
    assert out.endswith(
        "tell does something else with the event than it did as it was recorded.\n"
        '  knot: *.acme.dev, and it is "knot1.example.com": --keep knot leaves it.\n'
    )
    assert call("test", "rules").code == 0


@pytest.mark.parametrize("keep", ["message", "$.message", "Zoe's secret plan"])
def test_keys_paths_and_values_can_be_kept(call: Call, folder: Path, keep: str) -> None:
    """--keep takes either."""
    assert call("capture", "1", "--keep", keep, "--keep", "knot").code == 0
    assert "Zoe's secret plan" in (folder / "rules/refUpdate-1.json").read_text()


def test_an_event_can_be_kept_as_it_is(call: Call, folder: Path) -> None:
    """--no-scrub writes what was recorded, as `router events show` has it."""
    endings = ("json", "golden.yaml", "test.yaml")
    assert call("capture", "1", "--no-scrub").out == "".join(f"wrote rules/refUpdate-1.{ending}\n" for ending in endings)
    written = json.loads((folder / "rules/refUpdate-1.json").read_text())
    assert written["record"] == PUSH
    assert call("test", "rules").code == 0


def test_what_rules_name_is_kept_and_told(call: Call, folder: Path) -> None:
    """A name of the rule files is no news, and they would not match without it."""
    (folder / "rules/first.yaml").write_text(RULES.replace('"*.acme.dev"', "knot.acme.dev").replace("@alice.acme.dev", ALICE))
    code, out, _ = call("capture", "1")
    assert code == 0
    assert out.endswith(f"Kept, as the rules or --keep name them: knot.acme.dev, {ALICE}.\n")
    assert call("test", "rules").code == 0


def test_rules_that_cannot_be_rendered_are_told(call: Call, folder: Path) -> None:
    """A test of them fails until they are mended, and it says why."""
    (folder / "rules/first.yaml").write_text('rules: [{name: x, do: [{log: {message: "{{ record.nope }}"}}]}]')
    code, out, _ = call("capture", "1")
    assert code == 1
    assert "The test fails until this is mended: `{{ record.nope }}` cannot be rendered" in out


def test_nothing_is_overwritten(call: Call, folder: Path) -> None:
    """Neither file, and then none is written."""
    (folder / "rules/push.test.yaml").write_text("mine")
    code, out, err = call("capture", "1", "--name", "push")
    assert (code, out) == (2, "")
    assert err.startswith("router: rules/push.test.yaml is there already")
    assert not (folder / "rules/push.json").exists()


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (("2",), "The store has no event 2"),
        (("1", "--name", "../x"), "--name takes letters"),
        (("1", "--into", "none"), "There is no rule file in none"),
        (("1", "--keep", "$.["), "--keep $.["),
    ],
)
def test_a_slip_is_a_sentence(call: Call, folder: Path, args: tuple[str, ...], sentence: str) -> None:
    """Exit code 2, and nothing is written."""
    code, out, err = call("capture", *args)
    assert (code, out) == (2, "")
    assert sentence in err
    assert sorted(path.name for path in (folder / "rules").iterdir()) == ["first.yaml"]


def test_bundled_rules_are_no_place_for_tests(call: Call, folder: Path) -> None:
    """They are not the operator's to write into."""
    (folder / "router.yaml").write_text("rules: [bundled:tangled]\n")
    assert "name one with --into DIR" in call("capture", "1").err
