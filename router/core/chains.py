"""What a template takes from its context, name by name: `record.meta.commitCount`, `repo['name']`, `workflows[0].raw`.

Only what is written out is told: a chain ends before a method that is called and before a subscript that is computed, and names
that the template makes itself (`set`, `for`) begin none.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from jinja2 import nodes

from router.core import render

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from router.core.shapes import Part


@dataclass(frozen=True, slots=True)
class Chain:
    """A name and what is taken from it. `sure` is how many parts must be there for the template to be rendered.

    The last one need not be where there is a `default` for it, or where the template asks whether it is there. `line` counts
    from 1 within the template.
    """

    parts: tuple[Part, ...]
    sure: int
    line: int


@lru_cache(maxsize=65536)
def chains(text: str) -> tuple[Chain, ...]:
    """The chains of a template, each of them once. Raises TemplateMistake."""
    parsed = render.parse(text)
    made = {name.name for name in parsed.find_all(nodes.Name) if name.ctx != "load"} | {"range", "loop"}
    asked = [parts for node in parsed.find_all(nodes.Expr) for asking in _asked(node) if (parts := _parts(asking)) is not None]
    found = (_after(chain, asked) for chain in _chains(parsed) if chain.parts[0] not in made)
    return tuple(dict.fromkeys(found))


def _chains(parsed: nodes.Template) -> Iterator[Chain]:
    todo: list[tuple[nodes.Node, bool]] = [(parsed, True)]
    while todo:
        node, needed = todo.pop()
        parts = _parts(node)
        if parts is not None:
            yield Chain(parts, len(parts) if needed else len(parts) - 1, node.lineno)
        else:
            todo += reversed([(child, not _has_default(node, child)) for child in _within(node)])


def _parts(node: nodes.Node) -> tuple[Part, ...] | None:
    """The chain that a node is as a whole."""
    parts: list[Part] = []
    while not isinstance(node, nodes.Name):
        if isinstance(node, nodes.Getattr):
            parts.append(node.attr)
        elif isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const) and type(node.arg.value) in (str, int):
            parts.append(node.arg.value)
        else:
            return None
        node = node.node
    return (node.name, *reversed(parts))


def _within(node: nodes.Node) -> Iterator[nodes.Node]:
    """The nodes in a node. Of a method that is called, the name is passed over: it is no member."""
    for child in node.iter_child_nodes():
        yield child.node if isinstance(node, nodes.Call) and child is node.node and isinstance(child, nodes.Getattr) else child


def _has_default(node: nodes.Node, child: nodes.Node) -> bool:
    return isinstance(node, nodes.Filter) and node.name in ("d", "default") and child is node.node


def _asked(node: nodes.Expr) -> Iterator[nodes.Node]:
    """What a node asks the presence of: `record.a is defined`, `'a' in record`, `[record.a, tag] | select('defined')`."""
    if isinstance(node, nodes.Test) and node.name in ("defined", "undefined"):
        yield node.node
    elif isinstance(node, nodes.Compare) and node.ops[0].op in ("in", "notin"):
        yield nodes.Getitem(node.ops[0].expr, node.expr, "load")
    elif isinstance(node, nodes.Filter) and node.name == "select" and node.args == [nodes.Const("defined")]:
        yield from node.node.items if isinstance(node.node, nodes.List) else ()


def _after(chain: Chain, asked: Sequence[tuple[Part, ...]]) -> Chain:
    """The chain in a template that asks for these: what begins with one of them may depend on the answer."""
    free = [len(parts) - 1 for parts in asked if chain.parts[: len(parts)] == parts]
    return Chain(chain.parts, min((chain.sure, *free)), chain.line)
