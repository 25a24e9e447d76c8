"""The nouns. Everything here is frozen, plain and without behaviour beyond what its own values say.

What is made for every frame of a whole network, and for every delivery, is a struct of msgspec, which takes a tenth of the time
of a frozen dataclass: `changed` makes one like another. They are in no cycle, so no search for cycles looks at them.

Times are whole microseconds since 1970 (`Micros`); durations are seconds as floats.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeAlias, TypeVar

import msgspec
from msgspec import Struct, structs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


#: `changed(event, nsid=…)`: a struct like another.
changed = structs.replace


Micros: TypeAlias = int
#: What JSON and YAML can say: None, bool, int, float, str, list, dict with text keys. Any: a recursive alias costs more casts
#: than it catches mistakes.
Tree: TypeAlias = Any
OptionsT_co = TypeVar("OptionsT_co", covariant=True)


class Status(StrEnum):
    """Tangled's six words for a workflow (`sh.tangled.pipeline.status`). British double l; a final one never leaves."""

    PENDING = "pending"
    RUNNING = "running"
    FAILED = "failed"
    TIMEOUT = "timeout"
    CANCELLED = "cancelled"
    SUCCESS = "success"

    @property
    def final(self) -> bool:
        return self not in (Status.PENDING, Status.RUNNING)


class State(StrEnum):
    """Where a delivery is.

    ready -> claimed -> done | ready (again, later) | verify | dead
    verify -> done | ready | verify (the look-up failed)
    shadow, skipped and discarded never act.
    """

    READY = "ready"
    CLAIMED = "claimed"
    VERIFY = "verify"
    DONE = "done"
    DEAD = "dead"
    SHADOW = "shadow"
    SKIPPED = "skipped"
    DISCARDED = "discarded"


class Event(Struct, frozen=True, kw_only=True, gc=False):
    """Something that happened, understood.

    `origin` is the namespace in which `id` is unique, whichever of our sources heard it: `jetstream`,
    `knot:knot1.example.com`, `schedule:nightly`, `spindle`. Deliveries are deduplicated by (origin, id), so the same
    event heard twice is one event. `source` is the name in router.yaml, `kind` the kind of that source.
    `record` is what was sent, unchanged; `fields` are the named fields of the rule language (see `core.fields`).
    `depth` counts how many of our own statuses led here: the loop guard.
    """

    origin: str
    id: str
    source: str
    kind: str
    nsid: str
    time: Micros
    record: Mapping[str, Tree]
    fields: Mapping[str, Tree] = {}
    depth: int = 0


class Passed(Struct, frozen=True):
    """Events that nobody asks for and that were not decoded: of which kind of source, and when each happened, by nsid."""

    kind: str
    times: Mapping[str, Sequence[Micros]]

    @property
    def count(self) -> int:
        return sum(map(len, self.times.values()))


class Heard(Struct, frozen=True, kw_only=True, gc=False):
    """What a source hands on: an event, or a frame that was none, and the cursor that is safe once this is stored.

    Exactly one of `event`, `bad` and `passed` may be set; none of them, where a frame only moves the cursor. `frame` is the raw
    text of a bad frame, cut to 16 kB, for the ring of bad frames. `gap` says that something before it was missed and will never
    come, and why.
    """

    event: Event | None = None
    cursor: int | None = None
    bad: str | None = None
    frame: bytes = b""
    gap: str = ""
    passed: Passed | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """When to try again: `attempts` in all, waiting base * factor**n seconds up to `cap`, or exactly `schedule`; jittered."""

    attempts: int = 8
    base: float = 1.0
    factor: float = 4.0
    cap: float = 3600.0
    schedule: tuple[float, ...] = ()


class Subject(Struct, frozen=True, kw_only=True, gc=False):
    """What a delivery is about, as plain text for grouping, reporting and people. Empty where the event does not say."""

    repo: str = ""
    knot: str = ""
    ref: str = ""
    sha: str = ""
    workflow: str = ""


class Busy(StrEnum):
    """What a delivery does while another of its concurrency group is under way."""

    QUEUE = "queue"
    CANCEL_RUNNING = "cancel_running"
    SKIP = "skip"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gates:
    """What may hold a delivery back, with every key rendered. Kept in the store, so that a restart forgets nothing."""

    group: str | None = None
    busy: Busy = Busy.QUEUE
    dedupe_key: str | None = None
    dedupe_within: float = 0.0
    throttle_key: str | None = None
    throttle_limit: int = 0
    throttle_per: float = 0.0
    debounce_key: str | None = None
    debounce_for: float = 0.0


class Delivery(Struct, Generic[OptionsT_co], frozen=True, kw_only=True, gc=False):
    """One effect to have: what one step of one rule asks for, for one event.

    `id` is derived from (rule id, event origin, event id, item and step), never from time, attempt or rendered values.
    `options` is a plain tree in plans and in the store, and the provider's own Options where a provider gets it.
    `secrets` names those of its repo that it may have; their values, `revealed`, are in a provider's hands alone.
    `attempt` counts from 1 in a provider's hands. `state` is what the plan asks for: ready, shadow, skipped, or dead
    with a `reason` where the event could not be rendered. `retry` is None where the rule leaves it to the provider.
    `destination` is what it shares limits and failures with, and empty for its provider as a whole.
    `trace` is the attempt's place in a trace, as the header `traceparent` says it; empty where nobody traces.
    """

    id: str
    rule: str
    step: str
    provider: str
    options: OptionsT_co
    event_origin: str
    event_id: str
    nsid: str
    subject: Subject = msgspec.field(default_factory=Subject)
    item: str | None = None
    timeout: float = 60.0
    retry: Retry | None = None
    idempotent: bool = False
    gates: Gates | None = None
    secrets: tuple[str, ...] = ()
    revealed: Mapping[str, str] = {}
    state: State = State.READY
    reason: str = ""
    attempt: int = 0
    depth: int = 0
    destination: str = ""
    trace: str = ""

    def __repr__(self) -> str:
        """Without what is secret."""
        shown = (f"{name}={getattr(self, name)!r}" for name in self.__struct_fields__ if name != "revealed")
        return f"Delivery({', '.join(shown)})"


class Entry(Struct, frozen=True, kw_only=True):
    """One row of the status journal: a workflow of a delivery changed its status."""

    delivery: str
    workflow: str
    status: Status
    at: Micros
    error: str = ""
    exit_code: int | None = None
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """A rule that could not be decided or rendered for an event: counted and shown, never silently false.

    `undecided` means that a fact is missing now that may be known later (a handle that did not resolve): the event is
    kept, and planned again then.
    """

    rule: str
    sentence: str
    undecided: bool = False


class Plan(Struct, frozen=True, kw_only=True, gc=False):
    """What rules make of one event. `matched` are rule ids in order; `wanted` says that some rule is about such events."""

    matched: tuple[str, ...] = ()
    deliveries: tuple[Delivery[Tree], ...] = ()
    entries: tuple[Entry, ...] = ()
    troubles: tuple[Trouble, ...] = ()
    wanted: bool = False


class Receipt(Struct, frozen=True, kw_only=True):
    """The other side took it. `id` is its name there, `url` a page for people, `detail` JSON that looking it up again needs.

    `status` is what is already known of the outcome: a shell command is over when it is delivered, a build only begins.
    """

    id: str
    url: str = ""
    status: Status | None = None
    exit_code: int | None = None
    error: str = ""
    detail: Mapping[str, Tree] = msgspec.field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """News of a delivery that was made: what a poll or a webhook of the other side says."""

    delivery: str
    status: Status
    at: Micros
    url: str = ""
    error: str = ""
    exit_code: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One line of what a delivery says: a step begins (`text` is its title), says something, or ends.

    `step` counts from 0 within the delivery. `text` has no newline at its end and may have ANSI sequences: it is a stranger's.
    """

    step: int
    part: Literal["start", "said", "end"]
    text: str = ""
    at: Micros = 0
    stream: Literal["stdout", "stderr"] = "stdout"
    system: bool = False
    command: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workflow:
    """A pipeline's workflow and what it has come to. `status` is None until something was told. `error` is for people.

    `started` is when it first ran, `finished` when it ended: None before.
    """

    name: str
    status: Status | None = None
    at: Micros = 0
    started: Micros | None = None
    finished: Micros | None = None
    error: str = ""
    exit_code: int | None = None
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """One run of one commit of a repo, as Tangled shows it.

    `id` is a TID. `key` is what makes two triggers one: the repo, kind, ref and commit that they share. `repo` is its DID, or
    `owner/name` of one that has none; `record` is what happened in the shape of `sh.tangled.pipeline`, the trigger in
    `triggerMetadata`. `source_repo` is the DID of the fork that was checked out, else empty. `created` is in nanoseconds and
    grows from each to the next. `names` are (knot, rkey) under which others announced the same run.
    """

    id: str
    key: str
    knot: str
    repo: str
    owner: str
    name: str
    kind: str
    sha: str
    record: Mapping[str, Tree]
    source_repo: str = ""
    actor: str = ""
    created: int = 0
    workflows: tuple[Workflow, ...] = ()
    names: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordChange:
    """A record of an account was written or, where `record` is None, deleted. `rev` is of the commit, '' in a listing."""

    did: str
    collection: str
    rkey: str
    rev: str = ""
    record: Mapping[str, Tree] | None = None


class Outcome(Struct, frozen=True, kw_only=True):
    """What became of one attempt. `due` is when the delivery may be looked at again (ready and verify only)."""

    state: State
    reason: str = ""
    due: Micros = 0
    receipt: Receipt | None = None
    response: str = ""
    counts: bool = True
    entries: Sequence[Entry] = ()
