"""What happens after an attempt failed, and durations as people write them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.core import durations, retry
from router.core.errors import Ambiguous, BadInput, Permanent, Transient
from router.core.model import Outcome, Retry, State
from router.core.retry import judge

NOW = 1_000_000_000


def told(error: BaseException, *, tries: int = 1, idempotent: bool = False, settle: float | None = None) -> Outcome:
    policy = Retry(attempts=3, base=10.0, factor=2.0, cap=100.0)
    return judge(error, tries=tries, policy=policy, now=NOW, roll=0.0, idempotent=idempotent, settle=settle)


@pytest.mark.parametrize(("tries", "seconds"), [(1, 5.0), (2, 10.0)])
def test_transient_is_tried_again(tries: int, seconds: float) -> None:
    """What did not happen is tried again after a growing wait."""
    outcome = told(Transient("503", response="busy"), tries=tries)
    assert (outcome.state, outcome.due, outcome.counts) == (State.READY, NOW + int(seconds * 1e6), True)
    assert (outcome.reason, outcome.response) == ("503", "busy")


def test_attempts_come_to_an_end() -> None:
    """The last attempt that the policy allows makes a dead letter that says how many there were."""
    outcome = told(Transient("503", response="busy"), tries=3)
    assert (outcome.state, outcome.reason, outcome.response) == (State.DEAD, "Given up after 3 attempts. 503", "busy")


def test_an_attempt_that_was_never_considered_does_not_count() -> None:
    """However busy a CI is, a delivery is not given up for it."""
    outcome = told(Transient("429", counts=False), tries=3)
    assert (outcome.state, outcome.counts) == (State.READY, False)
    assert told(Transient("429", counts=False), tries=0).due > NOW


@pytest.mark.parametrize(
    ("asked", "seconds"), [(30.0, 30), (0.0, 0), (-5.0, 0), (1e12, 86400), (math.inf, 86400), (math.nan, 0)]
)
def test_the_other_side_may_ask_for_a_wait(asked: float, seconds: int) -> None:
    """A stated wait is kept, within a day, whatever nonsense is asked for."""
    assert told(Transient("429", retry_after=asked)).due == NOW + seconds * 1_000_000


def test_permanent_is_dead() -> None:
    """What never will happen is not tried again."""
    outcome = told(Permanent("404", response="no such pipeline"))
    assert (outcome.state, outcome.reason, outcome.response) == (State.DEAD, "404", "no such pipeline")


def test_ambiguous_is_looked_up_where_that_is_possible() -> None:
    """Before anything is tried again, the provider looks, once a look-up can be believed."""
    outcome = told(Ambiguous("cut off"), settle=5.0, idempotent=True)
    assert (outcome.state, outcome.due) == (State.VERIFY, NOW + 5_000_000)


def test_ambiguous_is_repeated_only_where_that_does_no_harm() -> None:
    """Without a look-up, only an idempotent delivery is made again."""
    assert told(Ambiguous("cut off"), idempotent=True).state is State.READY
    assert told(Ambiguous("cut off"), idempotent=True, tries=3).state is State.DEAD
    outcome = told(Ambiguous("cut off"))
    assert outcome.state is State.DEAD
    assert "not marked idempotent" in outcome.reason


def test_what_an_operator_can_mend_waits_for_it() -> None:
    """A missing secret parks the delivery and uses up no attempt."""
    outcome = told(BadInput("BUILDKITE_TOKEN is not set."), tries=3)
    assert (outcome.state, outcome.counts, outcome.due) == (State.READY, False, NOW + 60_000_000)


def test_a_bug_is_not_repeated_and_does_not_leak() -> None:
    """Any other error is a bug: dead at once, by its class alone, because its text may hold a secret."""
    outcome = told(KeyError("token-123"))
    assert outcome.state is State.DEAD
    assert "KeyError" in outcome.reason
    assert "token-123" not in outcome.reason


def test_a_schedule_is_kept_to_its_last_step() -> None:
    """With a schedule, the nth wait is the nth step, and the last one repeats."""
    policy = Retry(schedule=(5.0, 300.0))
    assert [retry.wait(policy, tries, 0.0) for tries in (1, 2, 3, 9)] == [5.0, 300.0, 300.0, 300.0]
    assert retry.wait(policy, 1, 0.999) < 5.5


@given(
    st.builds(
        Retry,
        base=st.floats(0.001, 1e6),
        factor=st.floats(1, 1e300),
        cap=st.floats(0.001, 1e6),
        schedule=st.lists(st.floats(0, 1e6), max_size=3).map(tuple),
    ),
    st.integers(1, 10**9),
    st.floats(0, 1, exclude_max=True),
)
def test_waits_are_bounded(policy: Retry, tries: int, roll: float) -> None:
    """A wait is never negative, never infinite, and never much above the cap or the schedule's step."""
    seconds = retry.wait(policy, tries, roll)
    assert 0 <= seconds <= (1.1 * max(policy.schedule) if policy.schedule else policy.cap)


@given(st.integers(1, 30), st.floats(0, 1, exclude_max=True), st.floats(0, 1, exclude_max=True))
def test_waits_grow(tries: int, one: float, other: float) -> None:
    """Below the cap a wait is between half and all of its step, so that crowds disperse and order is kept."""
    policy = Retry(base=1.0, factor=2.0, cap=1e12)
    step = 2.0 ** (tries - 1)
    assert step / 2 <= retry.wait(policy, tries, one) <= step
    assert retry.wait(policy, tries, one) <= retry.wait(policy, tries + 1, other)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30),
        ("1h30m", 5400),
        ("2d", 172800),
        ("1w", 604800),
        ("250ms", 0.25),
        ("1.5h", 5400),
        ("0s", 0),
        ("1m1ms", 60.001),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    """A duration is one or more numbers with units."""
    assert durations.seconds(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text", ["", "30", "s", "1 h", "-1s", "1y", "1h ", "1.s", "1e3s", "٣s", "1s\n", "9" * 400 + "s", "600w"]
)
def test_what_is_no_duration(text: str) -> None:
    """Anything else is refused with a sentence, and so is what leaves every calendar."""
    with pytest.raises(ValueError, match=r"duration|ten years"):
        durations.seconds(text)
