"""Events that the clock makes: by a crontab line, at an interval, or at given times.

Nothing is kept but the last time (the cursor, in microseconds): what is due follows from it, so a restart neither forgets nor
repeats. Of several times that went by unseen the last one counts.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from router.core.fields import named_fields
from router.core.model import Event, Heard
from router.settings import Closed, Duration
from router.sources.base import SourceKind, everything

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from router.core.model import Micros
    from router.host import Host
    from router.observe import Observer
    from router.sources.base import Wants
    from router.sources.timetable import Timetable

NSID = "router.schedule.fire"
#: Seconds between two looks at the clock while waiting: it may be set, or the machine may have slept.
LOOK = 30.0
#: Microseconds after which a time that was not seen to come counts as missed.
LATE = 60_000_000
_AT: dict[str, Any] = {
    "anyOf": [
        {"type": "string", "format": "date-time"},
        {"type": "array", "items": {"type": "string", "format": "date-time"}, "minItems": 1},
    ]
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"There is no time zone `{name}`: write one like Europe/Berlin.") from None
    return name


def _moments(value: Any) -> Any:
    """One time or several, as RFC 3339 says them."""
    return [_moment(text) for text in (value if isinstance(value, list) else [value])]


def _moment(text: Any) -> datetime:
    moment = text
    if isinstance(text, str):
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            moment = None
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        raise ValueError(f"`{text}` is not a time with its offset: write it like 2026-12-24T18:00:00+01:00.")
    return moment


class Settings(Closed):
    """When, and what to say then. Exactly one of `cron`, `every` and `at`."""

    cron: str | None = Field(
        default=None, description="Five fields: minute, hour, day, month, day of the week (0 and 7: Sunday)."
    )
    every: Annotated[Duration, Field(ge=1, le=366 * 86400)] | None = Field(
        default=None, description="An interval of whole seconds, counted from the first start."
    )
    at: Annotated[list[datetime], BeforeValidator(_moments), WithJsonSchema(_AT), Field(min_length=1)] | None = Field(
        default=None, description="One time or a list of them, with their offsets."
    )
    timezone: Annotated[str, AfterValidator(_zone)] = Field(default="UTC", description="The time zone of `cron`.")
    missed: Literal["once", "skip"] = Field(
        default="once", description="What becomes of a time that came while the router was down, or more than a minute late."
    )
    record: dict[str, Any] = Field(default={}, description="Becomes part of the event's record, for rules to use.")

    @model_validator(mode="after")
    def _one_of_three(self) -> Settings:
        given = [key for key in ("cron", "every", "at") if getattr(self, key) is not None]
        if len(given) != 1:
            raise ValueError(
                f"A schedule needs exactly one of cron, every and at; this one has {' and '.join(given) or 'none'}."
            )
        if self.every is not None and self.every != int(self.every):
            raise ValueError("`every` must be whole seconds.")
        if self.cron is not None:
            self.timetable(0)
        return self

    def timetable(self, anchor: Micros) -> Timetable:
        """The times of this schedule; an interval is counted from `anchor`. Raises ValueError for a wrong crontab line."""
        from router.sources import timetable  # noqa: PLC0415 - apscheduler is for those who have a schedule

        if self.cron is not None:
            return timetable.cron(self.cron, self.timezone)
        if self.every is not None:
            return timetable.interval(self.every, _datetime(anchor))
        return timetable.dates(self.at or [])


class Schedule:
    """One schedule."""

    finite = False

    def __init__(self, name: str, settings: Settings, host: Host, observer: Observer) -> None:
        self.name = name
        self.settings = settings
        self.clock = host.clock
        self.observer = observer

    async def hear(self, cursor: int | None, wants: Wants = everything) -> AsyncIterator[Sequence[Heard]]:
        """Every time after `cursor`, when it comes; from now on, at first. Ends after the last of given times."""
        last = self.clock.now() if cursor is None else cursor
        if cursor is None:
            # Kept before anything is due, so that an interval longer than the router's life still comes to its end.
            yield [Heard(cursor=last)]
        times = self.settings.timetable(last)
        while (due := times.after(_datetime(last))) is not None:
            await self._wait(due)
            now = self.clock.now()
            last = _micros(times.latest(_datetime(last), _datetime(now)) or due)
            missed = now - last > LATE and self.settings.missed == "skip"
            yield [Heard(cursor=last) if missed else Heard(cursor=last, event=self._event(last))]

    async def _wait(self, due: datetime) -> None:
        self.observer.source(self.name, "up", f"Next at {due.isoformat(timespec='seconds')}.")
        while (left := (_micros(due) - self.clock.now()) / 1e6) > 0:
            await self.clock.sleep(min(left, LOOK))

    def _event(self, time: Micros) -> Event:
        at = _datetime(time).isoformat().replace("+00:00", "Z")
        record = {**self.settings.record, "name": self.name, "scheduled_at": at}
        return Event(
            origin=f"schedule:{self.name}",
            id=at,
            source=self.name,
            kind="schedule",
            nsid=NSID,
            time=time,
            record=record,
            fields=named_fields(NSID, "schedule", record),
        )


def _datetime(time: Micros) -> datetime:
    return _EPOCH + timedelta(microseconds=time)


def _micros(moment: datetime) -> Micros:
    return (moment - _EPOCH) // timedelta(microseconds=1)


kind = SourceKind(settings=Settings, open=Schedule)
