"""`router doctor`, against real servers on loopback: what is well, and what is not, with what to do."""

from __future__ import annotations

import json
import resource
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from router import config
from router.core.checkup import Check, Health
from router.demo import project
from router.demo.network import Network
from router.demo.pds import Account, Pds
from router.doctor import machine
from router.doctor.examine import examine
from router.doctor.reach import Reach
from router.host import Host
from router.testing import FakeClock

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Call  # type: ignore[import-not-found]

OWNER = "did:plc:" + "o" * 24


async def found(network: Network, folder: Path, more: str = "") -> dict[str, Check]:
    """The checks by what they looked at: of several, the worst."""
    file = project.write(folder, network.addresses)
    file.write_text(file.read_text() + more)
    settings = config.load(file, environ={})
    made: dict[str, Check] = {}
    async for check in examine(settings, ["buildkite", "webhook"]):
        before = made.get(check.what)
        made[check.what] = check if before is None or check.health >= before.health else before
    return made


@pytest.fixture
async def network(monkeypatch: pytest.MonkeyPatch) -> Any:
    async with Network() as network:
        for name, value in network.environment.items():
            monkeypatch.setenv(name, value)
        yield network


async def test_all_is_well(network: Network, folder: Path) -> None:
    """Every source was dialled, the token asked about, and nothing was changed."""
    made = await found(network, folder)
    assert {what: check.seen for what, check in made.items() if check.health is not Health.WELL} == {}
    assert {"source bluesky", "source knot-a", "source knot-b", "provider buildkite", "buildkite token", "clock"} <= set(made)
    assert network.ci.builds == []
    assert {seen.method for server in network.servers.values() for seen in server.requests} == {"GET"}


async def test_a_token_that_lacks_a_scope(network: Network, folder: Path) -> None:
    network.ci.scopes.remove("write_builds")
    check = (await found(network, folder))["buildkite token"]
    assert (check.health, check.seen) == (Health.ILL, "It lacks write_builds.")


async def test_a_token_that_is_refused(network: Network, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEMO_CI_TOKEN", "bkua_another")
    check = (await found(network, folder))["buildkite token"]
    assert check.health is Health.ILL
    assert "bkua_another" not in str(check)


async def test_a_source_that_is_down(network: Network, folder: Path) -> None:
    """The others are asked all the same."""
    await network.knot_a.down()
    made = await found(network, folder)
    assert made["source knot-a"].health is Health.ILL
    assert made["source knot-b"].health is Health.WELL


async def test_a_server_that_is_no_stream(network: Network, folder: Path) -> None:
    """It answers, and lets nobody subscribe."""
    file = project.write(folder, network.addresses | {"knot-a": network.sink.url})
    settings = config.load(file, environ={})
    checks = [check async for check in examine(settings, [])]
    assert [check.health for check in checks if check.what == "source knot-a"] == [Health.WELL, Health.ILL]


async def test_a_spindle_that_is_registered_and_not_running(network: Network, folder: Path) -> None:
    """The owner's account and its record are found; the host name does not answer yet."""
    async with Pds("pds") as pds:
        account = Account(OWNER)
        pds.accounts[OWNER] = account
        network.directory.identities = (
            *network.directory.identities,
            network.directory.identities[0].__class__(OWNER, "owner.example", pds=pds.url, key=account.multikey),
        )
        host = "localhost:1"
        more = f"""
egress: {{allow: [127.0.0.0/8]}}
spindle: {{hostname: "{host}", owner: "{OWNER}", dev: true, plc: "{network.directory.url}",
  jetstream: ["{network.jetstream.ws_url}"]}}
"""
        made = await found(network, folder, more)
        assert made["hostname"].health is Health.DOUBTFUL
        assert made["owner"].health is Health.WELL
        assert made["registration"].health is Health.DOUBTFUL
        assert made["provider buildkite"].seen.startswith("It has no webhook secret")
        pds.put(OWNER, "sh.tangled.spindle", host, {"createdAt": "2026-11-01T00:00:00Z"})
        (folder / "router.yaml").unlink()
        assert (await found(network, folder, more))["registration"].health is Health.WELL


async def test_the_clock_is_held_beside_others(network: Network) -> None:
    """An hour ahead is too much, whatever one server among them says."""
    from router.http import open_session  # noqa: PLC0415 - only here

    async with open_session() as http:
        clock = FakeClock()
        reach = Reach(Host(http, clock))
        reach.skews = [3600.0, 3601.0, -86400.0]
        (check,) = reach.clock()
        assert check.health is Health.ILL
        reach.skews = [0.4, 31.0, 40.0]
        (check,) = reach.clock()
        assert check.health is Health.DOUBTFUL


def test_a_disk_that_is_nearly_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=50 << 20))
    (check,) = machine.disk(tmp_path / "router.db")
    assert check.health is Health.ILL


def test_a_store_that_others_may_read(tmp_path: Path) -> None:
    (tmp_path / "router.db").touch(mode=0o644)
    checks = list(machine.disk(tmp_path / "router.db"))
    assert checks[-1].do == f"chmod 600 {tmp_path / 'router.db'}"


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    (check,) = machine.disk(tmp_path / "nowhere" / "router.db")
    assert check.do == f"Make it: mkdir -p {tmp_path / 'nowhere'}"


@pytest.mark.parametrize(
    ("limits", "health"),
    [((1024, 4096), Health.WELL), ((256, 4096), Health.DOUBTFUL), ((256, 256), Health.ILL), ((-1, -1), Health.WELL)],
)
def test_the_limit_of_files(limits: tuple[int, int], health: Health, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 100 knots; -1 is no limit."""
    monkeypatch.setattr(resource, "getrlimit", lambda _which: limits)
    (check,) = machine.files(100)
    assert check.health is health


def test_the_verb(call: Call, folder: Path) -> None:
    """A rule that cannot be used is a failed check, with its place on stderr; programs get a list."""
    assert call("init", ".").code == 0
    (folder / "router.yaml").write_text(
        "identity: {resolver: direct}\nsources: {n: {schedule: {every: 1h}}}\nrules: [./rules]\n"
    )
    (folder / "rules/first.yaml").write_text("rules: [{name: a, when: {brnch: main}, do: []}]\n")
    done = call("doctor")
    assert done.code == 1
    assert "FAIL  rules: The rules cannot be used" in done.out
    assert "Did you mean `branch`?" in done.err
    (folder / "rules/first.yaml").write_text("rules: [{name: a, when: {branch: main}, do: []}]\n")
    done = call("doctor", "--output", "json")
    assert done.code == 0
    assert {row["health"] for row in json.loads(done.out)} == {"well"}
