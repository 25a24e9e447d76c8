"""No fenced block of any page goes untried: each has a kind, and each kind a test. What cannot run here says why."""

from __future__ import annotations

import ast
import json
import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from router import plugins
from router.cli.group import root
from router.core import envelope, workflows
from router.core.problems import Problems
from router.ruletests import cases
from tests import blocks
from tests.blocks import ROOT, Block

#: Each kind of block, and what tries it.
TRIED = {
    "yaml rules": "test_docs.py: the file loads without a problem",
    "yaml config": "test_docs.py: the file loads as router.yaml",
    "yaml step": "test_docs.py: a rule may have the step",
    "yaml cases": "here: the file has no mistakes; test_sessions.py runs it",
    "yaml workflow": "here: the file asks for something, and has no fault",
    "yaml pre-commit": "here: the hooks are those that there are",
    "yaml github": "here: the action takes these inputs",
    "yaml buildkite": "here: the plugin takes these properties",
    "yaml prometheus": "here: promtool takes it",
    "yaml alertmanager": "here: it is YAML, and the labels are those of the alerts",
    "yaml wrong": "test_reference.py",
    "yaml right": "test_reference.py",
    "console": "test_sessions.py: what is printed is what is shown",
    "sh": "test_sessions.py: it runs",
    "toml": "here: it is TOML",
    "python": "here: it compiles; test_write_a_provider.py: it delivers",
    "json": "here: it is JSON of an event",
    "text": "a drawing, or lines of a log: nobody types it",
    "caddy": "a proxy's own language, of which there is no program here",
}
#: What commands ask for that a test does not have. Their syntax and their options are tried all the same.
NOT_RUN = {
    "make": "these are what runs the tests; test_docs.py sees that the targets are there",
    "pip": "installs into the environment that the tests run in; test_packaging.py installs the wheel",
    "apt": "installs packages of the machine",
    "systemd": "starts services of the machine; test_contrib.py verifies the unit",
    "containers": "needs a container runtime; test_contrib.py checks the files",
    "kubernetes": "needs a cluster; test_contrib.py validates the manifests",
    "network": "asks servers of the internet",
    "runs on": "runs until it is stopped; the e2e tests run it",
    "running router": "asks a running router, about events that it heard; tests/web and tests/cli do",
    "stranger": "needs a spindle with members and forks; tests/spindle/test_approve.py does exactly this",
}


def param(block: Block) -> object:
    return pytest.param(block, id=str(block))


def kind_of(block: Block) -> str:
    """The kind by which a block is tried: pages of codes have one word more."""
    words = block.kind.split()
    return " ".join(words[:2]) if words[:1] == ["yaml"] else block.kind


def test_every_block_is_of_a_kind() -> None:
    """Nothing is shown that nothing tries, and nothing is listed that is not shown."""
    assert [str(block) for block in blocks.ALL if kind_of(block) not in TRIED] == []
    fences = sum(len(re.findall(r"^ *```", page.read_text(), re.MULTILINE)) for page in blocks.PAGES)
    assert fences == 2 * len(blocks.ALL)


def test_what_does_not_run_says_why() -> None:
    """By a word of the list, and only what could run says it."""
    for block in blocks.ALL:
        for what, value in block.asked:
            if what == "not run":
                assert value in NOT_RUN, str(block)
                assert block.kind in ("sh", "console"), str(block)
    assert {block.said("not run") for block in blocks.ALL} - {""} <= set(NOT_RUN)


def test_text_is_not_a_hiding_place() -> None:
    """A block of text holds no commands."""
    typed = re.compile(r"^(\$ |router |make |pip |sudo |curl )", re.MULTILINE)
    assert [str(block) for block in blocks.of_kind("text") if typed.search(block.text)] == []


def commands(block: Block) -> list[str]:
    """What is typed, without what is printed."""
    if block.kind == "sh":
        return [line for line in block.text.replace("\\\n", "").splitlines() if line]
    return [line.removeprefix("$ ") for line in block.text.replace("\\\n", "").splitlines() if line.startswith("$ ")]


@pytest.mark.parametrize("block", [param(block) for block in blocks.of_kind("sh", "console")])
def test_commands_are_commands(block: Block) -> None:
    """Bash can parse them."""
    assert commands(block)
    done = subprocess.run(["bash", "-n"], input="\n".join(commands(block)), capture_output=True, check=False, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def verbs() -> list[object]:
    """Each command of `router` that no test types, with the block that shows it."""
    return [
        pytest.param(command, id=f"{block}: {command}")
        for block in blocks.of_kind("sh", "console")
        if block.said("not run")
        for command in commands(block)
        if command.startswith("router ")
    ]


def found(args: list[str]) -> tuple[click.Command, list[str]]:
    """The command of these words, and what it is given."""
    command: click.Command = root
    context = click.Context(root, info_name="router", **root.context_settings)
    while isinstance(command, click.Group) and args and not args[0].startswith("-"):
        below = command.get_command(context, args[0])
        if below is None:
            assert command.invoke_without_command, f"there is no verb `{args[0]}`"
            break
        command, args = below, args[1:]
    return command, args


@pytest.mark.parametrize("command", verbs())
def test_verbs_that_are_not_typed_are_there(command: str) -> None:
    """The verb is one of ours, and takes these options and arguments."""
    verb, args = found(shlex.split(command.partition("|")[0].partition(" && ")[0], comments=True)[1:])
    try:
        verb.make_context(verb.name, args, parent=click.Context(root, info_name="router", **root.context_settings))
    except click.BadParameter as error:
        if "does not exist" not in str(error):  # a file of the reader's
            raise


def inline() -> list[object]:
    """Each command within a sentence: `router reload`."""
    made = {
        (page.relative_to(ROOT).as_posix(), " ".join(command.split()))
        for page in blocks.PAGES
        for command in re.findall(r"(?<!`)`router ([^`]+)`(?!`)", re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL))
    }
    return [pytest.param(command, id=f"{page}: {command}") for page, command in sorted(made)]


@pytest.mark.parametrize("command", inline())
def test_verbs_in_sentences_are_there(command: str) -> None:
    """The verb is one of ours, and has these options."""
    words = re.sub(r"[…=,|\[\]]|\\", " ", command).split()
    verb, args = found([word for word in words if word.startswith("-") or re.fullmatch(r"[a-z-]+", word)])
    known = {option for parameter in verb.params for option in parameter.opts} | {"--help", "-h"}
    assert {word for word in args if word.startswith("-")} <= known


@pytest.mark.parametrize("block", [param(block) for block in blocks.ALL if block.kind.startswith("yaml cases")])
def test_cases_are_cases(block: Block, tmp_path: Path) -> None:
    """No mistake is in them, and a reader is told where they are written, so that they are run."""
    problems = Problems()
    assert cases.read(block.text, tmp_path / "a.test.yaml", plugins.OptionModels(), problems)
    assert not problems.found
    assert block.said("file").endswith(".test.yaml")


@pytest.mark.parametrize("block", [param(block) for block in blocks.of_kind("yaml workflow")])
def test_workflow_files_ask_for_something(block: Block) -> None:
    """What a repo's file says is understood as a spindle understands it."""
    asked = workflows.asked(block.text)
    assert "fault" not in asked
    assert asked["provider"] in plugins.installed(plugins.PROVIDERS)


@pytest.mark.parametrize("block", [param(block) for block in blocks.of_kind("yaml pre-commit")])
def test_hooks_are_there(block: Block) -> None:
    """What pre-commit is to run is what .pre-commit-hooks.yaml offers."""
    offered = {hook["id"] for hook in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())}
    for repo in yaml.safe_load(block.text)["repos"]:
        assert {hook["id"] for hook in repo["hooks"]} <= offered


@pytest.mark.parametrize("block", [param(block) for block in blocks.of_kind("yaml github")])
def test_the_action_takes_what_is_given(block: Block) -> None:
    """Inputs are those of contrib/github-action, and those that it needs are there."""
    inputs = yaml.safe_load((ROOT / "contrib" / "github-action" / "action.yml").read_text())["inputs"]
    needed = {name for name, one in inputs.items() if one.get("required")}
    used = [step for job in yaml.safe_load(block.text)["jobs"].values() for step in job["steps"]]
    given = [set(step["with"]) for step in used if step["uses"].startswith("./")]
    assert given
    assert all(needed <= names <= set(inputs) for names in given)


@pytest.mark.parametrize("block", [param(block) for block in blocks.of_kind("yaml buildkite")])
def test_the_plugin_takes_what_is_given(block: Block) -> None:
    """Properties are those of contrib/buildkite-plugin."""
    known = yaml.safe_load((ROOT / "contrib" / "buildkite-plugin" / "plugin.yml").read_text())["configuration"]["properties"]
    for step in yaml.safe_load(block.text)["steps"]:
        for plugin in step.get("plugins", ()):
            assert set(*plugin.values()) <= set(known)


@pytest.mark.parametrize("block", [param(block) for block in blocks.of_kind("yaml prometheus")])
def test_prometheus_takes_it(block: Block, tmp_path: Path) -> None:
    """By promtool, where it is installed; it is YAML of Prometheus in any case."""
    told: dict[str, Any] = yaml.safe_load(block.text)
    assert set(told) <= {"global", "rule_files", "scrape_configs", "alerting"}
    if shutil.which("promtool") is not None:
        file = tmp_path / "prometheus.yml"
        file.write_text(block.text)
        done = subprocess.run(
            ["promtool", "check", "config", "--syntax-only", file], capture_output=True, check=False, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("block", [param(block) for block in blocks.of_kind("toml", "python", "json")])
def test_other_languages(block: Block) -> None:
    """What is not run can be parsed; JSON is an event."""
    if block.kind == "toml":
        assert tomllib.loads(block.text)
    elif block.kind == "json":
        assert envelope.event_from(json.loads(block.text)).nsid
    else:
        ast.parse(block.text)
