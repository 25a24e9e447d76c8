"""What systemd hears, on a socket like its own."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import pytest

from router.core.errors import StoreError
from router.systemd import Systemd, stuck

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Heard:
    """The other end."""

    def __init__(self, path: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + path[1:] if path.startswith("@") else path)
        self.socket.settimeout(0)

    def all(self) -> list[str]:
        found: list[str] = []
        while True:
            try:
                found.append(self.socket.recv(4096).decode())
            except BlockingIOError:
                return found


@pytest.fixture
def heard(tmp_path: Path) -> Iterator[Heard]:
    made = Heard(str(tmp_path / "notify"))
    yield made
    made.socket.close()


def told(tmp_path: Path, **more: str) -> Systemd:
    return Systemd({"NOTIFY_SOCKET": str(tmp_path / "notify"), **more}, pid=7)


def test_it_is_told_what_happens(heard: Heard, tmp_path: Path) -> None:
    systemd = told(tmp_path)
    systemd.ready("3 rules")
    systemd.reloading()
    systemd.stopping()
    assert heard.all() == ["READY=1\nSTATUS=3 rules", "RELOADING=1", "STOPPING=1\nSTATUS=Finishing what is under way."]


def test_an_abstract_socket() -> None:
    name = f"@router-test-{id(object())}"
    heard = Heard(name)
    Systemd({"NOTIFY_SOCKET": name}).status("well")
    assert heard.all() == ["STATUS=well"]
    heard.socket.close()


def test_a_status_is_one_line(heard: Heard, tmp_path: Path) -> None:
    """A rule's name must not be able to say WATCHDOG=1."""
    told(tmp_path).status("a\nWATCHDOG=1")
    assert heard.all() == ["STATUS=a\\nWATCHDOG=1"]


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": "/nowhere/at/all"}])
def test_where_nobody_listens_nothing_happens(environ: dict[str, str]) -> None:
    Systemd(environ).ready("well")


@pytest.mark.parametrize(
    ("environ", "every"),
    [
        ({"WATCHDOG_USEC": "60000000"}, 30.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "7"}, 30.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "8"}, 0.0),
        ({"WATCHDOG_USEC": "soon"}, 0.0),
        ({}, 0.0),
    ],
)
def test_how_often_it_wants_a_sign_of_life(environ: dict[str, str], every: float) -> None:
    """Half of what it allows, and only of this process."""
    assert Systemd(environ, pid=7).every == every


async def test_no_sign_of_life_of_what_is_stuck(heard: Heard, tmp_path: Path) -> None:
    """It is told why instead, and hears again when it goes on."""
    answers = ["", "the store", ""]

    async def ask() -> str:
        return answers.pop(0)

    async def sleep(seconds: float) -> None:
        assert seconds == 15.0
        if not answers:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await told(tmp_path, WATCHDOG_USEC="30000000").watch(ask, sleep)
    assert heard.all() == ["WATCHDOG=1", "STATUS=Stuck: the store", "WATCHDOG=1"]


async def test_what_does_not_answer_is_stuck() -> None:
    """And what answers with an error is not."""

    async def never() -> None:
        await asyncio.Event().wait()

    async def full() -> None:
        raise StoreError("The disk is full.")

    assert await stuck({"the store": full}, 0.01) == ""
    assert await stuck({"the store": full, "delivering": never}, 0.01) == "delivering has not answered for 0.01 s."
