"""How `router top` looks: lines of text, each with a style, no wider and no more than there is room for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len, set_cell_size

from router.cli import show
from router.core.model import State

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from router.cli.glance import Glance

#: Lines of a part, where nobody's terminal says how many there may be, and the fewest of any part.
ROWS, FEWEST = 20, 3
#: Sources: the worst first.
_ORDER = ("quarantined", "down", "connecting", "paused", "unknown", "up", "ended")
_COLOURS = {
    **dict.fromkeys(("down", "quarantined", "dead", "failed", "timeout"), "red"),
    **dict.fromkeys(("connecting", "paused", "pending", "cancelled"), "yellow"),
    **dict.fromkeys(("up", "success"), "green"),
    "running": "cyan",
}
_GAP = "  "


@dataclass(frozen=True, slots=True)
class Line:
    """`style` is click's: `bold`, `fg`."""

    text: str
    style: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Part:
    heading: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    colours: Sequence[str | None]
    #: Columns whose numbers end together.
    right: frozenset[int] = frozenset()


def lines(seen: Glance, rates: tuple[float, Mapping[str, float]], width: int, height: int | None) -> list[Line]:
    """One frame."""
    head = [Line(_fit(text, width), style) for text, style in _head(seen, rates)]
    parts = [part for part in (_sources(seen), _troubles(seen), _statuses(seen)) if part.rows]
    room = None if height is None else height - len(head) - 2 * len(parts)
    drawn = list(head)
    for part, rows in zip(parts, _shares([len(part.rows) for part in parts], room), strict=True):
        drawn += [Line(""), *_table(part, width, rows)]
    return drawn if height is None else drawn[:height]


def _head(seen: Glance, rates: tuple[float, Mapping[str, float]]) -> Iterator[tuple[str, dict[str, Any]]]:
    status = seen.status
    if status is None:
        yield f"{show.moment(seen.now)}  no router runs: this is what the store says", {"fg": "yellow", "bold": True}
    else:
        ready = "ready" if status["ready"] else "NOT READY"
        up = _span((seen.now - status["started"]) / 1e6)
        version, rules = status["version"], show.counted(status["rules"], "rule")
        bad = {} if status["ready"] else {"fg": "red"}
        yield f"{show.moment(seen.now)}  {version}, {ready}, up {up}, {rules}", {"bold": True, **bad}
        seconds, grown = rates
        over = f"in the last {_span(seconds)}"
        told = ", ".join(f"{grown[name]:.1f} {what}" for name, what in _RATES if name in grown)
        yield f"a minute: {told} ({over})", {}
    counts = ", ".join(f"{count} {state}" for state, count in sorted(seen.deliveries.items())) or "empty"
    due = f"; the oldest has been due for {_span(seen.due)}" if seen.due > 0 else ""
    yield f"outbox:   {counts}{due}", {"fg": "red"} if seen.deliveries.get(State.DEAD) else {}
    if status is not None and (paused := [*status["paused_sources"], *status["paused_rules"]]):
        yield f"paused:   {', '.join(paused)}", {"fg": "yellow"}


_RATES = (("events", "events"), ("delivered", "delivered"), ("failed", "attempts that were not"))


def _sources(seen: Glance) -> _Part:
    def place(row: Mapping[str, Any]) -> tuple[int, str]:
        return _ORDER.index(_state(row)) if _state(row) in _ORDER else 0, row["name"]

    rows = sorted(seen.sources, key=place)
    cells = [
        (
            row["name"],
            _state(row),
            _ago(row["since"], seen.now),
            _span(row["lag"]) if row["lag"] is not None else "-",
            _ago(row["heard"], seen.now),
            str(row["events"]),
            str(row["bad_frames"]),
        )
        for row in rows
    ]
    heading = ("SOURCE", "STATE", "FOR", "LAG", "HEARD", "EVENTS", "BAD")
    return _Part(heading, cells, [_COLOURS.get(_state(row)) for row in rows], frozenset((2, 3, 4, 5, 6)))


def _state(row: Mapping[str, Any]) -> str:
    return "paused" if row["paused"] else str(row["state"])


def _troubles(seen: Glance) -> _Part:
    cells = [(trouble.what, trouble.sentence) for trouble in seen.troubles]
    return _Part(("WHAT FAILS", "WHY"), cells, ["red"] * len(cells))


def _statuses(seen: Glance) -> _Part:
    cells = [
        (_ago(row["updated"], seen.now), row["status"], row["rule"], row["workflow"], row["repo"]) for row in seen.statuses
    ]
    colours = [_COLOURS.get(row["status"]) for row in seen.statuses]
    return _Part(("AGO", "STATUS", "RULE", "WORKFLOW", "REPO"), cells, colours, frozenset((0,)))


def _shares(wanted: Sequence[int], room: int | None) -> list[int]:
    """How many rows each part has: all have a few, and what is left goes to the first that wants it."""
    if room is None:
        return [min(rows, ROWS) for rows in wanted]
    given = [min(rows, FEWEST) for rows in wanted]
    for number, rows in enumerate(wanted):
        given[number] += max(0, min(rows - given[number], room - sum(given)))
    return given


def _table(part: _Part, width: int, room: int) -> Iterator[Line]:
    shown, colours = list(part.rows), list(part.colours)
    more = ""
    if len(shown) > room:
        kept = max(0, room - 1)
        more = f"… and {len(shown) - kept} more"
        shown, colours = shown[:kept], colours[:kept]
    texts = [tuple(show.plain(cell) for cell in row) for row in (part.heading, *shown)]
    widths = _widths(texts, width)
    for number, (row, colour) in enumerate(zip(texts, [None, *colours], strict=True)):
        cells = (_cell(cell, size, right=at in part.right) for at, (cell, size) in enumerate(zip(row, widths, strict=True)))
        style = {"bold": True} if number == 0 else {"fg": colour} if colour else {}
        yield Line(_fit(_GAP.join(cells).rstrip(), width), style)
    if more:
        yield Line(more)


def _widths(texts: Sequence[Sequence[str]], width: int) -> list[int]:
    """What each column wants; where that is too much, the widest gives way."""
    widths = [max(map(cell_len, column)) for column in zip(*texts, strict=True)]
    room = width - len(_GAP) * (len(widths) - 1)
    while sum(widths) > room and max(widths) > 1:
        widths[widths.index(max(widths))] -= 1
    return widths


def _cell(text: str, size: int, *, right: bool) -> str:
    if cell_len(text) > size:
        return set_cell_size(text, size - 1) + "…" if size > 1 else "…"
    return " " * (size - cell_len(text)) + text if right else set_cell_size(text, size)


def _fit(text: str, width: int) -> str:
    text = show.plain(text)
    return text if cell_len(text) <= width else _cell(text, width, right=False)


def _ago(moment: int | None, now: int) -> str:
    return "-" if not moment else _span(max(0, now - moment) / 1e6)


def _span(seconds: float) -> str:
    """In its largest unit."""
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds:.0f}s"
