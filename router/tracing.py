"""One trace for each event that a rule is about: from the frame to its deliveries to their statuses.

An Observer that makes spans. Their ids are digests of what they are of: the trace of (origin, event id), the span of an attempt
of (delivery, attempt). So nothing of a trace is stored, a delivery that waits in the outbox for a day goes on in the trace that
it began in, and a router that was started again says the same ids as the one before. See ADR 26.

Imported only where traces are wanted: see `router.otlp`.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict, deque
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import structlog
from opentelemetry.context import Context
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)
from opentelemetry.trace import Status as SpanStatus

from router.core.errors import RouterError
from router.core.model import State, Status
from router.observe import Silent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opentelemetry.sdk.trace import TracerProvider

    from router.core.model import Delivery, Entry, Event, Micros, Outcome, Plan, Tree
    from router.engine.store.base import Store
    from router.host import Clock

#: Events and deliveries under way that are remembered, and statuses that wait to be looked up.
MOST = 4096
#: Characters of any text in a span: strangers write some of them.
LONGEST = 1000
#: Deliveries and troubles of one plan that its span names.
NAMED = 100

KeyT = TypeVar("KeyT")
ValueT = TypeVar("ValueT")


def trace_of(origin: str, event_id: str) -> int:
    """The id of an event's trace: 128 bits."""
    return _digest("trace", origin, event_id, size=16)


def span_of(trace: int, *of: object) -> int:
    """The id of a span in it: 64 bits."""
    return _digest(f"{trace:032x}", *map(str, of), size=8)


def _digest(*parts: str, size: int) -> int:
    told = "\0".join(parts).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.sha256(told).digest()[:size]) or 1


class Given(IdGenerator):
    """Gives the ids that it was told before."""

    trace = span = 0

    def generate_trace_id(self) -> int:
        return self.trace

    def generate_span_id(self) -> int:
        return self.span


@dataclass(slots=True)
class _Known:
    """A delivery: its trace, the span that its statuses hang from, and when the last thing happened to it."""

    trace: int
    parent: int
    last: Micros


class Tracing(Silent):
    """`ids` are those of `provider`."""

    def __init__(self, provider: TracerProvider, ids: Given, clock: Clock) -> None:
        self.provider = provider
        self.ids = ids
        self.clock = clock
        self.tracer = provider.get_tracer("tangled-router")
        self._heard: OrderedDict[tuple[str, str], Micros] = OrderedDict()
        self._begun: OrderedDict[str, Micros] = OrderedDict()
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._unknown: deque[Entry] = deque(maxlen=MOST)
        self._asked = asyncio.Event()

    async def run(self, store: Store) -> None:
        """For ever: statuses of deliveries that an earlier process made, or that are long forgotten, get their trace."""
        while True:
            await self._asked.wait()
            self._asked.clear()
            while self._unknown:
                entry = self._unknown.popleft()
                with suppress(RouterError):
                    if (row := await store.delivery(entry.delivery)) is not None:
                        trace = trace_of(row.event_origin, row.event_id)
                        parent = span_of(trace, row.id, row.attempt) if row.attempt else span_of(trace)
                        before = [one["at"] for one in row.statuses if one["at"] < entry.at]
                        self._told(entry, _Known(trace, parent, max(before, default=entry.at)))

    def traceparent(self, delivery: Delivery[Tree]) -> str:
        """What the other side is told, so that its spans are in the trace as well: https://www.w3.org/TR/trace-context/."""
        trace = trace_of(delivery.event_origin, delivery.event_id)
        return f"00-{trace:032x}-{span_of(trace, delivery.id, delivery.attempt):016x}-{self._flags(trace):02x}"

    # --- what is observed

    def heard(self, event: Event) -> None:
        _keep(self._heard, (event.origin, event.id), self.clock.now())

    def planned(self, event: Event, plan: Plan, fresh: bool) -> None:  # noqa: FBT001 - the observer's signature
        now = self.clock.now()
        begun = self._heard.pop((event.origin, event.id), now)
        if not fresh or not (plan.matched or plan.troubles):
            return
        trace = trace_of(event.origin, event.id)
        root = span_of(trace)
        about = {
            "router.source": event.source,
            "router.event.origin": event.origin,
            "router.event.id": event.id,
            "router.event.nsid": event.nsid,
            "router.event.lag": max(0, begun - event.time) / 1e6,
            "router.rules": plan.matched,
        }
        # What waits for something is planned once more, and that is the event's own span: there is one.
        waits = any(trouble.undecided for trouble in plan.troubles)
        name, span, parent = (
            ("event waits", span_of(trace, "waits", now), root) if waits else (f"event {event.nsid}", root, None)
        )
        made = self._span(name, trace, span, parent, begun, SpanKind.CONSUMER, about)
        for trouble in plan.troubles[:NAMED]:
            made.add_event("not decided", _short({"router.rule": trouble.rule, "reason": trouble.sentence}), now * 1000)
        for one in plan.deliveries[:NAMED]:
            made.add_event("planned", _short(_about(one) | {"state": str(one.state), "reason": one.reason}), now * 1000)
        made.end(now * 1000)
        for one in plan.deliveries:
            if one.state in (State.READY, State.DEAD):
                _keep(self._known, one.id, _Known(trace, root, now))

    def unmatched(self, events: Sequence[Event]) -> None:
        for event in events:
            self._heard.pop((event.origin, event.id), None)

    def claimed(self, delivery: Delivery[Tree]) -> None:
        now = self.clock.now()
        trace = trace_of(delivery.event_origin, delivery.event_id)
        _keep(self._begun, delivery.id, now)
        _keep(self._known, delivery.id, _Known(trace, span_of(trace, delivery.id, delivery.attempt), now))
        # The log's lines of this attempt lead to its trace.
        structlog.contextvars.bind_contextvars(trace_id=f"{trace:032x}")

    def attempted(self, delivery: Delivery[Tree], outcome: Outcome) -> None:
        now = self.clock.now()
        trace = trace_of(delivery.event_origin, delivery.event_id)
        span = span_of(trace, delivery.id, delivery.attempt)
        receipt, subject = outcome.receipt, delivery.subject
        about = _about(delivery) | {
            "router.attempt": delivery.attempt,
            "router.outcome": str(outcome.state),
            "router.destination": delivery.destination,
            "router.repo": subject.repo,
            "router.ref": subject.ref,
            "router.sha": subject.sha,
            "router.workflow": subject.workflow,
            "url.full": receipt.url if receipt is not None else "",
        }
        begun = self._begun.pop(delivery.id, now)
        made = self._span(f"deliver {delivery.provider}", trace, span, span_of(trace), begun, SpanKind.CLIENT, about)
        if outcome.state is not State.DONE and outcome.counts:
            made.set_status(SpanStatus(StatusCode.ERROR, outcome.reason[:LONGEST]))
        made.end(now * 1000)
        _keep(self._known, delivery.id, _Known(trace, span, now))

    def reported(self, entry: Entry) -> None:
        known = self._known.get(entry.delivery)
        if known is not None:
            self._told(entry, known)
        else:
            self._unknown.append(entry)
            self._asked.set()

    # --- spans

    def _told(self, entry: Entry, known: _Known) -> None:
        """A status's span begins with what came before it: that of `running` is the queue, that of `success` the run."""
        about = {
            "router.delivery": entry.delivery,
            "router.workflow": entry.workflow,
            "router.status": str(entry.status),
            "router.exit_code": entry.exit_code,
            "url.full": entry.url,
        }
        begun = min(known.last, entry.at)
        span = span_of(known.trace, entry.delivery, entry.status, entry.at)
        made = self._span(f"status {entry.status}", known.trace, span, known.parent, begun, SpanKind.INTERNAL, about)
        if entry.status in (Status.FAILED, Status.TIMEOUT):
            made.set_status(SpanStatus(StatusCode.ERROR, entry.error[:LONGEST]))
        made.end(entry.at * 1000)
        _keep(self._known, entry.delivery, _Known(known.trace, known.parent, max(known.last, entry.at)))

    def _span(
        self, name: str, trace: int, span: int, parent: int | None, begun: Micros, kind: SpanKind, about: Mapping[str, Any]
    ) -> Any:
        self.ids.trace, self.ids.span = trace, span
        context = Context()
        if parent is not None:
            above = SpanContext(trace, parent, is_remote=False, trace_flags=TraceFlags(self._flags(trace)))
            context = set_span_in_context(NonRecordingSpan(above), context)
        return self.tracer.start_span(name, context, kind, _short(about), start_time=begun * 1000)

    def _flags(self, trace: int) -> int:
        """Whether the trace is kept: the sampler's word, which it gives by the trace's id, and so the same one each time."""
        decision = self.provider.sampler.should_sample(Context(), trace, "event").decision
        return TraceFlags.SAMPLED if decision is Decision.RECORD_AND_SAMPLE else TraceFlags.DEFAULT


def _about(delivery: Delivery[Tree]) -> dict[str, Any]:
    named = {"delivery": delivery.id, "rule": delivery.rule, "step": delivery.step, "provider": delivery.provider}
    return {f"router.{name}": value for name, value in named.items()}


def _short(about: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is empty, texts not too long, and without halves of characters, which no wire takes."""
    return {name: _fit(value) for name, value in about.items() if value not in ("", None, ())}


def _fit(value: Any) -> Any:
    if isinstance(value, str):
        return value[:LONGEST].encode("utf-8", "replace").decode()
    return [_fit(one) for one in value[:NAMED]] if isinstance(value, tuple) else value


def _keep(kept: OrderedDict[KeyT, ValueT], key: KeyT, value: ValueT) -> None:
    """The newest."""
    kept[key] = value
    kept.move_to_end(key)
    if len(kept) > MOST:
        kept.popitem(last=False)
