"""Recorded events, one after the other and never all at once: from a file, a folder, standard input or the store."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from router.cli.opening import from_store
from router.core import envelope
from router.core.errors import BadFrame, BadInput

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from router.config import Config
    from router.core.model import Event, Micros, Tree
    from router.engine.store.base import EventRow, Store

STDIN = "-"
#: Bytes of one line, as `replay` has it; and of a whole document, which is in memory at once.
LINE, WHOLE = 1 << 20, 1 << 28
PAGE = 1000
#: Bad events that are kept to be told.
KEPT = 3


@dataclass(frozen=True, slots=True)
class Recorded:
    """One event, and how to call it: its number in the store, its file's name, or file and line."""

    name: str
    event: Event


@dataclass(slots=True)
class Unread:
    """What was no event: how many, and what was wrong with the first of them."""

    count: int = 0
    first: list[str] = field(default_factory=list)

    def add(self, name: str, why: object) -> None:
        self.count += 1
        if len(self.first) < KEPT:
            self.first.append(f"{name}: {why}")


def from_files(source: str, unread: Unread) -> Iterator[Recorded]:
    """The events of a file (JSON lines, an array, or one event), of `-`, or of the .json files of a folder, by name.

    Each in our own form, as a frame of a knot or of Jetstream, or as `router events` prints it. What is none is counted in
    `unread`. Raises BadInput where nothing can be read at all.
    """
    path = Path(source)
    if source != STDIN and path.is_dir():
        found = sorted(path.rglob("*.json"))
        if not found:
            raise BadInput(f"There is no .json file in {source}.")
        for file in found:
            yield from _from_file(str(file), file.relative_to(path).with_suffix("").as_posix(), unread)
    else:
        yield from _from_file(source, "stdin" if source == STDIN else path.stem, unread)


def count_files(source: str) -> int | None:
    """About how many events there are, for a progress bar; None where that is not known before."""
    path = Path(source)
    if path.is_dir():
        return sum(1 for _ in path.rglob("*.json"))
    if source == STDIN or not path.is_file():
        return None
    with path.open("rb") as file:
        return sum(chunk.count(b"\n") for chunk in iter(partial(file.read, 1 << 20), b""))


def from_the_store(settings: Config, since: Micros) -> Iterator[Recorded]:
    """Events that were heard at `since` or later, in that order. Raises StoreError where there is no store."""
    after = 0
    while rows := from_store(settings, partial(_page, since=since, after=after)):
        after = rows[-1].number
        yield from (Recorded(str(row.number), row.event) for row in rows)


def count_store(settings: Config, since: Micros) -> int:
    """How many those are."""
    return from_store(settings, lambda store: store.count_since(since))


def known_handles(settings: Config) -> Mapping[str, str | None]:
    """Who is who, as far as the store remembers and the configuration pins; pins win."""
    known: Mapping[str, Any] = from_store(settings, lambda store: store.facts("handle")) if settings.store_path.exists() else {}
    return {**known, **settings.identity.pins}


async def _page(store: Store, since: Micros, after: int) -> Sequence[EventRow]:
    return await store.events_since(since, after, PAGE)


def _from_file(source: str, name: str, unread: Unread) -> Iterator[Recorded]:
    try:
        with click.open_file(source, "rb") as file:
            yield from _events(file, name, unread, numbered=not source.endswith(".json"))
    except OSError as error:
        raise BadInput(f"The events of {source} cannot be read: {error.strerror}.") from None


def _events(file: IO[bytes], name: str, unread: Unread, *, numbered: bool) -> Iterator[Recorded]:
    """A first line that only opens a document, or is an array, means that the whole file is one document."""
    number, first = 0, b""
    while not first.strip() and (first := file.readline(LINE + 1)):
        number += 1
    if first.strip() == b"{" or first.lstrip().startswith(b"["):
        yield from _document(first + file.read(WHOLE), name, unread)
        return
    for line in chain([first], iter(partial(file.readline, LINE + 1), b"")):
        if len(line) > LINE and not line.endswith(b"\n"):
            _skip(file)
        if line.strip():
            yield from _read(line, f"{name}:{number}" if numbered or number > 1 else name, unread)
        number += 1


def _skip(file: IO[bytes]) -> None:
    """The rest of a line that is too long to be an event."""
    while (rest := file.readline(LINE)) and not rest.endswith(b"\n"):
        pass


def _document(text: bytes, name: str, unread: Unread) -> Iterator[Recorded]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        unread.add(name, f"It is not JSON: {error}.")
        return
    if isinstance(found, list):
        for number, item in enumerate(found):
            yield from _read(item, f"{name}[{number}]", unread)
    else:
        yield from _read(found, name, unread)


def _read(given: Tree, name: str, unread: Unread) -> Iterator[Recorded]:
    try:
        yield Recorded(name, envelope.event_from(_unwrapped(_object(given))))
    except BadFrame as error:
        unread.add(name, error)


def _object(given: Tree) -> dict[str, Tree]:
    if isinstance(given, bytes):
        if len(given) > LINE:
            raise BadFrame(f"The line is longer than {LINE} bytes.")
        try:
            given = json.loads(given)
        except (ValueError, RecursionError):
            raise BadFrame("It is not JSON.") from None
    if not isinstance(given, dict):
        raise BadFrame("It is no JSON object, and an event is one.")
    return given


def _unwrapped(sent: dict[str, Tree]) -> Mapping[str, Tree]:
    """`router events show --output json` prints the event among what came of it."""
    inner = sent.get("event")
    return inner if "number" in sent and "heard" in sent and isinstance(inner, dict) else sent
