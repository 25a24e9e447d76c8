"""Regular languages: patterns of RE2's everyday syntax -> automata, which run side by side to find a text, or prove it missing.

Globs become patterns in `core.globs` and are matched by RE2; here the same pattern text becomes an automaton, so that what is
proved is about what runs. A pattern that uses anything beyond the everyday (flags, word boundaries, Unicode classes) is not
read: who asks is told so, and stays silent.
"""

from __future__ import annotations

from msgspec import Struct, field

Span = tuple[int, int]
Chars = tuple[Span, ...]

LAST = 0x10FFFF
ANY: Chars = ((0, LAST),)
#: RE2 reads UTF-8, in which half of a surrogate pair cannot be said.
SAYABLE: Chars = ((0, 0xD7FF), (0xE000, LAST))
_CLASSES: dict[str, Chars] = {
    "d": ((48, 57),),
    "w": ((48, 57), (65, 90), (95, 95), (97, 122)),
    "s": ((9, 10), (12, 13), (32, 32)),
}
_CONTROLS = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v", "a": "\a"}
_MOST_COPIES = 50
#: States of an automaton: more is a pattern that nobody reads, either.
_MOST_STATES = 4000


class TooHard(Exception):
    """This is not decided: the pattern is not everyday, or the search is too long."""


class Nfa(Struct):
    """An automaton: `moves[state]` are (characters, next state), `jumps[state]` need no character. It starts in 0."""

    moves: list[list[tuple[Chars, int]]] = field(default_factory=list)
    jumps: list[list[int]] = field(default_factory=list)
    end: int = 0

    def state(self) -> int:
        if len(self.moves) >= _MOST_STATES:
            raise TooHard
        self.moves.append([])
        self.jumps.append([])
        return len(self.moves) - 1

    def closure(self, states: frozenset[int]) -> frozenset[int]:
        """The states, with those that need no character."""
        found, todo = set(states), list(states)
        while todo:
            for state in self.jumps[todo.pop()]:
                if state not in found:
                    found.add(state)
                    todo.append(state)
        return frozenset(found)

    def after(self, states: frozenset[int], char: int) -> frozenset[int]:
        """Where a character leads."""
        return self.closure(frozenset(target for state in states for chars, target in self.moves[state] if holds(chars, char)))

    def shortest(self) -> str:
        """A shortest text that it accepts; printable where that can be. Empty where it accepts none."""
        front, seen = [(state, "") for state in self.closure(frozenset((0,)))], set(self.closure(frozenset((0,))))
        while front:
            following: list[tuple[int, str]] = []
            for state, text in front:
                if state == self.end:
                    return text
                for chars, target in self.moves[state]:
                    for reached in self.closure(frozenset((target,))) - seen if chars else ():
                        seen.add(reached)
                        following.append((reached, text + nice(chars)))
            front = following
        return ""

    def edges(self) -> set[int]:
        """The characters at which its character sets begin, or have just ended."""
        return {edge for moves in self.moves for chars, _ in moves for low, high in chars for edge in (low, high + 1)}


def holds(chars: Chars, char: int) -> bool:
    return any(low <= char <= high for low, high in chars)


def nice(chars: Chars) -> str:
    """One of the characters, a letter where there is one."""
    return next((char for char in "ab1-" if holds(chars, ord(char))), chr(chars[0][0]))


def complement(chars: Chars, within: Chars = ANY) -> Chars:
    """The characters of `within` that are not among `chars`."""
    found: list[Span] = []
    for low, high in within:
        at = low
        for start, end in sorted(chars):
            if end < at or start > high:
                continue
            if start > at:
                found.append((at, start - 1))
            at = max(at, end + 1)
        if at <= high:
            found.append((at, high))
    return tuple(found)


def single(char: str) -> Chars:
    return ((ord(char), ord(char)),)


# -- a tree of a pattern, and its automaton


class Node:
    """A part of a pattern."""

    def build(self, nfa: Nfa, start: int) -> int:
        """Add this part behind `start`, and return the state that it ends in."""
        raise NotImplementedError


class One(Node, Struct, frozen=True):
    chars: Chars

    def build(self, nfa: Nfa, start: int) -> int:
        end = nfa.state()
        nfa.moves[start].append((self.chars, end))
        return end


class Row(Node, Struct, frozen=True):
    parts: tuple[Node, ...]

    def build(self, nfa: Nfa, start: int) -> int:
        for part in self.parts:
            start = part.build(nfa, start)
        return start


class Choice(Node, Struct, frozen=True):
    parts: tuple[Node, ...]

    def build(self, nfa: Nfa, start: int) -> int:
        end = nfa.state()
        for part in self.parts:
            begin = nfa.state()
            nfa.jumps[start].append(begin)
            nfa.jumps[part.build(nfa, begin)].append(end)
        return end


class Repeat(Node, Struct, frozen=True):
    """`most` is None where there is no end."""

    part: Node
    least: int
    most: int | None

    def build(self, nfa: Nfa, start: int) -> int:
        for _ in range(self.least):
            start = self.part.build(nfa, start)
        if self.most is None:
            loop = nfa.state()
            nfa.jumps[start].append(loop)
            nfa.jumps[self.part.build(nfa, loop)].append(loop)
            start = loop
        ends = [start]
        for _ in range((self.most or self.least) - self.least):
            start = self.part.build(nfa, start)
            ends.append(start)
        end = nfa.state()
        for one in ends:
            nfa.jumps[one].append(end)
        return end


def text(exact: str) -> Row:
    return Row(tuple(One(single(char)) for char in exact))


def anything(chars: Chars = ANY) -> Repeat:
    return Repeat(One(chars), 0, None)


def automaton(node: Node) -> Nfa:
    """The automaton of a tree. Raises TooHard."""
    nfa = Nfa()
    nfa.state()
    nfa.end = node.build(nfa, 0)
    return nfa


def parse(pattern: str, *, whole: bool, chars: Chars = SAYABLE) -> Node:
    """The tree of an RE2 pattern that must match a `whole` text, or be found in one. Raises TooHard.

    `chars` are the characters that texts are made of.
    """
    return _Parser(pattern, chars).run(whole=whole)


_START, _END = Node(), Node()


class _Parser:
    def __init__(self, pattern: str, chars: Chars) -> None:
        self.dot = complement(single("\n"), chars)
        self.chars = chars
        if pattern.startswith("(?s)"):
            pattern = pattern.removeprefix("(?s)")
            self.dot = chars
        self.pattern = pattern
        self.at = 0

    def run(self, *, whole: bool) -> Node:
        alternatives = self._alternatives()
        if self.at < len(self.pattern):
            raise TooHard
        return Choice(tuple(self._placed(parts, whole=whole) for parts in alternatives))

    def _placed(self, parts: list[Node], *, whole: bool) -> Node:
        """One alternative of the whole pattern, between the anchors that stand at its ends."""
        starts, ends = whole, whole
        if parts and parts[0] is _START:
            parts, starts = parts[1:], True
        if parts and parts[-1] is _END:
            parts, ends = parts[:-1], True
        _refuse_anchors(parts)
        before = () if starts else (anything(self.chars),)
        return Row((*before, *parts, *(() if ends else (anything(self.chars),))))

    def _alternatives(self) -> list[list[Node]]:
        found: list[list[Node]] = [[]]
        while (char := self._peek()) and char != ")":
            if char == "|":
                self.at += 1
                found.append([])
            else:
                found[-1].append(self._repeated(self._atom()))
        return found

    def _peek(self) -> str:
        return self.pattern[self.at : self.at + 1]

    def _take(self) -> str:
        if self.at >= len(self.pattern):
            raise TooHard
        self.at += 1
        return self.pattern[self.at - 1]

    def _atom(self) -> Node:
        char = self._take()
        if char == "(":
            return self._group()
        if char == "[":
            return One(self._set())
        if char == ".":
            return One(self.dot)
        if char in "^$":
            return _START if char == "^" else _END
        if char == "\\":
            return self._escape()
        if char in "*+?":
            raise TooHard
        return One(single(char))

    def _group(self) -> Node:
        if self._peek() == "?":
            if not self.pattern.startswith("?:", self.at):
                raise TooHard
            self.at += 2
        parts = [tuple(alternative) for alternative in self._alternatives()]
        if self._take() != ")":
            raise TooHard
        for alternative in parts:
            _refuse_anchors(alternative)
        return Choice(tuple(Row(alternative) for alternative in parts))

    def _escape(self) -> Node:
        char = self._take()
        if char == "A":
            return _START
        if char == "z":
            return _END
        return One(self._escaped(char))

    def _escaped(self, char: str) -> Chars:
        if char in _CONTROLS:
            return single(_CONTROLS[char])
        if char.lower() in _CLASSES:
            chars = _CLASSES[char.lower()]
            return chars if char.islower() else complement(chars, self.chars)
        if char.isascii() and not char.isalnum() and char != "_":
            return single(char)
        raise TooHard

    def _set(self) -> Chars:
        negated = self._peek() == "^"
        self.at += negated
        chars: list[Span] = []
        while (char := self._take()) != "]" or not chars:
            if char == "[" and self._peek() == ":":
                raise TooHard
            one = self._escaped(self._take()) if char == "\\" else single(char)
            if self._peek() == "-" and self.pattern[self.at + 1 : self.at + 2] not in ("]", ""):
                self.at += 1
                last = self._take()
                high = self._escaped(self._take()) if last == "\\" else single(last)
                if len(one) != 1 or len(high) != 1 or one[0][0] > high[0][0]:
                    raise TooHard
                one = ((one[0][0], high[0][0]),)
            chars += one
        found = tuple(chars)
        return complement(found, self.chars) if negated else found

    def _repeated(self, node: Node) -> Node:
        char = self._peek()
        bounds = {"*": (0, None), "+": (1, None), "?": (0, 1)}.get(char)
        if bounds is not None:
            self.at += 1
        elif char == "{":
            bounds = self._counted()
        if bounds is None:
            return node
        if node in (_START, _END):
            raise TooHard
        self.at += self._peek() == "?"
        if self._peek() and self._peek() in "*+?{":
            raise TooHard
        return Repeat(node, *bounds)

    def _counted(self) -> tuple[int, int | None]:
        end = self.pattern.find("}", self.at)
        least, comma, most = self.pattern[self.at + 1 : end].partition(",")
        if end < 0 or not least.isdecimal() or not (most.isdecimal() or not most):
            raise TooHard
        self.at = end + 1
        bounds = int(least), int(most) if most else None if comma else int(least)
        if max(bounds[0], bounds[1] or 0) > _MOST_COPIES:
            raise TooHard
        return bounds


def _refuse_anchors(parts: list[Node] | tuple[Node, ...]) -> None:
    if any(part in (_START, _END) for part in parts):
        raise TooHard
