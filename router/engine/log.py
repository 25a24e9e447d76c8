"""The log: one line for each change of state, JSON unless somebody watches in a terminal. Values of strangers are escaped."""

from __future__ import annotations

import logging
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TextIO, cast

import structlog

from router.core.model import State
from router.core.problems import Level, printable
from router.observe import Silent

if TYPE_CHECKING:
    from collections.abc import MutableMapping, Sequence

    from router.core.model import Delivery, Entry, Event, Outcome, Plan, Tree
    from router.core.problems import Problem


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
    """An Observer that writes the log."""

    def __init__(self) -> None:
        self.log = structlog.get_logger("router")

    def source(self, name: str, state: str, sentence: str = "") -> None:
        level = "warning" if state == "down" else "info"
        getattr(self.log, level)("source " + state, source=name, **({"reason": sentence} if sentence else {}))

    def bad_frame(self, source: str, sentence: str) -> None:
        self.log.warning("bad frame", source=source, reason=sentence)

    def planned(self, event: Event, plan: Plan, fresh: bool) -> None:  # noqa: FBT001
        bound = self.log.bind(source=event.source, event_id=event.id, nsid=event.nsid)
        for trouble in plan.troubles:
            bound.warning("rule not decided", rule=trouble.rule, reason=trouble.sentence, undecided=trouble.undecided)
        if not fresh:
            bound.debug("event known already")
            return
        bound.log(logging.INFO if plan.matched else logging.DEBUG, "event", rules=list(plan.matched))
        for delivery in plan.deliveries:
            self._delivery(bound, delivery, "delivery planned", str(delivery.state), delivery.reason)

    def attempted(self, delivery: Delivery[Tree], outcome: Outcome) -> None:
        bound = self.log.bind(event_id=delivery.event_id, attempt=delivery.attempt)
        if outcome.receipt is not None and outcome.receipt.url:
            bound = bound.bind(url=outcome.receipt.url)
        self._delivery(bound, delivery, "delivery attempted", str(outcome.state), outcome.reason)

    def reported(self, entry: Entry) -> None:
        about = {"error": entry.error} if entry.error else {}
        self.log.info("status", delivery=entry.delivery, workflow=entry.workflow, status=str(entry.status), **about)

    def circuit(self, name: str, sentence: str) -> None:
        self.log.warning("circuit", destination=name, reason=sentence)

    def disk(self, state: str, sentence: str) -> None:
        getattr(self.log, "error" if state == "full" else "info")("disk " + state, reason=sentence)

    def reloaded(self, ok: bool, sentence: str, found: Sequence[Problem] = (), kept: Sequence[str] = ()) -> None:  # noqa: FBT001
        for problem in found:
            level = "error" if problem.level is Level.ERROR else "warning" if problem.level is Level.WARNING else "info"
            about = {"hint": problem.hint} if problem.hint else {}
            getattr(self.log, level)("problem", code=problem.code, place=str(problem.place), reason=problem.message, **about)
        for sentence_kept in kept:
            self.log.warning("setting kept", reason=sentence_kept)
        if ok:
            self.log.info("reloaded", reason=sentence)
        else:
            self.log.error("reload refused", reason=sentence)

    def fault(self, what: str, sentence: str, error: BaseException | None = None) -> None:
        self.log.error("fault", where=what, reason=sentence, exc_info=error)

    @staticmethod
    def _delivery(bound: Any, delivery: Delivery[Tree], word: str, state: str, reason: str) -> None:
        level = "error" if state == State.DEAD else "warning" if state == State.VERIFY else "info"
        about = {"reason": reason} if reason else {}
        getattr(bound, level)(word, delivery=delivery.id, rule=delivery.rule, provider=delivery.provider, state=state, **about)
