"""`router validate`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from router.cli import progress, show
from router.core.codes import CODES
from router.core.problems import Level, Place, Problem

if TYPE_CHECKING:
    from conftest import Call  # type: ignore[import-not-found]

#: As published; out of the npm package @microsoft/jest-sarif (MIT).
SARIF_SCHEMA = Path(__file__).parent / "sarif-2.1.0-rtm.5.json"

GOOD = "rules: [{name: a, when: {branch: main}, do: [{log: {message: hi}}]}]\n"
BAD = """\
strategy: first
rules:
  - name: build
    when: {branchs: main}
    do:
      - lgo: {message: hi}
"""


#: One rule file for each level of what is found at worst.
FOUND = {
    "none": GOOD,
    "note": """\
strategy: first
rules:
  - {name: a, when: {branch: "release/*"}, do: [{log: {message: a}}]}
  - {name: b, when: {branch: "*/final"}, do: [{log: {message: b}}]}
""",
    "warning": "rules: [{name: a, when: {branch: main, tag: v1}, do: []}]\n",
    "error": BAD,
}


def on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on stdout and stderr are a terminal of 80 columns, with colours."""
    for stream in (sys.stdout, sys.stderr):
        monkeypatch.setattr(stream, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")


def test_problems_are_shown_where_they_are(call: Call, folder: Path) -> None:
    """Each problem has its place, a code, the line with a caret, and a hint; the counts come last. Findings exit with 1."""
    (folder / "rules").mkdir()
    (folder / "rules/bad.yaml").write_text(BAD)
    (folder / "rules/good.yaml").write_text(GOOD)
    assert call("validate", "rules") == (
        1,
        """\
rules/bad.yaml:4:12: error R003: `branchs` is not a field of events.
  4 |     when: {branchs: main}
    |            ^^^^^^^
    = Did you mean `branch`?
rules/bad.yaml:6:9: error R010: There is no provider `lgo`.
  6 |       - lgo: {message: hi}
    |         ^^^
    = Did you mean `log`?
2 files, 1 rule: 2 errors.
""",
        "",
    )


def test_good_rules_are_fine(call: Call, folder: Path) -> None:
    """No findings exit with 0 and say what was looked at."""
    (folder / "good.yaml").write_text(GOOD)
    assert call("validate", "good.yaml") == (0, "1 file, 1 rule: no problems.\n", "")


def test_problems_as_json(call: Call, folder: Path) -> None:
    """Programs get the same problems with every part on its own."""
    (folder / "bad.yaml").write_text(BAD)
    code, out, _ = call("validate", "bad.yaml", "--output", "json")
    found = json.loads(out)
    assert (code, found["files"], found["rules"]) == (1, 1, 0)
    assert found["problems"][0] == {
        "code": "R003",
        "level": "error",
        "message": "`branchs` is not a field of events.",
        "hint": "Did you mean `branch`?",
        "file": "bad.yaml",
        "line": 4,
        "column": 12,
        "width": 7,
        "path": "rules[0].when.branchs",
    }


def test_without_a_path_the_configuration_and_its_rules_are_checked(call: Call, folder: Path) -> None:
    """`router validate` in a project checks everything that `router run` would read."""
    (folder / "router.yaml").write_text("lgo: {level: info}\nrules: [./mine.yaml]\n")
    (folder / "mine.yaml").write_text(BAD)
    code, out, _ = call("validate")
    assert code == 1
    assert "router.yaml:1:1: error R003: `lgo` is not a key of router.yaml." in out


def test_rules_that_the_configuration_lists_must_be_there(call: Call, folder: Path) -> None:
    """A path that leads nowhere is told where router.yaml lists it."""
    (folder / "router.yaml").write_text("rules:\n  - ./ruls\n")
    code, out, _ = call("validate")
    assert code == 1
    assert out.startswith("router.yaml:2:5: error R041: There is no `ruls`.\n  2 |   - ./ruls\n")


def test_a_provider_without_the_settings_that_it_needs_is_told(call: Call, folder: Path) -> None:
    """Rules and configuration are checked together: a build without a token would never be made."""
    (folder / "router.yaml").write_text("rules: [./mine.yaml]\n")
    build = "{pipeline: p, commit: abc, branch: main}"
    (folder / "mine.yaml").write_text(f"rules: [{{name: a, when: {{trigger: push}}, do: [{{buildkite: {build}}}]}}]\n")
    code, out, _ = call("validate")
    assert code == 1
    assert "The provider `buildkite` is used by a rule and needs settings" in out


def test_a_path_that_is_not_there_is_a_finding(call: Call) -> None:
    """What was asked for cannot be checked, so nothing is said to be fine."""
    code, out, _ = call("validate", "nowhere")
    assert code == 1
    assert "nowhere:1:1: error R041: There is no `nowhere`." in out


def test_a_line_cannot_move_the_terminal(call: Call, folder: Path) -> None:
    """Control characters of a checked file are shown as replacement characters, in place."""
    (folder / "bad.yaml").write_text('rules:\n  - name: "a\u202e"\n    when: {branchs: "\u202ex"}\n    do: []\n')
    out = call("validate", "bad.yaml").out
    assert "\u202e" not in out
    assert '  3 |     when: {branchs: "\ufffdx"}\n    |            ^^^^^^^\n' in out


def test_a_long_line_is_cut_around_the_place(call: Call, folder: Path) -> None:
    """A rule on one long line is shown where the problem is."""
    (folder / "bad.yaml").write_text(f"rules: [{{name: a, description: {'x' * 300}, when: {{branchs: main}}, do: []}}]\n")
    line, caret = call("validate", "bad.yaml").out.splitlines()[1:3]
    assert len(line) <= 110
    assert line[caret.index("^") : caret.rindex("^") + 1] == "branchs"


def test_a_secret_that_was_written_out_is_not_repeated(call: Call, folder: Path) -> None:
    """The mistake is told with its place and what to write, without the line that holds the secret."""
    (folder / "router.yaml").write_text("providers:\n  buildkite: {token: bkua_canary_in_clear}\n")
    code, out, err = call("validate")
    assert code != 0
    assert "router.yaml:2:22: error R042" in out + err
    assert "{env: NAME} or {file: /path}" in out + err
    assert "canary" not in out + err


@pytest.mark.parametrize("least", ["note", "warning", "error"])
@pytest.mark.parametrize("worst", FOUND)
def test_findings_fail_from_a_level_on(call: Call, folder: Path, worst: str, least: str) -> None:
    """--fail-level says what exits with 1, and the summary why, where that is not plain."""
    (folder / "a.yaml").write_text(FOUND[worst])
    levels = ["none", "note", "warning", "error"]
    fails = worst != "none" and levels.index(worst) >= levels.index(least)
    code, out, _ = call("validate", "a.yaml", "--fail-level", least)
    assert code == (1 if fails else 0)
    said = {"none": "no problems.", "error": "2 errors."}
    why = f"1 {worst} ({'fails' if fails else 'fine'}: --fail-level {least})."
    assert out.splitlines()[-1].endswith(f" {said.get(worst, why)}")


def test_notes_alone_are_fine_unless_asked(call: Call, folder: Path) -> None:
    """Warnings fail where nothing else is said, and notes do not."""
    for name in ("note", "warning"):
        (folder / f"{name}.yaml").write_text(FOUND[name])
    assert call("validate", "note.yaml").code == 0
    assert call("validate", "warning.yaml").code == 1
    assert call("validate", "note.yaml", "warning.yaml").out.endswith(": 1 warning, 1 note (fails: --fail-level warning).\n")


def test_problems_for_github(call: Call, folder: Path) -> None:
    """Each problem is one command, with the file as it is from here, and its place as GitHub counts."""
    (folder / "bad.yaml").write_text(BAD)
    (folder / "note.yaml").write_text(FOUND["note"])
    code, out, err = call("validate", str(folder / "bad.yaml"), "note.yaml", "--output", "github")
    first, second, third = out.splitlines()
    assert (code, err) == (1, "")
    assert first == (
        "::error file=bad.yaml,line=4,col=12,endLine=4,endColumn=19,title=R003"
        "::`branchs` is not a field of events.%0ADid you mean `branch`?"
    )
    assert second.startswith("::error file=bad.yaml,line=6,col=9,endLine=6,endColumn=12,title=R010::There is no provider")
    assert third.startswith("::notice file=note.yaml,line=4,")


def test_what_github_reads_as_a_command_is_escaped() -> None:
    """A file's name cannot add properties, and what a rule says cannot begin another command."""
    from router.cli import github  # noqa: PLC0415 - as the verb does

    found = Problem("R003", Place("a,line=1:50%\n.yaml", 2, 3, 4), "100%\r::error::x\u202e", "b", Level.WARNING)
    assert github.command(found) == (
        "::warning file=a%2Cline=1%3A50%25%0A.yaml,line=2,col=3,endLine=2,endColumn=7,title=R003"
        "::100%25\ufffd::error::x\ufffd%0Ab"
    )


def sarif(call: Call, *args: str) -> Any:
    log = json.loads(call("validate", *args, "--output", "sarif").out)
    jsonschema.validate(log, json.loads(SARIF_SCHEMA.read_text()))
    (run,) = log["runs"]
    return run


def test_problems_as_sarif(call: Call, folder: Path) -> None:
    """A code scanner gets a log of the published schema: what was found, where, and the page of each code."""
    (folder / "rules").mkdir()
    (folder / "rules/b d.yaml").write_text(BAD)
    (folder / "rules/c.yaml").write_text(BAD)
    (folder / "note.yaml").write_text(FOUND["note"])
    run = sarif(call, "rules", "note.yaml")
    driver = run["tool"]["driver"]
    assert [rule["id"] for rule in driver["rules"]] == ["R003", "R010", "R062"]
    assert [result["level"] for result in run["results"]] == ["note", *["error"] * 4]
    assert all(driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"] for result in run["results"])
    assert driver["rules"][0]["help"]["markdown"].startswith("# R003: unknown key\n")
    assert run["columnKind"] == "unicodeCodePoints"
    assert run["results"][1] == {
        "ruleId": "R003",
        "ruleIndex": 0,
        "level": "error",
        "message": {"text": "`branchs` is not a field of events. Did you mean `branch`?"},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": "rules/b%20d.yaml", "uriBaseId": "%SRCROOT%"},
                    "region": {"startLine": 4, "startColumn": 12, "endColumn": 19},
                },
                "logicalLocations": [{"fullyQualifiedName": "rules[0].when.branchs"}],
            }
        ],
    }


def test_no_problems_as_sarif(call: Call, folder: Path) -> None:
    """An empty log is a log, and clears what an earlier one told."""
    (folder / "good.yaml").write_text(GOOD)
    assert sarif(call, "good.yaml")["results"] == []


def test_a_file_elsewhere_is_named_in_full(call: Call, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not below the working directory has no name relative to it."""
    (folder / "bad.yaml").write_text(BAD)
    (folder / "here").mkdir()
    monkeypatch.chdir(folder / "here")
    (found, *_) = sarif(call, "../bad.yaml")["results"]
    assert found["locations"][0]["physicalLocation"]["artifactLocation"] == {"uri": (folder / "bad.yaml").as_uri()}


@pytest.mark.parametrize("output", ["human", "json", "github", "sarif"])
def test_no_output_repeats_a_secret(call: Call, folder: Path, output: str) -> None:
    """However problems are told, the line of a secret that was written out is not among it."""
    (folder / "router.yaml").write_text("providers:\n  buildkite: {token: bkua_canary_in_clear}\n")
    code, out, err = call("validate", "--output", output)
    assert code == 1
    assert "R042" in out
    assert "canary" not in out + err


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_code_explains_itself(call: Call, code: str) -> None:
    """--explain prints the page, with its examples indented, whatever the case of the code."""
    done = call("validate", "--explain", code.lower())
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"{code}: {CODES[code]}\n")
    assert "```" not in done.out
    assert max(map(len, done.out.splitlines())) <= 80


def test_an_unknown_code_is_told_the_nearest(call: Call) -> None:
    """A slip in a code is a mistake of usage."""
    assert call("validate", "--explain", "R0012") == (2, "", "router: There is no code `R0012`. Did you mean `R012`?\n")


def test_a_terminal_tears_nothing(call: Call, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sentences are broken between words at the terminal's width, long lines shown in part; a pipe gets the same, unbroken."""
    on_a_terminal(monkeypatch)
    monkeypatch.setenv("NO_COLOR", "1")
    bad = f"rules: [{{name: a, description: {'x' * 90}, when: {{branch: {{starts_with: 'x'}}}}, do: []}}] # {'y' * 90}\n"
    (folder / "bad.yaml").write_text(bad)
    shown = call("validate", "bad.yaml").out.splitlines()
    with monkeypatch.context() as pipe:
        pipe.setattr(sys.stdout, "isatty", lambda: False)
        whole = call("validate", "bad.yaml").out.splitlines()
    assert max(map(len, shown)) <= 80 < max(map(len, whole))
    assert shown[0].startswith("bad.yaml:1:140: error R003: ")
    assert " ".join(" ".join(shown[3:-1]).split()) == whole[3].strip()
    assert all(line.startswith("      ") for line in shown[4:-1])
    assert shown[1][shown[2].index("^") : shown[2].rindex("^") + 1] == "starts_with"


def test_no_word_is_torn(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A name with hyphens, or one that is longer than a line, can be copied from the terminal."""
    on_a_terminal(monkeypatch)
    name = "a-name-with-hyphens-" * 3
    show.sentence(f"There is no file {name}, but there is {name * 2}.", "here: ")
    assert capsys.readouterr().out == f"here: There is no file\n    {name}, but there is\n    {name * 2}.\n"


@pytest.mark.parametrize("text", ["\u6f22\u5b57", "e\u0301e\u0301", "plain"])
def test_the_caret_stands_below_the_place(call: Call, folder: Path, text: str) -> None:
    """Wide and combining characters before the place move the caret as they move the line."""
    (folder / "bad.yaml").write_text(f"rules: [{{name: a, description: {text}, when: {{branchs: main}}, do: []}}]\n")
    _, line, caret, *_ = call("validate", "bad.yaml").out.splitlines()
    cells = {"\u6f22\u5b57": 4, "e\u0301e\u0301": 2, "plain": 5}[text]
    assert caret.index("^") == line.index("branchs") + cells - len(text)


@pytest.mark.parametrize(
    ("variables", "coloured"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False), ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False)],
)
def test_colours_are_for_terminals_that_want_them(
    call: Call,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    coloured: bool,  # noqa: FBT001 - a table's column
) -> None:
    """NO_COLOR and a dumb terminal are heard; each level has its colour."""
    on_a_terminal(monkeypatch)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    (folder / "bad.yaml").write_text(BAD)
    assert ("\x1b[31mbad.yaml:4:12: error R003:" in call("validate", "bad.yaml").out) is coloured


def test_colours_can_be_forced(call: Call, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A CI whose log shows colours gets them through its pipe."""
    (folder / "bad.yaml").write_text(BAD)
    assert "\x1b" not in call("validate", "bad.yaml").out
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[31m" in call("validate", "bad.yaml").out


def test_who_waits_sees_a_bar(call: Call, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading and comparing many rules is shown on stderr, and nothing of it is on stdout."""
    on_a_terminal(monkeypatch)
    monkeypatch.setattr(progress, "PATIENCE", -1)
    (folder / "good.yaml").write_text(GOOD)
    code, out, err = call("validate", "good.yaml")
    assert code == 0
    assert "reading rules" in err
    assert "comparing rules" in err
    assert "reading" not in out
