"""SIGTERM while a CI is answering: in order, within the time that was given, or at once."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.e2e.processes import push, until

if TYPE_CHECKING:
    from tests.e2e.processes import Network, Router

pytestmark = [pytest.mark.e2e, pytest.mark.fault("T-36")]

FIRST, SECOND = "1" * 40, "2" * 40


def under_way(network: Network, router: Router, shutdown: str) -> None:
    """A router whose delivery the CI has, and does not answer."""
    settings = router.folder / "router.yaml"
    settings.write_text(settings.read_text().replace("{poll: 200ms}", f"{{poll: 200ms, shutdown: {shutdown}}}"))
    network.ask("ci", hold=True)
    router.start()
    network.ask("attended")
    network.ask("emit", on="knot-a", frame=push(FIRST))
    until(network.builds, "the CI to have the build")


def end(router: Router, number: signal.Signals = signal.SIGTERM) -> None:
    assert router.process is not None
    router.process.send_signal(number)


def left(network: Network) -> bool:
    """Whether nobody listens to the knot any more."""
    return not network.ask("listeners", on="knot-a")["listeners"]


def test_what_is_under_way_may_end(network: Network, router: Router) -> None:
    """Nothing new is heard meanwhile; the answer that comes in time is stored, and the exit code is 0."""
    under_way(network, router, "25s")
    end(router)
    until(lambda: left(network), "the router to stop hearing")
    network.ask("emit", on="knot-a", frame=push(SECOND))
    assert router.process is not None
    assert router.process.poll() is None
    network.ask("ci", hold=False)
    assert router.wait() == 0
    assert [row["state"] for row in router.cli("deliveries", "list")] == ["done"]
    router.start()
    until(lambda: len(network.builds()) == 2, "the push that came meanwhile")
    assert [build["commit"] for build in network.builds()] == [FIRST, SECOND]


def test_what_does_not_end_in_time_is_looked_up(network: Network, router: Router) -> None:
    """It stays as it is, the exit code is 0, and the next start finds the build."""
    under_way(network, router, "200ms")
    end(router)
    assert router.wait() == 0
    assert [row["state"] for row in router.cli("deliveries", "list")] == ["claimed"]
    network.ask("ci", hold=False)
    router.start()
    until(lambda: router.lines("delivery attempted", state="done"), "the build to be found")
    assert [build["commit"] for build in network.builds()] == [FIRST]


def test_a_second_signal_ends_it_at_once(network: Network, router: Router) -> None:
    """As it would any process; nothing is lost by it."""
    under_way(network, router, "25s")
    end(router)
    until(lambda: left(network), "the router to stop hearing")
    end(router)
    assert router.wait() == -signal.SIGTERM
    network.ask("ci", hold=False)
    router.start()
    until(lambda: router.lines("delivery attempted", state="done"), "the build to be found")
    assert [build["commit"] for build in network.builds()] == [FIRST]
