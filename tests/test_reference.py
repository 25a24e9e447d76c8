"""The page of every code, and the reference that is made of the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from router import config, library, plugins
from router.cli import pages
from router.core import rules
from router.core.analysis import analyse
from router.core.codes import CODES
from router.core.errors import BadInput
from router.core.problems import Problem, Problems
from router.ruletests import cases
from scripts import reference

_BLOCK = re.compile(r"^```yaml (wrong|right) ?(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def example(code: str, which: str) -> tuple[str, str]:
    """The kind and the text of the example in a page that is `wrong` or `right`."""
    ((kind, text),) = [(kind, text) for found, kind, text in _BLOCK.findall(pages.page(code)) if found == which]
    return kind, text


def problems_of(kind: str, text: str, folder: Path) -> list[Problem]:
    """What is found in a rule file, in a `config` or in a `test`."""
    problems = Problems()
    if kind == "config":
        (folder / "rules").mkdir()
        (folder / "rules" / "a.yaml").write_text("rules: []\n")
        file = folder / "router.yaml"
        file.write_text(text)
        try:
            library.rule_texts(config.load(file, {"BUILDKITE_TOKEN": "x"}).rules, problems)
        except BadInput as error:
            problems.found.extend(error.problems)
    elif kind == "test":
        cases.read(text, folder / "a.test.yaml", plugins.OptionModels(), problems)
    elif kind == "writable":
        file = folder / "a.yaml"
        file.write_text(text)
        file.chmod(0o666)
        library.rule_texts(library.on_command_line([str(file)]), problems)
    else:
        analyse(rules.load([rules.RuleText("page", "page.yaml", text)], plugins.OptionModels(), problems), problems)
    return problems.found


@pytest.mark.parametrize("code", sorted(CODES))
def test_the_wrong_example_is_wrong_in_this_way_only(code: str, tmp_path: Path) -> None:
    """What a page calls wrong is found, under this code and no other, at the level that the page says."""
    found = problems_of(*example(code, "wrong"), tmp_path)
    assert {problem.code for problem in found} == {code}
    assert {f"Level: {problem.level.name.lower()}." for problem in found} == {pages.page(code).splitlines()[2]}


@pytest.mark.parametrize("code", sorted(CODES))
def test_the_right_example_is_right(code: str, tmp_path: Path) -> None:
    """What a page offers instead has no problem of any level."""
    assert problems_of(*example(code, "right"), tmp_path) == []


@pytest.mark.parametrize("code", sorted(CODES))
def test_a_page_fits_a_terminal(code: str) -> None:
    """A page has its code's title, and no line that 80 columns would tear."""
    lines = pages.page(code).splitlines()
    assert lines[0] == f"# {code}: {CODES[code]}"
    assert max(map(len, lines)) <= 80


def test_every_page_has_a_code() -> None:
    """No page is left over."""
    assert sorted(path.stem for path in Path(pages.__file__).parent.parent.joinpath("pages").iterdir()) == sorted(CODES)


def test_the_reference_is_what_the_code_says() -> None:
    """`make reference` would change nothing."""
    assert {path.name: path.read_text() for path in reference.FOLDER.iterdir()} == reference.reference()


def test_every_setting_says_what_it_is() -> None:
    """No row of the settings' page ends without a sentence."""
    rows = [line for line in reference.reference()["settings.md"].splitlines() if line.startswith("| `")]
    assert rows
    assert [row for row in rows if row.endswith("|  |")] == []
