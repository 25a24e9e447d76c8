"""A long document piece by piece: the items of one list, each forgotten before the next is read.

Ten thousand rules are two hundred thousand nodes. All at once they take a hundred megabytes, and what is made of them ends up
strewn over those. So a long file is read as far as the list, and then item by item. Where something is written after the list,
it is read twice: once without the items, and then for them. Only what is as files mostly are is read so, without aliases and
without a mistake in its YAML; `document.read` serves the rest.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import yaml

from router.core.document import Builder, Source, Stream, events
from router.core.problems import Problems

if TYPE_CHECKING:
    from collections.abc import Iterator

    from router.core.document import Node

_STARTS = (yaml.MappingStartEvent, yaml.SequenceStartEvent)
_ENDS = (yaml.MappingEndEvent, yaml.SequenceEndEvent)
#: A line that is likely to begin a further key of the document.
_OUTSIDE = re.compile(r"^[^\s#-]", re.MULTILINE)


class Unusual(Exception):
    """The document must be read as a whole."""


def split(text: str, file: str, key: str) -> tuple[Node, Iterator[Node]]:
    """The document, in which the list at `key` has no items, and those. Raises Unusual, also while the items are read, at the
    latest after the last of them.

    An item is only good until the next one is asked for.
    """
    start = re.search(rf"^{re.escape(key)}[ \t]*:", text, re.MULTILINE)
    if start is None or _OUTSIDE.search(text, start.end()) is not None:
        found = _Items(text, file, key)
        return _whole(text, found.builder.source, key), found.items()
    found = _Items(text, file, key)
    return found.head(), found.items()


class _Items:
    """Reads the items of a list at the top of a document."""

    def __init__(self, text: str, file: str, key: str) -> None:
        self.text = text
        self.key = key
        self.problems = Problems()
        self.builder = Builder(Source(file, text), self.problems, aliases=0)
        self.events: Iterator[yaml.Event] | None = None

    def head(self) -> Node:
        """What is written before the items."""
        for _ in self._taken():
            stack = self.builder.stack
            if len(stack) == 2 and self._is_list(stack[1][0]):
                root = stack[0][0]
                # What comes to stand beside the list later has not been looked at.
                self.known = len(root.value)
                return root
        raise Unusual

    known: int | None = None

    def items(self) -> Iterator[Node]:
        """The items, one by one."""
        stack = self.builder.stack
        count = 0
        for _ in self._taken():
            if len(stack) == 2 and (inside := stack[1][0]).value and self._is_list(inside):
                item = inside.value.pop()
                item.key = count
                count += 1
                yield item
                _forget(item)
        root = self.builder.root
        if self.problems.found or root is None or self.known not in (None, len(root.value)):
            raise Unusual

    def _is_list(self, node: Node) -> bool:
        return node.kind == "list" and node.key == self.key

    def _taken(self) -> Iterator[None]:
        """After each event that the builder has taken."""
        try:
            if self.events is None:
                self.events = events(Stream(self.text))
            for event in self.events:
                if not self.builder.take(event) or self.problems.found:
                    raise Unusual
                yield
        except (yaml.YAMLError, UnicodeEncodeError):
            raise Unusual from None


def _whole(text: str, source: Source, key: str) -> Node:
    """The document without the items, read to its end. Raises Unusual."""
    problems = Problems()
    builder = _Head(source, problems, key)
    try:
        for event in events(Stream(text)):
            if getattr(event, "anchor", None) or not builder.take(event):
                raise Unusual
    except (yaml.YAMLError, UnicodeEncodeError):
        raise Unusual from None
    if builder.root is None or problems.found or not builder.found:
        raise Unusual
    return builder.root


def _forget(item: Node) -> None:
    """Nodes know their parents: without this they would stay until a collection."""
    todo = [item]
    while todo:
        node = todo.pop()
        if node.kind == "map":
            todo += node.value.values()
            node.value, node.keys = {}, {}
        elif node.kind == "list":
            todo += node.value
            node.value = []


class _Head(Builder):
    """Passes over the items of one list."""

    def __init__(self, source: Source, problems: Problems, key: str) -> None:
        super().__init__(source, problems, aliases=0)
        self.key = key
        self.found = False
        self.within = 0

    def take(self, event: yaml.Event) -> bool:
        if self.within:
            self.within += isinstance(event, _STARTS)
            self.within -= isinstance(event, _ENDS)
        if self.within:
            return True
        good = super().take(event)
        if len(self.stack) == 2 and self.stack[1][0].key == self.key and isinstance(event, yaml.SequenceStartEvent):
            self.found = True
            self.within = 1
        return good
