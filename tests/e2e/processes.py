"""The installed `router` as a process, and the demo's network as another: what a crash of one leaves, the other remembers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable

ROUTER = Path(sys.executable).parent / "router"
#: Seconds for a condition that takes a moment on a busy machine and never comes true when something is broken.
PATIENCE = 30.0

ALICE = "did:plc:aliceaaaaaaaaaaaaaaaaaaa"
HELLO = "did:plc:hellohellohellohello2222"

CONFIG = """\
store: {{path: router.db}}
sources:
  bluesky:
    jetstream: {{hosts: ["{jetstream}"], collections: [sh.tangled.repo, sh.tangled.repo.pull]}}
  knot-a:
    knot: {{host: "{knot_a}", since: beginning}}
  knot-b:
    knot: {{host: "{knot_b}", since: beginning}}
providers:
  buildkite: {{url: "{ci}/v2", org: demo, token: {{env: DEMO_CI_TOKEN}}, settle: 300ms, per_org: 10000, per_token: 10000}}
identity: {{resolver: "{directory}"}}
delivery: {{poll: 200ms}}
rules: [./rules]
"""
RULES = """\
strategy: first
defaults: {when: {trigger: push}}
rules:
  - name: documents
    when: {paths: {every: ["docs/**"]}}
    do: []
  - name: build
    when: {repo: "@alice.example/hello", branch: main}
    report: {workflow: ci}
    do:
      - buildkite: {pipeline: hello, commit: "{{ sha }}", branch: "{{ branch }}"}
        retry: {attempts: 5, base: 100ms, cap: 1s}
  - name: other
    when: {branch: "**"}
    do:
      - log: {message: "a push to {{ branch }}"}
"""


def push(sha: str, *, ref: str = "refs/heads/main", files: tuple[str, ...] = ("src/app.py",)) -> dict[str, Any]:
    """A push to alice.example/hello, as today's knots say it."""
    return {
        "nsid": "sh.tangled.git.refUpdate",
        "event": {
            "$type": "",
            "changedFiles": list(files),
            "committerDid": ALICE,
            "newSha": sha,
            "oldSha": "e8ce712530443f70d7f0c8ceb1a049f3f272ccc5",
            "ownerDid": ALICE,
            "ref": ref,
            "repo": HELLO,
        },
    }


def until(condition: Callable[[], Any], what: str) -> Any:
    """The first true value of the condition."""
    end = time.monotonic() + PATIENCE
    while not (value := condition()):
        assert time.monotonic() < end, f"waited {PATIENCE:g} s for {what}"
        time.sleep(0.02)
    return value


class Network:
    """`python -m router.demo`, told what to do a line at a time."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "router.demo", "--print-addresses"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addresses = self._answer()
        self.environment: dict[str, str] = self.addresses.pop("environment")

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def ask(self, do: str, **given: Any) -> dict[str, Any]:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"do": do, **given}) + "\n")
        self.process.stdin.flush()
        answer = self._answer()
        assert answer["ok"], answer
        return answer

    def builds(self) -> list[dict[str, Any]]:
        made: list[dict[str, Any]] = self.ask("builds")["builds"]
        return made

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        assert self.process.wait(PATIENCE) == 0
        self.process.stdout.close()


class Router:
    """`router run` in a folder, again and again over the same store."""

    def __init__(self, folder: Path, network: Network) -> None:
        self.folder = folder
        self.network = network
        self.log = folder / "log.jsonl"
        self.process: subprocess.Popen[bytes] | None = None
        names = {name.replace("-", "_"): url for name, url in network.addresses.items()}
        (folder / "router.yaml").write_text(CONFIG.format(**names))
        (folder / "rules").mkdir()
        (folder / "rules" / "build.yaml").write_text(RULES)

    def environment(self, **more: str) -> dict[str, str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("ROUTER_")}
        return {**clean, **self.network.environment, **more}

    def start(self, *arguments: str, **environment: str) -> Self:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [ROUTER, "run", *arguments],
                cwd=self.folder,
                env=self.environment(**environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        return self

    def wait(self) -> int:
        """The exit code, once it ended by itself."""
        assert self.process is not None
        return self.process.wait(PATIENCE)

    def kill(self) -> None:
        """`kill -9`."""
        assert self.process is not None
        self.process.kill()
        assert self.process.wait(PATIENCE) == -signal.SIGKILL

    def stop(self) -> int:
        assert self.process is not None
        self.process.terminate()
        return self.wait()

    def lines(self, event: str, **wanted: str) -> list[dict[str, Any]]:
        """The lines of the log that say so. A line that is not JSON would be a traceback: there must be none."""
        if not self.log.exists():
            return []
        whole = [line for line in self.log.read_text().splitlines(keepends=True) if line.endswith("\n")]
        told = [json.loads(line) for line in whole]
        return [
            line for line in told if line["event"] == event and all(line.get(key) == value for key, value in wanted.items())
        ]

    def cli(self, *arguments: str) -> Any:
        """What a verb prints as JSON, while the router runs or not."""
        command: list[str | Path] = [ROUTER, *arguments, "--output", "json"]
        done = subprocess.run(command, cwd=self.folder, env=self.environment(), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)
