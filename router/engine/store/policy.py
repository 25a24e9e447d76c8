"""What the store holds back, whatever rules say: quotas, a guard against loops, and how long one that fails holds up others."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """`actions` and `bytes` (of events, deliveries and logs) are of an hour by the clock, `in_flight` at once; None: any."""

    actions: int | None = None
    in_flight: int | None = None
    bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """`account` is for each owner of repos (a DID), `knot` for each knot, `all` for everything together.

    A rule acts on at most `loop_events` events about one ref of a repo in `loop_within` seconds, 0 for any number: more is a
    rule that feeds itself. A delivery that is to be tried again holds back newer ones of its lane for `hold` seconds.
    """

    account: Quota = field(default_factory=Quota)
    knot: Quota = field(default_factory=Quota)
    all: Quota = field(default_factory=Quota)
    loop_events: int = 0
    loop_within: float = 600.0
    hold: float = 600.0
