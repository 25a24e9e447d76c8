"""The rulesets that ship with the router, and those of the examples: sound, tested in every part, and harmless as they are."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from router import library, plugins
from router.cli import main
from router.core import rules
from router.core.problems import Problems
from router.demo.network import CI_TOKEN, SINK_SECRET, Network
from tests.test_examples import deliver

if TYPE_CHECKING:
    from collections.abc import Mapping

    from router.core.rulebook import Ruleset

ROOT = Path(__file__).parent.parent
BUNDLED = library.bundled()
EXAMPLES = sorted(path.parent.name for path in (ROOT / "examples").glob("*/router.yaml"))


def loaded(name: str) -> tuple[Ruleset, Problems]:
    problems = Problems()
    texts = library.rule_texts(library.on_command_line([f"{library.BUNDLED}{name}"]), problems)
    (ruleset,) = rules.load(texts, plugins.OptionModels(), problems).rulesets
    return ruleset, problems


@pytest.mark.parametrize("name", BUNDLED)
def test_a_ruleset_has_no_finding(name: str) -> None:
    """Not even a note: what ships is what people learn from."""
    _, problems = loaded(name)
    assert problems.found == []


@pytest.mark.parametrize("name", BUNDLED)
def test_the_tests_of_a_ruleset_leave_nothing_out(name: str) -> None:
    """Each condition is seen to hold and not to hold, and no mutant of a rule goes unnoticed."""
    assert main(["test", f"{library.BUNDLED}{name}", "--coverage", "--min", "100", "--mutate"]) == 0


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_tests_of_an_example_leave_nothing_out(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """People learn to write tests from these."""
    monkeypatch.chdir(ROOT / "examples" / name)
    assert main(["test", "--coverage", "--min", "100", "--mutate"]) == 0


@pytest.mark.parametrize("name", BUNDLED)
def test_a_ruleset_is_complete(name: str) -> None:
    """Its folder has rules, tests, a page that begins with its name, and no event that no test uses."""
    folder = library.bundled_folder() / name
    tests = (folder / "rules.test.yaml").read_text()
    assert (folder / "README.md").read_text().startswith(f"# {name}\n")
    assert [event.name for event in (folder / "events").iterdir() if event.name not in tests] == []


@pytest.mark.parametrize("name", [name for name in BUNDLED if name != "tangled/log"])
def test_a_ruleset_is_harmless_as_it_ships(name: str) -> None:
    """`bundled:tangled` loads all of them: until names are put into it, a rule is about what nobody has."""
    ruleset, _ = loaded(name)
    assert ruleset.vars.get("repos", ["@alice.example/hello"]) == ["@alice.example/hello"]
    for rule in ruleset.rules:
        asked = {test.field for test in rule.when.tests()}
        assert "repo" in asked or (rule.name, "source" in asked) == ("nightly", True)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_has_no_finding(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Configuration and rules, down to notes."""
    monkeypatch.chdir(ROOT / "examples" / name)
    assert main(["validate", "--fail-level", "note"]) == 0


@pytest.fixture
def repos(tmp_path: Path) -> tuple[Path, Path]:
    """A repo with two branches and a tag, and an empty one elsewhere that has a branch too many."""
    source, target = tmp_path / "a b" / "source", tmp_path / "target.git"
    git("init", "--quiet", "--initial-branch=main", str(source))
    for branch in ("main", "feature/x"):
        git("-C", str(source), "checkout", "--quiet", "-B", branch)
        git("-C", str(source), "commit", "--quiet", "--allow-empty", "-m", branch)
    git("-C", str(source), "tag", "v1")
    git("init", "--quiet", "--bare", str(target))
    git("-C", str(source), "push", "--quiet", str(target), "main:gone")
    return source, target


IDENTITY = {f"GIT_{who}_{what}": "x" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


def git(*args: str) -> str:
    done = subprocess.run(["git", *args], env={**os.environ, **IDENTITY}, capture_output=True, text=True, check=True)
    return done.stdout


def mirror(env: Mapping[str, str], tmp: Path) -> int:
    """The script of `tangled/mirror`, run as the provider does; the code that it exits with."""
    (rule,) = loaded("tangled/mirror")[0].rules
    options: Any = rule.steps[0].options
    assert set(env) == set(options["env"])
    given = {"PATH": os.environ["PATH"], "TMPDIR": str(tmp), **env}
    return subprocess.run(["/bin/sh", "-eu", "-c", options["script"]], env=given, capture_output=True, check=False).returncode


def test_a_mirror_is_the_same(repos: tuple[Path, Path], tmp_path: Path) -> None:
    """Branches and tags are there, what is not in the source is gone, twice is as good as once, and nothing is left behind."""
    source, target = repos
    work = tmp_path / "tmp"
    work.mkdir()
    for _ in range(2):
        assert mirror({"FROM": str(source), "TO": str(target)}, work) == 0
        refs = git("-C", str(target), "for-each-ref", "--format=%(refname)").split()
        assert refs == ["refs/heads/feature/x", "refs/heads/main", "refs/tags/v1"]
    assert list(work.iterdir()) == []


@pytest.mark.parametrize("missing", ["FROM", "TO"])
def test_a_mirror_that_cannot_be_reached_is_tried_again(repos: tuple[Path, Path], tmp_path: Path, missing: str) -> None:
    """75 is what the shell provider takes for "try again"; nothing is left behind then, either."""
    source, target = repos
    work = tmp_path / "tmp"
    work.mkdir()
    env = {"FROM": str(source), "TO": str(target)} | {missing: str(tmp_path / "nowhere")}
    assert mirror(env, work) == 75
    assert list(work.iterdir()) == []


def test_a_mirror_takes_no_address_for_an_option(repos: tuple[Path, Path], tmp_path: Path) -> None:
    """An address that looks like an option of git is an address that leads nowhere."""
    source, _ = repos
    ran = tmp_path / "ran"
    assert mirror({"FROM": f"--upload-pack=touch {ran}", "TO": str(source)}, tmp_path) == 75
    assert mirror({"FROM": str(source), "TO": f"--receive-pack=touch {ran}"}, tmp_path) == 75
    assert not ran.exists()


def operators(tmp_path: Path, *names: str, config: str, **changes: str) -> Path:
    """A folder as an operator has it, with copies of rulesets in which what is to be edited was."""
    (tmp_path / "router.yaml").write_text(f"rules: [./rules]\nidentity: {{pins: {{alice.example: {ALICE}}}}}\n{config}")
    for name in names:
        shutil.copytree(library.bundled_folder() / name, tmp_path / "rules" / name)
        file = tmp_path / "rules" / name / "rules.yaml"
        for old, new in changes.items():
            file.write_text(file.read_text().replace(old, new))
    return tmp_path


ALICE = '"did:plc:aliceaaaaaaaaaaaaaaaaaaa"'
#: Fails for the first commit of the example, and for no other.
BREAKS = """
rules:
  - name: check
    when: {trigger: push, repo: "@alice.example/hello"}
    report: {workflow: ci}
    do:
      - shell:
          script: test "$SHA" != 6e13e68d383190280012b07f7a62f830da739b41
          env: {SHA: "{{ sha }}"}
"""


@pytest.mark.e2e
async def test_a_workflow_is_built_where_its_file_says(tmp_path: Path) -> None:
    """A knot's pipeline becomes a build of the pipeline that the workflow file names, told of its workflow."""
    async with Network() as network:
        network.ci.org = "acme"
        config = f"providers: {{buildkite: {{token: {{env: TOKEN}}, org: acme, url: {network.ci.url}/v2}}}}\n"
        folder = operators(tmp_path, "tangled/pipeline", config=config)
        event = json.loads((folder / "rules/tangled/pipeline/events/push.json").read_text())
        await deliver(folder, event, {"TOKEN": network.environment[CI_TOKEN]})
        (build,) = network.ci.builds
        assert (build.pipeline, build.asked.branch) == ("hello", "main")
        assert build.asked.meta_data["tack:workflow"] == build.asked.env["TACK_WORKFLOW"] == "ci.yml"


@pytest.mark.e2e
async def test_a_chat_is_told_of_changes_alone(tmp_path: Path) -> None:
    """Broken, broken still, healed: two messages, although the router is started anew for each push."""
    async with Network() as network:
        # The chat of these tests takes only what is signed.
        edits = {"https://chat.example.com": network.sink.url, "          json:": "          secret: chat\n          json:"}
        config = "providers: {webhook: {secrets: {chat: {env: SECRET}}}}\n"
        folder = operators(tmp_path, "tangled/notify", config=config, **edits)
        (folder / "rules/check.yaml").write_text(BREAKS)
        push = json.loads((ROOT / "examples/first-build/events/push.json").read_text())
        broken = push["event"]["newSha"]
        for number, sha in enumerate((broken, broken, "0a1b2c3d4e5f60718293a4b5c6d7e8f901234567")):
            record = push["event"] | {"newSha": sha}
            await deliver(
                folder,
                push | {"rkey": f"3n2y3epywm2{number + 2}e", "event": record},
                {"SECRET": network.environment[SINK_SECRET]},
            )
        told = [json.loads(received.body)["text"] for received in network.sink.received]
        assert told == [
            "main of hello is broken: ci at 6e13e68d",
            "main of hello works again: ci at 0a1b2c3d",
        ]
