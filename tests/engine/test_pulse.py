"""An event loop that stands still."""

from __future__ import annotations

import asyncio
import threading

import pytest

from router.engine.pulse import STALLED_AFTER, Pulse


class Hands:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.at = 100.0

    def now(self) -> float:
        return self.at


@pytest.mark.fault("T-39")
def test_a_stall_is_told_once_and_so_is_its_end() -> None:
    """With all stacks, once for each stall; what answers a supervisor sees it meanwhile."""
    hands = Hands()
    told: list[tuple[str, str]] = []
    pulse = Pulse(lambda sentence, dump: told.append((sentence, dump)), hands.now)
    hands.at += STALLED_AFTER - 1
    pulse.look()
    before = pulse.alive, len(told)
    assert before == (True, 0)
    for _ in range(3):
        hands.at += 2
        pulse.look()
    ((sentence, dump),) = told
    assert sentence == "The event loop has stood still for 11 s: nothing is heard or delivered."
    assert "Thread MainThread:" in dump
    assert "test_a_stall_is_told_once" in dump
    pulse.beat()
    pulse.look()
    pulse.look()
    assert told[1:] == [("The event loop goes on; it stood still for 15 s or more.", "")]
    assert (pulse.alive, pulse.stalls, pulse.longest) == (True, 1, 15.0)
    hands.at += 60
    assert (pulse.alive, pulse.age) == (False, 60.0)


@pytest.mark.fault("T-39")
async def test_a_loop_that_is_blocked_is_seen_from_outside() -> None:
    """The thread says what blocks it, while it does; when the router stops, the thread ends."""
    seen, dumps = threading.Event(), []

    def told(_sentence: str, dump: str) -> None:
        dumps.append(dump)
        seen.set()

    pulse = Pulse(told, stalled_after=0.05)
    running = asyncio.create_task(pulse.run())
    await asyncio.sleep(0)
    assert seen.wait(30)  # the loop stands still here
    assert "seen.wait(30)" in dumps[0]
    running.cancel()
    await asyncio.wait([running])
    for thread in threading.enumerate():
        if thread.name == "pulse":
            thread.join(10)
            assert not thread.is_alive()
