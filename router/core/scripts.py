"""A careful look at a script for /bin/sh: where it splits the value of a variable, or runs it.

The shell itself is not imitated: this follows quotes, comments, `$(…)` and commands, as far as they are simple. Here-documents,
backquotes, `case`, arithmetic and a script that splits on purpose are beyond it, and then nothing is found.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct, field

from router.core import programs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BRACED = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*|[0-9@*#?$!-])(:?\+)?[^{}'\"`$\\]*\}")
_ASSIGNS = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
#: Words before a command, and those after which splitting is the point, or does not happen.
_BEFORE = frozenset(("!", "{", "if", "then", "elif", "else", "while", "until", "do", "time"))
_SPLITTING = frozenset(("for", "set"))
#: Commands whose `X=$Y` is an assignment to some shells.
_DECLARING = frozenset(("export", "readonly", "local"))
_TOO_CLEVER = re.compile(r"<<|`|\$\(\(|\bcase\b|\bIFS=|\bset\s+-\w*f|\bnoglob\b")
#: `$(` within `$(`.
_DEEPEST = 16


class Use(Struct, frozen=True):
    """A variable that is split, or (`runs`) run. `line` counts from 1."""

    name: str
    line: int
    runs: bool


class _Word(Struct):
    """`known` is its text without what variables put in; `used` are (name, place, whether outside of quotes)."""

    known: str = ""
    used: list[tuple[str, int, bool]] = field(default_factory=list)


class _Command(Struct):
    """A simple command that is being read. `target`: its next word is a file, behind `<` or `>`."""

    words: list[_Word] = field(default_factory=list)
    word: _Word | None = None
    target: bool = False

    def opened(self) -> _Word:
        """The word that goes on, or a new one."""
        self.word = self.word or _Word()
        return self.word

    def end_word(self) -> None:
        if self.word is not None and not self.target:
            self.words.append(self.word)
        self.target = self.target and self.word is None
        self.word = None


class _UnsureError(Exception):
    """The script is not as simple as that."""


def uses(script: str, names: frozenset[str]) -> list[Use]:
    """Where `script` splits or runs the values of these variables. A variable that it sets itself is not looked at."""
    names = frozenset(name for name in names if not _sets(script, name))
    if not names or _TOO_CLEVER.search(script):
        return []
    try:
        commands = _Scanner(script).run()
    except _UnsureError:
        return []
    found = {use for command in commands for use in _of_command(command, script) if use.name in names}
    return sorted(found, key=lambda use: (use.line, use.name, use.runs))


def _sets(script: str, name: str) -> bool:
    return re.search(rf"(?<![\w$]){name}=|\b(for|read|unset|getopts)\b[^\n;]*\b{name}\b", script) is not None


def _of_command(command: Sequence[_Word], script: str) -> Iterator[Use]:
    words = list(command)
    while words and (words[0].known in _BEFORE or _ASSIGNS.match(words[0].known)):
        del words[0]
    if not words or words[0].known in _SPLITTING:
        return
    ran, declares = _ran(words), words[0].known in _DECLARING
    for position, word in enumerate(words):
        for name, at, bare in word.used:
            if position in ran or (bare and not (declares and _ASSIGNS.match(word.known))):
                yield Use(name, script.count("\n", 0, at) + 1, position in ran)


def _ran(words: Sequence[_Word]) -> frozenset[int]:
    """The positions of a command's words that are run: the program, what `eval` is given, the code of an interpreter."""
    if words[0].known == "eval":
        return frozenset(range(1, len(words)))
    found = programs.code([word.known for word in words])
    return frozenset((0,) if found is None else (0, found.at))


class _Scanner:
    """Reads a script into simple commands. `open` counts the `$(` around the place that is read."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.open = 0
        self.commands: list[list[_Word]] = []

    def run(self) -> list[list[_Word]]:
        """The words of every simple command. Raises _UnsureError."""
        self._commands()
        return self.commands

    def _commands(self) -> None:
        """Commands up to the end, or within a `$(` up to the parenthesis that closes it."""
        command, depth = _Command(), 0
        while self.at < len(self.text):
            char = self.text[self.at]
            if self.text.startswith("\\\n", self.at):
                self.at += 2
            elif char == "#" and command.word is None:
                self._comment()
            elif char in " \t<>":
                command.end_word()
                command.target = self._redirected() or command.target
            elif char in "\n;&|()":
                self.at += 1
                command.end_word()
                self.commands.append(command.words)
                command = _Command()
                depth += (char == "(") - (char == ")")
                if depth < 0:
                    break
            else:
                self._part(command.opened())
        if (depth < 0) is not (self.open > 0):
            raise _UnsureError
        command.end_word()
        self.commands.append(command.words)

    def _nested(self) -> None:
        if self.open == _DEEPEST:
            raise _UnsureError
        self.at += 1
        self.open += 1
        self._commands()
        self.open -= 1

    def _comment(self) -> None:
        end = self.text.find("\n", self.at)
        self.at = len(self.text) if end < 0 else end

    def _redirected(self) -> bool:
        """Pass over a blank, or over a redirection's sign, whose target follows."""
        sign = self.text[self.at]
        self.at += 1
        if sign in "<>" and self.text[self.at : self.at + 1] in ("&", ">", "|"):
            self.at += 1
        return sign in "<>"

    def _part(self, word: _Word) -> None:
        """One piece of a word."""
        char = self.text[self.at]
        if char == "\\":
            word.known += self.text[self.at + 1 : self.at + 2]
            self.at += 2
        elif char == "'":
            word.known += self._until("'")
        elif char == '"':
            self._quoted(word)
        elif char == "$":
            self._dollar(word, bare=True)
        else:
            word.known += char
            self.at += 1

    def _until(self, mark: str) -> str:
        end = self.text.find(mark, self.at + 1)
        if end < 0:
            raise _UnsureError
        inner = self.text[self.at + 1 : end]
        self.at = end + 1
        return inner

    def _quoted(self, word: _Word) -> None:
        self.at += 1
        while self.at < len(self.text):
            char = self.text[self.at]
            if char == '"':
                self.at += 1
                return
            if char == "$":
                self._dollar(word, bare=False)
                continue
            step = 2 if char == "\\" else 1
            word.known += self.text[self.at + step - 1 : self.at + step]
            self.at += step
        raise _UnsureError

    def _dollar(self, word: _Word, *, bare: bool) -> None:
        start = self.at
        self.at += 1
        following = self.text[self.at : self.at + 1]
        if following == "(":
            self._nested()
            # What it prints is not known: it is no option, and no name of a program.
            word.known += "$"
        elif following == "{":
            braced = _BRACED.match(self.text, self.at)
            if braced is None:
                raise _UnsureError
            self.at = braced.end()
            if not braced[2]:
                word.used.append((braced[1], start, bare))
        elif named := _NAME.match(self.text, self.at):
            self.at = named.end()
            word.used.append((named[0], start, bare))
        else:
            word.known += "$"
