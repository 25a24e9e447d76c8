"""Buckets of tokens: no window of theirs ever sees more requests than they allow, and nobody waits longer than needed."""

from __future__ import annotations

import random

import pytest

from router.engine import limits as module
from router.engine.limits import Bucket, Limits
from router.host import Limit
from router.testing import FakeClock

SECOND = 1_000_000
ORG, TOKEN = Limit(name="org", rate=200, reserve=10), Limit(name="token", rate=50, reserve=10)


@pytest.mark.fault("T-23")
@pytest.mark.parametrize("seed", range(5))
def test_no_window_has_more_than_the_limit(seed: int) -> None:
    """Whoever asks whenever there is a token, in bursts and drops, makes at most 50 requests in any 60 seconds."""
    chance, clock = random.Random(seed), FakeClock()
    bucket = Bucket(Limit(name="x", rate=50))
    made: list[int] = []
    for _ in range(2000):
        clock.forward(chance.choice((0, 0, 0, 0.01, 0.1, 3)))
        if bucket.left(clock.now()):
            bucket.take(clock.now())
            made.append(clock.now())
    assert all(last - first >= 60 * SECOND for first, last in zip(made, made[50:], strict=False))
    assert len(made) >= 50 * (made[-1] - made[0]) // (60 * SECOND) // 2


def test_a_token_comes_back_when_it_is_said_to() -> None:
    """`opens` is the first moment with room, not a moment before and none after."""
    clock = FakeClock()
    bucket = Bucket(Limit(name="x", rate=2))
    for wait in (0, 7):
        clock.forward(wait)
        bucket.take(clock.now())
    opens = bucket.opens(clock.now(), 0)
    assert opens == clock.now() + 53 * SECOND
    assert bucket.left(opens - 1) == 0
    assert bucket.left(opens) == 1
    assert bucket.opens(opens, 0) is None


def test_what_is_drained_opens_whole_at_its_reset() -> None:
    """Whatever was left: the other side has counted what we did not."""
    clock = FakeClock()
    all_of_them = Limits(clock)
    all_of_them.drain([ORG], 12)
    assert (all_of_them.room([ORG]), all_of_them.opens([ORG])) == (0, clock.now() + 12 * SECOND)
    clock.forward(12)
    assert all_of_them.room([ORG]) == 190


def test_a_reserve_is_for_look_ups() -> None:
    """New ones leave ten requests; look-ups may take them."""
    clock = FakeClock()
    kept = Limits(clock)
    for _ in range(40):
        kept.count([ORG, TOKEN])
    assert (kept.room([ORG, TOKEN]), kept.room([ORG, TOKEN], looking=True)) == (0, 10)
    assert kept.opens([ORG, TOKEN], looking=True) == clock.now()
    assert kept.opens([ORG, TOKEN]) == clock.now() + 60 * SECOND


def test_what_can_wait_leaves_half() -> None:
    """Polls and audits never take what new builds need."""
    kept = Limits(FakeClock())
    assert sum(kept.spend([ORG, TOKEN]) for _ in range(100)) == 25
    assert kept.room([ORG, TOKEN]) == 15


def test_a_reserve_never_is_everything() -> None:
    """Somebody who reserves more than there is still gets builds."""
    assert Limits(FakeClock()).room([Limit(name="x", rate=5, reserve=50)]) == 1


def test_a_clock_that_goes_back_locks_nothing_up() -> None:
    """What was taken in what is the future now was taken now, at the latest."""
    clock = FakeClock()
    bucket = Bucket(Limit(name="x", rate=1))
    bucket.take(clock.now())
    clock.forward(-86_400)
    assert bucket.left(clock.now()) == 0
    clock.forward(60)
    assert bucket.left(clock.now()) == 1


def test_buckets_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many names providers come up with, and those that are in use stay."""
    monkeypatch.setattr(module, "MOST", 8)
    kept = Limits(FakeClock())
    kept.count([TOKEN])
    for number in range(100):
        kept.room([Limit(name=str(number), rate=1)])
    assert len(kept._buckets) <= 8
    assert kept.room([TOKEN], looking=True) == 49
