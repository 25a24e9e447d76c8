"""What a rule asks, taken apart: each piece of its conditions with the place where it is written.

Operators do not know their places: a rule file is read once more, and its nodes are followed beside the operators made of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from router.core import document
from router.core.analysis.findings import told
from router.core.conditions import AllOf, AnyOf, Asks, Condition, Negation
from router.core.operators import AnyOf as AnyValue
from router.core.operators import Both, Every, GlobList, Not, Range, When
from router.core.problems import Problems
from router.core.truth import Operator, Unevaluable, attempt
from router.core.values import show

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from router.core.document import Node
    from router.core.model import Tree
    from router.core.problems import Place
    from router.core.rulebook import Rule, Ruleset
    from router.core.view import View

#: An operator within another, and the node that it was made of, where that can be told.
Inner: TypeAlias = "tuple[Operator, Node | None]"


class Written:
    """A rule file, to look up what is written at a place."""

    def __init__(self, ruleset: Ruleset) -> None:
        self._root = document.read(ruleset.text, ruleset.file, Problems())
        self._nodes = {(node.line, node.column): node for node in _nodes(self._root)} if self._root else {}

    def at(self, place: Place) -> Node | None:
        """The value that begins there."""
        return self._nodes.get((place.line, place.column))

    def key(self, rule: Rule, key: str) -> Place:
        """Where a rule, or the file's defaults for it, has this key."""
        defaults = self._root.get("defaults") if self._root is not None else None
        for node in (self.at(rule.place), defaults):
            if node is not None and key in node.keys:
                return node.key_place(key)
        return rule.place


def _nodes(root: Node) -> Iterator[Node]:
    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += children(node)


def children(node: Node) -> Sequence[Node]:
    """The values within a list or a mapping, in the order in which they are written."""
    if node.kind == "list":
        return list(node.value)
    return list(node.value.values()) if node.kind == "map" else []


def inside(operator: Operator, node: Node | None) -> list[Inner]:
    """The operators that one is made of, each with its node. The names in a variable (`in`) are one thing."""
    node = _unwrapped(operator, node)
    if isinstance(operator, AnyValue) and node is not None and node.get("in") is not None:
        return []
    inner = _operators(operator)
    if isinstance(operator, When):
        nodes: Sequence[Node | None] = [node and node.get(key) for key in ("before", "after")]
    elif isinstance(operator, (Not, Every)) and (node is None or len(children(node)) != 1):
        nodes = [node]
    else:
        nodes = children(node) if node is not None else []
    return list(zip(inner, nodes if len(nodes) == len(inner) else [node] * len(inner), strict=True))


def _unwrapped(operator: Operator, node: Node | None) -> Node | None:
    """A list of one is what is in it, and so is `{any: …}` of paths."""
    while node is not None and not isinstance(operator, (GlobList, Not, Every)) and len(children(node)) == 1:
        if node.kind == "map" and node.get("any") is None:
            break
        node = children(node)[0]
    return node


def _operators(operator: Operator) -> Sequence[Operator]:
    if isinstance(operator, (AnyValue, Both)):
        return operator.operators
    if isinstance(operator, GlobList):
        return [leaf for _, leaf in operator.parts]
    if isinstance(operator, (Not, Every)):
        return (operator.operator,)
    if isinstance(operator, Range) and len(operator.bounds) > 1:
        return [Range((bound,)) for bound in operator.bounds]
    if isinstance(operator, When) and operator.before and operator.after:
        return (When(operator.before, None), When(None, operator.after))
    return ()


@dataclass(frozen=True, slots=True)
class Piece:
    """Something that is asked, and can be by itself. `answers` are what it says of a view: none where it cannot be told."""

    text: str
    place: Place
    answers: Callable[[View], Iterator[bool]]


def pieces(condition: Condition, written: Written) -> Iterator[Piece]:
    """Every piece of a condition that may be true when the whole is not, or the other way round."""
    if isinstance(condition, Negation):
        yield from pieces(condition.part, written)
    elif isinstance(condition, (AllOf, AnyOf)):
        if len(condition.parts) > 1:
            yield _whole(condition)
        for part in condition.parts:
            yield from pieces(part, written)
    elif isinstance(condition, Asks):
        yield _whole(condition)
        yield from _within(condition, condition.operator, written.at(condition.place), single=False)


def _whole(condition: Condition) -> Piece:
    def answers(view: View) -> Iterator[bool]:
        try:
            yield condition.holds(view)
        except Unevaluable:
            return

    return Piece(told(condition), condition.place, answers)


def _within(asks: Asks, operator: Operator, node: Node | None, *, single: bool) -> Iterator[Piece]:
    """The operators within one. `single`: they are asked of one value after the other, as `every` does."""
    single = single or isinstance(operator, Every)
    for inner, inner_node in inside(operator, node):
        # What is negated is true where its negation is false, so it is no piece of its own.
        if not isinstance(operator, Not):
            yield _piece(asks, inner, inner_node, single=single)
        yield from _within(asks, inner, inner_node, single=single)


def _piece(asks: Asks, operator: Operator, node: Node | None, *, single: bool) -> Piece:
    def answers(view: View) -> Iterator[bool]:
        try:
            values = view.values(asks.field)
        except Unevaluable:
            return
        groups: Sequence[Sequence[Tree]] = [(value,) for value in values] if single else [values]
        for group in groups:
            answer = attempt(operator, group, view.identities)
            if isinstance(answer, bool):
                yield answer

    return Piece(f"{asks.field}: {spelt(operator, node)}", node.place if node is not None else asks.place, answers)


def spelt(operator: Operator, node: Node | None) -> str:
    """An operator in a list as it is written there: a glob that takes away does not show it by itself."""
    return show(node.value) if node is not None and node.kind == "text" and node.value.startswith("!") else str(operator)
