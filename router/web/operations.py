"""What can be asked of a running router, each with its path, what it takes and what it gives: a table, which is served, and
which openapi.json is made of."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from pydantic import BaseModel

from router.web import approvals, deliveries, events, listed, probes, shapes
from router.web.desk import Ask, Desk

#: The status, and what is told as JSON, or as text where it is bytes.
Answer: TypeAlias = "tuple[int, Any]"
Doing: TypeAlias = Callable[[Desk, Ask], Awaitable[Answer]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """`tells` is a model, a list of one, or None for text; `body` a model or a choice of several. `also` are answers beside
    200, with what they mean; `path` names its parameters in braces, each with what it matches in `where`. What is `open` needs
    no token."""

    method: str
    path: str
    name: str
    summary: str
    does: Doing
    tells: Any = None
    query: type[BaseModel] | None = None
    body: Any = None
    also: dict[int, tuple[str, Any]] = field(default_factory=dict)
    where: dict[str, str] = field(default_factory=dict)
    open: bool = False


_NONE = {404: ("There is none.", shapes.Problem)}
_UNREADY = {503: ("It does not.", shapes.Readiness)}
_UNREAD = {
    422: ("What was read is wrong: all stays as it was.", shapes.Reloaded),
    409: ("This router reads nothing again: it was not started from files.", shapes.Problem),
}
_API = "/api/v1"
OPERATIONS = (
    Operation(
        method="GET",
        path="/livez",
        name="livez",
        summary="Whether the event loop turns.",
        does=probes.livez,
        tells=shapes.Readiness,
        also=_UNREADY,
        open=True,
    ),
    Operation(
        method="GET",
        path="/readyz",
        name="readyz",
        summary="Whether the store can be written and a source is up, or none is configured.",
        does=probes.readyz,
        tells=shapes.Readiness,
        also=_UNREADY,
        open=True,
    ),
    Operation(method="GET", path="/metrics", name="metrics", summary="Metrics, for Prometheus.", does=probes.metrics),
    Operation(
        method="POST",
        path="/-/reload",
        name="reload",
        summary="Read configuration and rules again, and put them in force, or refuse them whole.",
        does=probes.reload,
        tells=shapes.Reloaded,
        also=_UNREAD,
    ),
    Operation(
        method="GET",
        path=f"{_API}/status",
        name="status",
        summary="The router in a few numbers.",
        does=probes.status,
        tells=shapes.StatusTold,
    ),
    Operation(
        method="GET",
        path=f"{_API}/sources",
        name="sources",
        summary="Every source, how it is and how far it was heard.",
        does=listed.sources,
        tells=list[shapes.Source],
    ),
    Operation(
        method="POST",
        path=f"{_API}/sources/pause",
        name="pauseSources",
        summary="Hear these no more until they are resumed. Their cursors stay.",
        does=listed.pause_sources,
        body=shapes.NamesMeant,
        tells=shapes.Changed,
        also=_NONE,
    ),
    Operation(
        method="POST",
        path=f"{_API}/sources/resume",
        name="resumeSources",
        summary="Hear these again, from where they were.",
        does=listed.resume_sources,
        body=shapes.NamesMeant,
        tells=shapes.Changed,
    ),
    Operation(
        method="GET",
        path=f"{_API}/rules",
        name="rules",
        summary="The rules that decide now, and how often each matched.",
        does=listed.rules,
        tells=list[shapes.Rule],
    ),
    Operation(
        method="POST",
        path=f"{_API}/rules/pause",
        name="pauseRules",
        summary="Let the deliveries of these wait until they are resumed. Events are decided as ever.",
        does=listed.pause_rules,
        body=shapes.NamesMeant,
        tells=shapes.Changed,
        also=_NONE,
    ),
    Operation(
        method="POST",
        path=f"{_API}/rules/resume",
        name="resumeRules",
        summary="Make the deliveries of these, those that waited first.",
        does=listed.resume_rules,
        body=shapes.NamesMeant,
        tells=shapes.Changed,
    ),
    Operation(
        method="GET",
        path=f"{_API}/rulesets",
        name="rulesets",
        summary="The rule files, as they were when they were read.",
        does=listed.rulesets,
        tells=shapes.Rulesets,
    ),
    Operation(
        method="GET",
        path=f"{_API}/events",
        name="events",
        summary="Recorded events, newest first.",
        does=events.listed,
        query=shapes.EventsAsked,
        tells=list[shapes.Event],
    ),
    Operation(
        method="GET",
        path=f"{_API}/events/{{number}}",
        name="event",
        summary="One event.",
        does=events.one,
        where={"number": "[0-9]{1,18}"},
        tells=shapes.Event,
        also=_NONE,
    ),
    Operation(
        method="GET",
        path=f"{_API}/events/{{number}}/explain",
        name="explainEvent",
        summary="Why each rule matches an event or does not, and what would be done.",
        does=events.explain,
        where={"number": "[0-9]{1,18}"},
        tells=shapes.Explanation,
        also=_NONE,
    ),
    Operation(
        method="GET",
        path=f"{_API}/approvals",
        name="approvals",
        summary="Events that wait for approval, newest first: pull requests of strangers, and those from forks.",
        does=approvals.listed,
        query=shapes.Limited,
        tells=list[shapes.Event],
    ),
    Operation(
        method="POST",
        path=f"{_API}/events/approve",
        name="approveEvents",
        summary="Let events run that wait for approval, once, trusted no more than before.",
        does=approvals.approve,
        body=shapes.EventsMeant,
        tells=shapes.Decided,
    ),
    Operation(
        method="POST",
        path=f"{_API}/events/deny",
        name="denyEvents",
        summary="Let events never run that wait for approval.",
        does=approvals.deny,
        body=shapes.EventsMeant,
        tells=shapes.Decided,
    ),
    Operation(
        method="GET",
        path=f"{_API}/deliveries",
        name="deliveries",
        summary="Deliveries, newest first.",
        does=deliveries.listed,
        query=shapes.DeliveriesAsked,
        tells=list[shapes.Delivery],
    ),
    Operation(
        method="GET",
        path=f"{_API}/deliveries/{{id}}",
        name="delivery",
        summary="One delivery with its attempts and statuses. The beginning of its id will do.",
        does=deliveries.one,
        where={"id": "[0-9a-f]{6,64}"},
        tells=shapes.Delivery,
        also=_NONE,
    ),
    Operation(
        method="GET",
        path=f"{_API}/destinations",
        name="destinations",
        summary="Where deliveries went since the start, and what is shut there.",
        does=deliveries.destinations,
        tells=list[shapes.Destination],
    ),
    Operation(
        method="POST",
        path=f"{_API}/deliveries/retry",
        name="retryDeliveries",
        summary="Make dead, discarded or waiting deliveries once more, now. What may have happened is looked up first.",
        does=deliveries.retry,
        body=shapes.DeliveriesMeant,
        tells=shapes.Changed,
    ),
    Operation(
        method="POST",
        path=f"{_API}/deliveries/discard",
        name="discardDeliveries",
        summary="Never make these deliveries.",
        does=deliveries.discard,
        body=shapes.DeliveriesMeant,
        tells=shapes.Changed,
    ),
)
