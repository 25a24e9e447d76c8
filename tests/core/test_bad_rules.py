"""A corpus of mistakes: each file in tests/rules/bad is named after its mistake; beside it is what `validate` says."""

from __future__ import annotations

import pytest

from router.core import rules
from router.core.codes import CODES
from router.core.problems import Problems
from tests.core.conftest import PROVIDERS
from tests.rules import corpus

NAMES = corpus.names()


@pytest.mark.parametrize("name", NAMES)
def test_a_mistake_is_told_exactly(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is printed of a mistake is what stands beside it: its place, a caret, a code, a sentence and what to write instead;
    `corpus.py` writes them anew."""
    monkeypatch.setenv("NO_COLOR", "1")
    assert corpus.printed(name) == (corpus.FOLDER / f"{name}.expected").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_problems_are_sentences(name: str) -> None:
    """A message and its hint are printable sentences, and the place that they name is in the file."""
    lines = (corpus.FOLDER / f"{name}.yaml").read_text(encoding="utf-8").splitlines()
    for found in corpus.problems_of(name):
        assert str(found).isprintable()
        assert found.message.endswith(".")
        assert not found.hint or found.hint[-1] in ".?}]"
        assert 1 <= found.place.line <= len(lines) + 1
        assert found.place.line > len(lines) or found.place.column <= len(lines[found.place.line - 1]) + 1


def test_every_expectation_has_its_file() -> None:
    """The corpus has no leftovers, and shows nearly every code that reading rules can find."""
    assert sorted(path.stem for path in corpus.FOLDER.glob("*.expected")) == NAMES
    shown = {found.code for name in NAMES for found in corpus.problems_of(name)}
    elsewhere = {"R040", "R041", "R042", "R043", "R050"}
    assert set(CODES) - shown == elsewhere, "those are about settings, folders and tests"


def test_one_run_tells_everything() -> None:
    """A file with several mistakes gets all of them at once, in the order of reading."""
    text = "strategy: none\nrules:\n  - {name: a, when: {brnach: x}, do: [{nte: {}}]}\n  - {name: b, timeout: 3, do: []}\n"
    problems = Problems()
    rules.load([rules.RuleText("bad", "bad.yaml", text)], PROVIDERS, problems)
    assert [(found.place.line, found.code) for found in problems.found] == [(1, "R024"), (3, "R003"), (3, "R010"), (4, "R025")]


def test_a_file_with_mistakes_leaves_the_others_alone() -> None:
    """The rules of a good file are loaded beside a bad one."""
    texts = [rules.RuleText("good", "good.yaml", "rules: [{name: a, do: []}]"), rules.RuleText("bad", "bad.yaml", "rules: 3")]
    problems = Problems()
    assert [rule.id for rule in rules.load(texts, PROVIDERS, problems).rules] == ["good/a"]
    assert len(problems.found) == 1


def test_the_same_id_in_two_files_is_told() -> None:
    """Two folders may hold a file and a rule of the same name, whose deliveries would be taken for each other's."""
    texts = [rules.RuleText("ci", f"{folder}/ci.yaml", "rules: [{name: a, do: []}]") for folder in ("x", "y")]
    problems = Problems()
    rulebook = rules.load(texts, PROVIDERS, problems)
    (found,) = problems.found
    assert str(found.place) == "y/ci.yaml:1:9"
    assert found.message == "The rule id `ci/a` is used twice."
    assert found.hint == "Ids are what deliveries are known by: change one; the other is at x/ci.yaml:1:9."
    assert [rule.place.file for rule in rulebook.rules] == ["x/ci.yaml"]
