"""The keys of a rule that take small values: durations, words, retry policies, times of the day, gates."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeVar

from router.core import document, durations
from router.core.model import Busy, Retry
from router.core.problems import Place, nearest
from router.core.rulebook import Active, Key, Mode, Window

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from enum import StrEnum
    from zoneinfo import ZoneInfo

    from router.core.document import Node
    from router.core.problems import Problems
    from router.core.templates import Renderer

    AsRenderer = Callable[[Node, str], Renderer | None]

WordT = TypeVar("WordT", bound="StrEnum")
CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)|24:00")
#: A delivery that failed so often is not going to happen.
MOST_ATTEMPTS = 1000
_RETRY_KEYS = ("attempts", "base", "factor", "cap", "schedule")


def text(node: Node | None, problems: Problems, what: str) -> str:
    """The text, or an empty one where there is none."""
    return (document.text(node, problems, what) or "") if node is not None else ""


def flag(node: Node | None, problems: Problems, what: str) -> bool:
    """True or false; false where it is not written."""
    if node is None:
        return False
    if node.kind != "bool":
        document.wrong_type(node, problems, what, "true or false")
        return False
    return bool(node.value)


def word(node: Node | None, words: type[WordT], default: WordT, problems: Problems, what: str) -> WordT:
    """One of a few words."""
    if node is None:
        return default
    given = document.text(node, problems, what)
    known = [member.value for member in words]
    if given is None:
        return default
    if given not in known:
        hint = nearest(given, known) or f"It is one of {', '.join(known)}."
        problems.error("R024", node.place, f"{what} is never `{given}`.", hint)
        return default
    return words(given)


def duration(node: Node | None, problems: Problems, what: str, *, zero: bool = False) -> float | None:
    """Seconds, of a text like `30s`. None at all are only right where `zero` says so."""
    if node is None:
        return None
    if node.kind in ("int", "float"):
        problems.error("R025", node.place, f"{what} has no unit.", f"Write {node.raw}s if seconds are meant.")
        return None
    given = document.text(node, problems, what)
    try:
        seconds = durations.seconds(given) if given is not None else None
    except ValueError as error:
        problems.error("R025", node.place, f"{what} is wrong: {error}", "")
        return None
    if seconds == 0 and not zero:
        problems.error("R025", node.place, f"{what} cannot be nothing.", "Write a longer time, or leave it out.")
    return seconds


def number(node: Node | None, problems: Problems, what: str, most: int, *, whole: bool = True) -> float | None:
    """A number from 1 to `most`."""
    if node is None:
        return None
    if node.kind not in (("int",) if whole else ("int", "float")) or not 1 <= node.value <= most:
        document.wrong_type(node, problems, what, f"a {'whole ' if whole else ''}number from 1 to {most}")
        return None
    return float(node.value)


def mode(node: Node | None, problems: Problems) -> tuple[Mode, float]:
    """The mode, and a canary's share between 0 and 1."""
    if node is None or (node.kind != "map" and node.raw != Mode.CANARY):
        return word(node, Mode, Mode.LIVE, problems, "`mode`"), 0.0
    if node.kind == "map" and not document.mapping(node, problems, "`mode`", ("canary",)):
        return Mode.LIVE, 0.0
    share = node.get("canary")
    given = text(share, problems, "`canary`")
    match = re.fullmatch(r"(\d{1,3}(?:\.\d+)?)%", given)
    if share is None or match is None or float(match[1]) > 100:
        problems.error("R024", (share or node).place, "`canary` is a share of repos.", 'Write {canary: "10%"}.')
        return Mode.LIVE, 0.0
    return Mode.CANARY, float(match[1]) / 100


def retry(node: Node | None, problems: Problems) -> Retry | None:
    """A retry policy."""
    if node is None or not document.mapping(node, problems, "`retry`", _RETRY_KEYS):
        return None
    default = Retry()
    attempts = number(node.get("attempts"), problems, "`attempts`", MOST_ATTEMPTS)
    schedule = _schedule(node.get("schedule"), problems)
    return Retry(
        attempts=int(attempts) if attempts is not None else len(schedule) + 1 if schedule else default.attempts,
        base=duration(node.get("base"), problems, "`base`") or default.base,
        factor=number(node.get("factor"), problems, "`factor`", 1000, whole=False) or default.factor,
        cap=duration(node.get("cap"), problems, "`cap`") or default.cap,
        schedule=schedule,
    )


def _schedule(node: Node | None, problems: Problems) -> tuple[float, ...]:
    if node is None:
        return ()
    if node.kind != "list" or not node.value:
        document.wrong_type(node, problems, "`schedule`", "a list of durations")
        return ()
    waits = [duration(item, problems, "a wait in `schedule`", zero=True) for item in node.value]
    return tuple(wait for wait in waits if wait is not None)


def active(node: Node | None, problems: Problems) -> Active | None:
    """The hours in which a rule matches."""
    if node is None or not document.mapping(node, problems, "`active`", ("between", "timezone")):
        return None
    zone = _zone(node.get("timezone"), problems)
    between = node.get("between")
    if between is None or between.kind != "list" or len(between.value) != 2:
        problems.error("R004", (between or node).place, "`between` is two times of the day.", 'Write ["08:00", "20:00"].')
        return None
    minutes = [_minutes(item, problems) for item in between.value]
    if zone is None or minutes[0] is None or minutes[1] is None:
        return None
    if minutes[0] == minutes[1]:
        problems.error("R024", between.place, "`between` is two different times.", "For the whole day, leave `active` out.")
        return None
    return Active(start=minutes[0], end=minutes[1], zone=zone)


def _minutes(node: Node, problems: Problems) -> int | None:
    given = node.raw
    if node.kind in ("map", "list") or CLOCK.fullmatch(given) is None:
        problems.error("R024", node.place, f"`{given}` is not a time of the day.", 'Write it like "08:00".')
        return None
    return int(given[:2]) * 60 + int(given[3:])


def _zone(node: Node | None, problems: Problems) -> ZoneInfo | None:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # noqa: PLC0415 - few rules have hours

    name = text(node, problems, "`timezone`") or "UTC"
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        place = node.place if node is not None else Place()
        problems.error("R024", place, f"There is no time zone `{name}`.", "Write one like Europe/Berlin.")
        return None


class Gates:
    """`concurrency`, `dedupe`, `throttle` and `debounce` of one rule."""

    def __init__(self, given: Mapping[str, Node], problems: Problems, renderer: AsRenderer) -> None:
        self.given = given
        self.problems = problems
        self.renderer = renderer
        self.busy = Busy.QUEUE
        self.group: Key | None = None
        self._concurrency(given.get("concurrency"))

    def _concurrency(self, node: Node | None) -> None:
        if node is None or not document.mapping(node, self.problems, "`concurrency`", ("group", "policy")):
            return
        group = node.get("group")
        if group is None:
            self.problems.error("R005", node.place, "`concurrency` needs a `group`.", 'Write group: "{{ repo.did }}".')
        else:
            self.group = self._key(group, "`group`")
        self.busy = word(node.get("policy"), Busy, Busy.QUEUE, self.problems, "`policy`")

    def window(self, name: str, span: str, *, needs_limit: bool = False) -> Window | None:
        """The gate `name`, whose duration is its key `span`."""
        node = self.given.get(name)
        allowed = ("key", span, "limit") if needs_limit else ("key", span)
        if node is None or not document.mapping(node, self.problems, f"`{name}`", allowed):
            return None
        for needed in (span, "limit") if needs_limit else (span,):
            if node.get(needed) is None:
                self.problems.error("R005", node.place, f"`{name}` needs `{needed}`.", f"Add `{needed}`.")
        seconds = duration(node.get(span), self.problems, f"`{span}`")
        limit = number(node.get("limit"), self.problems, "`limit`", 1_000_000)
        written = node.get("key")
        nothing = Key(render=_everything, text="", place=node.spot)
        key = self._key(written, f"the key of `{name}`") if written is not None else nothing
        return Window(key=key, seconds=seconds, limit=int(limit or 0)) if seconds and key is not None else None

    def _key(self, node: Node, what: str) -> Key | None:
        render = self.renderer(node, what)
        return Key(render=render, text=node.raw, place=node.spot) if render is not None else None


def _everything(context: Mapping[str, object]) -> str:  # noqa: ARG001 - a renderer takes a context
    """The key of a gate that has none: all deliveries of the rule together."""
    return "*"
