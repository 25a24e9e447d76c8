"""Templates that need no Jinja to be understood: texts, and names with a few filters: `{{ branch }} ({{ sha | short }})`.

Most templates are so, and what reads rules without rendering them is spared importing Jinja. Whatever is not surely plain is
left to it: a template is read here only where Jinja would compile it, and see the same names in it. `direct` renders them.
"""

from __future__ import annotations

import re
from functools import lru_cache
from keyword import iskeyword
from typing import NamedTuple

#: Characters, and parts of one name, up to which Jinja is not asked.
_LONGEST, _DEEPEST = 4096, 12
_FILTERS = ("short", "slug", "lower", "upper", "trim", "string")
#: What is no name of the context, or is not always one.
_SPECIAL = frozenset(("true", "false", "none", "range", "loop", "self", "super", "caller", "varargs", "kwargs"))
_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_FILTER = rf"[ \t]*\|[ \t]*(?:(?:{'|'.join(_FILTERS)})\b|(?:default|d)\((?:'[^'\\{{}}\n]*'|\"[^\"\\{{}}\n]*\")\))"
_USE = re.compile(rf"\{{\{{[ \t]*({_NAME}(?:\.{_NAME})*)((?:{_FILTER}){{0,4}})[ \t]*\}}\}}")
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_MARKS = re.compile(r"\{[{%#]|[}%#]\}|\r")


class Use(NamedTuple):
    """A name that is taken from the context, and the names of the filters that it goes through. `line` counts from 1. `texts`
    are what its defaults give, in order."""

    parts: tuple[str, ...]
    filters: tuple[str, ...]
    line: int
    texts: tuple[str, ...] = ()

    @property
    def has_default(self) -> bool:
        """Whether its last part need not be there."""
        return self.filters[:1] in (("default",), ("d",))


@lru_cache(maxsize=65536)
def pieces(text: str) -> tuple[str | Use, ...] | None:
    """A plain template in order: its texts, none of them empty, and what stands between them. None of any other."""
    if len(text) > _LONGEST:
        return None
    found: list[str | Use] = []
    end = 0
    for match in _USE.finditer(text):
        found.append(text[end : match.start()])
        if text[: match.start()].endswith("{"):
            return None
        end = match.end()
        parts = tuple(match[1].split("."))
        if iskeyword(parts[0]) or parts[0] in _SPECIAL or len(parts) > _DEEPEST:
            return None
        filters = tuple(one.strip().partition("(")[0] for one in re.sub(_QUOTED, "", match[2]).split("|")[1:])
        texts = tuple(one[1:-1] for one in _QUOTED.findall(match[2]))
        found.append(Use(parts, filters, 1 + text.count("\n", 0, match.start()), texts))
    found.append(text[end:])
    if any(isinstance(one, str) and _MARKS.search(one) for one in found):
        return None
    return tuple(one for one in found if one)


def uses(text: str) -> list[Use] | None:
    """What a plain template takes from its context. None of any other."""
    read = pieces(text)
    return None if read is None else [one for one in read if isinstance(one, Use)]
