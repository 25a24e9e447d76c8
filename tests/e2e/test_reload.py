"""Rules and settings that change under a running router, as files do in the wild."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.e2e.processes import RULES, push, until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.processes import Network, Router

pytestmark = pytest.mark.e2e

BROKEN = RULES.replace("do: []", "do: [")


def sha(number: int) -> str:
    return f"{number:040x}"


def emit(network: Network, *numbers: int) -> None:
    for number in numbers:
        network.ask("emit", on="knot-a", frame=push(sha(number)))


def rules_of(router: Router) -> set[tuple[str, str]]:
    """Which rule delivered which commit."""
    return {(row["rule"], row["sha"]) for row in router.cli("deliveries", "list", "--limit", "1000")}


def hup(router: Router) -> None:
    assert router.process is not None
    router.process.send_signal(signal.SIGHUP)


@pytest.mark.fault("T-34")
def test_broken_rules_under_load_change_nothing(network: Network, router: Router) -> None:
    """Pushes come without end while a broken file is read: it is refused with its place, each push is decided by the old rules,
    once; and when the file is mended, by the new ones."""
    rules = router.folder / "rules" / "build.yaml"
    with (router.folder / "router.yaml").open("a") as settings:
        settings.write("reload: {watch: false}\n")
    router.start()
    network.ask("attended")
    emit(network, *range(1, 21))
    rules.write_text(BROKEN)
    for number in range(21, 41):
        hup(router)
        emit(network, number)
    until(lambda: router.lines("reload refused"), "the broken file to be refused")
    (problem, *_) = router.lines("problem")
    assert problem["place"] == "rules/build.yaml:7:3"
    until(lambda: len(rules_of(router)) == 40, "all pushes to be heard")
    assert rules_of(router) == {("build/build", sha(number)) for number in range(1, 41)}
    rules.write_text(RULES.replace("name: build\n", "name: mended\n"))
    hup(router)
    until(lambda: router.lines("reloaded"), "the mended file to be in force")
    emit(network, 41)
    until(lambda: ("build/mended", sha(41)) in rules_of(router), "the new rule to decide")
    assert len(rules_of(router)) == 41
    assert router.stop() == 0


def swap(volume: Path, name: str, rules: str, config: str) -> None:
    """As Kubernetes updates a config map: a new folder, and a link renamed over the one that leads to the old."""
    made = volume / name
    made.mkdir()
    (made / "build.yaml").write_text(rules)
    (made / "router.yaml").write_text(config)
    (volume / "..data_tmp").symlink_to(name)
    os.replace(volume / "..data_tmp", volume / "..data")  # noqa: PTH105 - the call itself


@pytest.mark.fault("T-41")
def test_a_config_map_is_swapped(network: Network, router: Router) -> None:
    """The files that the router knows are links through a link, which alone is another: rules and settings are read again, and
    what is swapped to the same text is no change."""
    config = (router.folder / "router.yaml").read_text().replace("rules: [./rules]", "rules: [./build.yaml]")
    config = config.replace("{path: router.db}", f"{{path: {router.folder / 'router.db'}}}")
    volume = router.folder / "volume"
    volume.mkdir()
    swap(volume, "..1", RULES, config)
    for name in ("router.yaml", "build.yaml"):
        (volume / name).symlink_to(f"..data/{name}")
    router.start("--config", "volume/router.yaml")
    network.ask("attended")
    until(lambda: router.lines("source up", source="knot-a"), "the router to listen")
    swap(volume, "..2", RULES, config)
    swap(volume, "..3", RULES.replace("name: build\n", "name: swapped\n"), config)
    until(lambda: router.lines("reloaded"), "the new rules to be in force")
    emit(network, 1)
    shown = until(lambda: router.lines("delivery planned"), "the push to be decided")
    assert [line["rule"] for line in shown] == ["build/swapped"]
    swap(volume, "..4", RULES, config.replace("poll: 200ms", "poll: 100ms"))
    until(lambda: len(router.lines("reloaded")) == 2, "the next swap to be seen, which is in the folder that the first led to")
    assert "delivery" in router.lines("reloaded")[1]["reason"]
    assert router.stop() == 0
