"""`router` itself: help, mistakes in usage, exit codes, and what is not imported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from router.cli import group

if TYPE_CHECKING:
    from conftest import Call  # type: ignore[import-not-found]

#: What a verb that only reads text has no use for.
HEAVY = {
    *("aiohttp", "apscheduler", "asyncio", "jinja2", "providers.log", "pydantic", "rich", "rich_click", "sqlite3"),
    *("sqlite_utils", "ssl", "structlog"),
}


def python(script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )


def test_help_fits_a_terminal(call: Call) -> None:
    """Every verb is listed with what it does, within 80 columns; what it looks like is in the transcripts."""
    done = call("--help")
    assert (done.code, done.err) == (0, "")
    assert max(map(len, done.out.splitlines())) <= 80
    words = " ".join(done.out.split())
    assert [verb for verb, (_, said) in group.VERBS.items() if f"{verb} {said}" not in words] == []


@pytest.mark.parametrize("verb", group.VERBS)
def test_every_verb_of_the_table_is_there_and_says_what_it_does(call: Call, verb: str) -> None:
    """A verb of the table can be imported and explains itself."""
    code, out, err = call(verb, "--help")
    assert (code, err) == (0, "")
    assert out.startswith(f"Usage: router {verb} ")
    assert all(len(line) <= 80 for line in out.splitlines())


@pytest.mark.parametrize(
    "verb", ["deliveries list", "deliveries show", "deliveries retry", "deliveries discard", "events show"]
)
def test_verbs_below_a_verb_explain_themselves(call: Call, verb: str) -> None:
    """The second table leads somewhere too."""
    code, out, _ = call(*verb.split(), "--help")
    assert (code, out.splitlines()[0].startswith(f"Usage: router {verb} ")) == (0, True)


def test_a_misspelt_verb_is_told_the_nearest(call: Call) -> None:
    """Usage errors exit with 2, on stderr."""
    code, out, err = call("validat")
    assert (code, out) == (2, "")
    assert err.endswith("Error: There is no verb `validat`. Did you mean `validate`?\n")


def test_an_unknown_option_is_a_usage_error(call: Call) -> None:
    """An option that a verb does not have exits with 2."""
    code, _, err = call("version", "--verbose")
    assert code == 2
    assert "No such option" in err


def test_version(call: Call) -> None:
    """Both spellings print the version."""
    assert call("version").out.startswith("tangled-router 0.")
    assert call("--version").out == call("version").out.partition(" (")[0] + "\n"
    assert set(json.loads(call("version", "--output", "json").out)) == {"router", "python"}


def test_validate_imports_nothing_heavy(folder: Path) -> None:
    """An editor calls `router validate` at each save: it must not pay for networks, stores and colours."""
    (folder / "a.yaml").write_text(
        """rules: [{name: a, when: {branch: main}, do: [{log: {message: "{{ sha | short }}"}}]}]\n"""
    )
    validate = "import sys; from router.cli import main; code = main(['validate', 'a.yaml'])"
    done = python(f"{validate}; print(*({HEAVY!r} & sys.modules.keys())); sys.exit(code)")
    assert (done.returncode, done.stdout, done.stderr) == (0, "1 file, 1 rule: no problems.\n\n", "")


@pytest.mark.parametrize(("term", "coloured"), [({"TERM": "xterm"}, True), ({"TERM": "xterm", "NO_COLOR": "1"}, False)])
def test_help_has_colours_on_a_terminal_that_wants_them(term: dict[str, str], coloured: bool) -> None:  # noqa: FBT001
    """Help is drawn with colours for a person at a terminal, and plain where NO_COLOR is set."""
    pty = "import pty, sys; sys.exit(pty.spawn([sys.executable, '-c', 'from router.cli import main; main([\"--help\"])']) >> 8)"
    clean = {"NO_COLOR": "", "COLUMNS": "80"}
    done = python(pty, **{**clean, **term})
    assert done.returncode == 0, done.stderr
    assert "validate" in done.stdout
    assert ("\x1b[" in done.stdout) is coloured


def test_who_stops_reading_gets_no_complaint(folder: Path) -> None:
    """`router schema | head -1` ends in silence."""
    script = "import sys; from router.cli import main; sys.exit(main(['schema']))"
    command = f'{sys.executable} -c "{script}" | head -1'
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "{\n", "")
