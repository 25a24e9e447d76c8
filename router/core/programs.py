"""Which argument of a command is code, where an everyday interpreter runs, also behind `env` or `sudo`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Programs that run the program that stands among their arguments.
_WRAPPERS = frozenset(
    (
        "busybox",
        "chroot",
        "doas",
        "env",
        "exec",
        "ionice",
        "nice",
        "nohup",
        "setsid",
        "stdbuf",
        "sudo",
        "time",
        "timeout",
        "xargs",
    )
)
#: They print what they are given, whatever it is.
_PRINTING = frozenset(("echo", "printf"))


class _Interpreter(Struct, frozen=True):
    """`letters` and `words` are the options whose argument is code; `closed`, that no option is looked for behind it."""

    name: re.Pattern[str]
    letters: str
    words: tuple[str, ...] = ()
    closed: bool = False


_INTERPRETERS = (
    _Interpreter(re.compile(r"(ba|da|a|z|k|fi)?sh"), "c", closed=True),
    _Interpreter(re.compile(r"(python|pypy)[0-9.]*"), "c", closed=True),
    _Interpreter(re.compile(r"perl[0-9.]*"), "eE"),
    _Interpreter(re.compile(r"(ruby|lua)[0-9.]*"), "e"),
    _Interpreter(re.compile(r"node|nodejs|bun"), "ep", ("--eval", "--print")),
    _Interpreter(re.compile(r"php[0-9.]*"), "r", ("--run",)),
    _Interpreter(re.compile(r"env"), "S", ("--split-string",)),
)
_AWK = re.compile(r"[gmn]?awk")


class Code(Struct, frozen=True):
    """Where the code of a command stands among its words, and in whose hands."""

    at: int
    program: str
    closed: bool


def base(program: str) -> str:
    """A program's name without its folder."""
    return program.rpartition("/")[2]


def prints(program: str) -> bool:
    """Whether it only prints its arguments."""
    return base(program) in _PRINTING


def code(words: Sequence[str]) -> Code | None:
    """The code in a command, if it is known to have some. Of a word that is not known, what is known of it is given."""
    for start, word in enumerate(words):
        name = base(word)
        found = _of_awk(words, start) if _AWK.fullmatch(name) else _of_interpreter(words, start)
        if found is not None or base(words[0]) not in _WRAPPERS:
            return found
    return None


def _of_interpreter(words: Sequence[str], start: int) -> Code | None:
    name = base(words[start])
    kind = next((kind for kind in _INTERPRETERS if kind.name.fullmatch(name)), None)
    if kind is None:
        return None
    flag = re.compile(f"-[A-Za-z]*[{kind.letters}]")
    for position in range(start + 1, len(words)):
        word = words[position]
        if any(word.startswith(f"{long}=") for long in kind.words):
            return Code(position, name, kind.closed)
        if word in kind.words or flag.fullmatch(word):
            return Code(position + 1, name, kind.closed) if position + 1 < len(words) else None
        if not word.startswith("-"):
            return None
    return None


def _of_awk(words: Sequence[str], start: int) -> Code | None:
    """Awk's first argument that is neither an option nor an option's value."""
    position = start + 1
    while position < len(words):
        word = words[position]
        if word in ("-f", "--file"):
            return None
        if not word.startswith("-") or word == "-":
            return Code(position, base(words[start]), closed=True)
        position += 2 if word in ("-F", "-v") else 1
    return None
