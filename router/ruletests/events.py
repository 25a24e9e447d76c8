"""The event of a test case: a file, written inline, or another file's with some values changed."""

from __future__ import annotations

import copy
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from router.core import envelope, written
from router.core.errors import BadInput
from router.core.model import changed
from router.core.problems import Place, Problem

if TYPE_CHECKING:
    from router.core.model import Event, Tree

_STEP = re.compile(r"\.([A-Za-z_][A-Za-z0-9_-]*)|\[(\d{1,6})\]|\['([^']+)'\]|\[\"([^\"]+)\"\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class EventText:
    """Where a case's event comes from. `changes` are (path into the record, value, where that is written)."""

    place: Place
    file: Path | None = None
    inline: Tree = None
    changes: tuple[tuple[str, Tree, Place], ...] = ()


def path_steps(path: str) -> list[str | int] | None:
    """The keys and positions of a plain JSON path, or None where it is not plain: no wildcard, no filter, no `..`."""
    if not path.startswith("$") or _STEP.sub("", path[1:]) or path == "$":
        return None
    return [int(found[2]) if found[2] is not None else found[1] or found[3] or found[4] for found in _STEP.finditer(path)]


def build(text: EventText) -> Event:
    """The event. Raises BadInput with the place of the mistake in the test file."""
    source = str(text.file) if text.file is not None else "the event"
    raw = _read(text.file, text.place) if text.file is not None else text.inline
    try:
        event = envelope.event_from(raw)
        if not text.changes:
            return event
        record = copy.deepcopy(dict(event.record))
        for path, value, place in text.changes:
            _set(record, path, value, place)
        return envelope.event_from({**_unnamed(event, raw), "record": record})
    except BadInput as error:
        if error.problems:
            raise
        raise wrong(text.place, f"{source} is no event: {error}") from None


def _unnamed(event: Event, raw: Any) -> dict[str, Tree]:
    """The event in our own form, without the named fields that its record led to: the changed record leads to others."""
    sent = {key: value for key, value in written.event_to(event).items() if key != "fields"}
    return {**sent, "fields": raw["fields"]} if "record" in raw and "fields" in raw else sent


def with_facts(event: Event, *, trust: str, now: int | None) -> Event:
    """The event with what a case says of it beside its record."""
    fields = {**event.fields, "trust": trust} if trust else event.fields
    return changed(event, fields=fields, time=event.time if now is None else now)


def wrong(place: Place, sentence: str, hint: str = "") -> BadInput:
    """A mistake in a test file that shows only when the case is run."""
    return BadInput(sentence, [Problem("R050", place, sentence, hint)])


def _read(file: Path, place: Place) -> dict[str, Tree]:
    try:
        raw: Any = json.loads(file.read_bytes())
    except OSError as error:
        hint = "An event's path is relative to the test file."
        raise wrong(place, f"{file} cannot be read: {error.strerror}.", hint) from None
    except (ValueError, RecursionError) as error:
        raise wrong(place, f"{file} is not JSON: {error}.") from None
    if not isinstance(raw, dict):
        raise wrong(place, f"{file} holds no JSON object, and an event is one.")
    return raw


def _set(record: dict[str, Any], path: str, value: Tree, place: Place) -> None:
    """Put `value` at `path`. Only the last key may be new: a misspelt way there would test nothing."""
    *way, last = path_steps(path) or ["$"]
    inner: Any = record
    for step in way:
        try:
            inner = inner[step]
        except (KeyError, IndexError, TypeError):
            raise wrong(place, f"The event's record has nothing at `{step}` on the way of {path}.") from None
    fits = isinstance(inner, dict) if isinstance(last, str) else isinstance(inner, list) and last < len(inner)
    if not fits:
        raise wrong(place, f"The event's record has no place for {path}.")
    inner[last] = value
