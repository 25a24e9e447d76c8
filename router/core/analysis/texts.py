"""Sets of texts: what globs, prefixes, expressions and lists of words accept, and what is made of them by and, or and not.

`example` finds a text in such a set, or proves that it is empty: A is within B where A without B is empty.
"""

from __future__ import annotations

import math
import sys
from contextlib import contextmanager
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

from msgspec import Struct

from router.core import globs
from router.core.analysis import automata
from router.core.analysis.automata import Choice, Nfa, Node, Row, TooHard, anything

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: Steps of one search: rules that people write need some dozens.
_MOST_STEPS = 3000
#: Characters that read well in an example, the best first.
_NICE = "xabcdefghijklmnopqrstuvwyz0123456789-_."


class Effort:
    """Steps of automata that one analysis may take in all, so that no rule file keeps anybody waiting for long."""

    def __init__(self) -> None:
        self.left = math.inf

    @contextmanager
    def limited(self, steps: int) -> Iterator[None]:
        """Within, searches are given up once they have taken so many steps in all."""
        self.left = steps
        try:
            yield
        finally:
            self.left = math.inf

    def take(self, steps: int) -> None:
        """Raises TooHard where there are none left."""
        self.left -= steps
        if self.left < 0:
            raise TooHard


effort = Effort()


class Texts:
    """A set of texts. Frozen and comparable."""

    def __and__(self, other: Texts) -> Texts:
        if self == other or other is ALL:
            return self
        return other if self is ALL else Common((*_parts(self, Common), *_parts(other, Common)))

    def __or__(self, other: Texts) -> Texts:
        if self == other or other is NONE:
            return self
        return other if self is NONE else Joined((*_parts(self, Joined), *_parts(other, Joined)))

    def __invert__(self) -> Texts:
        return NONE if self is ALL else ALL if self is NONE else Without(self)

    def has(self, text: str) -> bool:
        raise NotImplementedError

    def listed(self) -> frozenset[str] | None:
        """Every member, where they are known to be few; None where they are not."""
        return None

    def leaves(self) -> Iterator[Texts]:
        yield self


def _parts(texts: Texts, kind: type[Common | Joined]) -> tuple[Texts, ...]:
    return texts.parts if isinstance(texts, kind) else (texts,)


class Words(Texts, Struct, frozen=True):
    """These texts and no others."""

    words: frozenset[str]

    def has(self, text: str) -> bool:
        return text in self.words

    def listed(self) -> frozenset[str] | None:
        return self.words


class Matching(Texts, Struct, frozen=True):
    """What a tree of a pattern accepts."""

    tree: Node

    def has(self, text: str) -> bool:
        nfa = _automaton(self.tree)
        states = nfa.closure(frozenset((0,)))
        for char in text:
            states = nfa.after(states, ord(char))
        return nfa.end in states


class Common(Texts, Struct, frozen=True):
    parts: tuple[Texts, ...]

    def has(self, text: str) -> bool:
        return all(part.has(text) for part in self.parts)

    def listed(self) -> frozenset[str] | None:
        known = [words for part in self.parts if (words := part.listed()) is not None]
        return frozenset(word for word in min(known, key=len) if self.has(word)) if known else None

    def leaves(self) -> Iterator[Texts]:
        for part in self.parts:
            yield from part.leaves()


class Joined(Texts, Struct, frozen=True):
    parts: tuple[Texts, ...]

    def has(self, text: str) -> bool:
        return any(part.has(text) for part in self.parts)

    def listed(self) -> frozenset[str] | None:
        known = [words for part in self.parts if (words := part.listed()) is not None]
        return frozenset[str]().union(*known) if len(known) == len(self.parts) else None

    def leaves(self) -> Iterator[Texts]:
        for part in self.parts:
            yield from part.leaves()


class Without(Texts, Struct, frozen=True):
    """Every text that is not in the part."""

    part: Texts

    def has(self, text: str) -> bool:
        return not self.part.has(text)

    def leaves(self) -> Iterator[Texts]:
        yield from self.part.leaves()

    def __invert__(self) -> Texts:
        return self.part


ALL: Texts = Matching(anything())
NONE: Texts = Words(frozenset())


def words(*texts: str) -> Texts:
    return Words(frozenset(texts))


@lru_cache(maxsize=16384)
def glob(text: str, separator: str) -> Texts:
    """What a glob of `core.globs` accepts. Raises TooHard."""
    if globs.is_plain(text):
        return words(text)
    if text == "**" or (text == "*" and not separator):
        return ALL
    # RE2 reads no half of a surrogate pair; what needs no RE2 does.
    chars = automata.ANY if globs.is_simple(text, separator) else automata.SAYABLE
    return Matching(automata.parse(globs.translate(text, separator), whole=True, chars=chars))


@lru_cache(maxsize=4096)
def regex(pattern: str) -> Texts:
    """The texts in which an expression is found. Raises TooHard."""
    return Matching(automata.parse(pattern, whole=False))


def affix(kind: str, text: str) -> Texts:
    """What begins with, ends with or contains a text."""
    before = () if kind == "prefix" else (anything(),)
    after = () if kind == "suffix" else (anything(),)
    return Matching(Row((*before, automata.text(text), *after)))


@lru_cache(maxsize=1024)
def ignoring_case(folded: str) -> Texts:
    """Every text whose casefold is `folded`. A character may fold to several: ß to ss."""
    return Matching(_Unfolded(folded))


class _Unfolded(Node, Struct, frozen=True):
    folded: str

    def build(self, nfa: Nfa, start: int) -> int:
        states = [start, *(nfa.state() for _ in self.folded)]
        longest = max(map(len, _folding()))
        for at in range(len(self.folded)):
            for end in range(at + 1, min(at + longest, len(self.folded)) + 1):
                chars = list(_folding().get(self.folded[at:end], ()))
                if end == at + 1 and self.folded[at].casefold() == self.folded[at]:
                    chars.append(self.folded[at])
                if chars:
                    nfa.moves[states[at]].append((tuple(automata.single(char)[0] for char in chars), states[end]))
        return states[-1]


@lru_cache(maxsize=1)
def _folding() -> dict[str, list[str]]:
    """Which characters are folded to a text that is not themselves."""
    found: dict[str, list[str]] = {}
    for char in map(chr, range(sys.maxunicode + 1)):
        if (folded := char.casefold()) != char:
            found.setdefault(folded, []).append(char)
    return found


@lru_cache(maxsize=16384)
def _automaton(tree: Node) -> Nfa:
    return automata.automaton(tree)


@lru_cache(maxsize=65536)
def example(texts: Texts) -> str | None:
    """A text of the set, as short as may be; None where it is empty. Raises TooHard."""
    listed = texts.listed()
    if listed is not None:
        return min(listed, key=lambda text: (len(text), text), default=None)
    return _Search(texts).run()


@lru_cache(maxsize=65536)
def is_empty(texts: Texts) -> bool:
    """Whether no text is in the set. Raises TooHard."""
    if texts.listed() is not None:
        return example(texts) is None
    return not _Search(texts).has_guess() and example(texts) is None


class _Search:
    """Common automata of a set, run side by side over every text that they can tell apart, the shortest first."""

    def __init__(self, texts: Texts) -> None:
        self.texts = texts
        effort.take(1)
        self.leaves: Sequence[Texts] = tuple(dict.fromkeys(texts.leaves()))
        self.machines = [_automaton(_tree(leaf)) for leaf in self.leaves]
        self.chars = _chars(self.machines)

    def has_guess(self) -> bool:
        """Whether a shortest text of one leaf is in the set, as it mostly is: found in no time, where a search takes long."""
        for machine in self.machines:
            effort.take(len(machine.moves))
            text = machine.shortest()
            effort.take(len(text) * len(self.machines))
            states = tuple(machine.closure(frozenset((0,))) for machine in self.machines)
            for char in text:
                states = tuple(one.after(state, ord(char)) for one, state in zip(self.machines, states, strict=True))
            if self._accepts(states):
                return True
        return False

    def run(self) -> str | None:
        start = tuple(machine.closure(frozenset((0,))) for machine in self.machines)
        seen, front, steps = {start}, [(start, "")], 0
        while front:
            following: list[tuple[tuple[frozenset[int], ...], str]] = []
            for states, text in front:
                if self._accepts(states):
                    return text
                for char in self.chars:
                    steps += 1
                    effort.take(len(self.machines))
                    if steps > _MOST_STEPS:
                        raise TooHard
                    after = tuple(machine.after(state, ord(char)) for machine, state in zip(self.machines, states, strict=True))
                    if after not in seen:
                        seen.add(after)
                        following.append((after, text + char))
            front = following
        return None

    def _accepts(self, states: tuple[frozenset[int], ...]) -> bool:
        found = {leaf: machine.end in state for leaf, machine, state in zip(self.leaves, self.machines, states, strict=True)}
        return _evaluate(self.texts, found)


def _evaluate(texts: Texts, found: dict[Texts, bool]) -> bool:
    if isinstance(texts, Common):
        return all(_evaluate(part, found) for part in texts.parts)
    if isinstance(texts, Joined):
        return any(_evaluate(part, found) for part in texts.parts)
    if isinstance(texts, Without):
        return not _evaluate(texts.part, found)
    return found[texts]


def _tree(leaf: Texts) -> Node:
    if isinstance(leaf, Words):
        return Choice(tuple(automata.text(word) for word in sorted(leaf.words)))
    assert isinstance(leaf, Matching)  # noqa: S101 - leaves are of two kinds
    return leaf.tree


def _chars(machines: Sequence[Nfa]) -> list[str]:
    """One character of each kind that the machines can tell apart, a nice one where there is one."""
    edges = sorted({0, automata.LAST + 1}.union(*(machine.edges() for machine in machines)))
    found = []
    for low, after in pairwise(edges):
        nice = next((char for char in _NICE if low <= ord(char) < after), chr(low))
        found.append(nice)
    return sorted(found, key=lambda char: (char not in _NICE, char))
