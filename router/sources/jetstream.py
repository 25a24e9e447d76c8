"""Records, identities and accounts of the whole network, from a Jetstream.

Its cursor is the time of an event in microseconds, which means the same on every host. Going back a few seconds and hearing
some events twice is how nothing is missed: events are known by their ids.
"""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlencode, urlsplit

from pydantic import AfterValidator, Field

from router.core import envelope, glance, identity, torn
from router.core.frame import NSID
from router.core.model import Heard, Micros, changed
from router.settings import Closed, Duration
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

#: Microseconds to go back after moving to another host: clocks of hosts differ.
OVERLAP = 60_000_000
#: Smaller cursors are read as sequence numbers of one server (github.com/bluesky-social/jetstream).
FIRST_TIME = 10**15
#: Microseconds that servers keep. What is older than that is left out without a word.
LOOK_BACK: Micros = 36 * 3_600_000_000
#: Bytes that a frame may be larger than the limit that the server was asked to keep: it measures the event alone.
MARGIN = 1 << 16


def _address(text: str) -> str:
    """`host` or a URL, as the URL to subscribe at."""
    parts = urlsplit(text if "://" in text else f"wss://{text}")
    host_ok = identity.HOST.fullmatch(parts.netloc.lower()) is not None
    if parts.scheme not in ("wss", "ws", "https", "http") or not host_ok or parts.query or parts.fragment:
        raise ValueError(f"`{text}` is not the address of a Jetstream: write wss://jetstream1.us-east.bsky.network.")
    scheme = {"https": "wss", "http": "ws"}.get(parts.scheme, parts.scheme)
    return f"{scheme}://{parts.netloc.lower()}{parts.path if parts.path.strip('/') else '/subscribe'}"


def _collection(text: str) -> str:
    if NSID.fullmatch(text.removesuffix(".*")) is None:
        raise ValueError(f"`{text}` is not a collection: write an NSID like sh.tangled.repo, or a prefix like sh.tangled.*.")
    return text


def _did(text: str) -> str:
    if identity.DID.fullmatch(text) is None:
        raise ValueError(f"`{text}` is not a DID: write one like did:plc:ewvi7nxzyoun6zhxrhs64oiz.")
    return text


class Settings(Closed):
    """What to hear of which accounts, and from where."""

    hosts: list[Annotated[str, AfterValidator(_address)]] = Field(
        default=["wss://jetstream1.us-east.bsky.network/subscribe", "wss://jetstream2.us-west.bsky.network/subscribe"],
        min_length=1,
        description="Jetstream servers. The first is used until it fails; then the next, and so on around.",
    )
    collections: list[Annotated[str, AfterValidator(_collection)]] = Field(
        default=["sh.tangled.*"],
        min_length=1,
        max_length=100,
        description="Record types to hear, as NSIDs or prefixes ending in .*; identity and account events come with any.",
    )
    dids: list[Annotated[str, AfterValidator(_did)]] = Field(
        default=[], max_length=10_000, description="Accounts to hear; all, where there are none."
    )
    max_message_size: int = Field(
        default=1_000_000, ge=1_000, le=16_000_000, description="Bytes. The server leaves larger events out."
    )
    rewind: Duration = Field(default=5.0, ge=0, description="How far to go back at each reconnect.")
    failover_after: int = Field(
        default=3, ge=1, description="Dials in a row that come to nothing before the next host is tried."
    )
    pace: Pace = Field(
        default_factory=lambda: Pace(messages=5_000, bytes=16_000_000),
        description="How fast the server may talk: what is faster waits.",
    )


class Jetstream:
    """One subscription."""

    finite = False

    def __init__(self, name: str, settings: Settings, host: Host, observer: Observer) -> None:
        self.name = name
        self.settings = settings
        self.host = host
        self.observer = observer
        self._at = 0
        self._live = False
        self._cursor: Micros = 0
        self._earliest: Micros = 0
        self._rewind = self._usual_rewind = round(settings.rewind * 1e6)
        #: The cursor that was found to be too old, so that it is told once.
        self._outdated: Micros | None = None
        #: Whether records are read with their envelopes: nobody passed over any of the last batch.
        self._whole = False

    async def hear(self, cursor: int | None, wants: Wants = everything) -> AsyncIterator[Sequence[Heard]]:
        """Everything after `cursor`, or from now on. "Now" is kept at once, so that a restart goes on from there."""
        from router.sources.websocket import Line  # noqa: PLC0415 - aiohttp is for those who listen

        settings, now = self.settings, self.host.clock.now()
        self._live = cursor is None
        self._cursor, self._earliest = (now, now) if cursor is None else (cursor, FIRST_TIME)
        if cursor is None:
            yield [Heard(cursor=now)]
        elif gap := self._gap():
            yield [Heard(cursor=cursor, gap=gap)]
        limit = settings.max_message_size + MARGIN
        line = Line(self.name, self.host, self.observer, self._url, self._place, limit=limit, pace=settings.pace)
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

        now = self.host.clock.now()
        latest, bound = now + envelope.AHEAD, now + self._usual_rewind
        passing, news = Passing("jetstream", wants), False
        passes, make, name = passing.passes, glance.event_of_commit, self.name
        # Asked before the cursor moves: a connection that was lost for days is one more way to miss something.
        gap = self._gap() if line.received == len(batch) else ""
        try:
            # All at once: one thing done many times is quicker than many done in turns.
            whole = self._whole
            seen = [None if message.bad else glance.jetstream(message.frame, whole=whole) for message in batch]
            for message, sent in zip(batch, seen, strict=True):
                if sent is not None and (time := sent.time_us) <= latest:
                    passed = passes(sent.commit.collection, time, sent)
                    event = None if passed else make(sent, message.frame, name)
                    if passed or event is not None:
                        # See _advance.
                        if time > self._cursor:
                            self._cursor = time if time <= bound else max(self._cursor, bound)
                            news = True
                        if event is not None:
                            heard.append(Heard(event=event, cursor=self._cursor, gap=gap))
                            gap = ""
                        continue
                one = understand(message, self._parse)
                if message.cursor is not None:
                    # Going back would meet the same message again.
                    self._cursor, self._rewind = max(self._cursor, message.cursor), 0
                elif one.gap:
                    self._earliest = now - LOOK_BACK
                elif one.cursor is not None and self._advance(one.cursor, now):
                    news = news or one.bad is None
                heard.append(changed(one, cursor=self._cursor, gap=one.gap or gap))
                gap = ""
        except Exception as error:  # noqa: BLE001 - raised by whoever calls
            return error
        finally:
            self._whole = passing.none
            if passing.times:
                heard.append(Heard(cursor=self._cursor, gap=gap, passed=passing.made()))
            if news:
                self._rewind = self._usual_rewind
                line.prove()
        return None

    async def check(self) -> Sequence[Check]:
        """One handshake, with what is said from now on."""
        from router.sources.reach import handshake  # noqa: PLC0415 - aiohttp is for those who listen

        return [await handshake(self.name, url, self.host) for url in self.settings.hosts]

    def _parse(self, frame: bytes) -> Heard:
        return envelope.jetstream(frame, source=self.name, now=self.host.clock.now())

    def _place(self, head: bytes, tail: bytes) -> Micros | None:
        """Where a message stands that is too large to be read."""
        place = torn.jetstream(head, tail)
        return None if place is None or envelope.ahead(place, self.host.clock.now()) else place

    def _gap(self) -> str:
        """What cannot be heard any more, because servers have forgotten it."""
        missed = self.host.clock.now() - self._cursor - LOOK_BACK
        if missed <= 0 or self._outdated == self._cursor:
            return ""
        self._outdated = self._cursor
        return f"Servers keep 36 hours, and nothing was heard for {missed / 3.6e9 + 36:.0f}: what came first of it is missed."

    def _advance(self, place: Micros, now: Micros) -> bool:
        """Whether this was news. A host that sends news needs no more than the usual rewind from now on. However far its clock
        is ahead, the cursor is never later than our own, less the rewind."""
        if place <= self._cursor:
            return False
        self._rewind = self._usual_rewind
        self._cursor = max(self._cursor, min(place, now + self._rewind))
        return True

    def _url(self, failures: int) -> str:
        settings = self.settings
        if len(settings.hosts) > 1 and failures and failures % settings.failover_after == 0:
            self._at = (self._at + 1) % len(settings.hosts)
            self._rewind = OVERLAP
        query = [("wantedCollections", collection) for collection in settings.collections]
        query += [("wantedDids", did) for did in settings.dids]
        query.append(("maxMessageSizeBytes", str(settings.max_message_size)))
        if not self._live:
            cursor = min(self._cursor - self._rewind, self.host.clock.now())
            query.append(("cursor", str(max(self._earliest, cursor))))
        self._live = False
        return f"{settings.hosts[self._at]}?{urlencode(query, safe=':*')}"


kind = SourceKind(settings=Settings, open=Jetstream)
