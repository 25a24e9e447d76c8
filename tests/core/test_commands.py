"""R035: arguments, code and scripts that what an event says can make into something else."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.core import rules, scripts
from router.core.problems import Problem, Problems
from tests.core.conftest import PROVIDERS


def found(**options: Any) -> list[Problem]:
    """What is said of a step with these options."""
    rule = {"name": "it", "when": {"actor": "@alice.example"}, "do": [{"shell": options}]}
    problems = Problems()
    rules.load([rules.RuleText("it", "it.yaml", json.dumps({"vars": {"x": "y"}, "rules": [rule]}))], PROVIDERS, problems)
    return [each for each in problems.found if each.code != "R036"]


def told(**options: Any) -> list[str]:
    assert {(each.code, each.level.name) for each in found(**options)} <= {("R035", "ERROR"), ("R035", "WARNING")}
    return [each.message for each in found(**options)]


@pytest.mark.parametrize(
    "program", ["{{ branch }}", "/opt/{{ repo.name }}", "{{ vars.x }}/{{ sha }}", "{% if tag %}a{% endif %}"]
)
@pytest.mark.threat("S-01")
def test_an_event_chooses_no_program(program: str) -> None:
    """The first of `argv` is what runs: nothing of it comes from an event, however firm its grammar."""
    assert told(argv=[program, "{{ branch }}"]) == ["An event chooses the program that `shell` runs."]


@pytest.mark.parametrize("program", ["make", "{{ vars.x }}", "/opt/{{ rule.name }}/run", "{# the tool #}make"])
def test_an_operator_chooses_the_program(program: str) -> None:
    """The rule and its variables are the operator's own."""
    assert told(argv=[program, "all"]) == []


def test_an_event_does_not_choose_the_whole_command() -> None:
    """One template for the whole list gives the program, too."""
    assert told(argv="{{ record.command }}") == ["An event chooses the program that `shell` runs."]


CODE = [
    (["sh", "-c", "git checkout {{ branch }}"], "sh"),
    (["/bin/bash", "-euc", "{{ branch }}"], "bash"),
    (["sh", "-e", "-c", "make {{ tag | default(branch) }}"], "sh"),
    (["env", "A=1", "dash", "-c", "{{ branch }}"], "dash"),
    (["sudo", "-u", "git", "sh", "-c", "{{ branch }}"], "sh"),
    (["timeout", "5", "nice", "python3.11", "-Ic", "print('{{ branch }}')"], "python3.11"),
    (["perl", "-ne", "{{ record.code }}"], "perl"),
    (["ruby", "-e", "puts '{{ branch }}'"], "ruby"),
    (["node", "--eval=f('{{ branch }}')"], "node"),
    (["node", "--eval", "f('{{ branch }}')"], "node"),
    (["php", "-r", "f('{{ branch }}');"], "php"),
    (["awk", "-F", ":", "/{{ branch }}/", "file"], "awk"),
    (["env", "-S", "make {{ branch }}"], "env"),
    (["xargs", "sh", "-c", "make {{ branch }}"], "sh"),
]


@pytest.mark.parametrize(("argv", "program"), CODE)
@pytest.mark.threat("S-01")
def test_code_is_written_out(argv: list[str], program: str) -> None:
    """What an interpreter runs is no template, also where `env` or `sudo` starts it."""
    assert told(argv=argv) == [f"`{program}` would run what the event says here as code."]


OPTIONS = [
    ["git", "checkout", "{{ branch }}"],
    ["git", "fetch", "origin", "{{ branch | default(tag) }}"],
    ["git", "fetch", "origin", "{{ branch }}:refs/heads/main"],
    ["make", "{{ record.target }}"],
    ["make", "{{ repo.name }}"],
    ["make", "{{ sha | default(branch) }}"],
    ["make", "{{ branch | lower }}"],
    ["make", "{{ branch ~ sha }}"],
    ["make", "--{{ branch }}"],
    ["make", "{{ sha if tag else branch }}"],
    ["make", "{% if tag %}{{ tag }}{% endif %}"],
    ["make", "{{ '-n' if tag else branch }}"],
    ["perl", "-e", "print", "{{ branch }}"],
    ["bash", "deploy.sh", "{{ branch }}"],
    ["awk", "-f", "it.awk", "{{ branch }}"],
]


@pytest.mark.parametrize("argv", OPTIONS, ids=str)
@pytest.mark.threat("S-02")
def test_an_argument_may_be_an_option(argv: list[str]) -> None:
    """A branch called `--upload-pack=…` is an option of git, if it comes as an argument of its own."""
    (message,) = told(argv=argv)
    assert message.startswith("What the event says here may begin with a hyphen, and `")


SAFE = [
    ["git", "fetch", "origin", "--", "{{ branch }}"],
    ["git", "fetch", "--ref={{ branch }}", "refs/heads/{{ branch }}", "+{{ branch }}"],
    ["git", "checkout", "{{ sha }}", "{{ old_sha | default(sha) }}", "{{ sha | short }}"],
    ["notify", "{{ repo.did }}", "{{ repo['owner'] }}", "{{ repo.clone_url }}", "{{ owner }}", "{{ actor }}", "{{ knot }}"],
    ["notify", "{{ nsid }}", "{{ delivery.id }}", "{{ rule.name }}", "{{ vars.x }}", "{{ event.time }}", "{{ event.id }}"],
    ["notify", "{{ trigger }}", "{{ status }}", "{{ operation }}", "{{ trust }}", "{{ pull }}", "{{ source }}"],
    ["notify", "{{ branch | slug }}", "{{ paths | length }}", "{{ sha ~ branch }}", "{{ sha }}-{{ branch }}"],
    ["notify", "{{ 'a' if tag else 'b' }}"],
    ["sh", "-c", 'make "$1"', "sh", "{{ branch }}"],
    ["python3", "-c", "import sys", "{{ branch }}"],
    ["sh", "-c", "git checkout {{ sha }}"],
    ["/usr/bin/printf", "%s\n", "{{ branch }}"],
    ["echo", "{{ branch }}"],
    ["awk", "-v", "b={{ branch }}", "{print b}"],
    ["sh", "run.sh", "-c", "branch={{ branch }}"],
    ["grep", "sh", "-c", "branch={{ branch }}"],
    ["env", "BRANCH={{ branch }}", "make"],
]


@pytest.mark.parametrize("argv", SAFE, ids=str)
@pytest.mark.threat("S-02")
def test_what_cannot_be_an_option_is_not_told(argv: list[str]) -> None:
    """A sha, a DID and a host begin with no hyphen; nor does what stands behind text, or behind `--`."""
    assert told(argv=argv) == []


def test_each_argument_has_its_place() -> None:
    """Two arguments that may be options are two problems, each where it stands."""
    step = 'shell: {argv: [make, "{{ branch }}", x, "{{ tag }}"]}'
    text = f"rules:\n  - name: it\n    when: {{actor: did:plc:alicealicealicealicealic}}\n    do:\n      - {step}\n"
    problems = Problems()
    rules.load([rules.RuleText("it", "it.yaml", text)], PROVIDERS, problems)
    assert [(each.code, each.place.line, each.place.column) for each in problems.found] == [("R035", 5, 30), ("R035", 5, 49)]


def test_a_template_that_does_not_compile_is_told_once() -> None:
    """What is wrong with a template is not told again as a command."""
    assert [each.code for each in found(argv=["make", "{{ branch", "{{ tag }}"])] == ["R012"]


# -- scripts

ENV = {"BRANCH": "{{ branch }}", "SHA": "{{ sha }}", "FIXED": "a b", "NAME": "x-{{ repo.name }}"}
SPLIT = [
    "git checkout $BRANCH",
    "git checkout ${BRANCH}",
    'echo "$BRANCH" $NAME',
    "[ $BRANCH = main ]",
    "if test -n $BRANCH; then make; fi",
    'x=$(git rev-parse $BRANCH); echo "$x"',
    'echo "$(git rev-parse $BRANCH)"',
    "make \\\n  $BRANCH",
    "(cd x && make $BRANCH)",
    "make x >out $BRANCH",
    "# $BRANCH is one's own\nmake $BRANCH",
    "make ${BRANCH%/*}",
    "make a#$BRANCH",
    "X=1 make 2>&1 $BRANCH",
    "make X=$BRANCH",
]
RUNS = [
    'eval "make $BRANCH"',
    "eval make $BRANCH",
    'sh -c "$BRANCH"',
    'sh -c \\\n "$BRANCH"',
    'bash -ec "git checkout $BRANCH"',
    'sudo -u git sh -c "make $BRANCH"',
    '"$BRANCH" now',
    "$BRANCH",
    "/opt/$BRANCH/run",
    'if true; then eval "$BRANCH"; fi',
    "python3 -c \"print('$BRANCH')\"",
    'echo "$(eval "$BRANCH")"',
]
QUIET = [
    'git checkout "$BRANCH" "${NAME}" "refs/heads/$BRANCH"',
    "git checkout $SHA",
    "make $FIXED",
    "make $OTHER $1 $@ $?",
    "echo '$BRANCH' \\$BRANCH",
    "x=$BRANCH make",
    "export X=$BRANCH",
    "# make $BRANCH",
    "make # $BRANCH",
    "for each in $BRANCH; do make; done",
    "set -- $BRANCH; make",
    "set -f; make $BRANCH",
    "IFS=,; make $BRANCH",
    "cat <<END\n$BRANCH\nEND\n",
    "case $BRANCH in main) make;; esac",
    "echo `make $BRANCH`",
    "echo $((BRANCH + 1)) $BRANCH",
    'BRANCH=$(echo "$BRANCH" | tr -cd a-z)\nmake $BRANCH',
    "read -r BRANCH; make $BRANCH",
    "make >$BRANCH",
    "make >> $BRANCH",
    "make ${BRANCH:+-b}",
    "sh -c 'make \"$BRANCH\"'",
    'sh -c \'make "$1"\' sh "$BRANCH"',
    'eval "$SHA"',
    'make "$BRANCH',
    "make $(echo $BRANCH",
    "make ${BRANCH:-$(date)} $BRANCH",
    "make $BRANCHES",
    "$(" * 10_000 + " $BRANCH",
]


@pytest.mark.parametrize("script", SPLIT)
def test_a_variable_that_is_not_quoted_is_told(script: str) -> None:
    """A branch called `* --force` is three arguments, if nobody quotes it."""
    (problem,) = found(script=script, env=ENV)
    name = "NAME" if "$NAME" in script else "BRANCH"
    assert problem.message == f"The shell splits ${name} at its blanks, and takes its stars for files: it is not quoted."
    assert (problem.hint, problem.level.name) == (f'Write "${name}".', "WARNING")


@pytest.mark.parametrize("script", RUNS)
@pytest.mark.threat("S-01")
def test_a_variable_that_is_run_is_an_error(script: str) -> None:
    """Quoted or not: what `eval`, an interpreter or a command's place runs is what the event says."""
    (problem,) = found(script=script, env=ENV)
    assert problem.message == "The script runs what the event says: $BRANCH is a command here, or a part of one."
    assert problem.level.name == "ERROR"


@pytest.mark.parametrize("script", QUIET, ids=lambda script: script[:40])
def test_what_is_quoted_or_not_sure_is_not_told(script: str) -> None:
    """Where there is nothing to split, where it is meant, and where the script is too clever to say, nothing is told."""
    assert told(script=script, env=ENV) == []


def test_a_script_without_variables_of_events_is_not_looked_at() -> None:
    """Variables that the rule writes out are its author's."""
    assert told(script="make $BRANCH", env={"BRANCH": "main"}) == []
    assert told(script="make $BRANCH") == []


def test_the_line_of_a_script_is_told() -> None:
    """In a block of text, a problem stands in the line that it is about."""
    text = (
        "rules:\n  - name: it\n    when: {actor: did:plc:alicealicealicealicealic}\n    do:\n      - shell:\n"
        '          script: |\n            make\n            make $BRANCH\n          env: {BRANCH: "{{ branch }}"}\n'
    )
    problems = Problems()
    rules.load([rules.RuleText("it", "it.yaml", text)], PROVIDERS, problems)
    assert [(each.code, each.place.line) for each in problems.found] == [("R035", 8)]


#: A `$(…)` stands in quotes: what it prints is split, else, and is no variable.
PIECES = [
    "$B",
    '"$B"',
    "'$B'",
    "\\$B",
    "${B}",
    '"x$B y"',
    "x",
    " ",
    " ",
    ";",
    "\n",
    "#",
    '"$(printf %s ',
    ')"',
    '"',
    "'",
    "A=",
    "\\",
]
SCRIPTS = st.lists(st.sampled_from(PIECES), max_size=8).map(lambda pieces: "printf '<%s>' " + "".join(pieces))


@settings(max_examples=150, deadline=None)
@given(SCRIPTS)
def test_no_other_variable_is_split_by_a_real_shell(script: str) -> None:
    """Of whatever simple script a shell accepts, it splits no variable that is not told."""
    outputs = [
        subprocess.run(["/bin/sh", "-c", script], env={"B": value}, capture_output=True, check=False)
        for value in ("p  q", "pq")
    ]
    if any(done.returncode for done in outputs) or scripts.uses(script, frozenset(("B",))):
        return
    spaced, plain = (done.stdout for done in outputs)
    assert spaced.replace(b"p  q", b"pq") == plain
