"""When something is due: APScheduler's triggers, asked in a way that keeps nothing but the last time.

Two of its habits are kept out. Its crontab counts weekdays from Monday, so numbers become names here; and asked with a last
time, it names every time that went by, so it is never told one.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger

if TYPE_CHECKING:
    from collections.abc import Sequence

_INSTANT = timedelta(microseconds=1)
#: The first stretch of the past that is searched for the latest time, and how fast it grows.
_STRETCH, _GROWTH = timedelta(minutes=1), 4
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WEEKDAYS = re.compile(r"(?P<first>\*|\d|[a-z]{3})(?:-(?P<last>\d|[a-z]{3}))?(?:/(?P<step>[1-7]))?")


class Trigger(Protocol):
    """APScheduler's: the first time at or after `now`, where it is told of none before."""

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime | None: ...


class Timetable:
    """The times of one or more triggers."""

    def __init__(self, triggers: Sequence[Trigger]) -> None:
        self._triggers = triggers

    def after(self, moment: datetime) -> datetime | None:
        """The first time after `moment`, in UTC."""
        found = [self._next(trigger, moment + _INSTANT) for trigger in self._triggers]
        return min((time for time in found if time is not None), default=None)

    @staticmethod
    def _next(trigger: Trigger, start: datetime) -> datetime | None:
        time = trigger.get_next_fire_time(None, start)
        # A date trigger names its date whenever it is asked.
        return time.astimezone(UTC) if time is not None and time >= start else None

    def latest(self, after: datetime, until: datetime) -> datetime | None:
        """The last time after `after` and not after `until`. Looks back in growing stretches: a minutely schedule after a year
        of silence has half a million times, of which one is wanted."""
        stretch = _STRETCH
        while True:
            start = max(after, until - stretch)
            found = None
            while (time := self.after(found or start)) is not None and time <= until:
                found = time
            if found is not None or start == after:
                return found
            stretch *= _GROWTH


def cron(line: str, timezone: str) -> Timetable:
    """The times of a crontab line. Raises ValueError with a sentence."""
    fields = line.lower().split()
    if len(fields) != 5:
        raise ValueError(f"`{line}` has {len(fields)} fields where a crontab line has five: minute, hour, day, month, weekday.")
    if fields[2] != "*" and fields[4] != "*":
        raise ValueError(f"`{line}` names days of the month and of the week; crontabs differ on what that means. Make it two.")
    try:
        weekdays = _weekdays(fields[4])
        trigger: Trigger = CronTrigger.from_crontab(" ".join([*fields[:4], weekdays]), timezone=timezone)
    except ValueError as error:
        raise ValueError(f"`{line}` is not a crontab line: {error}") from None
    times = Timetable([trigger if "*" in fields[1] else _OncePerDay(trigger)])
    if times.after(datetime(2000, 1, 1, tzinfo=UTC)) is None:
        raise ValueError(f"`{line}` names a day that no year has.")
    return times


class _OncePerDay:
    """A line that names its hours means one of the two that there are when clocks are put back: the first, as in crontabs."""

    def __init__(self, trigger: Trigger) -> None:
        self._trigger = trigger

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime | None:
        time = self._trigger.get_next_fire_time(previous_fire_time, now)
        while time is not None and time.fold:
            time = self._trigger.get_next_fire_time(None, time.astimezone(UTC) + _INSTANT)
        return time


def _weekdays(field: str) -> str:
    """A crontab's weekdays, where 0 and 7 are Sunday, as names. Raises ValueError."""
    if field == "*":
        return field
    named: list[str] = []
    for part in field.split(","):
        match = _WEEKDAYS.fullmatch(part)
        if match is None:
            raise ValueError(f"`{part}` is no day of the week.")
        days = range(7) if match["first"] == "*" else range(_day(match["first"]), _last(match) + 1)
        if not days:
            raise ValueError(f"`{part}` ends before it begins.")
        named += [_DAYS[day] for day in days[:: int(match["step"] or 1)]]
    return ",".join(dict.fromkeys(named))


def _last(match: re.Match[str]) -> int:
    if match["last"] is None:
        return 6 if match["step"] else _day(match["first"])
    return _day(match["last"], last=True)


def _day(name: str, *, last: bool = False) -> int:
    """A weekday's number, from Sunday; Sunday at the end of a range is 7."""
    if name.isdigit() and int(name) < len(_DAYS):
        return int(name)
    if name not in _DAYS:
        raise ValueError(f"`{name}` is no day of the week.")
    return 7 if last and name == "sun" else _DAYS.index(name)


def interval(seconds: float, anchor: datetime) -> Timetable:
    """Every so many whole seconds after `anchor`."""
    return Timetable([IntervalTrigger(seconds=int(seconds), start_date=anchor, timezone=UTC)])


def dates(moments: Sequence[datetime]) -> Timetable:
    """Given times."""
    return Timetable([DateTrigger(moment) for moment in moments])
