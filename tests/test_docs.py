"""What README and docs show is true: rules validate, settings load, verbs and links exist, and the site has every page.

tests/test_blocks.py sees that no block is left out, and tests/test_sessions.py types the commands.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from router import config, plugins
from router.cli.group import VERBS
from router.core import rules
from router.core.problems import Problems
from scripts import website
from tests import blocks
from tests.blocks import PAGES, ROOT

if TYPE_CHECKING:
    from pathlib import Path


def shown(kind: str) -> list[object]:
    return [pytest.param(block.text, id=str(block)) for block in blocks.of_kind(kind)]


@pytest.mark.parametrize("text", shown("yaml rules"))
def test_rules_in_the_docs_are_rules(text: str) -> None:
    """Each rule file that a page shows has no problem of any level."""
    problems = Problems()
    book = rules.load([rules.RuleText("page", "page.yaml", text)], plugins.OptionModels(), problems)
    assert not problems.found
    assert book.rules


@pytest.mark.parametrize("text", shown("yaml config"))
def test_settings_in_the_docs_are_settings(text: str, tmp_path: Path) -> None:
    """Each router.yaml that a page shows loads."""
    file = tmp_path / "router.yaml"
    file.write_text(text)
    assert config.load(file, {}).file == file


@pytest.mark.parametrize("text", shown("yaml step"))
def test_steps_in_the_docs_are_steps(text: str) -> None:
    """Each list of steps that a page of a provider shows is one that a rule may have."""
    rule = "rules:\n  - name: page\n    when: {trigger: push, repo: '@alice.example/hello'}\n    do:\n" + "".join(
        f"      {line}\n" for line in text.splitlines()
    )
    problems = Problems()
    rules.load([rules.RuleText("page", "page.yaml", rule)], plugins.OptionModels(), problems)
    assert not problems.found


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


def nav() -> list[Any]:
    made: list[Any] = yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]
    return made


def test_the_site_has_every_page() -> None:
    """Each page of docs/ is in the navigation, once, and nothing else is."""
    listed = website.pages(website.filled(nav(), set(website.pages(nav()))))
    assert sorted(listed) == sorted(page.relative_to(website.DOCS).as_posix() for page in website.DOCS.rglob("*.md"))


def test_the_site_has_no_link_to_the_checkout() -> None:
    """Where a page links to a file beside docs/, the site names it."""
    assert website.inside("[one](../rules/a/README.md), [two](b.md#c), [three](https://x.y)", "bundled.md") == (
        "one (`rules/a`), [two](b.md#c), [three](https://x.y)"
    )


def test_lists_are_lists_on_the_site() -> None:
    """What is below an item of a numbered list stays there, and nothing else moves."""
    assert website.indented("1. one\n\n   more\n\n   ```sh\n   a\n   ```\n2. two\n\nend\n   x\n") == (
        "1. one\n\n    more\n\n    ```sh\n    a\n    ```\n2. two\n\nend\n   x\n"
    )


def test_every_how_to_is_listed() -> None:
    """And so is every provider's page."""
    for folder in ("how-to", "providers"):
        index = (website.DOCS / folder / "README.md").read_text(encoding="utf-8")
        for page in (website.DOCS / folder).glob("*.md"):
            assert page.name == "README.md" or f"]({page.name})" in index, page
