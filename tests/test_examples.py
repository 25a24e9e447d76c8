"""Every example is a whole configuration that validates, tests green, and delivers for real against a receiver on loopback."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from router.cli import main
from router.demo.network import CI_TOKEN, SINK_SECRET, Network

if TYPE_CHECKING:
    from collections.abc import Mapping

EXAMPLES = Path(__file__).parent.parent / "examples"
NAMES = sorted(path.parent.name for path in EXAMPLES.glob("*/router.yaml"))


@pytest.mark.parametrize("name", NAMES)
def test_an_example_is_green(name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """`router validate` and `router test` in the example's folder, as its README says."""
    monkeypatch.chdir(EXAMPLES / name)
    assert main(["validate", "rules"]) == 0
    assert main(["test", "rules"]) == 0
    capsys.readouterr()


def test_every_example_is_listed() -> None:
    """The index of the examples names each of them."""
    index = (EXAMPLES / "README.md").read_text()
    assert all(f"]({name})" in index for name in NAMES)


async def deliver(folder: Path, event: Mapping[str, Any], environment: Mapping[str, str]) -> list[dict[str, Any]]:
    """`router run --source` on one event, and what its log says of it."""
    (folder / "events.jsonl").write_text(json.dumps(event) + "\n")
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ROUTER_")}
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).parent / "router",
        *("run", "--source", "events.jsonl"),
        cwd=folder,
        env={**clean, **environment, "ROUTER_LOG_FORMAT": "json"},
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    _, told = await process.communicate()
    assert process.returncode == 0, told.decode()
    return [json.loads(line) for line in told.decode().splitlines()]


def copied(name: str, tmp_path: Path, **changes: str) -> Path:
    """The example elsewhere, with the addresses of others replaced by those of the network."""
    folder = tmp_path / name
    shutil.copytree(EXAMPLES / name, folder)
    for file in folder.rglob("*.yaml"):
        text = file.read_text()
        for old, new in changes.items():
            text = text.replace(old, new)
        file.write_text(text)
    return folder


def event_of(folder: Path, name: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads((folder / "events" / name).read_text())
    return event


@pytest.mark.e2e
async def test_the_first_build_is_built(tmp_path: Path) -> None:
    """The example's push becomes a build of its pipeline."""
    async with Network() as network:
        network.ci.org = "acme"
        folder = copied("first-build", tmp_path, **{"org: acme": f"org: acme\n    url: {network.ci.url}/v2"})
        await deliver(folder, event_of(folder, "push.json"), {"BUILDKITE_TOKEN": network.environment[CI_TOKEN]})
        (build,) = network.ci.builds
        assert (build.pipeline, build.asked.branch) == ("hello", "main")


@pytest.mark.e2e
async def test_the_nightly_is_built(tmp_path: Path) -> None:
    """A fire of the schedule becomes a build of the pipeline that it names."""
    async with Network() as network:
        network.ci.org = "acme"
        folder = copied("nightly", tmp_path, **{"org: acme": f"org: acme\n    url: {network.ci.url}/v2"})
        record = {"name": "nightly", "scheduled_at": "2026-11-23T02:00:00Z", "pipeline": "hello"}
        fire = {"kind": "schedule", "source": "nightly", "nsid": "router.schedule.fire", "id": "x", "record": record}
        await deliver(folder, fire, {"BUILDKITE_TOKEN": network.environment[CI_TOKEN]})
        (build,) = network.ci.builds
        assert (build.pipeline, build.asked.commit) == ("hello", "HEAD")


@pytest.mark.e2e
async def test_the_webhook_arrives_signed(tmp_path: Path) -> None:
    """The example's tag is posted, and its signature is right."""
    async with Network() as network:
        folder = copied("signed-webhook", tmp_path, **{"https://hooks.example.com": network.sink.url})
        secret = {"RELEASES_SECRET": network.environment[SINK_SECRET]}
        await deliver(folder, event_of(folder, "tag.json"), secret)
        (received,) = network.sink.received
        assert json.loads(received.body)["tag"] == "v1.2.0"


@pytest.mark.e2e
async def test_the_command_runs(tmp_path: Path) -> None:
    """The example's push runs its script, and the delivery is done."""
    folder = copied("shell-command", tmp_path)
    lines = await deliver(folder, event_of(folder, "push.json"), {})
    assert [line["state"] for line in lines if line["event"] == "delivery attempted"] == ["done"]
