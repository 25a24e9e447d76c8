"""`router run` as a service of systemd, with a socket that stands for it."""

from __future__ import annotations

import signal
import socket
from typing import TYPE_CHECKING

import pytest

from tests.e2e.processes import until

if TYPE_CHECKING:
    from tests.e2e.processes import Network, Router

pytestmark = pytest.mark.e2e


def test_systemd_hears_how_it_goes(network: Network, router: Router) -> None:
    """That it is ready once it listens, that it lives, that it reloads, and that it stops."""
    heard: list[str] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(router.folder / "notify"))
        systemd.settimeout(0)

        def said(word: str, times: int = 1) -> bool:
            while True:
                try:
                    heard.append(systemd.recv(4096).decode())
                except BlockingIOError:
                    return sum(line.startswith(word) for line in heard) >= times

        router.start(NOTIFY_SOCKET=str(router.folder / "notify"), WATCHDOG_USEC="200000")
        until(lambda: said("READY=1"), "it to be ready")
        network.ask("attended")
        until(lambda: said("WATCHDOG=1", 3), "three signs of life")
        assert router.process is not None
        router.process.send_signal(signal.SIGHUP)
        until(lambda: said("RELOADING=1"), "it to reload")
        until(lambda: said("READY=1", 2), "it to be ready again")
        assert router.stop() == 0
        assert said("STOPPING=1")
        assert "rules, " in next(line for line in heard if line.startswith("READY=1"))
