"""A kill at each named step between a frame and its end: whatever was done before is known, and what was not is done."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.faults.world import World

pytestmark = pytest.mark.faults

#: Every step of the way, in order.
STEPS = (
    "after_heard",
    "before_accept",
    "in_accept",
    "after_accept",
    "after_claim",
    "before_deliver",
    "after_deliver",
    "before_settle",
    "in_settle",
    "after_settle",
)


@pytest.mark.fault("T-01", "T-02", "T-03", "T-04", "T-05", "T-06")
@pytest.mark.parametrize("step", STEPS)
def test_a_kill_at_a_step_loses_and_doubles_nothing(world: World, step: str) -> None:
    """Thirty events of every kind, three routers that die at the step, and one that lives."""
    world.first_life()
    world.kill()
    world.say(30)
    for _ in range(3):
        world.start(crash_at=step)
        assert world.wait() == -9, world.log_tail()
    world.start()
    found = world.settle()
    assert not found, "\n".join(found)
    assert world.end() == 0
    assert world.integrity() == [("ok",)]
    assert not world.unwell()
