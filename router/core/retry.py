"""What to do after an attempt failed: again, look first, or never."""

from __future__ import annotations

from router.core.errors import Ambiguous, DeliveryError, Permanent, RouterError, Transient
from router.core.model import Micros, Outcome, Retry, State

#: However long the other side asks us to wait, it is asked again within a day.
LONGEST_WAIT = 86400.0
#: How soon something that only an operator can mend (a secret that is missing) is tried again, in seconds.
PARKED = 60.0


def judge(
    error: BaseException,
    *,
    tries: int,
    policy: Retry,
    now: Micros,
    roll: float,
    idempotent: bool,
    settle: float | None,
) -> Outcome:
    """The outcome of an attempt that raised `error`.

    `tries` counts the attempts so far that count, this one included. `roll` is a random number in [0, 1). `settle` is how many
    seconds a look-up must wait to be believed, or None where the provider cannot look up.
    """
    response = (error.response or "") if isinstance(error, DeliveryError) else ""
    if isinstance(error, Transient):
        return _again(error, str(error), response, tries=tries, policy=policy, now=now, roll=roll)
    if isinstance(error, Permanent):
        return Outcome(state=State.DEAD, reason=str(error), response=response)
    if isinstance(error, Ambiguous):
        if settle is not None:
            return Outcome(state=State.VERIFY, reason=str(error), due=_after(now, settle), response=response)
        if idempotent:
            return _again(error, str(error), response, tries=tries, policy=policy, now=now, roll=roll)
        reason = f"{error} It may have happened, cannot be looked up and is not marked idempotent, so it is not tried again."
        return Outcome(state=State.DEAD, reason=reason, response=response)
    if isinstance(error, RouterError):
        return Outcome(state=State.READY, reason=str(error), due=_after(now, PARKED), counts=False)
    return Outcome(state=State.DEAD, reason=f"A bug in the provider: {type(error).__name__}. The log has its traceback.")


def wait(policy: Retry, tries: int, roll: float) -> float:
    """Seconds until the next attempt, after `tries` of them: between half and all of the step, so that crowds disperse."""
    if policy.schedule:
        step = policy.schedule[min(tries, len(policy.schedule)) - 1]
        return step * (1 + 0.1 * roll)
    try:
        step = min(policy.cap, policy.base * policy.factor ** min(tries - 1, 64))
    except OverflowError:
        step = policy.cap
    return step * (0.5 + roll / 2)


def _again(error: DeliveryError, reason: str, response: str, *, tries: int, policy: Retry, now: Micros, roll: float) -> Outcome:
    counts = not isinstance(error, Transient) or error.counts
    if counts and tries >= policy.attempts:
        return Outcome(
            state=State.DEAD, reason=f"Given up after {tries} attempt{'s' * (tries > 1)}. {reason}", response=response
        )
    asked = error.retry_after if isinstance(error, Transient) else None
    seconds = wait(policy, max(1, tries), roll) if asked is None else max(0.0, min(asked, LONGEST_WAIT)) + roll
    return Outcome(state=State.READY, reason=reason, due=_after(now, seconds), response=response, counts=counts)


def _after(now: Micros, seconds: float) -> Micros:
    return now + int(seconds * 1_000_000)
