"""Goldens: what is in one, when it is written, and when it fails."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from router import library
from router.core import document
from router.core.model import Delivery, Gates, Plan, Retry, State, Subject
from router.core.problems import Problems
from router.ruletests import golden
from router.ruletests.run import Session, run

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Judge  # type: ignore[import-not-found]

CASE = "- {name: A push!, event: push.json, golden: true}\n"
FILE = "rules/core.a-push.golden.yaml"
NIGHT = (
    "- {name: night, event: {extends: push.json, with: {$.ref: refs/heads/night}}, "
    "now: 2026-11-23T23:00:00Z, golden: night.golden.yaml}\n"
)


def text_of(name: str = "x", **changed: Any) -> str:
    """The golden of a plan with one delivery."""
    given: dict[str, Any] = {
        "id": "1" * 32,
        "rule": "a/b",
        "step": "0",
        "provider": "ci",
        "options": {},
        "event_origin": "knot:x",
        "event_id": "1",
        "nsid": "a.b.c",
        "subject": Subject(),
    }
    return golden.text(name, Plan(matched=("a/b",), deliveries=(Delivery(**given | changed),)))


def again(*, update: bool = False, only: str = "", path: str = "rules") -> Session:
    """Run what `judge` has written."""
    return run(library.on_command_line([path]), {}, lambda name: only in name, update=update)


def problems(session: Session) -> list[str]:
    return [str(problem) for problem in session.problems.found]


def test_a_golden_holds_the_whole_plan(judge: Judge, tmp_path: Path) -> None:
    """Rules, steps and options are there in order, and what is as it always is is not."""
    judge(CASE)
    assert [str(file) for file in again(update=True).written] == [FILE]
    assert (tmp_path / FILE).read_text() == (
        """\
# The plan of "A push!". `router test --update` writes it.
matched:
  - core/build
deliveries:
  - rule: core/build
    step: "0"
    provider: ci
    options:
      branch: main
      env:
        A: "1"
        B: "2"
      org: acme
      pipeline: core
  - rule: core/build
    step: "1"
    provider: note
    options:
      text: "push to main"
"""
    )
    assert (again().failed, again().problems.found) == ([], [])


def test_what_is_not_as_always_is_in_a_golden() -> None:
    """A shadow, a fan-out's item, a reported workflow, gates, a policy of retries and a failure to render are the plan, too."""
    text = text_of(
        step="go",
        options={"b": 1, "a": [True, None, {"d": 1.5, "c": []}]},
        subject=Subject(workflow="on"),
        item="0x1",
        timeout=5.0,
        retry=Retry(attempts=2, schedule=(1.0,)),
        idempotent=True,
        gates=Gates(group="g", dedupe_key="", dedupe_within=60.0),
        state=State.DEAD,
        reason="it is broken",
    )
    assert yaml.safe_load(text)["deliveries"] == [
        {
            "rule": "a/b",
            "step": "go",
            "provider": "ci",
            "item": "0x1",
            "state": "dead",
            "reason": "it is broken",
            "report": "on",
            "gates": {"group": "g", "busy": "queue", "dedupe_key": "", "dedupe_within": 60.0},
            "timeout": 5.0,
            "retry": {"attempts": 2, "base": 1.0, "factor": 4.0, "cap": 3600.0, "schedule": [1.0]},
            "idempotent": True,
            "options": {"a": [True, None, {"c": [], "d": 1.5}], "b": 1},
        }
    ]


TEXTS = (
    st.text()
    | st.text(st.sampled_from("ab:# \n\t-|>'\"\\{[&*!%@`\x00\x85\u2028\u202e"))
    | st.from_regex(r"[0-9a-fxo._+-]{1,6}")
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**62), 2**62) | TEXTS | st.floats(-1e9, 1e9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


@given(VALUES, TEXTS)
@example("on", "a")
@example("0o17", "1e3")
@example("first\n\n  second\n", "two\nlines")
@example(" first\nsecond", "")
@example("012", "10:30")
@example("half \ud800", "<<")
def test_a_golden_is_yaml_that_reads_alike_everywhere(value: Any, name: str) -> None:
    """Whatever a stranger's event has put into options comes back from YAML 1.1 and 1.2, and moves no terminal."""
    text = text_of(name, options={"value": value})
    assert all(char.isprintable() or char == "\n" for char in text)
    assert text.isascii()
    whole = _whole({"value": value})
    assert yaml.safe_load(text)["deliveries"][0]["options"] == whole
    mistakes = Problems()
    root = document.read(text, "golden", mistakes)
    assert root is not None
    assert document.tree(root, mistakes)["deliveries"][0]["options"] == whole
    assert mistakes.found == []


def _whole(value: Any) -> Any:
    """The value with U+FFFD for each half of a character."""
    return json.loads(json.dumps(value, ensure_ascii=False).encode("utf-16", "surrogatepass").decode("utf-16", "replace"))


def test_lines_of_a_text_are_lines_of_the_golden() -> None:
    """A script or a message of several lines is read, and compared, by line."""
    text = text_of(options={"message": "one\n\ntwo: 2\n"})
    assert "message: |\n        one\n\n        two: 2\n" in text


def test_a_long_line_stays_one() -> None:
    """A word that is added to a long text changes one line of the golden."""
    assert f'message: "{"word " * 100}"\n' in text_of(options={"message": "word " * 100})


def test_a_plan_that_differs_from_its_golden_fails_the_case(judge: Judge, tmp_path: Path) -> None:
    """The finding shows the lines that differ, and the file is left alone until it is asked for."""
    judge(CASE)
    again(update=True)
    old = (tmp_path / FILE).read_text().replace("branch: main", "branch: dev")
    (tmp_path / FILE).write_text(old)
    (result,) = again().results
    assert result.findings == (
        "core.a-push.golden.yaml differs:",
        "    @@ -7,5 +7,5 @@",
        "         provider: ci",
        "         options:",
        "    -      branch: dev",
        "    +      branch: main",
        "           env:",
        '             A: "1"',
    )
    assert (tmp_path / FILE).read_text() == old


def test_a_golden_that_is_not_there_fails_the_case(judge: Judge, tmp_path: Path) -> None:
    """A test that compares with nothing does not pass."""
    (result,) = judge(CASE).results
    assert result.findings == ("There is no core.a-push.golden.yaml: --update writes it",)
    assert not (tmp_path / FILE).exists()


def test_update_writes_only_what_differs(judge: Judge, tmp_path: Path) -> None:
    """A golden that holds is not touched, and after an update nothing differs."""
    judge(CASE + NIGHT)
    again(update=True)
    (tmp_path / FILE).write_text("wrong\n")
    assert [file.name for file in again(update=True).written] == ["core.a-push.golden.yaml"]
    assert again(update=True).written == []
    assert "state: shadow" in (tmp_path / "rules/night.golden.yaml").read_text()


def test_an_update_does_not_hide_what_else_is_wrong(judge: Judge) -> None:
    """A golden beside an `expect` that does not hold is written, and the case still fails."""
    judge("- {name: A push!, event: push.json, golden: true, expect: []}\n")
    session = again(update=True)
    assert len(session.written) == 1
    assert len(session.failed) == 1


def test_a_golden_that_no_test_names_fails_the_run(judge: Judge, tmp_path: Path) -> None:
    """It would be kept for nothing. The names of cases that were not selected, and of other files, count."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules/old.golden.yaml").write_text("")
    judge(CASE + NIGHT)
    assert problems(again(update=True)) == [
        "rules/old.golden.yaml:1:1: R050: No test names this golden. Remove it.",
    ]
    (tmp_path / "rules/old.golden.yaml").unlink()
    assert problems(again(only="A push")) == []
    (tmp_path / "rules/other.test.yaml").write_text("- {name: other, event: push.json, golden: other.golden.yaml}\n")
    assert problems(again(update=True)) == []
    assert problems(again(path="rules/core.test.yaml")) == []


def test_a_test_file_with_mistakes_makes_no_golden_stale(judge: Judge, tmp_path: Path) -> None:
    """What the file would have named is not known: only the mistake is told."""
    judge(CASE)
    again(update=True)
    (tmp_path / "rules/core.test.yaml").write_text(CASE.replace("event", "evnt"))
    assert {problem.code for problem in again().problems.found} == {"R003", "R005"}


def test_two_cases_do_not_share_a_golden(judge: Judge, tmp_path: Path) -> None:
    """An update for one would break the other, also where they are in two files."""
    judge(CASE.replace("golden: true", "golden: one.golden.yaml"))
    (tmp_path / "rules/b.test.yaml").write_text("\n- {name: b, event: push.json, golden: one.golden.yaml}\n")
    session = again(update=True)
    assert [result.name for result in session.results] == ["b"]
    (found,) = problems(session)
    assert "R050: Two cases have the golden one.golden.yaml." in found


def test_a_golden_that_is_no_text_is_a_finding(judge: Judge, tmp_path: Path) -> None:
    """Bytes that are not UTF-8 fail the case that names them, and are not overwritten."""
    judge(CASE)
    (tmp_path / FILE).write_bytes(b"\xff")
    (result,) = again(update=True).results
    assert result.findings == ("core.a-push.golden.yaml cannot be read: it is not UTF-8 text",)
    assert (tmp_path / FILE).read_bytes() == b"\xff"


def test_a_golden_is_no_rule_file(judge: Judge, tmp_path: Path) -> None:
    """What stands beside the rules as a golden is not loaded as rules, neither by tests nor by a folder's name."""
    judge(CASE)
    again(update=True)
    texts = library.rule_texts(library.on_command_line(["rules"]), Problems())
    assert [text.file for text in texts] == ["rules/core.yaml"]
