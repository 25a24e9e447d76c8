"""What authors of rules have in their CI: hooks, an action, a plugin, each run as those run them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from router.cli import main

ROOT = Path(__file__).parent.parent
CONTRIB = ROOT / "contrib"
HOOK = CONTRIB / "buildkite-plugin" / "hooks" / "command"
HOOKS: list[dict[str, Any]] = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
MISTAKE = ("branch: [main", "brnch: [main")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of rules that are fine, where the process is."""
    shutil.copytree(ROOT / "examples" / "first-build", tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def spoil(project: Path, before: str, after: str) -> None:
    file = project / "rules" / "build.yaml"
    text = file.read_text()
    assert before in text
    file.write_text(text.replace(before, after))


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: str(hook["id"]))
def test_a_hook_is_one_that_pre_commit_takes(hook: dict[str, Any]) -> None:
    """Every key that pre-commit needs, and a pattern that finds rules and tests."""
    assert {"id", "name", "entry", "language", "files"} <= set(hook)
    assert hook["language"] == "python"
    assert all(re.search(hook["files"], path) for path in ("rules/build.yaml", "rules/build.test.yml"))


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: str(hook["id"]))
def test_a_hook_fails_for_bad_rules_alone(hook: dict[str, Any], project: Path) -> None:
    """The command that pre-commit runs exits with 0, and after a mistake with 1."""
    command: list[str] = [*hook["entry"].split(), *hook["args"]]
    assert command[0] == "router"
    assert main(command[1:]) == 0
    spoil(project, *MISTAKE)
    assert main(command[1:]) == 1


def steps() -> list[dict[str, Any]]:
    action = yaml.safe_load((CONTRIB / "github-action" / "action.yml").read_text())
    assert {"name", "description", "inputs", "runs"} <= set(action)
    assert action["runs"]["using"] == "composite"
    made: list[dict[str, Any]] = action["runs"]["steps"]
    return made


def test_the_action_puts_no_input_into_a_script() -> None:
    """Each step is an action or a script with its shell, and what a caller says is never part of a script's text."""
    for step in steps():
        assert "uses" in step or step["shell"] == "bash"
        assert "${{" not in step.get("run", "")


def test_the_action_checks_and_tests(project: Path) -> None:
    """Its scripts, run as GitHub does: annotations of what is wrong, and a failure of the step."""
    scripts = [step["run"] for step in steps() if "router" in step.get("run", "")]
    assert [bash(script, RULES="rules").returncode for script in scripts] == [0, 0]
    spoil(project, *MISTAKE)
    validate, test = (bash(script, RULES="rules") for script in scripts)
    assert (validate.returncode, test.returncode) == (1, 1)
    assert validate.stdout.startswith("::error file=rules/build.yaml,line=")


def test_the_action_takes_several_folders(project: Path) -> None:
    """Folders are separated by spaces, and are words only: a name is not run."""
    (project / "more").mkdir()
    (project / "more" / "more.yaml").write_text("rules: []\n")
    (validate,) = [step["run"] for step in steps() if "validate" in step.get("run", "")]
    assert "2 files" in bash(validate.replace("--output github", ""), RULES="rules more").stdout
    assert bash(validate, RULES="rules $(touch ran)").returncode == 1
    assert not (project / "ran").exists()


def bash(script: str, **env: str) -> subprocess.CompletedProcess[str]:
    """A script as GitHub runs one with `shell: bash`."""
    given = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", **env}
    return subprocess.run(["bash", "-eo", "pipefail", "-c", script], env=given, capture_output=True, text=True, check=False)


@pytest.fixture
def agent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a `buildkite-agent` that writes down how it was called and what it was told."""
    folder = tmp_path_factory.mktemp("agent")
    program = folder / "buildkite-agent"
    program.write_text(f'#!/bin/sh\n{{ echo "$@"; cat; }} >> {folder}/annotations\n')
    program.chmod(0o755)
    return folder


def plugin(agent: Path, *, router: bool = True, **properties: str) -> subprocess.CompletedProcess[str]:
    path = f"{agent}:{Path(sys.executable).parent}:{os.environ['PATH']}" if router else f"{agent}:/usr/bin:/bin"
    env = {"PATH": path} | {f"BUILDKITE_PLUGIN_TANGLED_ROUTER_{key}": value for key, value in properties.items()}
    return subprocess.run([HOOK], env=env, capture_output=True, text=True, check=False)


def test_the_plugin_is_silent_about_good_rules(project: Path, agent: Path) -> None:
    """What was run is in the log, and there is no annotation."""
    done = plugin(agent)
    assert done.returncode == 0, done.stderr
    assert "1 file, 2 rules: no problems." in done.stdout
    assert re.search(r"(\d+) tests: \1 passed\.", done.stdout)
    assert not (agent / "annotations").exists()


def test_the_plugin_annotates_what_fails(project: Path, agent: Path) -> None:
    """A mistake fails the step, and both verbs say on the build's page what they found."""
    spoil(project, *MISTAKE)
    done = plugin(agent, RULES="rules")
    assert done.returncode == 1
    annotated = (agent / "annotations").read_text()
    assert "annotate --style error --context tangled-router-validate" in annotated
    assert "annotate --style error --context tangled-router-test" in annotated
    assert "    rules/build.yaml:13:12: error R003: `brnch` is not a field of events." in annotated


def test_a_test_that_fails_is_enough(project: Path, agent: Path) -> None:
    """Rules that are valid and do something else are annotated by their tests alone."""
    spoil(project, "[main, ", "[trunk, ")
    assert plugin(agent, RULES="rules").returncode == 1
    annotated = (agent / "annotations").read_text()
    assert "tangled-router-validate" not in annotated
    assert "FAIL  a push to main is built" in annotated


def test_the_plugin_takes_a_list_and_names_with_spaces(project: Path, agent: Path) -> None:
    """A list of folders is what Buildkite makes of one: numbered variables."""
    shutil.copytree(project / "rules", project / "more rules")
    spoil(project, *MISTAKE)
    assert plugin(agent, RULES_0="more rules").returncode == 0
    assert plugin(agent, RULES_0="more rules", RULES_1="rules").returncode == 1


def test_the_plugin_needs_a_router(project: Path, agent: Path) -> None:
    """Without one on the machine it says what to do, and installs nothing that nobody named."""
    done = plugin(agent, router=False)
    assert done.returncode == 2
    assert "name what pip installs" in done.stderr


def test_the_plugin_is_one_that_buildkite_takes() -> None:
    """Its file has what Buildkite needs, and names the properties that the hook reads."""
    made = yaml.safe_load((CONTRIB / "buildkite-plugin" / "plugin.yml").read_text())
    assert {"name", "description", "author", "requirements", "configuration"} <= set(made)
    read = set(re.findall(r"BUILDKITE_PLUGIN_TANGLED_ROUTER_([A-Z]+)", HOOK.read_text()))
    assert read == {name.upper() for name in made["configuration"]["properties"]}
    assert os.access(HOOK, os.X_OK)
