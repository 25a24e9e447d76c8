"""Values as people read them. Everything here takes what strangers may have written, and gives text; escaping is the
template's."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from router.core.problems import printable

if TYPE_CHECKING:
    from router.core.model import Micros

#: Characters of a value that are shown.
LONGEST = 20_000
_UNITS = ((86_400, "d"), (3600, "h"), (60, "min"))


def moment(at: Micros | None) -> str:
    """UTC, to the second."""
    return _time(at, "%Y-%m-%d %H:%M:%S")


def stamp(at: Micros | None) -> str:
    """For machines: the `datetime` of a `time` element."""
    return _time(at, "%Y-%m-%dT%H:%M:%SZ")


def _time(at: Micros | None, form: str) -> str:
    if not at:
        return ""
    try:
        return datetime.fromtimestamp(at / 1e6, UTC).strftime(form)
    except (ValueError, OverflowError, OSError):
        return "another age"


def ago(at: Micros | None, now: Micros) -> str:
    """How long it has been, or will be."""
    if not at:
        return "never"
    seconds = (now - at) / 1e6
    return f"in {duration(-seconds)}" if seconds < -1 else f"{duration(max(seconds, 0.0))} ago"


def duration(seconds: float) -> str:
    """In one unit, or in two where the first is small."""
    if seconds < 0.001:
        return "0 s"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 10:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    size, unit = next((size, unit) for size, unit in _UNITS if seconds >= size)
    count = f"{seconds / size:.{0 if seconds >= 10 * size else 1}f}".removesuffix(".0")
    return f"{count} {unit}"


def plain(value: object) -> str:
    """On one line, with what does not print written out."""
    text = printable("" if value is None else str(value))
    return text if len(text) <= LONGEST else text[:LONGEST] + "…"


def lines(value: object) -> str:
    """As `plain`, and line ends stay."""
    text = "" if value is None else str(value)
    text = text if len(text) <= LONGEST else text[:LONGEST] + "…"
    return "\n".join(printable(line.replace("\t", "    ")) for line in text.split("\n"))


def tree(value: Any) -> str:
    """JSON, indented."""
    return lines(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def link(url: object) -> str:
    """The address, if it is one that may be followed: http or https, of a host, with nothing hidden in it. Else nothing."""
    text = str(url or "")
    if not text.isprintable() or text != text.strip() or len(text) > 2000:
        return ""
    try:
        parts = urlsplit(text)
    except ValueError:
        return ""
    return text if parts.scheme in ("http", "https") and parts.hostname and "@" not in parts.netloc else ""


def ref(name: str) -> str:
    """A branch or a tag by its short name."""
    return name.removeprefix("refs/heads/").removeprefix("refs/tags/")


def repo(fields: Any) -> str:
    """The repo that an event is about: its DID, which filters take, or whatever it is named by."""
    told = fields.get("repo")
    if isinstance(told, dict):
        return str(told.get("did") or told.get("name") or "")
    return str(told or "")


def about(fields: Any) -> str:
    """The ref that an event is about."""
    return str(fields.get("branch") or fields.get("tag") or fields.get("ref") or "")
