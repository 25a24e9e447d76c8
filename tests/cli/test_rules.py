"""`router rules`: the rulesets that ship with the router."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from router import library

if TYPE_CHECKING:
    from conftest import Call  # type: ignore[import-not-found]

NAMES = ["tangled/log", "tangled/mirror", "tangled/nightly", "tangled/notify", "tangled/pipeline"]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_list_names_each_with_what_it_does(call: Call) -> None:
    """A line for each ruleset, with its first comment, and how many rules and tests it has."""
    code, out, _ = call("rules", "list")
    assert code == 0
    headings, *rows = out.splitlines()
    assert headings.split() == ["NAME", "RULES", "TESTS", "WHAT", "IT", "DOES"]
    assert [row.split()[0] for row in rows] == NAMES
    assert rows[0].endswith("Write a line to the log for each push, tag, deleted ref and pull request.")


def test_list_counts_rules_and_tests(call: Call) -> None:
    """The numbers are those that validate and test tell."""
    listed = {one["name"]: one for one in json.loads(call("rules", "list", "--output", "json").out)}
    for name in NAMES:
        rules = json.loads(call("validate", f"bundled:{name}", "--output", "json").out)["rules"]
        tests = json.loads(call("test", f"bundled:{name}", "--output", "json").out)["tests"]
        assert (listed[name]["rules"], listed[name]["tests"]) == (rules, len(tests))


@pytest.mark.parametrize("name", ["tangled/nightly", "bundled:tangled/nightly"])
def test_show_prints_the_rules_as_they_are_written(call: Call, name: str) -> None:
    """What is printed is the file, to be read or piped into another."""
    text = (library.bundled_folder() / "tangled/nightly/rules.yaml").read_text()
    assert call("rules", "show", name) == (0, text, "")
    assert json.loads(call("rules", "show", name, "--output", "json").out)["text"] == text


def test_copy_takes_the_whole_folder(call: Call, folder: Path) -> None:
    """Rules, tests, events and page, under the same name; then it says what comes next."""
    code, out, _ = call("rules", "copy", "tangled/pipeline", "mine")
    assert code == 0
    assert contents(folder / "mine/tangled/pipeline") == contents(library.bundled_folder() / "tangled/pipeline")
    *written, next_step = out.splitlines()
    assert sorted(written) == sorted(
        f"wrote mine/tangled/pipeline/{path}" for path in contents(folder / "mine/tangled/pipeline")
    )
    assert next_step == "Next: edit it, and list mine in router.yaml in place of bundled:tangled/pipeline."


def test_a_copy_has_the_ids_of_the_original(call: Call, folder: Path) -> None:
    """Who edits a copy keeps what is known of its deliveries: the rules' ids are the same, and their tests still pass."""
    call("rules", "copy", "tangled", "mine")
    event = str(library.bundled_folder() / "tangled/log/events/push.json")
    explained = [json.loads(call("explain", event, rules, "--output", "json").out) for rules in ("bundled:tangled", "mine")]
    ids = [[rule["rule"] for rule in one["rules"]] for one in explained]
    assert ids[0] == ids[1]
    assert "tangled/pipeline/buildkite" in ids[1]
    assert call("test", "mine").code == 0


def test_copy_overwrites_nothing(call: Call, folder: Path) -> None:
    """One file that is there already is enough that none is written."""
    mine = folder / "mine/tangled/nightly/rules.yaml"
    mine.parent.mkdir(parents=True)
    mine.write_text("rules: []\n")
    code, out, err = call("rules", "copy", "tangled", "mine")
    assert (code, out) == (2, "")
    assert "mine/tangled/nightly/rules.yaml is there already" in err
    assert contents(folder / "mine") == {"tangled/nightly/rules.yaml": b"rules: []\n"}


def test_copy_tells_programs_what_was_written(call: Call) -> None:
    """As JSON, the files."""
    written = json.loads(call("rules", "copy", "tangled/nightly", "mine", "--output", "json").out)["written"]
    assert all(Path(path).is_file() for path in written)
    assert "mine/tangled/nightly/rules.yaml" in written


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (
            ["show", "tangled/pipelin"],
            "No ruleset named `tangled/pipelin` ships with the router. Did you mean `tangled/pipeline`?",
        ),
        (["copy", "tangld", "mine"], "No ruleset named `tangld` ships with the router. Did you mean `tangled`?"),
        (["copy", "../tangled", "mine"], "No ruleset named `../tangled` ships with the router."),
        (["copy", "", "mine"], "No ruleset named `` ships with the router."),
        (["show", "tangled"], f"`tangled` is several rulesets: name one of {', '.join(NAMES)}."),
    ],
)
def test_a_name_that_is_none_is_told_with_the_nearest(call: Call, folder: Path, args: list[str], sentence: str) -> None:
    """Nothing is written, and the sentence says what there is."""
    code, out, err = call("rules", *args)
    assert (code, out) == (2, "")
    assert sentence in err
    assert not (folder / "mine").exists()
