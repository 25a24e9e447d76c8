"""`router plan`."""

from __future__ import annotations

import asyncio
import io
import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from router.cli import recorded
from router.core import envelope, rules
from router.core.model import Plan
from router.core.problems import Problems
from router.engine.store.base import Arrival
from router.engine.store.sqlite import open_store
from router.host import SystemClock
from router.plugins import OptionModels
from tests.cli.test_state import running

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Call  # type: ignore[import-not-found]

OLD = """\
rules:
  - name: main
    when: {trigger: push, branch: main}
    do: [{log: {message: "push to {{ branch }}"}}]
  - name: gone
    when: {trigger: push, branch: main}
    do: [{log: {message: gone}}]
"""
NEW = """\
rules:
  - name: main
    when: {trigger: push, branch: [main, topic]}
    do: [{log: {message: "pushed to {{ branch }}"}}]
"""
SAID = """
first/gone
  - 2 deliveries removed: log, step 0
      first for event events:1, did:plc:repodiddemo2222222222222 refs/heads/main
        message: "gone"

first/main
  + 1 delivery added: log, step 0
      first for event events:3, did:plc:repodiddemo2222222222222 refs/heads/topic
        message: "pushed to topic"
  ~ 2 deliveries changed: log, step 0
      first for event events:1, did:plc:repodiddemo2222222222222 refs/heads/main
        options.message
          - "push to main"
          + "pushed to main"

3 of 4 events differ: 1 added, 2 removed, 2 changed.
"""


def event(branch: str, number: int) -> dict[str, Any]:
    record = {"repo": "did:plc:repodiddemo2222222222222", "ref": f"refs/heads/{branch}", "newSha": "6e13e68d" * 5}
    return {"nsid": "sh.tangled.git.refUpdate", "id": f"e{number}", "record": record}


EVENTS = [event(branch, number) for number, branch in enumerate(["main", "main", "topic", "other"])]


@pytest.fixture(autouse=True)
def _project(folder: Path) -> None:
    """Rules, the same rules as they were, and four recorded pushes."""
    for name, text in (("rules", NEW), ("old", OLD)):
        (folder / name).mkdir()
        (folder / name / "first.yaml").write_text(text)
    (folder / "events.ndjson").write_text("".join(json.dumps(one) + "\n" for one in EVENTS))


def test_what_changes_is_grouped_by_rule_with_an_example(call: Call) -> None:
    """Added, removed and changed deliveries, counted, each kind with the first event that it happens to."""
    assert call("plan", "rules", "--against", "old", "--events", "events.ndjson") == (
        0,
        f"Compared with the rules of old.\n{SAID}",
        "",
    )


def test_the_same_as_json(call: Call) -> None:
    """Programs get the counts, and of each group an example with ids and whole values."""
    found = json.loads(call("plan", "rules", "--against", "old", "--events", "events.ndjson", "--output", "json").out)
    assert (found["events"], found["differing"], found["counts"]) == (4, 3, {"added": 1, "removed": 2, "changed": 2})
    assert [(group["rule"], group["kind"], group["count"]) for group in found["groups"]] == [
        ("first/gone", "removed", 2),
        ("first/main", "added", 1),
        ("first/main", "changed", 2),
    ]
    example = found["groups"][2]["example"]
    assert (example["id"], example["event"], example["ref"]) == ("e0", "events:1", "refs/heads/main")
    assert example["terms"] == [{"path": "options.message", "old": "push to main", "new": "pushed to main"}]
    assert found["groups"][1]["example"]["options"] == {"message": "pushed to topic"}


def test_a_script_can_ask_whether_anything_differs(call: Call) -> None:
    """--exit-code makes a difference an exit code, and none of it is 0."""
    assert call("plan", "rules", "--against", "old", "--events", "events.ndjson", "--exit-code").code == 1
    code, out, _ = call("plan", "rules", "--against", "rules", "--events", "events.ndjson", "--exit-code")
    assert (code, out) == (
        0,
        "Compared with the rules of rules.\nThe rules are the same, so nothing differs, whatever the events.\n",
    )


def test_events_that_meet_no_change_are_counted(call: Call, folder: Path) -> None:
    """The rules differ, and these events do not notice."""
    (folder / "one.json").write_text(json.dumps(EVENTS[3], indent=2))
    out = call("plan", "rules", "--against", "old", "--events", "one.json").out
    assert out == "Compared with the rules of old.\n\n1 event: nothing differs.\n"


def test_what_is_no_event_is_told_and_ends_nothing(call: Call, folder: Path) -> None:
    """A broken line is counted, the first few are shown, and terminal sequences in them are harmless."""
    (folder / "events.ndjson").write_text("{\x1b[31m\n\n[]\n{}\n3\n" + json.dumps(EVENTS[0]) + "\n" + "9" * (1 << 21))
    out = call("plan", "rules", "--against", "old", "--events", "events.ndjson").out
    assert "5 items could not be read as an event:\n  events:1: It is not JSON.\n  events:3: It is no JSON object" in out
    assert "\x1b" not in out
    assert out.endswith("\n1 of 1 event differs: 1 removed, 1 changed.\n")


@pytest.mark.parametrize("shape", ["array", "folder", "stdin", "shown"])
def test_events_come_in_several_shapes(call: Call, folder: Path, shape: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An array, a folder of files, standard input, and what `router events` prints: the same events, the same answer."""
    source = folder / "recorded"
    if shape == "folder":
        (source / "inner").mkdir(parents=True)
        for number, one in enumerate(EVENTS):
            (source / "inner" / f"{number}.json").write_text(json.dumps(one, indent=2))
    elif shape == "stdin":
        text = (folder / "events.ndjson").read_bytes()
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text)))
    else:
        wrapped = [{"number": 1, "heard": 2, "event": one} for one in EVENTS] if shape == "shown" else EVENTS
        source.write_text(json.dumps(wrapped, indent=1 if shape == "shown" else None))
    out = call("plan", "rules", "--against", "old", "--events", "-" if shape == "stdin" else "recorded").out
    assert out.endswith("3 of 4 events differ: 1 added, 2 removed, 2 changed.\n")


def git(*args: str) -> None:
    who = ("-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=main")
    subprocess.run(["git", *who, *args], check=True, capture_output=True)


def test_a_revision_has_the_rules_as_they_were(call: Call, folder: Path) -> None:
    """The same paths at a commit, tag or branch: from any folder, for folders and for single files, tests left out."""
    git("init", ".")
    (folder / "rules/first.yaml").write_text(OLD)
    (folder / "rules/deep").mkdir()
    (folder / "rules/deep/inner rules.yaml").write_text(
        "rules: [{name: inner, when: {trigger: push}, do: [{log: {message: i}}]}]"
    )
    (folder / "rules/first.test.yaml").write_text("no rules")
    (folder / "rules/.hidden").mkdir()
    (folder / "rules/.hidden/none.yaml").write_text("no rules")
    (folder / "rules/link.yaml").symlink_to("nowhere.yaml")
    git("add", ".")
    git("commit", "-m", "first")
    git("tag", "v1")
    (folder / "rules/first.yaml").write_text(NEW)
    for paths in (("rules",), ()):
        out = call("plan", *paths, "--against", "v1", "--events", "events.ndjson").out
        assert out == f"Compared with the rules at revision v1.\n{SAID}"
    (folder / "rules/deep/inner rules.yaml").unlink()
    removed = call("plan", "rules", "--against", "v1", "--events", "events.ndjson").out
    assert "deep/inner rules/inner\n  - 4 deliveries removed" in removed
    out = call("plan", "rules/first.yaml", "--against", "v1", "--events", "events.ndjson").out
    assert out == f"Compared with the rules at revision v1.\n{SAID}"


def test_rules_that_a_revision_did_not_have_are_all_new(call: Call, folder: Path) -> None:
    """Their first commit is compared with nothing, and that is said."""
    git("init", ".")
    git("add", "old")
    git("commit", "-m", "first")
    out = call("plan", "rules", "--against", "HEAD", "--events", "events.ndjson").out
    assert out.startswith("Compared with the rules at revision HEAD, which has no rules.\n\nfirst/main\n  + 3 deliveries added")


def test_a_path_wins_over_a_revision_of_its_name(call: Call) -> None:
    """What is here is meant before what git knows."""
    git("init", "-b", "old", ".")
    git("add", "rules")
    git("commit", "-m", "first")
    out = call("plan", "rules", "--against", "old", "--events", "events.ndjson").out
    assert out.startswith("Compared with the rules of old.\n")


@pytest.mark.parametrize("name", ["nope", "--output=x", "-x", "HEAD:rules", "$(touch x)", "a\nb"])
def test_what_is_neither_a_path_nor_a_revision_is_a_sentence(call: Call, folder: Path, name: str) -> None:
    """However it is spelt: git never takes it for an option, and no shell sees it."""
    git("init", ".")
    git("add", ".")
    git("commit", "-m", "first")
    before = sorted(folder.iterdir())
    code, out, err = call("plan", "rules", f"--against={name}", "--events", "events.ndjson")
    assert (code, out) == (2, "")
    assert "is neither a path nor a revision of the git repository of rules" in err
    assert sorted(folder.iterdir()) == before


def test_outside_a_repository_there_are_no_revisions(call: Call, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """The sentence says that too."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(folder.parent))
    code, _, err = call("plan", "rules", "--against", "HEAD", "--events", "events.ndjson")
    assert code == 2
    assert err.startswith("router: `HEAD` is no path, and rules is in no git repository that can be read: ")


def test_without_git_there_are_no_revisions_either(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine may have none."""
    monkeypatch.setenv("PATH", "")
    code, _, err = call("plan", "rules", "--against", "HEAD", "--events", "events.ndjson")
    assert (code, err) == (2, "router: git cannot be run to look for that revision: No such file or directory.\n")


def _loaded(text: str) -> Any:
    return rules.load([rules.RuleText("first", "first.yaml", text)], OptionModels(), Problems())


def test_live_is_what_the_running_router_has_loaded(call: Call, folder: Path) -> None:
    """Not what its files say by now; and where no router runs, what it would load."""
    with running(folder / "router.db", _loaded(OLD)):
        out = call("plan", "--events", "events.ndjson").out
        assert out == f"Compared with the rules that the running router has loaded.\n{SAID}"
    out = call("plan", "old", "--events", "events.ndjson", "--against", "live").out
    assert out.startswith("Compared with the rules that would be loaded now: no router is running.\n")


def test_events_of_the_store_since_a_time(call: Call, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Page after page, in the order in which they were heard, by their numbers, with the handles that the store knows."""
    (folder / "rules/first.yaml").write_text(NEW.replace("trigger: push", 'trigger: push, owner: "@alice.example"'))
    now = SystemClock().now()

    async def fill() -> None:
        store = await open_store(folder / "router.db")
        await store.remember("handle", {"alice.example": "did:plc:alicealicealicealicealic"}, now)
        for number, one in enumerate(EVENTS):
            owned = {**one, "record": {**one["record"], "ownerDid": "did:plc:alicealicealicealicealic"}}
            arrival = Arrival(source="a", event=envelope.event_from(owned), plan=Plan(), keep=True)
            await store.accept([arrival], now if number else now - 7_200_000_000)
        await store.close()

    asyncio.run(fill())
    monkeypatch.setattr(recorded, "PAGE", 1)
    out = call("plan", "--against", "old", "--since", "1h").out
    assert "  ~ 1 delivery changed: log, step 0\n      first for event 2," in out
    assert out.endswith("2 of 3 events differ: 1 added, 1 removed, 1 changed.\n")
    assert call("plan", "--against", "old", "--since", "3h").out.endswith("1 added, 2 removed, 2 changed.\n")


def test_a_rule_that_cannot_be_decided_is_told(call: Call, folder: Path) -> None:
    """A handle that is not known here: the answer is not the whole answer."""
    (folder / "rules/first.yaml").write_text(NEW.replace("trigger: push", 'trigger: push, actor: "@alice.example"'))
    (folder / "events.ndjson").write_text(
        json.dumps({**EVENTS[0], "record": {**EVENTS[0]["record"], "committerDid": "did:plc:alicealicealicealicealic"}})
    )
    out = call("plan", "rules", "--against", "old", "--events", "events.ndjson").out
    assert "first/main could not be decided for 1 event: the handle alice.example is not resolved yet\n" in out
    (folder / "router.yaml").write_text('identity: {pins: {alice.example: "did:plc:alicealicealicealicealic"}}\n')
    out = call("plan", "rules", "--against", "old", "--events", "events.ndjson").out
    assert "could not be decided" not in out
    assert out.endswith("1 of 1 event differs: 1 removed, 1 changed.\n")


@pytest.mark.parametrize(
    ("args", "code", "sentence"),
    [
        ((), 2, "Name the events to plan"),
        (("--events", "events.ndjson", "--since", "1h"), 2, "Name the events to plan"),
        (("--since", "1 hour"), 2, "router: --since: `1 hour` is not a duration"),
        (("--since", "1h"), 3, "router: There is no store at router.db"),
        (("--events", "none.ndjson"), 2, "router: The events of none.ndjson cannot be read: No such file or directory."),
        (("--events", "empty"), 2, "router: There is no .json file in empty."),
        (("none", "--events", "events.ndjson"), 2, "router: The rules cannot be used"),
        (("bad.yaml", "--events", "events.ndjson"), 2, "bad.yaml:1:"),
    ],
)
def test_a_slip_is_a_sentence(call: Call, folder: Path, args: tuple[str, ...], code: int, sentence: str) -> None:
    """Nothing is planned with half of what was asked for."""
    (folder / "empty").mkdir()
    (folder / "bad.yaml").write_text("rules: [{name: x}]")
    found = call("plan", "--against", "old", *args)
    assert (found.code, found.out) == (code, "")
    assert sentence in found.err


def test_rules_that_cannot_be_compared_with_are_told(call: Call, folder: Path) -> None:
    """The problems are those of the other rules, and it says so."""
    (folder / "bad.yaml").write_text("rules: [{name: x}]")
    code, out, err = call("plan", "rules", "--against", "bad.yaml", "--events", "events.ndjson")
    assert (code, out) == (2, "")
    assert err.endswith("router: The rules to compare with (bad.yaml) cannot be used: `router validate` checks them.\n")


def test_long_texts_are_shown_where_they_begin_to_differ(call: Call, folder: Path) -> None:
    """Two values that are cut alike would look like no difference."""
    for name, last in (("old", "b"), ("rules", "c")):
        text = f"rules: [{{name: x, when: {{branch: main}}, do: [{{log: {{message: {'a' * 300}{last}}}}}]}}]"
        (folder / name / "first.yaml").write_text(text)
    out = call("plan", "rules", "--against", "old", "--events", "events.ndjson").out
    assert f'          - …"{"a" * 20}b"\n          + …"{"a" * 20}c"\n' in out
    assert max(map(len, out.splitlines())) <= 80
