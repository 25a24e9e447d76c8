"""An event loop that stands still."""

from __future__ import annotations

import asyncio
import threading

import pytest

from router.engine.pulse import STILL, Pulse
from router.observe import Silent


class Hands:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.at = 100.0

    def now(self) -> float:
        return self.at


class Told(Silent):
    def __init__(self) -> None:
        self.faults: list[str] = []
        self.news = threading.Event()

    def fault(self, what: str, sentence: str, error: BaseException | None = None) -> None:
        self.faults.append(sentence)
        self.news.set()


@pytest.mark.fault("T-39")
def test_a_stall_is_told_once_and_so_is_its_end() -> None:
    """With what every thread is doing; and what answers a supervisor sees it meanwhile."""
    hands, told = Hands(), Told()
    pulse = Pulse(told, now=hands.now)
    states = []
    for seconds in (STILL - 1, 2, 2, 2):
        hands.at += seconds
        pulse.look()
        states.append((pulse.alive, len(told.faults)))
    assert states == [(True, 0), (False, 1), (False, 1), (False, 1)]
    assert told.faults[0].startswith("The event loop has stood still for 11 s: nothing is heard or delivered.\nThread ")
    assert "Thread MainThread:" in told.faults[0]
    assert "test_a_stall_is_told_once" in told.faults[0]
    pulse.beat()
    pulse.look()
    pulse.look()
    assert told.faults[1:] == ["The event loop goes on. It stood still for 15 s or more."]
    after = pulse.alive, pulse.stalls, pulse.longest
    assert after == (True, 1, 14.0)


@pytest.mark.fault("T-39")
async def test_a_loop_that_is_blocked_is_seen_from_outside() -> None:
    """The thread says what blocks it, while it does; when the router stops, the thread ends."""
    told = Told()
    running = asyncio.create_task(Pulse(told, every=0.01, still=0.05).run())
    await asyncio.sleep(0)
    assert told.news.wait(30)  # the loop stands still here
    assert "told.news.wait(30)" in told.faults[0]
    running.cancel()
    await asyncio.wait([running])
    for thread in threading.enumerate():
        if thread.name == "pulse":
            thread.join(10)
            assert not thread.is_alive()
