"""`router init`: what it writes is fine by every other verb."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Call  # type: ignore[import-not-found]

FILES = ["events/push.json", "router.yaml", "rules/first.test.yaml", "rules/first.yaml", "rules.schema.json"]


@pytest.fixture
def project(call: Call, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that `router init` has written, and where the process now is."""
    assert call("init", "mine").code == 0
    monkeypatch.chdir(folder / "mine")
    return folder / "mine"


def test_init_says_what_it_writes(call: Call, folder: Path) -> None:
    """Every file is named, and the next step."""
    code, out, err = call("init", "mine")
    assert (code, err) == (0, "")
    assert out.splitlines()[:-1] == [f"wrote mine/{path}" for path in FILES]
    assert sorted(str(path.relative_to("mine")) for path in Path("mine").rglob("*") if path.is_file()) == sorted(FILES)


def test_what_init_writes_is_valid(call: Call, project: Path) -> None:
    """The configuration and the rule have no problem."""
    assert call("validate") == (0, "1 file, 1 rule: no problems.\n", "")


def test_what_init_writes_tests_green(call: Call, project: Path) -> None:
    """The tests pass, with and without naming the folder."""
    expected = (
        0,
        "ok    a push to main is logged\nok    a push to another branch is not\n2 tests: 2 passed.\n",
        "",
    )
    assert call("test") == expected
    assert call("test", "rules") == expected


def test_editors_find_the_schema(project: Path) -> None:
    """The modeline of the rule file leads to the schema that was written beside it."""
    first = (project / "rules/first.yaml").read_text().splitlines()[0]
    path = first.removeprefix("# yaml-language-server: $schema=")
    assert json.loads((project / "rules" / path).read_text())["title"] == "Rules of tangled-router"


@pytest.mark.parametrize("there", FILES)
def test_init_overwrites_nothing(call: Call, folder: Path, there: str) -> None:
    """Where one of its files exists, nothing is written at all."""
    path = folder / there
    path.parent.mkdir(exist_ok=True)
    path.write_text("mine")
    code, out, err = call("init", ".")
    assert (code, out) == (2, "")
    assert f"{there} is there already" in err
    assert [found for found in folder.rglob("*") if found.is_file()] == [path]
    assert path.read_text() == "mine"
