"""A long document piece by piece: the items of one list, each forgotten before the next is read.

Ten thousand rules are two hundred thousand nodes. All at once they take a hundred megabytes, and what is made of them ends up
strewn over those. So a long file is read twice: once without the items, and then for them. Only what is as files mostly are is
read so, without anchors and without a mistake in its YAML; `document.read` serves the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from router.core.document import LOADER, Builder, Source
from router.core.problems import Problems

if TYPE_CHECKING:
    from collections.abc import Iterator

    from router.core.document import Node

_STARTS = (yaml.MappingStartEvent, yaml.SequenceStartEvent)
_ENDS = (yaml.MappingEndEvent, yaml.SequenceEndEvent)


class Unusual(Exception):
    """The document must be read as a whole."""


def head(text: str, file: str, key: str) -> Node:
    """The document, in which the list at `key` has no items. Raises Unusual."""
    problems = Problems()
    builder = _Head(Source(file, text), problems, key)
    try:
        for event in yaml.parse(text, Loader=LOADER):
            if getattr(event, "anchor", None) or not builder.take(event):
                raise Unusual
    except (yaml.YAMLError, UnicodeEncodeError):
        raise Unusual from None
    if builder.root is None or problems.found or not builder.found:
        raise Unusual
    return builder.root


def items(text: str, file: str, key: str) -> Iterator[Node]:
    """The items of that list, of a document that has a head. Raises Unusual, at the latest after the last of them.

    A node is only good until the next one is asked for.
    """
    problems = Problems()
    builder = Builder(Source(file, text), problems, aliases=0)
    count = 0
    for event in yaml.parse(text, Loader=LOADER):
        if not builder.take(event):
            raise Unusual
        if len(builder.stack) == 2 and (inside := builder.stack[1][0]).kind == "list" and inside.key == key and inside.value:
            item = inside.value.pop()
            item.key = count
            count += 1
            yield item
            _forget(item)
    if problems.found:
        raise Unusual


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
