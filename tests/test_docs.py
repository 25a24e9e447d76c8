"""What README and docs show is true: rules validate, settings load, tests pass, verbs and links exist."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from router import config, plugins
from router.cli import main
from router.cli.group import VERBS
from router.core import rules
from router.core.problems import Problems

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
FOLDERS = ("docs", "examples", "rules", "contrib")
PAGES = sorted(
    [ROOT / "README.md", ROOT / "CHANGELOG.md", *(page for folder in FOLDERS for page in (ROOT / folder).rglob("*.md"))]
)
_BLOCK = re.compile(r"^```yaml ?(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(kind: str) -> list[object]:
    return [
        pytest.param(text, id=f"{page.relative_to(ROOT)}:{number}")
        for page in PAGES
        for number, (found, text) in enumerate(_BLOCK.findall(page.read_text(encoding="utf-8")))
        if found == kind
    ]


@pytest.mark.parametrize("text", blocks("rules"))
def test_rules_in_the_docs_are_rules(text: str) -> None:
    """Each rule file that a page shows has no problem of any level."""
    problems = Problems()
    book = rules.load([rules.RuleText("page", "page.yaml", text)], plugins.OptionModels(), problems)
    assert not problems.found
    assert book.rules


@pytest.mark.parametrize("text", blocks("config"))
def test_settings_in_the_docs_are_settings(text: str, tmp_path: Path) -> None:
    """Each router.yaml that a page shows loads."""
    file = tmp_path / "router.yaml"
    file.write_text(text)
    assert config.load(file, {}).file == file


@pytest.mark.parametrize("text", blocks("step"))
def test_steps_in_the_docs_are_steps(text: str) -> None:
    """Each list of steps that a page of a provider shows is one that a rule may have."""
    rule = "rules:\n  - name: page\n    when: {trigger: push, repo: '@alice.example/hello'}\n    do:\n" + "".join(
        f"      {line}\n" for line in text.splitlines()
    )
    problems = Problems()
    rules.load([rules.RuleText("page", "page.yaml", rule)], plugins.OptionModels(), problems)
    assert not problems.found


@pytest.fixture
def shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The first example, with the rule and the test as the README prints them."""
    shutil.copytree(ROOT / "examples" / "first-build", tmp_path / "example")
    rule, test = [text for found, text in _BLOCK.findall((ROOT / "README.md").read_text()) if not found][:2]
    rules_folder = tmp_path / "example" / "rules"
    (rules_folder / "build.yaml").write_text(rule)
    (rules_folder / "build.test.yaml").write_text(test)
    monkeypatch.chdir(tmp_path / "example")
    monkeypatch.setenv("NO_COLOR", "1")
    return rules_folder


def test_the_readme_shows_what_is_printed(shown: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every command that the README shows with its output prints exactly that."""
    good, bad = re.findall(r"^```console\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    assert "".join(printed(good, capsys)) == good
    rule = shown / "build.yaml"
    rule.write_text(rule.read_text().replace("when: {branch:", "when: {brnch:"))
    assert "".join(printed(bad, capsys)) == bad


def printed(session: str, capsys: pytest.CaptureFixture[str]) -> Iterator[str]:
    """The session, with what its commands print now."""
    for line in session.splitlines():
        if line.startswith("$ router "):
            main(line.removeprefix("$ router ").split())
            yield f"{line}\n{capsys.readouterr().out}"


def test_the_readme_lists_every_verb() -> None:
    """A verb that is not in the README's table does not exist for a newcomer, and one that is must exist."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `router (\w+)", readme, re.MULTILINE)) == set(VERBS)


def test_make_has_the_targets_that_pages_name() -> None:
    """`make x` in a page is a target of the Makefile."""
    makefile = (ROOT / "Makefile").read_text()
    for page in PAGES:
        for target in re.findall(r"\bmake ([a-z]+)\b", re.sub(r"make (a|an|of|it|sure)\b", "", page.read_text())):
            if f"`make {target}" in page.read_text() or f"\nmake {target}" in page.read_text():
                assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"{page}: make {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    """Every relative link of a page is a file or a folder."""
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page}: {target}"
