"""A disk that fills up under a running router: it hears nothing more, goes on telling, and hears again once there is room."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.processes import Network, Router, push, until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.e2e, pytest.mark.faults]

SHIM = Path(__file__).parent / "shim"
FIRST, SECOND = "1" * 40, "2" * 40
BALLAST = 1 << 20


class Disk:
    """6 MiB: a file system of that size, or, where nobody may mount one, a shim in the router that says that it is full."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(folder)]
        self.mounted = os.geteuid() == 0 and subprocess.run(command, capture_output=True, check=False).returncode == 0
        self.filler = folder / "filler"
        self.environment = {} if self.mounted else {"PYTHONPATH": str(SHIM), "SICK_DISK": str(self.filler)}

    def fill(self) -> None:
        if not self.mounted:
            self.filler.write_text(str(sqlite3.SQLITE_FULL))
            return
        with self.filler.open("wb", buffering=0) as file:
            for size in (65536, 4096, 1):
                with suppress(OSError):
                    while True:
                        file.write(b"x" * size)

    def empty(self) -> None:
        self.filler.unlink()

    def close(self) -> None:
        if self.mounted:
            subprocess.run(["umount", "-l", str(self.folder)], check=True)


@pytest.fixture(params=["mounted", "simulated"])
def disk(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    """Where nobody may mount anything, both are simulated."""
    if request.param == "simulated":
        monkeypatch.setattr(os, "geteuid", lambda: 1)
    made = Disk(tmp_path / "disk")
    monkeypatch.undo()
    yield made
    made.close()


@pytest.fixture
def network() -> Iterator[Network]:
    made = Network()
    yield made
    made.close()


@pytest.fixture
def router(tmp_path: Path, network: Network, disk: Disk) -> Iterator[Router]:
    made = Router(tmp_path, network)
    settings = made.folder / "router.yaml"
    small = f"store: {{path: {disk.folder}/router.db, ballast: {BALLAST}B}}"
    settings.write_text(settings.read_text().replace("store: {path: router.db}", small))
    yield made
    if made.process is not None and made.process.poll() is None:
        made.kill()


def states(router: Router) -> list[str]:
    return [row["state"] for row in router.cli("deliveries", "list")]


@pytest.mark.fault("T-27")
def test_a_full_disk_stops_hearing_and_not_telling(network: Network, router: Router, disk: Disk) -> None:
    """What was under way is settled in the ballast's room, reading goes on, no cursor moves; with room made, the push that came
    meanwhile is built, once, and the ballast is back."""
    ballast = disk.folder / "router.db.ballast"
    network.ask("ci", hold=True)
    router.start(**disk.environment)
    network.ask("attended")
    assert ballast.stat().st_size == BALLAST
    network.ask("emit", on="knot-a", frame=push(FIRST))
    until(network.builds, "the CI to have the first build")

    disk.fill()
    network.ask("emit", on="knot-a", frame=push(SECOND))
    until(lambda: router.lines("disk full"), "the router to notice")
    assert not ballast.exists()
    network.ask("ci", hold=False)
    until(lambda: states(router) == ["done"], "the first build to be settled on a full disk")
    assert router.process is not None
    assert router.process.poll() is None
    assert not router.lines("disk well")
    before = {row["name"]: row["cursor"] for row in router.cli("sources")}

    disk.empty()
    until(lambda: len(network.builds()) == 2, "the second build")
    until(lambda: states(router) == ["done", "done"], "both to be done")
    assert router.lines("disk well")
    until(ballast.exists, "the ballast")
    assert {build["commit"] for build in network.builds()} == {FIRST, SECOND}
    after = {row["name"]: row["cursor"] for row in router.cli("sources")}
    assert after["knot-a"] > before["knot-a"]
    assert router.stop() == 0


@pytest.mark.fault("T-27")
def test_a_kill_on_a_full_disk_loses_nothing(network: Network, router: Router, disk: Disk) -> None:
    """The push that could not be stored is heard again, because no cursor passed it; and a full disk is stopped on in order."""
    router.start(**disk.environment)
    network.ask("attended")
    disk.fill()
    network.ask("emit", on="knot-a", frame=push(FIRST))
    until(lambda: router.lines("disk full"), "the router to notice")
    router.kill()
    router.start(**disk.environment)
    until(lambda: len(router.lines("disk full")) == 2, "the router to start on the full disk")
    assert router.stop() == 0
    disk.empty()
    router.start(**disk.environment)
    until(lambda: states(router) == ["done"], "the build")
    assert [build["commit"] for build in network.builds()] == [FIRST]
    assert router.stop() == 0
