"""What was made twice, and what was never heard of again."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from router.core.errors import Transient
from router.core.model import Gates, Receipt, State, Status
from router.engine.audit import Audit
from router.engine.overdue import Overdue
from router.provider import Doubled
from tests.engine.store.parts import NOW, SECOND, accept, claim, claimed, done, row
from tests.engine.way.parts import LookingToy, Toy, assemble, push

if TYPE_CHECKING:
    from collections.abc import Sequence

    from router.engine.store.base import Store
    from router.testing import FakeClock
    from tests.engine.way.parts import Engine, Told


@dataclass
class Listing(LookingToy):
    """A toy that can list what it made and cancel it."""

    doubles: list[Doubled] | Exception = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    agrees: bool = True
    asked: list[tuple[list[str], int]] = field(default_factory=list)

    async def audit(self, receipts: Sequence[Receipt], since: int, /) -> Sequence[Doubled]:
        self.asked.append(([one.id for one in receipts], since))
        if isinstance(self.doubles, Exception):
            raise self.doubles
        return self.doubles

    async def cancel(self, receipt: Receipt, /) -> bool:
        self.cancelled.append(receipt.id)
        return self.agrees


@pytest.fixture
def toy() -> Listing:
    return Listing(answers=deque([Receipt(id="second")]))


@pytest.fixture
def engine(store: Store, time: FakeClock, told: Told, toy: Listing) -> Engine:
    return assemble(store, time, told, toy)


def audit(engine: Engine) -> Audit:
    return Audit(engine.dispatch.guests, engine.store, engine.bell, engine.told, engine.time, 300.0)


async def built(engine: Engine) -> str:
    await engine.hear(push())
    await engine.work()
    return (await engine.store.deliveries())[0].id


FIRST, SECOND_BUILD = Receipt(id="first", url="https://ci.example/1"), Receipt(id="second", url="https://ci.example/2")


@pytest.mark.fault("T-24")
async def test_the_newer_of_two_is_cancelled_once(engine: Engine, toy: Listing) -> None:
    """And the delivery is the older one's from then on, whichever of the two its answer named."""
    name = await built(engine)
    toy.doubles = [Doubled(delivery=name, first=FIRST, extra=SECOND_BUILD)]
    auditing = audit(engine)
    for _ in range(3):
        await auditing.once()
    assert (toy.cancelled, auditing.cancelled) == (["second"], 1)
    shown = await engine.store.delivery(name)
    assert shown is not None
    assert shown.receipt["id"] == "first"
    assert "happened twice" in engine.told.faults[-1]
    assert "https://ci.example/2" in engine.told.faults[-1]
    assert toy.asked[0] == (["second"], engine.time.now() - 1_500_000_000)


@pytest.mark.fault("T-24")
@pytest.mark.parametrize("what", ["not ours", "another's receipt", "unknown"])
async def test_whoever_writes_our_meta_data_has_nothing_cancelled(engine: Engine, toy: Listing, what: str) -> None:
    """Only a delivery of ours whose own build is one of the two counts."""
    name = await built(engine)
    other = Receipt(id="elsewhere")
    toy.doubles = [Doubled(delivery="0" * 32 if what == "unknown" else name, first=FIRST, extra=other)]
    await audit(engine).once()
    assert toy.cancelled == []


async def test_one_that_is_over_is_told_of_all_the_same(engine: Engine, toy: Listing) -> None:
    """Nothing is left to cancel, and an operator should know."""
    name = await built(engine)
    toy.doubles, toy.agrees = [Doubled(delivery=name, first=FIRST, extra=SECOND_BUILD)], False
    auditing = audit(engine)
    await auditing.once()
    assert auditing.cancelled == 0
    assert "over already" in engine.told.faults[-1]


@pytest.mark.parametrize("error", [Transient("503"), ZeroDivisionError("bug")])
async def test_an_audit_that_fails_ends_nothing(engine: Engine, toy: Listing, error: Exception) -> None:
    """It is told, and tried again the next time."""
    await built(engine)
    toy.doubles = error
    await audit(engine).once()
    assert len(engine.told.faults) == 1


async def test_nothing_made_is_nothing_asked(engine: Engine, toy: Listing) -> None:
    """A router at rest asks nobody anything."""
    await audit(engine).once()
    assert toy.asked == []


async def test_what_is_silent_for_long_has_timed_out(engine: Engine) -> None:
    """Its workflow ends, and is told to whoever waits; a word of it meanwhile counts."""
    name = await built(engine)
    overdue = Overdue(engine.store, engine.bell, engine.told, engine.time, 3600.0)
    engine.time.forward(3599)
    assert await overdue.once() == 0
    engine.time.forward(2)
    assert await overdue.once() == 1
    last = engine.told.entries[-1]
    assert (last.delivery, last.status, "3600 s" in last.error) == (name, Status.TIMEOUT, True)
    assert await overdue.once() == 0


async def test_a_group_is_free_of_what_is_never_over(store: Store, told: Told, time: FakeClock, engine: Engine) -> None:
    """A CI that never tells how a build ended keeps a queue waiting for so long, and no longer."""
    group = Gates(group="deploy")
    await accept(store, "e1", "d1", workflow="ci", gates=group)
    await accept(store, "e2", "d2", workflow="ci", gates=group)
    (held,) = await claim(store)
    await store.settle(held, done(Status.RUNNING, "ci", "d1"), NOW)
    assert await claimed(store) == []
    time.micros = NOW + 3601 * SECOND
    assert await Overdue(store, engine.bell, told, time, 3600.0).once() == 1
    assert await claimed(store, now=time.now()) == ["d2"]
    assert (await row(store, "d1")).status == "timeout"


@pytest.mark.parametrize(("toy", "status"), [(Toy(), "success"), (LookingToy(), "pending")], ids=["nobody", "a poll"])
async def test_of_what_nobody_can_tell_later_delivering_is_the_end(
    store: Store, time: FakeClock, told: Told, toy: Toy, status: str
) -> None:
    """A provider that is neither asked nor calls leaves no workflow open for ever."""
    engine = assemble(store, time, told, toy)
    await engine.hear(push())
    await engine.work()
    (found,) = await store.deliveries()
    assert (found.state, found.status) == (State.DONE, status)
