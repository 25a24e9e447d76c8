"""Globs as Tangled and GitHub read them: `*` stays within a segment, `**` crosses segments, `?`, `[a-z]`, `{a,b}`.

Own code, over RE2, instead of a library: a glob is compared with names that strangers choose, so it must be linear in them;
wcmatch and fnmatch translate to `re`, with look-ahead that RE2 refuses. The analysis of rules also needs a glob's parts.

`a/**` is everything below a, `**/b` is b at any depth including the top, `a/**/b` includes `a/b`.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from router.core import regex

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_LENGTH = 1024
_MAGIC = re.compile(r"[*?\[\]{}\\]")


class GlobError(ValueError):
    """The text is not a glob; the message is a sentence."""


def is_plain(glob: str) -> bool:
    """True if the glob matches exactly one text: itself."""
    return _MAGIC.search(glob) is None


def is_simple(glob: str, separator: str = "/") -> bool:
    """True if the glob needs no regular expression."""
    return is_plain(glob) or _simple(glob, separator) is not None


def compiled(glob: str, separator: str = "/") -> Callable[[str], bool]:
    """A predicate on texts. With an empty `separator`, `*` crosses everything. Raises GlobError."""
    # Most are plain, and of those nothing is kept: a hundred thousand rules name as many repos.
    return glob.__eq__ if is_plain(glob) else predicate(glob, separator)


def check(glob: str, separator: str = "/") -> None:
    """Raises GlobError where it is none. Nothing is kept of one that needs no regular expression."""
    if not is_simple(glob, separator):
        compiled(glob, separator)


def matches(glob: str, separator: str, text: str) -> bool:
    """Whether a glob that was checked matches the text."""
    return glob == text if is_plain(glob) else predicate(glob, separator)(text)


@lru_cache(maxsize=65536)
def predicate(glob: str, separator: str = "/") -> Callable[[str], bool]:
    """As `compiled`, of one that is likely not plain: it is remembered."""
    simple = _simple(glob, separator)
    if simple is not None:
        return simple
    try:
        return regex.whole(translate(glob, separator))
    except regex.RegexError:
        raise GlobError(f"`{glob}` is not a glob.") from None


def _simple(glob: str, separator: str) -> Callable[[str], bool] | None:
    """The commonest shapes without a regular expression: `x*` and `x/**`, which most rules use."""
    if glob in ("**", "*" if not separator else "**"):
        return lambda text: True  # noqa: ARG005 - a predicate takes its text
    stem = glob.rstrip("*")
    if not is_plain(stem) or not stem:
        return None
    stars = len(glob) - len(stem)
    if not separator or stars > 1:
        return lambda text: text.startswith(stem)
    if stars == 1:
        return lambda text: text.startswith(stem) and separator not in text[len(stem) :]
    return None


def translate(glob: str, separator: str = "/") -> str:
    """The glob as an RE2 pattern for a full match. Raises GlobError."""
    if len(glob) > MAX_LENGTH:
        raise GlobError(f"A glob is at most {MAX_LENGTH} characters long.")
    return "(?s)" + _Translator(glob, separator).run()


class _Translator:
    def __init__(self, glob: str, separator: str) -> None:
        self.glob = glob
        self.at = 0
        self.separator = separator
        self.inside = f"[^{re.escape(separator)}]" if separator else "."
        self.braces = 0

    def run(self) -> str:
        out: list[str] = []
        while self.at < len(self.glob):
            out.append(self._next())
        if self.braces:
            raise GlobError(f"`{self.glob}` opens a brace that it does not close.")
        return "".join(out)

    def _next(self) -> str:
        char = self.glob[self.at]
        self.at += 1
        if char == "*":
            return self._star()
        if char == "?":
            return self.inside
        if char == "[":
            return self._class()
        if char == "{":
            self.braces += 1
            return "(?:"
        if char == "}" and self.braces:
            self.braces -= 1
            return ")"
        if char == "," and self.braces:
            return "|"
        if char == "\\":
            return self._escaped()
        return re.escape(char)

    def _star(self) -> str:
        start = self.at - 1
        while self.at < len(self.glob) and self.glob[self.at] == "*":
            self.at += 1
        if self.at - start == 1 or not self.separator:
            return f"{self.inside}*"
        at_segment_start = start == 0 or self.glob[start - 1] in (self.separator, "{", ",")
        if at_segment_start and self.glob[self.at : self.at + 1] == self.separator:
            self.at += 1
            return f"(?:.*{re.escape(self.separator)})?"
        return ".*"

    def _class(self) -> str:
        negated = self.glob[self.at : self.at + 1] in ("!", "^")
        start = self.at + negated
        # A bracket that stands first is one of the characters.
        end = self.glob.find("]", start + 1)
        if end < 0:
            raise GlobError(f"`{self.glob}` opens a bracket that it does not close.")
        body = self.glob[start:end]
        self.at = end + 1
        for low, high in re.findall(r"(.)-(.)", body):
            if low > high:
                raise GlobError(f"`{self.glob}` has a range that runs backwards: {low}-{high}.")
        safe = re.sub(r"([\\\[\]^&~|])", r"\\\1", body)
        if negated and self.separator:
            return f"[^{safe}{re.escape(self.separator)}]"
        return f"[{'^' if negated else ''}{safe}]"

    def _escaped(self) -> str:
        if self.at >= len(self.glob):
            raise GlobError(f"`{self.glob}` ends with a backslash that escapes nothing.")
        self.at += 1
        return re.escape(self.glob[self.at - 1])
