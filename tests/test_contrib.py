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


def manifests() -> list[Any]:
    return [
        pytest.param(document, id=f"{file.stem} {document['kind']}")
        for file in sorted((CONTRIB / "kubernetes").glob("*.yaml"))
        for document in yaml.safe_load_all(file.read_text())
    ]


@pytest.mark.parametrize("manifest", manifests())
def test_kubernetes_takes_the_manifests(manifest: dict[str, Any]) -> None:
    """By the schemas of an API server, with no field that it does not know."""
    import kubernetes_validate  # noqa: PLC0415 - megabytes of schemas, for this test alone

    kubernetes_validate.validate(manifest, "1.33", strict=True)


def containers(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    pod = manifest["spec"]["template"]["spec"]
    return [one for one in (*pod.get("initContainers", ()), *pod["containers"]) if one["image"].startswith("tangled-router")]


def test_the_manifests_mount_what_they_name() -> None:
    """Each mount is a volume of the pod or a claim, and nothing runs as root or writes to its image."""
    found = [one.values[0] for one in manifests() if one.values[0]["kind"] == "StatefulSet"]
    assert len(found) == 2
    for manifest in found:
        pod = manifest["spec"]["template"]["spec"]
        names = {one["name"] for one in pod["volumes"]}
        names |= {one["metadata"]["name"] for one in manifest["spec"]["volumeClaimTemplates"]}
        (router,) = containers(manifest)
        assert {one["name"] for one in router["volumeMounts"]} <= names
        assert router["securityContext"]["readOnlyRootFilesystem"] is True
        assert (pod["securityContext"].get("runAsNonRoot") or router["securityContext"].get("runAsNonRoot")) is True


def test_the_rules_of_the_manifest_are_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The map's files, as a pod would see them."""
    documents = yaml.safe_load_all((CONTRIB / "kubernetes" / "statefulset.yaml").read_text())
    (settings,) = [one for one in documents if one["kind"] == "ConfigMap"]
    for name, text in settings["data"].items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    assert main(["validate", "--fail-level", "error"]) == 0
    assert main(["config"]) == 0


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="the system has no systemd")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    """With its program replaced by one that exists here; and what it may do is little."""
    unit = tmp_path / "tangled-router.service"
    text = (CONTRIB / "systemd" / "tangled-router.service").read_text()
    unit.write_text(text.replace("/opt/tangled-router/bin/router", "/bin/true"))
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, check=False, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (0, "")
    rating: list[str | Path] = ["systemd-analyze", "security", "--offline=true", unit]
    rated = subprocess.run(rating, capture_output=True, check=False, text=True, timeout=30)
    found = re.search(r"Overall exposure level for .*: ([0-9.]+) ", rated.stdout)
    assert found
    assert float(found[1]) < 2.5


def test_the_image_and_the_compose_file_agree() -> None:
    """One user, one store, one folder of settings; the health check and the probes are verbs that exist."""
    image = (CONTRIB / "docker" / "Dockerfile").read_text()
    compose = yaml.safe_load((CONTRIB / "docker" / "compose.yaml").read_text())
    router = compose["services"]["router"]
    assert router["read_only"] is True
    assert {volume.split(":")[1] for volume in router["volumes"]} == {"/etc/router", "/var/lib/router"}
    for line in ("USER 65532:65532", "WORKDIR /etc/router", "VOLUME /var/lib/router"):
        assert line in image
    assert set(compose["secrets"]) == set(router["secrets"])
