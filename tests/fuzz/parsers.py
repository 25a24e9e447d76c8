"""What every parser of a peer's bytes must keep to, whatever they are. Used by the tests and by the fuzzer."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from router.core import envelope, frame, torn
from router.core.errors import BadFrame
from router.core.model import Heard
from router.sources.skim import Walker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

NOW = 1_789_380_100_000_000


def knot(data: bytes) -> Heard:
    return envelope.knot(data, source="k", host="knot.example", now=NOW)


def jetstream(data: bytes) -> Heard:
    return envelope.jetstream(data, source="j", now=NOW)


def from_file(data: bytes) -> Heard:
    """As the replay source reads a line."""
    event = envelope.event_from(frame.tree(data), source="replay")
    return Heard(event=event)


PARSERS: tuple[Callable[[bytes], Heard], ...] = (knot, jetstream, from_file)


def keeps_to_it(data: bytes) -> None:
    """An event that can be stored and sent on, or BadFrame with one short, printable sentence; a cursor that a column holds and
    that is not in the future; and the same answer twice."""
    for parse in PARSERS:
        first, second = outcome(parse, data), outcome(parse, data)
        assert first == second
        heard, sentence, cursor = first
        assert sentence.isprintable()
        assert len(sentence) < 400
        if cursor is not None and parse is not from_file:
            assert 0 < cursor < 1 << 63
            assert cursor // (1000 if parse is knot else 1) <= NOW + envelope.AHEAD
        if heard is not None and heard.event is not None:
            event = heard.event
            assert event.id
            assert event.id.isprintable()
            assert 0 <= event.time < 1 << 63
            stored = json.dumps([event.record, event.fields], ensure_ascii=False, allow_nan=False).encode("utf-8")
            assert json.loads(stored)[0] == event.record


def outcome(parse: Callable[[bytes], Heard], data: bytes) -> tuple[Heard | None, str, int | None]:
    try:
        heard = parse(data)
    except BadFrame as error:
        return None, str(error), error.cursor
    return heard, heard.gap, heard.cursor


def ends_tell_the_truth(data: bytes) -> None:
    """What can be told from a message's ends is what its whole says."""
    found = torn.members(data[: torn.KEPT], data[-torn.KEPT :])
    try:
        whole = json.loads(data)
    except (ValueError, RecursionError):
        return
    if isinstance(whole, dict) and len(whole) == len(json.loads(data, object_pairs_hook=list)):
        for key, value in found.items():
            assert whole[key] == value


def walked(chunks: Iterable[bytes], limit: int = 100) -> object:
    """What the walker finds in a stream that comes in these pieces, and is cut at its end."""

    async def walk() -> object:
        walker = Walker(limit, torn.knot)
        for chunk in chunks:
            walker.feed_data(chunk)
            assert len(walker._head) <= torn.KEPT
            assert len(walker._tail) <= torn.KEPT
        walker.feed_eof()
        return await walker.found

    return asyncio.run(walk())
