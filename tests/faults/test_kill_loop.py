"""Kills at random moments, while everything around the router goes wrong: each event is acted on as the contract says."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from tests.faults.scene import BRANCHES, later

if TYPE_CHECKING:
    from tests.faults.world import World

pytestmark = pytest.mark.faults

#: FAULTS_KILLS asks for more, or fewer.
KILLS = int(os.environ.get("FAULTS_KILLS") or 300)
EVENTS = 34 * KILLS
#: Seconds from a start to its kill: from before the store is open to when all that was said may be done. Where starting takes
#: longer, lives do, up to twice as long.
LONGEST = 0.5
#: Seconds that the last life, in peace, may take for what the others left.
REST = 240.0


@pytest.mark.timeout(600)
@pytest.mark.fault("T-05", "T-08", "T-18", "T-23", "T-24", "T-36")
def test_kills_at_random_lose_and_double_nothing(world: World) -> None:
    """300 kills over more than 10,000 events on four knots of both generations and a Jetstream, with duplicates, late and
    broken frames, cut connections, refusals, cut, truncated and senseless answers, and a change of rules in the middle: nothing
    is lost, nothing is doubled, every status ends right, and the store is sound."""
    longest = LONGEST * min(2.0, max(1.0, world.first_life()))
    world.kill()
    for life in range(KILLS):
        if life == KILLS // 2:
            change_the_rules(world)
        one_life(world, EVENTS // KILLS, world.chance.uniform(0, longest))
    world.calm()
    world.start()
    found = world.settle(REST)
    tell(world)
    assert not found, "\n".join(found)
    assert world.end() == 0
    assert world.integrity() == [("ok",)]
    assert not world.unwell()


def one_life(world: World, events: int, seconds: float) -> None:
    """A router between its start and its kill; what happens, happens at its start and in its middle."""
    world.disturb()
    world.start()
    for share in (events // 2, events - events // 2):
        world.say(share)
        time.sleep(seconds / 2)
        if world.chance.random() < 0.3:
            world.cut()
    world.kill()


def change_the_rules(world: World) -> None:
    """Under a router that has work under way: once without a difference, and once with one to what is said from then on. It
    stops as it should, and the next one reads the same."""
    world.start()
    world.up()
    world.say(50)
    world.write_rules("the same, written differently")
    world.reload()
    world.say(50)
    world.rulesets = later(world.rulesets)
    world.write_rules("and one more")
    world.reload()
    world.branches = BRANCHES
    world.say(50)
    assert world.end() == 0, world.log_tail()


def tell(world: World) -> None:
    """What it came to, for whoever reads the log of a run."""
    seen = world.seen()
    looked = world.rows("SELECT count(*) FROM attempts WHERE verify")[0][0]
    dead = world.rows("SELECT count(*) FROM deliveries WHERE state = 'dead'")[0][0]
    print(
        f"{world.kills} kills, {len(world.said)} events in {world.frames} frames: {len(seen.builds)} builds, "
        f"{len(set(seen.hooks))} webhooks ({len(seen.hooks)} times), {len(seen.told)} statuses told, "
        f"{sum(seen.ran.values())} commands ({dead} cut off and said so), {looked} look-ups before a second attempt"
    )
    # A run in which little went wrong proves little.
    assert looked > world.kills / 10
    assert KILLS < 100 or len(seen.hooks) > len(set(seen.hooks))
    assert world.frames > len(world.said)
