"""Any order of events, faults, crashes, clock jumps and changes of rules, as Hypothesis thinks them up: the contract holds."""

from __future__ import annotations

import os
import random
import signal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from tests.faults.scene import BRANCHES, later
from tests.faults.test_points import STEPS
from tests.faults.world import World

if TYPE_CHECKING:
    from tests.faults.world import Pipe

pytestmark = pytest.mark.faults

#: FAULTS_SEEDS=1,2,3 asks for these; FAULTS_EXAMPLES for more of each; FAULTS_SHRINK=1 for the shortest run that fails.
SEEDS = [int(text) for text in os.environ.get("FAULTS_SEEDS", "").split(",") if text]
EXAMPLES = int(os.environ.get("FAULTS_EXAMPLES") or 4)
#: Steps of one run.
STEPS_EACH = 40
#: Seconds that a router's clock may jump by: a webhook's receiver believes five minutes.
JUMP = 120


class Machine(RuleBasedStateMachine):
    """One world, from its beginning to peace."""

    simulator: ClassVar[Pipe]
    nursery: ClassVar[Pipe]

    @initialize(number=st.integers(0, (1 << 32) - 1))
    def begin(self, number: int) -> None:
        self.folder = TemporaryDirectory(prefix="router-faults-", ignore_cleanup_errors=True, dir=_memory())
        self.world = World(Path(self.folder.name), random.Random(number), self.simulator, self.nursery)
        self.world.first_life()
        self.changed = False

    @rule(count=st.integers(1, 20))
    def something_happens(self, count: int) -> None:
        self.world.say(count)

    @rule(count=st.integers(1, 20))
    def it_is_said_again(self, count: int) -> None:
        self.world.say_again(count)

    @rule()
    def connections_break(self) -> None:
        self.world.cut()

    @rule()
    def others_fail(self) -> None:
        self.world.disturb()

    @rule()
    def others_are_well(self) -> None:
        self.world.calm()

    @rule(seconds=st.integers(-JUMP, JUMP))
    def the_clock_jumps(self, seconds: int) -> None:
        self.world.jump(seconds)

    @precondition(lambda self: not self.world.alive)
    @rule()
    def it_starts(self) -> None:
        self.world.start()

    @precondition(lambda self: self.world.alive)
    @rule()
    def it_is_killed(self) -> None:
        self.world.kill()

    @precondition(lambda self: self.world.alive)
    @rule()
    def it_is_stopped(self) -> None:
        # One that has not begun yet ends as any process does.
        assert self.world.end() in (0, -signal.SIGTERM), self.world.log_tail()

    @precondition(lambda self: not self.world.alive)
    @rule(step=st.sampled_from(STEPS))
    def it_dies_at_a_step(self, step: str) -> None:
        self.world.say(5)
        self.world.start(crash_at=step)
        if self.world.wait(seconds=3.0) is None:
            self.world.kill()  # with all that others fail at, it did not come that far

    @rule()
    def its_rules_are_written_differently(self) -> None:
        self.world.write_rules("the same in other words")
        if self.world.alive:
            self.world.reload()

    @precondition(lambda self: not self.changed)
    @rule()
    def its_rules_change(self) -> None:
        self.world.rulesets = later(self.world.rulesets)
        self.world.write_rules()
        if self.world.alive:
            self.world.reload()
        self.world.branches = BRANCHES
        self.changed = True

    def teardown(self) -> None:
        """Peace, and then the oracle."""
        if not hasattr(self, "world"):
            return
        world = self.world
        try:
            world.calm()
            # What a clock that was ahead put off is due, too.
            world.jump(2 * JUMP)
            if not world.alive:
                world.start()
            world.up()
            found = world.settle()
            assert not found, "\n".join(found)
            assert world.end() == 0
            assert world.integrity() == [("ok",)]
            assert not world.unwell()
        finally:
            if world.alive:
                world.kill()
            self.folder.cleanup()


def _memory() -> str | None:
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


@pytest.mark.timeout(480)
@pytest.mark.fault("T-08", "T-18", "T-19")
@pytest.mark.parametrize("which", range(len(SEEDS) or 3))
def test_whatever_happens_in_whatever_order(simulator: Pipe, nursery: Pipe, which: int) -> None:
    """Nothing lost, nothing doubled, final statuses right, a sound store."""
    number = SEEDS[which] if SEEDS else random.SystemRandom().randrange(1 << 32)
    print(f"FAULTS_SEEDS={number}")
    machine = seed(number)(type("Seeded", (Machine,), {"simulator": simulator, "nursery": nursery}))
    phases = (Phase.generate, Phase.shrink) if os.environ.get("FAULTS_SHRINK") else (Phase.generate,)
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS_EACH,
            deadline=None,
            database=None,
            phases=phases,
            suppress_health_check=list(HealthCheck),
        ),
    )
