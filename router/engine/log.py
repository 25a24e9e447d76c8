"""The log: one line for each change of state, JSON unless somebody watches in a terminal. Values of strangers are escaped."""

from __future__ import annotations

import logging
import sys
from collections import OrderedDict
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TextIO, cast

from router.core.model import State
from router.core.problems import Level, printable
from router.light import without
from router.observe import Silent

if TYPE_CHECKING:
    from collections.abc import MutableMapping, Sequence

    from router.core.model import Delivery, Entry, Event, Outcome, Passed, Plan, Tree
    from router.core.problems import Problem


with without("rich", "greenlet", "colorama"):
    # It draws tracebacks with rich where it finds it, and that weighs five megabytes; ours are one line. Greenlets, which we
    # have none of, weigh two.
    import structlog

#: Deliveries of which the log remembers the event and the rule.
REMEMBERED = 4096


def configure(kind: str = "auto", level: str = "info", stream: TextIO | None = None) -> None:
    """Set the log up for the process. `kind` is auto, json or console."""
    out = stream or sys.stderr
    console = kind == "console" or (kind == "auto" and out.isatty())
    renderer: Any = structlog.dev.ConsoleRenderer(colors=out.isatty()) if console else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _escape,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(file=cast("TextIO", _Lasting(out))),
        cache_logger_on_first_use=False,
    )


class _Lasting:
    """The stream without its errors: a log whose reader has gone, or whose disk is full, is no reason to stop delivering."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> None:
        with suppress(OSError):
            self.stream.write(text)

    def flush(self) -> None:
        with suppress(OSError):
            self.stream.flush()


def _escape(logger: Any, method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:  # noqa: ARG001
    """Nothing that a stranger wrote may move the cursor, colour the terminal or begin another line."""
    for key, value in line.items():
        if isinstance(value, str) and key != "exception":
            line[key] = printable(value)
    if "exception" in line:
        line["exception"] = "\n".join(printable(part) for part in str(line["exception"]).splitlines())
    return line


class LogObserver(Silent):
    """An Observer that writes the log. What a delivery is of is remembered for as long as it is likely to be told of again, so
    that each line bears event, rule and delivery."""

    def __init__(self) -> None:
        self.log = structlog.get_logger("router")
        self._of: OrderedDict[str, dict[str, str]] = OrderedDict()

    def source(self, name: str, state: str, sentence: str = "") -> None:
        level = "warning" if state == "down" else "error" if state == "quarantined" else "info"
        getattr(self.log, level)("source " + state, source=name, **({"reason": sentence} if sentence else {}))

    def bad_frame(self, source: str, sentence: str) -> None:
        self.log.warning("bad frame", source=source, reason=sentence)

    def gap(self, source: str, sentence: str) -> None:
        self.log.error("gap", source=source, reason=sentence)

    def planned(self, event: Event, plan: Plan, fresh: bool) -> None:  # noqa: FBT001
        bound = self.log.bind(source=event.source, event_id=event.id, nsid=event.nsid)
        for trouble in plan.troubles:
            # Without a rule it is of the event: what is held until it is complete, or was refused, is nobody's mistake.
            level, word = (logging.WARNING, "rule not decided") if trouble.rule else (logging.INFO, "event waits")
            word = word if trouble.rule or trouble.undecided else "event refused"
            bound.log(level, word, rule=trouble.rule, reason=trouble.sentence, undecided=trouble.undecided)
        if not fresh:
            bound.debug("event known already")
            return
        bound.log(logging.INFO if plan.matched else logging.DEBUG, "event", rules=list(plan.matched))
        for delivery in plan.deliveries:
            self._delivery(bound, delivery, "delivery planned", str(delivery.state), delivery.reason)

    def unmatched(self, events: Sequence[Event]) -> None:
        if self.log.is_enabled_for(logging.DEBUG):
            for event in events:
                self.log.debug("event", source=event.source, event_id=event.id, nsid=event.nsid, rules=[])

    def passed(self, source: str, passed: Passed) -> None:
        if self.log.is_enabled_for(logging.DEBUG):
            for nsid, times in passed.times.items():
                self.log.debug("events passed over", source=source, nsid=nsid, count=len(times))

    def held(self, delivery: Delivery[Tree], reason: str) -> None:
        self._delivery(self.log.bind(event_id=delivery.event_id), delivery, "delivery held", str(State.SKIPPED), reason)

    def claimed(self, delivery: Delivery[Tree]) -> None:
        # For every line of this task: what a provider logs, and faults that it meets.
        structlog.contextvars.bind_contextvars(**self._about(delivery), provider=delivery.provider, attempt=delivery.attempt)
        self.log.debug("delivery claimed")

    def attempted(self, delivery: Delivery[Tree], outcome: Outcome) -> None:
        bound = self.log.bind(event_id=delivery.event_id, attempt=delivery.attempt)
        if outcome.receipt is not None and outcome.receipt.url:
            bound = bound.bind(url=outcome.receipt.url)
        self._delivery(bound, delivery, "delivery attempted", str(outcome.state), outcome.reason)

    def reported(self, entry: Entry) -> None:
        about = self._of.get(entry.delivery, {}) | ({"error": entry.error} if entry.error else {})
        self.log.info("status", **{"delivery": entry.delivery, **about}, workflow=entry.workflow, status=str(entry.status))

    def circuit(self, name: str, sentence: str) -> None:
        self.log.warning("circuit", destination=name, reason=sentence)

    def disk(self, state: str, sentence: str) -> None:
        getattr(self.log, "error" if state == "full" else "info")("disk " + state, reason=sentence)

    def operated(self, verb: str, kind: str, names: Sequence[str], who: str) -> None:
        for name in names:
            self.log.info("operator", did=verb, **{kind: name, **self._of.get(name, {})}, who=who)

    def recovered(self, count: int) -> None:
        self.log.warning("deliveries recovered", count=count, reason="Their process is gone: each is looked up first.")

    def reloaded(
        self,
        ok: bool,  # noqa: FBT001 - the observer's signature
        sentence: str,
        found: Sequence[Problem] = (),
        kept: Sequence[str] = (),
    ) -> None:
        for problem in found:
            level = "error" if problem.level is Level.ERROR else "warning" if problem.level is Level.WARNING else "info"
            about = {"hint": problem.hint} if problem.hint else {}
            getattr(self.log, level)("problem", code=problem.code, place=str(problem.place), reason=problem.message, **about)
        for one in kept:
            self.log.warning("setting kept", reason=one)
        if ok:
            self.log.info("reloaded", reason=sentence)
        else:
            self.log.error("reload refused", reason=sentence)

    def fault(self, what: str, sentence: str, error: BaseException | None = None) -> None:
        self.log.error("fault", where=what, reason=sentence, exc_info=error)

    def _about(self, delivery: Delivery[Tree]) -> dict[str, str]:
        """What binds a line, remembered for the statuses that come later."""
        about = {"delivery": delivery.id, "rule": delivery.rule, "event_id": delivery.event_id}
        self._of[delivery.id] = about
        self._of.move_to_end(delivery.id)
        if len(self._of) > REMEMBERED:
            self._of.popitem(last=False)
        return about

    def _delivery(self, bound: Any, delivery: Delivery[Tree], word: str, state: str, reason: str) -> None:
        level = "error" if state == State.DEAD else "warning" if state == State.VERIFY else "info"
        about = {**self._about(delivery), "provider": delivery.provider, "state": state}
        getattr(bound, level)(word, **about, **({"reason": reason} if reason else {}))
