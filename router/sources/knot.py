"""Pushes and more from one knot: its `/events`.

Its cursor is in nanoseconds. Today's knots say with each event where it stands (`created`). Those of 2025 do not: there it is
taken from the event's TID, a minute early, and what comes twice is known by its id. They also send one page of 100 events and
then wait for the next push, so a full page followed by silence is asked for the rest.
"""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from router.core import envelope, glance, torn
from router.core.frame import tree
from router.core.members import canonical_host
from router.core.model import Heard, changed
from router.settings import Closed
from router.sources.base import SourceKind, everything
from router.sources.pace import Pace
from router.sources.passing import Passing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from router.core.checkup import Check
    from router.host import Host
    from router.observe import Observer
    from router.sources.base import Wants
    from router.sources.websocket import Line, Received

#: Nanoseconds to go back where an event's place in the stream is only known from its TID.
OVERLAP = 60 * 10**9
#: The first of all cursors. Today's knots read 0 as everything and older ones as now; 1 is everything to both.
BEGINNING = 1
PAGE = 100
#: Seconds of silence after a full page that make it the last one of an older knot.
PATIENCE = 2.0
#: Seconds of silence after news, and nanoseconds to go back then, once: a knot whose clock was set back counts from there.
QUIET, LOOK_BACK = 900.0, 900 * 10**9
#: Nanoseconds for which what was heard is surely in the store: only after less than that it may be heard again at will.
RECENT = 12 * 3600 * 10**9
#: Nanoseconds to go on behind a message that was passed over and came again; four times as much at each further try.
SLACK = 10**6


def _address(text: str) -> str:
    if canonical_host(text) is None or text.lower().startswith(("ws://", "wss://")):
        raise ValueError(f"`{text}` is not a knot: write its host name, like knot1.tangled.sh, or http://localhost:5555.")
    return text.lower().removesuffix("/")


class Settings(Closed):
    """Which knot, and from when."""

    host: Annotated[str, AfterValidator(_address)] = Field(
        description="The knot's host name, with its port if it has one; http:// in front means without TLS."
    )
    since: Literal["now", "beginning"] | Annotated[int, Field(ge=1, lt=1 << 63)] = Field(
        default="now",
        description="Where to begin on first contact: now, the beginning (every push of the past), or nanoseconds since 1970.",
    )
    pace: Pace = Field(default_factory=Pace, description="How fast the knot may talk: what is faster waits.")


class Knot:
    """One knot's events."""

    finite = False

    def __init__(self, name: str, settings: Settings, host: Host, observer: Observer, *, outside: bool = False) -> None:
        """`outside` says that a stranger named the knot."""
        self.outside = outside
        self.name = name
        self.host = host
        self.observer = observer
        self.settings = settings
        self.since = settings.since
        self.knot = canonical_host(settings.host) or settings.host
        plain = urlsplit(settings.host).scheme == "http"
        #: Where its XRPC answers.
        self.url = f"{'http' if plain else 'https'}://{self.knot}"
        self.base = f"{'ws' if plain else 'wss'}://{self.knot}/events"
        #: What is safe to begin after, and (older knots) where the newest event stands.
        self._cursor = 0
        self._newest = 0
        self._older = False
        #: Whether records are read with their envelopes: nobody passed over any of the last batch.
        self._whole = False
        self._full_page = False
        #: The newest place of all, and whether there was news since the last look back.
        self._highest, self._news = 0, False
        #: Behind a message that was too large, where the next dial begins, and what an older knot adds to such a place.
        self._beyond = self._slack = 0

    async def hear(self, cursor: int | None, wants: Wants = everything) -> AsyncIterator[Sequence[Heard]]:
        """Everything after `cursor`. Never without one: today's knots would send every push of their history."""
        from router.sources.websocket import Line  # noqa: PLC0415 - aiohttp is for those who listen

        self._cursor = self._highest = self._first() if cursor is None else cursor
        self._news = cursor is not None and self._now() - cursor < RECENT
        if cursor is None:
            yield [Heard(cursor=self._cursor)]
        line = Line(
            self.name,
            self.host,
            self.observer,
            lambda _failures: self._dialled(line),
            self._place,
            pace=self.settings.pace,
            outside=self.outside,
        )
        async with aclosing(line.messages()) as batches:  # type: ignore[type-var]
            async for batch in batches:
                heard: list[Heard] = []
                broken = self._understand(batch, line, wants, heard)
                if heard:
                    yield heard
                if broken is not None:
                    raise broken

    def _understand(self, batch: Sequence[Received], line: Line, wants: Wants, heard: list[Heard]) -> Exception | None:
        """Put what the messages say into `heard`; what is not wanted comes last, as one. A bug ends it, and is returned: what
        was said before it is not lost."""
        from router.sources.websocket import understand  # noqa: PLC0415 - aiohttp is for those who listen

        now, passing = self._now(), Passing("knot", wants)
        latest = now + envelope.AHEAD * 1000
        try:
            for message in batch:
                event = None
                sent = None if message.bad else glance.knot(message.frame, whole=self._whole)
                if sent is not None and sent.created <= latest:
                    if passing.passes(sent.nsid, sent.created // 1000):
                        self._older = False
                        self._hear_of(sent.created, line, now)
                        continue
                    event = glance.event_of_knot(sent, message.frame, self.name, self.knot)
                if sent is not None and event is not None:
                    self._older = False
                    self._hear_of(sent.created, line, now)
                    heard.append(Heard(event=event, cursor=self._cursor))
                    continue
                one = understand(message, self._parse)
                if message.cursor is not None:
                    self._pass(message.cursor)
                if one.cursor is not None:
                    self._hear_of(one.cursor, line, now, good=one.bad is None)
                heard.append(changed(one, cursor=self._cursor))
        except Exception as error:  # noqa: BLE001 - raised by whoever calls
            return error
        finally:
            self._whole = passing.none
            if passing.times:
                heard.append(Heard(cursor=self._cursor, passed=passing.made()))
            self._full_page = self._older and line.received > 0 and line.received % PAGE == 0
            line.patience = PATIENCE if self._full_page else self._quiet
        return None

    def _first(self) -> int:
        if isinstance(self.since, int):
            return self.since
        return BEGINNING if self.since == "beginning" else self._now()

    def _now(self) -> int:
        return self.host.clock.now() * 1000

    @property
    def _quiet(self) -> float | None:
        """How long silence is borne before it is looked back once."""
        return QUIET if self._news else None

    def _dialled(self, line: Line) -> str:
        """A cursor ahead of the knot's clock would be answered with silence until then, so it is never later than now."""
        if self._full_page:
            cursor = self._newest
        else:
            if line.fell_silent:
                self._cursor = self._newest = max(BEGINNING, self._cursor - LOOK_BACK)
                self._news, self._beyond = False, 0
            cursor = max(self._cursor, self._beyond)
        self._full_page = False
        line.patience = self._quiet
        return f"{self.base}?cursor={min(cursor, self._now())}"

    def _place(self, head: bytes, tail: bytes) -> int | None:
        """Where a message stands that is too large to be read."""
        place = torn.knot(head, tail)
        self._older = place is not None and "created" not in torn.members(head, tail)
        return None if place is None or envelope.ahead(place // 1000, self.host.clock.now()) else place

    def _pass(self, place: int) -> None:
        """Begin behind this message from now on. One that comes again stands a little later than it said: in older knots."""
        self._slack = 0 if place > self._beyond else max(SLACK, self._slack * 4)
        self._beyond = max(self._beyond, place + self._slack)

    async def check(self) -> Sequence[Check]:
        """One handshake, with what is said from now on."""
        from router.sources.reach import handshake  # noqa: PLC0415 - aiohttp is for those who listen

        return [await handshake(self.name, f"{self.base}?cursor={self._now()}", self.host, outside=self.outside)]

    def _parse(self, frame: bytes) -> Heard:
        sent = tree(frame)
        self._older = envelope.older(sent)
        return envelope.knot_of(sent, source=self.name, host=self.knot, now=self.host.clock.now())

    def _hear_of(self, place: int, line: Line, now: int, *, good: bool = True) -> None:
        """Of something at this place of the stream. The cursor never passes our own clock, whatever a frame claims: what came
        until then would not be heard after a drop."""
        self._newest = max(self._newest, place)
        self._cursor = max(self._cursor, min(place, now) - (OVERLAP if self._older else 0))
        if place > self._highest:
            self._highest = place
            if good:
                line.prove()
                self._news = True


kind = SourceKind(settings=Settings, open=Knot)
