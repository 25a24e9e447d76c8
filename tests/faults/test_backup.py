"""The how-to of backups, done as it says: a copy of a running router, a crash, a restore, and every push is built once."""

from __future__ import annotations

import re
import sqlite3
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.processes import ROUTER, Network, Router, push, until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.e2e, pytest.mark.faults]

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "back-up-and-restore.md"
SHAS = [str(number) * 40 for number in range(1, 6)]


@pytest.fixture
def network() -> Iterator[Network]:
    made = Network()
    yield made
    made.close()


@pytest.fixture
def router(tmp_path: Path, network: Network) -> Iterator[Router]:
    made = Router(tmp_path, network)
    yield made
    if made.process is not None and made.process.poll() is None:
        made.kill()


def commands(router: Router) -> list[list[str]]:
    """What the page says to type, with a folder of the test's."""
    shown = re.findall(r"^\$ router (.*)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return [
        [str(ROUTER), *line.replace("/var/backups", str(router.folder)).replace("router.db", "copy.db").split()]
        for line in shown
    ]


def typed(router: Router, command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=router.folder, env=router.environment(), capture_output=True, text=True, check=False)


def states(router: Router) -> list[str]:
    return sorted(row["state"] for row in router.cli("deliveries", "list"))


def test_a_restored_store_builds_nothing_twice(network: Network, router: Router) -> None:
    """One push is built before the backup, one is under way during it, two are built after it, one comes after the restore."""
    back_up, restore = commands(router)
    router.start()
    network.ask("attended")
    network.ask("emit", on="knot-a", frame=push(SHAS[0]))
    until(lambda: states(router) == ["done"], "the first build")
    network.ask("ci", hold=True)
    network.ask("emit", on="knot-a", frame=push(SHAS[1]))
    until(lambda: len(network.builds()) == 2, "the CI to have the second build")

    made = typed(router, back_up)
    assert made.returncode == 0, made.stderr
    copy = router.folder / "copy.db"
    assert copy.stat().st_mode & 0o777 == 0o600
    with sqlite3.connect(copy) as db:
        assert sorted(state for (state,) in db.execute("SELECT state FROM deliveries")) == ["claimed", "done"]
    db.close()
    again = typed(router, back_up)
    assert again.returncode == 2
    assert "There is a file" in again.stderr

    network.ask("ci", hold=False)
    for sha in SHAS[2:4]:
        network.ask("emit", on="knot-a", frame=push(sha))
    until(lambda: states(router) == ["done"] * 4, "the builds after the backup")
    refused = typed(router, restore)
    assert refused.returncode == 3
    assert "is in use by another router" in refused.stderr
    router.kill()

    done = typed(router, restore)
    assert done.returncode == 0, done.stderr
    assert "will be looked up first: 1." in done.stdout
    assert states(router) == ["claimed", "done"]
    router.start()
    network.ask("emit", on="knot-a", frame=push(SHAS[4]))
    until(lambda: states(router) == ["done"] * 5, "every delivery to be done")
    assert sorted(build["commit"] for build in network.builds()) == SHAS
    assert router.stop() == 0
    assert len(list(router.folder.glob("router.db.before-*"))) >= 1
