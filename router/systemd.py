"""What systemd is told of a service of `Type=notify`: that it is ready, reloads, stops, and is alive (sd_notify(3)).

A few lines, because the package that has them was last released in 2017.
"""

from __future__ import annotations

import asyncio
import os
import socket
from typing import TYPE_CHECKING

from router.core.errors import RouterError
from router.core.problems import printable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping


class Systemd:
    """Whoever listens at `NOTIFY_SOCKET`; nobody, where the variable is not set. Never raises: a router that cannot say how it
    is goes on all the same."""

    def __init__(self, environ: Mapping[str, str] | None = None, pid: int | None = None) -> None:
        environ = os.environ if environ is None else environ
        self._address = environ.get("NOTIFY_SOCKET", "")
        self._watchdog = _microseconds(environ.get("WATCHDOG_USEC", ""))
        whose = environ.get("WATCHDOG_PID", "")
        if whose and whose != str(os.getpid() if pid is None else pid):
            self._watchdog = 0

    @property
    def every(self) -> float:
        """Seconds between two signs of life, half of what systemd allows; 0 where it wants none."""
        return self._watchdog / 2_000_000

    def ready(self, status: str) -> None:
        self._say("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """`ready` ends it."""
        self._say("RELOADING=1")

    def stopping(self) -> None:
        self._say("STOPPING=1", "STATUS=Finishing what is under way.")

    def status(self, status: str) -> None:
        self._say(f"STATUS={status}")

    async def watch(
        self, stuck: Callable[[], Awaitable[str]], sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        """For ever: a sign of life, but only while `stuck` finds nothing. Where it finds something, systemd is told what, and
        ends the process when its patience is over."""
        while self.every:
            why = await stuck()
            if why:
                self.status(f"Stuck: {why}")
            else:
                self._say("WATCHDOG=1")
            await sleep(self.every)

    def _say(self, *lines: str) -> None:
        if not self._address:
            return
        text = "\n".join(printable(line) for line in lines)
        # An @ stands for the zero byte of an abstract socket.
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sent:
                sent.setblocking(False)  # noqa: FBT003 - the socket module's own signature
                sent.sendto(text.encode(), address)
        except OSError:
            return


async def stuck(asks: Mapping[str, Callable[[], Awaitable[object]]], patience: float) -> str:
    """What does not answer within so many seconds, asked of each by name; empty where all do.

    An error is an answer: a store whose disk is full is not stuck, and a restart would not mend it.
    """
    for name, ask in asks.items():
        try:
            async with asyncio.timeout(patience):
                await ask()
        except TimeoutError:
            return f"{name} has not answered for {patience:g} s."
        except (RouterError, OSError):
            continue
    return ""


def _microseconds(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 0
