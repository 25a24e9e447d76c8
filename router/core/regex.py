"""Regular expressions for texts of strangers: RE2, whose time is linear in the text."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_LENGTH = 4096
_LOOK_AROUND = re.compile(r"\(\?(<?[=!])|\\[1-9]")


class RegexError(ValueError):
    """The text is not an RE2 expression; the message is a sentence and `hint` says what to write instead."""

    def __init__(self, sentence: str, hint: str = "") -> None:
        super().__init__(sentence)
        self.hint = hint


def found(pattern: str, text: str) -> bool:
    """Whether the expression is found in the text. Raises RegexError."""
    return _safely(compiled(pattern).search, text)


def whole(pattern: str) -> Callable[[str], bool]:
    """A predicate: whether the expression matches the whole text. Raises RegexError."""
    match = compiled(pattern).fullmatch
    return lambda text: _safely(match, text)


def _safely(match: Callable[[str], Any], text: str) -> bool:
    """RE2 reads UTF-8, which cannot say half of a surrogate pair: such a text matches nothing."""
    try:
        return match(text) is not None
    except UnicodeEncodeError:
        return False


@lru_cache(maxsize=16384)
def compiled(pattern: str) -> Any:
    """The RE2 object. Raises RegexError."""
    import re2  # noqa: PLC0415 - only rules with a pattern pay for it

    if len(pattern) > MAX_LENGTH:
        raise RegexError(f"A regular expression is at most {MAX_LENGTH} characters long.")
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options=options)
    except UnicodeEncodeError:
        raise RegexError("The expression has half of a surrogate pair in it, which no text has.") from None
    except re2.error as error:
        reason = error.args[0] if error.args else ""
        told = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        hint = "RE2 has no look-around and no back-references: say it with `not`." if _LOOK_AROUND.search(pattern) else ""
        raise RegexError(f"`{pattern}` is not a regular expression: {told}.", hint) from None
