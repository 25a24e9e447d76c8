"""Tokens, as time goes by."""

from __future__ import annotations

import pytest

from router.core.bucket import Bucket

SECOND = 1_000_000


def test_a_burst_and_then_the_rate() -> None:
    """What is saved is there at once; more than that is a debt, each token a fraction of a second later."""
    bucket = Bucket(rate=2, burst=3)
    assert [bucket.take(1, SECOND) for _ in range(5)] == [0, 0, 0, 0.5, 1.0]
    assert bucket.take(1, 2 * SECOND) == pytest.approx(0.5)
    assert bucket.wait(2 * SECOND) == pytest.approx(1.0)


def test_no_more_is_saved_than_the_burst() -> None:
    """A day of silence is no licence for a day's flood."""
    bucket = Bucket(rate=2, burst=3)
    bucket.take(3, 0)
    assert bucket.take(4, 86_400 * SECOND) == pytest.approx(0.5)


def test_a_clock_that_goes_back_gives_nothing() -> None:
    """And takes nothing: it goes on from there."""
    bucket = Bucket(rate=2, burst=3)
    bucket.take(3, 10 * SECOND)
    assert bucket.take(1, 5 * SECOND) == pytest.approx(0.5)
    assert bucket.take(0, 6 * SECOND) == 0
