"""Where rule files come from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from router import library
from router.core.problems import Place, Problems

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of rules, tests, configuration and what editors leave behind; also where the process is."""
    for path in (
        "router.yaml",
        "rules/b.yaml",
        "rules/a.yml",
        "rules/a.test.yaml",
        "rules/deep/c.yaml",
        "rules/deep/c.test.yml",
        "rules/.hidden.yaml",
        "rules/.git/d.yaml",
        "rules/notes.txt",
        "empty/notes.txt",
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(f"# {path}\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def texts(*paths: str) -> list[tuple[str, str]]:
    """The (name, file) of each rule file that these paths mean."""
    problems = Problems()
    found = library.rule_texts(library.on_command_line(paths), problems)
    assert problems.found == []
    return [(text.name, text.file) for text in found]


def mistakes(*paths: str) -> list[str]:
    problems = Problems()
    assert library.rule_texts(library.on_command_line(paths), problems) == []
    return [str(problem) for problem in problems.found]


def test_a_folder_means_its_rule_files_at_any_depth(folder: Path) -> None:
    """Rule files are found below a folder, sorted, named by their path; tests, hidden and other files are none."""
    assert texts("rules") == [("a", "rules/a.yml"), ("b", "rules/b.yaml"), ("deep/c", "rules/deep/c.yaml")]


def test_the_configuration_is_no_rule_file(folder: Path) -> None:
    """Checking a whole project does not take its router.yaml for rules."""
    assert texts(".") == [("rules/a", "rules/a.yml"), ("rules/b", "rules/b.yaml"), ("rules/deep/c", "rules/deep/c.yaml")]


def test_a_file_is_named_by_itself(folder: Path) -> None:
    """A single file's ruleset has the name that it has within its folder."""
    assert texts("rules/b.yaml") == [("b", "rules/b.yaml")]


def test_the_order_is_that_of_the_entries_and_nothing_is_read_twice(folder: Path) -> None:
    """Entries are read in their order; a file that two of them reach is one ruleset, under the first one's name."""
    assert texts("rules/deep", "rules/b.yaml", "rules")[:3] == [
        ("c", "rules/deep/c.yaml"),
        ("b", "rules/b.yaml"),
        ("a", "rules/a.yml"),
    ]


def test_an_entry_is_relative_to_its_base(folder: Path) -> None:
    """What router.yaml lists is relative to router.yaml, wherever the router was started."""
    problems = Problems()
    (found,) = library.rule_texts([library.Entry("deep", Place("router.yaml"), folder / "rules")], problems)
    assert (found.name, found.file, found.text) == ("c", str(folder / "rules/deep/c.yaml"), "# rules/deep/c.yaml\n")


def test_a_bundled_ruleset_is_found_and_keeps_its_folder_in_its_name() -> None:
    """`bundled:tangled` means what ships with the router; its rules cannot be taken for the operator's own."""
    names = [name for name, _ in texts("bundled:tangled")]
    assert names
    assert all(name.startswith("tangled/") for name in names)
    assert texts(f"bundled:{names[0]}") == [texts("bundled:tangled")[0]]


def test_a_folder_can_be_a_ruleset(folder: Path) -> None:
    """`rules.yaml` in a folder has the folder's name, however deep; in the folder that is listed it has its own."""
    for path in ("rules/rules.yaml", "rules/team/rules.yaml", "rules/team/ci/rules.yaml"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text("")
    assert [name for name, _ in texts("rules")] == ["a", "b", "deep/c", "rules", "team/ci", "team"]


def test_each_bundled_ruleset_is_a_folder() -> None:
    """What `bundled` names can be listed by that name, and is one rule file."""
    for name in library.bundled():
        assert texts(f"bundled:{name}") == [(name, str(library.bundled_folder() / name / "rules.yaml"))]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("ruls", "ruls:1:1: R041: There is no `ruls`. Did you mean `rules`?"),
        ("rules/notes.txt", "rules/notes.txt:1:1: R041: `rules/notes.txt` does not end in .yaml. Rule files do."),
        (
            "empty",
            (
                "empty:1:1: R041: There is no rule file in `empty`. "
                "Rule files end in .yaml; those that end in .test.yaml are tests."
            ),
        ),
        (
            "bundled:tangle",
            "bundled:tangle:1:1: R041: No ruleset named `tangle` ships with the router. Did you mean `tangled`?",
        ),
        (
            "bundled:tangled/pipelines",
            (
                "bundled:tangled/pipelines:1:1: R041: No ruleset named `tangled/pipelines` ships with the router. "
                "Did you mean `tangled/pipeline`?"
            ),
        ),
    ],
)
def test_what_is_missing_is_told_with_the_nearest_that_is_there(folder: Path, path: str, expected: str) -> None:
    """A path that leads nowhere is a problem with a hint, told where the path is written."""
    assert mistakes(path) == [expected]


@pytest.mark.parametrize("path", ["bundled:../secret", "bundled:", "bundled:/etc", "bundled:tangled/../.."])
def test_a_bundled_name_leads_nowhere_else(folder: Path, path: str) -> None:
    """`bundled:` names what ships with the router and can be no way to other files."""
    (found,) = mistakes(path)
    assert "ships with the router" in found


def test_a_file_that_is_no_text_is_told_with_its_line(folder: Path) -> None:
    """Bytes that are not UTF-8 are a problem of the line that they are in, and the other files are read."""
    (folder / "rules/b.yaml").write_bytes(b"# fine\n# \xff\n")
    problems = Problems()
    found = library.rule_texts(library.on_command_line(["rules"]), problems)
    assert [text.name for text in found] == ["a", "deep/c"]
    assert [str(problem) for problem in problems.found] == [
        "rules/b.yaml:2:1: R041: This file is not UTF-8 text. Save it as UTF-8."
    ]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("rules", ["rules/a.test.yaml", "rules/deep/c.test.yml"]),
        ("rules/a.test.yaml", ["rules/a.test.yaml"]),
        ("rules/deep/c.yaml", ["rules/deep/c.test.yml"]),
    ],
)
def test_tests_are_found_below_a_folder_or_beside_a_rule_file(folder: Path, path: str, expected: list[str]) -> None:
    """A folder means its tests at any depth, a test file itself, and a rule file the tests beside it."""
    problems = Problems()
    assert [str(file) for file in library.test_files(library.on_command_line([path]), problems)] == expected
    assert problems.found == []
