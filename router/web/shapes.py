"""What the admin API takes and gives, as models: requests are checked by them, and openapi.json is made of them.

Times are microseconds since 1970.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from router.core.model import State, Status

#: Deliveries that a state may mean in one request, and deliveries, sources or rules that one may name.
MOST, NAMED = 10_000, 1000
#: Events that one request may let run.
DECIDED = 100
#: Characters of a name in a request.
LONGEST = 200
Name = Annotated[str, Field(max_length=LONGEST)]
Names = Annotated[list[Name], Field(max_length=NAMED)]


def _whole(given: object) -> object:
    """JSON has one kind of number: 7.0 is the integer 7."""
    return int(given) if isinstance(given, float) and given.is_integer() else given


#: What an event's record is numbered with; SQLite's integers end there.
Number = Annotated[int, Field(ge=0, lt=2**63), BeforeValidator(_whole)]
_WAITING = Literal["dead", "ready", "verify"]


class Asked(BaseModel):
    """The base of what is asked: an unknown key is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class Told(BaseModel):
    """The base of what is told."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class EventsAsked(Asked):
    """Which events, newest first."""

    nsid: Name = Field("", description="Only events of this record type.")
    repo: Name = Field("", description="Only those of this repo.")
    rule: Name = Field("", description="Only those that this rule matched.")
    matched: bool = Field(default=False, description="Only those that a rule matched.")
    before: Number = Field(0, description="Only those whose number is smaller; 0 for the newest.")
    limit: int = Field(50, ge=1, le=1000, description="At most so many.")


class DeliveriesAsked(Asked):
    """Which deliveries, newest first."""

    state: State | None = Field(None, description="Only those in this state.")
    rule: Name = Field("", description="Only those of this rule.")
    repo: Name = Field("", description="Only those of this repo.")
    event: Number = Field(0, description="Only those that this event led to, by its number.")
    limit: int = Field(50, ge=1, le=1000, description="At most so many.")


class DeliveriesNamed(Asked):
    """Deliveries by their ids."""

    ids: Names


class DeliveriesInState(Asked):
    """All deliveries in a state; those of one rule, provider and repo, where it is named, that came into it since then."""

    state: _WAITING
    rule: Name = ""
    provider: Name = ""
    repo: Name = ""
    since: Number = 0


DeliveriesMeant = DeliveriesNamed | DeliveriesInState


class Destination(Told):
    """Where deliveries go: free slots' number, requests that may be made now, failures in a row, and until when it is shut."""

    name: str
    state: str
    slots: int | None = None
    requests_left: int | None = None
    failures: int = 0
    reason: str = ""
    until: int | None = None


class EventsMeant(Asked):
    """Events, by their numbers or ids."""

    events: Annotated[list[Name], Field(max_length=DECIDED)]


class Limited(Asked):
    """How many."""

    limit: int = Field(50, ge=1, le=1000, description="At most so many.")


class NamesMeant(Asked):
    """Sources or rules, by their names."""

    names: Names


class Problem(Told):
    """Why a request was not done."""

    error: str


class Changed(Told):
    """The ids or names for which something is another now."""

    changed: list[str]


class Decided(Told):
    """The events for which something was decided, and why of others it was not."""

    changed: list[str]
    refused: dict[str, str]


class Source(Told):
    """A source of router.yaml, of the spindle (then `kind` is null), or one that only the store remembers (`unknown`)."""

    name: str
    kind: str | None
    state: Literal["connecting", "up", "down", "quarantined", "paused", "ended", "unknown"]
    since: int | None = Field(description="When it came to be in this state.")
    sentence: str = Field(description="Why it is down, and when it tries again.")
    paused: int | None = Field(description="Since when an operator has had it paused.")
    cursor: int | None = Field(description="How far it was heard, in the source's own count.")
    cursor_age: float | None = Field(description="Seconds since then, where the cursor is a time.")
    lag: float | None = Field(description="Seconds between its last event and our hearing of it.")
    heard: int | None = Field(description="When something was last heard of it.")
    events: int
    bad_frames: int
    last_bad: str
    last_error: str = Field(description="Why it was down the last time, since the router started.")
    failed: int | None = Field(description="When that was.")
    gaps: int = Field(description="How often it missed something that it will not send again, since the router started.")
    last_gap: str


class Rule(Told):
    """A rule that decides now."""

    id: str
    name: str
    ruleset: str
    description: str
    mode: Literal["live", "shadow", "off", "canary"]
    place: str
    providers: list[str]
    hits: int = Field(description="Events that it matched, ever.")
    last: int | None = Field(description="When the last of them was heard.")
    paused: int | None = Field(description="Since when its deliveries wait because an operator has it paused.")


class Ruleset(Told):
    """A rule file, as it was when it was read."""

    name: str
    file: str
    text: str


class Rulesets(Told):
    rulesets: list[Ruleset]


class Event(Told):
    """A recorded event: as it was sent (`event`), as rules see it (`fields`), and what it led to."""

    number: int
    heard: int
    matched: list[str]
    deliveries: int
    undecided: bool
    troubles: list[dict[str, Any]]
    event: dict[str, Any]
    fields: dict[str, Any]


class Explanation(Told):
    """Why each of the rules that decide now matches an event, or why not, and what they would do."""

    event: dict[str, Any]
    rules: list[dict[str, Any]]
    troubles: list[dict[str, Any]]
    deliveries: list[dict[str, Any]]
    problems: list[dict[str, Any]]


class Delivery(Told):
    """A delivery. Lists leave out options, receipt, attempts and statuses."""

    id: str
    state: State
    rule: str
    step: str
    item: str | None
    provider: str
    repo: str
    ref: str
    sha: str
    workflow: str
    event: int
    event_origin: str
    event_id: str
    nsid: str
    attempt: int
    due: int
    created: int
    updated: int
    reason: str
    status: Status | Literal[""]
    options: Any = None
    receipt: Any = None
    attempts: list[dict[str, Any]] = []
    statuses: list[dict[str, Any]] = []


class Readiness(Told):
    """Whether the router does what it is there for, and by what that was told."""

    ready: bool
    checks: dict[str, str]


class Finding(Told):
    """Something that is wrong in a rule file or in router.yaml."""

    code: str
    level: Literal["note", "warning", "error"]
    message: str
    hint: str
    file: str
    line: int
    column: int
    width: int
    path: str


class Tried(Told):
    """What new rules would have made of recorded events."""

    events: int
    differing: int
    deliveries: dict[str, int]
    undecided: dict[str, str]


class Reloaded(Told):
    """What came of reading configuration and rules again."""

    ok: bool
    sentence: str
    at: int
    digest: str
    findings: list[Finding]
    changed: list[str]
    kept: list[str]
    tried: Tried | None = None


class StatusTold(Told):
    """The router in a few numbers."""

    version: str
    started: int
    now: int
    ready: bool
    checks: dict[str, str]
    config: str | None
    digest: str
    rules: int
    sources: dict[str, int] = Field(description="How many are in each state.")
    deliveries: dict[str, int] = Field(description="How many are in each state.")
    paused_sources: list[str]
    paused_rules: list[str]
    reload: Reloaded | None = Field(description="The last one since the start.")
