"""Events that the clock makes, on a clock that takes no time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from pydantic import ValidationError

from router.sources import schedule, timetable
from tests.sources.each import one_by_one

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from router.core.model import Heard
    from router.host import Host
    from router.sources.base import Source
    from tests.sources.conftest import FakeClock, Remembering

    Take = Callable[[Source, int | None, int], Awaitable[list[Heard]]]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HOUR = 3_600_000_000


def micros(text: str) -> int:
    return (datetime.fromisoformat(text) - EPOCH) // timedelta(microseconds=1)


def open_schedule(host: Host, seen: Remembering, **settings: Any) -> Source:
    return schedule.kind.open("nightly", schedule.Settings(**settings), host, seen)


def fired(heard: list[Heard]) -> list[str]:
    return [one.event.id for one in heard if one.event is not None]


async def test_what_an_event_says(host: Host, seen: Remembering, take: Take, clock: FakeClock) -> None:
    """It is known by its time, triggers as a schedule, and carries what the settings say."""
    clock.time = micros("2026-09-14T10:00:00Z")
    source = open_schedule(host, seen, cron="0 2 * * *", timezone="Europe/Berlin", record={"kind": "full", "name": "x"})
    first, heard = await take(source, None, 2)
    assert (first.event, first.cursor) == (None, micros("2026-09-14T10:00:00Z"))
    event = heard.event
    assert event is not None
    assert (event.origin, event.id) == ("schedule:nightly", "2026-09-15T00:00:00Z")
    assert (event.source, event.kind, event.nsid) == ("nightly", "schedule", "router.schedule.fire")
    assert event.record == {"kind": "full", "name": "nightly", "scheduled_at": "2026-09-15T00:00:00Z"}
    assert event.fields == {"trigger": "schedule"}
    assert event.time == heard.cursor == clock.now() == micros("2026-09-15T00:00:00Z")
    assert seen.changes[-1] == ("nightly", "up", "Next at 2026-09-15T00:00:00+00:00.")


async def test_the_clock_is_looked_at_while_waiting(host: Host, seen: Remembering, take: Take, clock: FakeClock) -> None:
    """No sleep is longer than half a minute, so a clock that is set meanwhile is noticed."""
    await take(open_schedule(host, seen, every="100s"), clock.now(), 1)
    assert clock.slept == [30, 30, 30, 10]


async def test_an_interval_is_kept_across_restarts(host: Host, seen: Remembering, take: Take, clock: FakeClock) -> None:
    """It counts from the last time, not from the start of the process, or a daily one would never come."""
    start = clock.now()
    heard = await take(open_schedule(host, seen, every="1h"), None, 3)
    assert [one.cursor for one in heard] == [start, start + HOUR, start + 2 * HOUR]
    clock.time += HOUR // 2
    (again,) = await take(open_schedule(host, seen, every="1h"), start + 2 * HOUR, 1)
    assert again.cursor == start + 3 * HOUR


@pytest.mark.fault("T-40")
@pytest.mark.parametrize(
    ("missed", "expected"), [("once", ["2026-09-14T09:00:00Z", "2026-09-14T10:00:00Z"]), ("skip", ["2026-09-14T10:00:00Z"])]
)
async def test_what_was_missed_comes_once_or_not_at_all(
    host: Host, seen: Remembering, take: Take, clock: FakeClock, missed: Any, expected: list[str]
) -> None:
    """Of a night that the router was down only the last time counts; the cursor passes them all."""
    clock.time = micros("2026-09-14T09:20:00Z")
    source = open_schedule(host, seen, cron="0 * * * *", missed=missed)
    heard = await take(source, micros("2026-09-13T21:00:00Z"), 2)
    assert fired(heard) == expected
    assert [one.cursor for one in heard] == [micros("2026-09-14T09:00:00Z"), micros("2026-09-14T10:00:00Z")]


@pytest.mark.fault("T-40")
async def test_a_moment_late_is_not_missed(host: Host, seen: Remembering, take: Take, clock: FakeClock) -> None:
    """A restart of a few seconds loses nothing, even where missed times are skipped."""
    clock.time = micros("2026-09-14T09:00:20Z")
    heard = await take(open_schedule(host, seen, cron="0 * * * *", missed="skip"), micros("2026-09-14T08:00:00Z"), 1)
    assert fired(heard) == ["2026-09-14T09:00:00Z"]


@pytest.mark.fault("T-40")
async def test_a_clock_that_jumps_ahead_fires_once(host: Host, seen: Remembering, take: Take, clock: FakeClock) -> None:
    """A machine that slept for a day hears of the last of the times it slept through, not of all."""
    start = clock.now()
    naps = iter([24 * HOUR])
    real = clock.sleep

    async def sleep(seconds: float) -> None:
        await real(seconds)
        clock.time += next(naps, 0)

    clock.sleep = sleep  # type: ignore[method-assign]
    heard = await take(open_schedule(host, seen, every="1h"), start, 2)
    assert [one.cursor for one in heard] == [start + 24 * HOUR, start + 25 * HOUR]


async def test_a_clock_that_is_set_back_repeats_nothing(host: Host, seen: Remembering, take: Take, clock: FakeClock) -> None:
    """The same time does not come twice."""
    clock.time = micros("2026-09-14T08:30:00Z")
    heard = await take(open_schedule(host, seen, cron="0 * * * *"), micros("2026-09-14T09:00:00Z"), 1)
    assert fired(heard) == ["2026-09-14T10:00:00Z"]


async def test_given_times_end(host: Host, seen: Remembering, clock: FakeClock) -> None:
    """Each comes once, in order, whatever their offsets; after the last the source ends."""
    clock.time = micros("2026-12-24T00:00:00Z")
    source = open_schedule(host, seen, at=["2026-12-24T18:00:00+01:00", "2026-12-24T16:00:00Z", "2025-12-24T16:00:00Z"])
    heard = [one async for one in one_by_one(source.hear(None))]
    assert fired(heard) == ["2026-12-24T16:00:00Z", "2026-12-24T17:00:00Z"]
    assert [one async for one in one_by_one(source.hear(heard[-1].cursor))] == []


@pytest.mark.parametrize(
    ("line", "start", "expected"),
    [
        # 02:30 does not exist on 29 March and exists twice on 25 October.
        ("30 2 * * *", "2026-03-28T12:00:00Z", ["2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"]),
        ("30 2 * * *", "2026-10-24T12:00:00Z", ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]),
        ("30 * * * *", "2026-10-25T00:00:00Z", ["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-25T02:30:00Z"]),
    ],
)
def test_the_clocks_are_changed(line: str, start: str, expected: list[str]) -> None:
    """A nightly line comes once in both nights of the year that are not 24 hours long; an hourly one every hour."""
    times = timetable.cron(line, "Europe/Berlin")
    moment = datetime.fromisoformat(start)
    found = []
    for _ in expected:
        after = times.after(moment)
        assert after is not None
        moment = after
        found.append(moment.isoformat().replace("+00:00", "Z"))
    assert found == expected


@pytest.mark.parametrize(
    ("weekdays", "expected"),
    [
        ("0", [6]),
        ("7", [6]),
        ("1-5", [0, 1, 2, 3, 4]),
        ("5-7", [4, 5, 6]),
        ("sat,SUN", [5, 6]),
        ("mon-sun", [0, 1, 2, 3, 4, 5, 6]),
        ("*/2", [1, 3, 5, 6]),
        ("1-5/2", [0, 2, 4]),
    ],
)
def test_weekdays_are_those_of_crontabs(weekdays: str, expected: list[int]) -> None:
    """0 and 7 are Sunday, though APScheduler counts from Monday; Python's weekdays are expected here."""
    times = timetable.cron(f"0 0 * * {weekdays}", "UTC")
    moment = datetime(2026, 9, 13, 12, tzinfo=UTC)
    found = set()
    while (moment := times.after(moment) or moment) <= datetime(2026, 9, 20, 12, tzinfo=UTC):
        found.add(moment.weekday())
    assert sorted(found) == expected


def test_the_latest_of_many_is_found_without_counting_them() -> None:
    """A line for each minute of each Monday has half a million times in six years, and one that was the latest on a Sunday."""
    times = timetable.cron("* * * * mon", "UTC")
    asked = 0
    real = times.after

    def after(moment: datetime) -> datetime | None:
        nonlocal asked
        asked += 1
        return real(moment)

    times.after = after  # type: ignore[method-assign]
    until = datetime(2026, 9, 13, 12, tzinfo=UTC)
    assert times.latest(datetime(2020, 1, 1, tzinfo=UTC), until) == datetime(2026, 9, 7, 23, 59, tzinfo=UTC)
    assert asked < 5000


@examples(max_examples=30, deadline=None)
@given(
    st.sampled_from(["* * * * *", "*/17 1-3 * * *", "0 0 * * 1", "5 4 1 * *", "30 2 29 2 *"]),
    st.integers(0, 4 * 365 * 86_400),
    st.integers(0, 3 * 86_400),
)
def test_the_latest_is_the_last_one_of_all(line: str, start: int, length: int) -> None:
    """Looking back in stretches finds the same time as going through all of them."""
    times = timetable.cron(line, "Europe/Berlin")
    after = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(seconds=start)
    until = after + timedelta(seconds=length)
    expected, moment = None, after
    while (found := times.after(moment)) is not None and found <= until:
        expected = moment = found
    assert times.latest(after, until) == expected


def test_an_interval_never_drifts() -> None:
    """Times are whole intervals from the anchor to the microsecond, each after the one before, however many there were."""
    anchor = datetime(2026, 9, 14, 10, 0, 0, 123_457, tzinfo=UTC)
    times = timetable.interval(7, anchor)
    moment = anchor + timedelta(seconds=7 * 10_000_000)
    found = []
    for _ in range(50):
        moment = times.after(moment) or moment
        found.append(moment)
    assert all(later - earlier == timedelta(seconds=7) for earlier, later in pairwise(found))
    assert (found[0] - anchor) % timedelta(seconds=7) == timedelta(0)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({}, "exactly one of cron, every and at; this one has none"),
        ({"cron": "0 2 * * *", "every": "1h"}, "this one has cron and every"),
        ({"cron": "0 2 * *"}, "has 4 fields"),
        ({"cron": "0 25 * * *"}, "is not a crontab line"),
        ({"cron": "0 2 * * 8"}, "`8` is no day of the week"),
        ({"cron": "0 2 * * fri-mon"}, "ends before it begins"),
        ({"cron": "0 2 13 * 5"}, "Make it two"),
        ({"cron": "0 0 31 2 *"}, "a day that no year has"),
        ({"cron": "0 2 * * *", "timezone": "Mars/Olympus"}, "There is no time zone `Mars/Olympus`"),
        ({"every": "0s"}, "greater than or equal to 1"),
        ({"every": "1500ms"}, "whole seconds"),
        ({"every": "often"}, "`often` is not a duration"),
        ({"at": []}, "at least 1 item"),
        ({"at": "tomorrow"}, "`tomorrow` is not a time with its offset"),
        ({"at": "2026-12-24T18:00:00"}, "is not a time with its offset"),
        ({"every": "1h", "missed": "twice"}, "'once' or 'skip'"),
    ],
)
def test_wrong_settings_are_explained(settings: dict[str, Any], says: str) -> None:
    """Each mistake is found when the file is read, with a sentence that says what to write."""
    with pytest.raises(ValidationError) as caught:
        schedule.Settings(**settings)
    assert says in str(caught.value)
