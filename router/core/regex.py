"""Regular expressions for texts of strangers: RE2, whose time is linear in the text."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

MAX_LENGTH = 4096
_LOOK_AROUND = re.compile(r"\(\?(<?[=!])|\\[1-9]")


class RegexError(ValueError):
    """The text is not an RE2 expression; the message is a sentence and `hint` says what to write instead."""

    def __init__(self, sentence: str, hint: str = "") -> None:
        super().__init__(sentence)
        self.hint = hint


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
    except re2.error as error:
        reason = error.args[0] if error.args else ""
        told = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        hint = "RE2 has no look-around and no back-references: say it with `not`." if _LOOK_AROUND.search(pattern) else ""
        raise RegexError(f"`{pattern}` is not a regular expression: {told}.", hint) from None
