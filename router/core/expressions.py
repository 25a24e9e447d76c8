"""What is in a template, as Jinja reads it: chains of names, and whether what an expression comes to has a grammar."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jinja2 import nodes

from router.core import render
from router.core.firm import DEFAULTS, KEEPING, MAKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from router.core.shapes import Part

#: The parts of a chain, how many of them must be there, and its line: see `chains.Chain`.
Found = tuple[tuple["Part", ...], int, int]


def chains(text: str) -> Iterator[Found]:
    """The chains of a template. Raises TemplateMistake."""
    parsed = render.parse(text)
    made = {name.name for name in parsed.find_all(nodes.Name) if name.ctx != "load"} | {"range", "loop"}
    asked = [parts for node in parsed.find_all(nodes.Expr) for asking in _asked(node) if (parts := _parts(asking)) is not None]
    yield from (_after(chain, asked) for chain in _chains(parsed) if chain[0][0] not in made)


def _chains(parsed: nodes.Template) -> Iterator[Found]:
    todo: list[tuple[nodes.Node, bool]] = [(parsed, True)]
    while todo:
        node, needed = todo.pop()
        parts = _parts(node)
        if parts is not None:
            yield parts, len(parts) if needed else len(parts) - 1, node.lineno
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


def _after(chain: Found, asked: Sequence[tuple[Part, ...]]) -> Found:
    """The chain in a template that asks for these: what begins with one of them may depend on the answer."""
    whole, sure, line = chain
    free = [len(parts) - 1 for parts in asked if whole[: len(parts)] == parts]
    return whole, min((sure, *free)), line


def are_firm(text: str, names: frozenset[str]) -> bool:
    """Whether all that a template puts in has one of the grammars of these names."""
    return all(_has_grammar(each, names) for each in _expressions(text))


def begins_with(text: str) -> str | None:
    """The text that a template begins with; None where it begins with something else."""
    first = next(iter(_pieces(text)), None)
    return first.data if isinstance(first, nodes.TemplateData) else None


def begins_firm(text: str, names: frozenset[str]) -> bool:
    """Whether what comes first of a template that begins with no text has one of these grammars."""
    first = next(iter(_pieces(text)), None)
    if isinstance(first, nodes.Expr):
        return _has_grammar(_leading(first), names)
    # It begins with a statement: any of its expressions may come first.
    return are_firm(text, names)


def _pieces(text: str) -> Iterator[nodes.Node]:
    """What a template is made of, in order: text, expressions and statements."""
    for part in render.parse(text).body:
        yield from part.nodes if isinstance(part, nodes.Output) else (part,)


def _expressions(text: str) -> Iterator[nodes.Node]:
    for output in render.parse(text).find_all(nodes.Output):
        yield from (each for each in output.nodes if not isinstance(each, nodes.TemplateData))


def _leading(expression: nodes.Node) -> nodes.Node:
    """The expression whose text comes first."""
    while isinstance(expression, nodes.Concat):
        expression = expression.nodes[0]
    return expression


def _has_grammar(expression: nodes.Node | None, names: frozenset[str]) -> bool:
    """Whether the values of an expression have one of the grammars of these names, or are written out."""
    if isinstance(expression, nodes.Filter):
        if expression.name in DEFAULTS:
            return all(_has_grammar(each, names) for each in (expression.node, *expression.args))
        return expression.name in MAKING or (expression.name in KEEPING and _has_grammar(expression.node, names))
    if isinstance(expression, nodes.Concat):
        return all(_has_grammar(each, names) for each in expression.nodes)
    if isinstance(expression, nodes.CondExpr):
        return _has_grammar(expression.expr1, names) and (expression.expr2 is None or _has_grammar(expression.expr2, names))
    if isinstance(expression, (nodes.Name, nodes.Getattr, nodes.Getitem)):
        path = _path(expression)
        return path in names or path.partition(".")[0] in names
    return isinstance(expression, nodes.Const)


def _path(expression: nodes.Node) -> str:
    """`repo.did` of such an expression; of any other, what is no path."""
    if isinstance(expression, nodes.Getattr):
        return f"{_path(expression.node)}.{expression.attr}"
    if isinstance(expression, nodes.Getitem) and isinstance(expression.arg, nodes.Const):
        return f"{_path(expression.node)}.{expression.arg.value}"
    return expression.name if isinstance(expression, nodes.Name) else "?"
