"""What people see of each verb, in a terminal of 80 columns, with and without colour."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from router.cli.group import VERBS
from tests.transcripts.terminal import COLOURED, FOLDER, PLAIN, played, transcripts

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("ending", [PLAIN, COLOURED])
@pytest.mark.parametrize("name", transcripts())
def test_the_terminal_shows_what_it_showed(name: str, ending: str, tmp_path: Path) -> None:
    """Every transcript is played again, and nothing has changed; `terminal.py` writes them anew."""
    kept = (FOLDER / f"{name}{ending}").read_text(encoding="utf-8")
    assert played(name, tmp_path / "here", coloured=ending == COLOURED) == kept


def test_every_verb_has_a_transcript() -> None:
    """No verb is left out."""
    typed = "".join((FOLDER / f"{name}{PLAIN}").read_text(encoding="utf-8") for name in transcripts())
    used = set(re.findall(r"^\$ router (\w+)", typed, re.MULTILINE))
    assert set(VERBS) <= used


def test_without_colour_there_is_none() -> None:
    """NO_COLOR is heard: no transcript without colour has a control character, and those with colour have some."""
    assert not [name for name in transcripts() if "␛" in (FOLDER / f"{name}{PLAIN}").read_text(encoding="utf-8")]
    assert [name for name in transcripts() if "␛" in (FOLDER / f"{name}{COLOURED}").read_text(encoding="utf-8")]
