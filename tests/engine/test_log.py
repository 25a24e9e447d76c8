"""The log: one line for each change of state, whatever strangers wrote."""

from __future__ import annotations

import asyncio
import io
import json
from typing import TYPE_CHECKING

import pytest
import structlog

from router.core.model import Delivery, Entry, Event, Outcome, Passed, Plan, Receipt, State, Status, Trouble, changed
from router.engine import log
from router.engine.log import LogObserver, configure

if TYPE_CHECKING:
    from collections.abc import Iterator

HOSTILE = 'main\n{"event": "forged"}\x1b[2J\u202e\ud800'


@pytest.fixture
def out() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    yield stream
    structlog.reset_defaults()


def event(identity: str = "1") -> Event:
    return Event(
        origin="knot:k", id=identity, source="my-knot", kind="knot", nsid="sh.tangled.git.refUpdate", time=1, record={}
    )


def delivery(state: State = State.READY, reason: str = "") -> Delivery[dict[str, str]]:
    return Delivery(
        id="d" * 32,
        rule="a/b",
        step="0",
        provider="log",
        options={"message": "the-option"},
        event_origin="knot:k",
        event_id="1",
        nsid="n",
        state=state,
        reason=reason,
        attempt=2,
    )


def lines(out: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_a_plan_is_told_with_its_deliveries(out: io.StringIO) -> None:
    """The event with the rules that it matched, and each delivery bound to it; options are not told: they may hold anything."""
    configure("json", "info", out)
    LogObserver().planned(event(), Plan(matched=("a/b",), deliveries=(delivery(),)), fresh=True)
    first, second = lines(out)
    assert (first["event"], first["rules"], first["event_id"]) == ("event", ["a/b"], "1")
    assert (second["event"], second["delivery"], second["state"]) == ("delivery planned", "d" * 32, "ready")
    assert "the-option" not in out.getvalue()


def test_an_event_that_led_to_nothing_is_not_worth_a_line(out: io.StringIO) -> None:
    """A busy Jetstream must not fill the disk with what nobody asked for; one known already is silent as well."""
    configure("json", "info", out)
    LogObserver().planned(event(), Plan(), fresh=True)
    LogObserver().planned(event(), Plan(matched=("a/b",)), fresh=False)
    assert not out.getvalue()


def test_a_rule_that_could_not_be_decided_is_a_warning(out: io.StringIO) -> None:
    """Never silently false."""
    configure("json", "info", out)
    LogObserver().planned(event(), Plan(troubles=(Trouble(rule="a/b", sentence="3 is not text"),)), fresh=True)
    (line,) = lines(out)
    assert (line["level"], line["rule"], line["reason"]) == ("warning", "a/b", "3 is not text")


@pytest.mark.parity(78)
@pytest.mark.parametrize(("state", "level"), [(State.DONE, "info"), (State.DEAD, "error"), (State.VERIFY, "warning")])
def test_an_outcome_has_the_level_that_it_deserves(out: io.StringIO, state: State, level: str) -> None:
    """A dead letter is an error, doubt is a warning."""
    configure("json", "info", out)
    LogObserver().attempted(delivery(), Outcome(state=state, receipt=Receipt(id="1", url="https://ci/1")))
    (line,) = lines(out)
    assert (line["level"], line["attempt"], line["url"]) == (level, 2, "https://ci/1")


@pytest.mark.parametrize("kind", ["json", "console"])
@pytest.mark.threat("S-19")
def test_strangers_write_no_lines_of_their_own(out: io.StringIO, kind: str) -> None:
    """Line ends, terminal controls, bidirectional marks and lone surrogates in names and reasons are escaped."""
    configure(kind, "info", out)
    observer = LogObserver()
    observer.planned(event(HOSTILE), Plan(matched=("a/b",)), fresh=True)
    observer.bad_frame("my-knot", HOSTILE)
    observer.attempted(delivery(), Outcome(state=State.DEAD, reason=HOSTILE))
    observer.reported(Entry(delivery="d", workflow=HOSTILE, status=Status.FAILED, at=1, error=HOSTILE))
    told = out.getvalue()
    assert len(told.splitlines()) == 4
    assert all(char.isprintable() or char == "\n" for char in told)
    told.encode("utf-8")


def test_a_bug_has_its_traceback(out: io.StringIO) -> None:
    """A fault with an error says where it came from, on one line."""
    configure("json", "info", out)
    try:
        raise ZeroDivisionError(HOSTILE)
    except ZeroDivisionError as error:
        LogObserver().fault("provider x", "A bug.", error)
    (line,) = lines(out)
    assert "ZeroDivisionError" in str(line["exception"])
    assert "test_log.py" in str(line["exception"])


def test_a_log_that_nobody_reads_any_more_stops_nothing(out: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its reader has gone, or its disk is full: what is delivered does not depend on what is told of it."""

    def gone(*_: object) -> int:
        raise BrokenPipeError

    monkeypatch.setattr(out, "write", gone)
    configure("json", "info", out)
    LogObserver().attempted(delivery(), Outcome(state=State.DONE))
    monkeypatch.undo()
    LogObserver().reported(Entry(delivery="d" * 32, workflow="ci", status=Status.SUCCESS, at=1))
    assert "status" in out.getvalue()


def test_a_status_that_comes_later_says_of_what_it_is(out: io.StringIO) -> None:
    """Event, rule and delivery are on each line of a delivery's life, from its plan to the CI's last word."""
    configure("json", "debug", out)
    observer = LogObserver()
    observer.planned(event(), Plan(matched=("a/b",), deliveries=(delivery(),)), fresh=True)
    observer.attempted(delivery(), Outcome(state=State.DONE))
    observer.reported(Entry(delivery="d" * 32, workflow="ci", status=Status.SUCCESS, at=1))
    observer.operated("retry", "delivery", ["d" * 32], "operator (uid 0)")
    observer.held(delivery(), "deduplicated")
    told = lines(out)[1:]
    assert [line["event"] for line in told] == [
        *("delivery planned", "delivery attempted", "status", "operator", "delivery held")
    ]
    assert {(line["event_id"], line["rule"], line["delivery"]) for line in told} == {("1", "a/b", "d" * 32)}


async def test_what_a_provider_logs_bears_its_delivery(out: io.StringIO) -> None:
    """And a fault that it meets; not what others log."""
    configure("json", "info", out)
    observer = LogObserver()

    async def deliver() -> None:
        observer.claimed(delivery())
        structlog.get_logger("theirs").info("asking")
        observer.fault("provider x", "A bug.")

    await asyncio.create_task(deliver())
    observer.fault("identity", "The resolver is down.")
    asking, bug, other = lines(out)
    assert asking["delivery"] == bug["delivery"] == "d" * 32
    assert (asking["rule"], bug["attempt"]) == ("a/b", 2)
    assert "delivery" not in other


def test_what_is_remembered_is_bounded(out: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    """A status of long ago has its delivery, which leads to the rest."""
    monkeypatch.setattr(log, "REMEMBERED", 1)
    configure("json", "info", out)
    observer = LogObserver()
    for name in ("d", "e"):
        observer.attempted(changed(delivery(), id=name * 32), Outcome(state=State.DONE))
    observer.reported(Entry(delivery="d" * 32, workflow="ci", status=Status.SUCCESS, at=1))
    assert lines(out)[-1]["delivery"] == "d" * 32
    assert "rule" not in lines(out)[-1]


@pytest.mark.parametrize(("level", "told"), [("debug", 3), ("info", 0)])
def test_what_leads_to_nothing_is_for_who_looks_closely(out: io.StringIO, level: str, told: int) -> None:
    """Events that matched nothing one by one, and how many were not even decoded; else not a word."""
    configure("json", level, out)
    LogObserver().unmatched([event("1"), event("2")])
    LogObserver().passed("stream", Passed("jetstream", {"a.b.c": [1, 2, 3]}))
    assert [(line["event"], line.get("event_id"), line.get("count")) for line in lines(out)] == [
        ("event", "1", None),
        ("event", "2", None),
        ("events passed over", None, 3),
    ][:told]
