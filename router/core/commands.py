"""R035: commands that an event can make into others.

What an event says must not be the program, nor code, nor an option of the program. Some of it cannot be: a sha, a DID or a host
has a grammar that begins with no hyphen and has no blanks.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from jinja2 import nodes

from router.core import programs, render, scripts
from router.core.options import Command, Script, marked

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pydantic import BaseModel

    from router.core.document import Node
    from router.core.problems import Problems

#: Names of templates whose values have such a grammar, or are the operator's.
_FIRM = frozenset(
    (
        *("sha", "old_sha", "owner", "actor", "knot", "nsid", "source", "trigger", "operation", "trust", "status"),
        *("repo.did", "repo.owner", "repo.knot", "repo.clone_url", "event", "rule", "vars", "delivery"),
    )
)
#: A pull request is an AT-URI, of which only the beginning is sure.
_LEADING = _FIRM | {"pull"}
_OPERATORS = frozenset(("vars", "rule"))
#: Filters that leave a grammar as it is, and those whose values have one.
_KEEPING = frozenset(("short", "lower", "upper", "string", "trim"))
_MAKING = frozenset(("slug", "length", "count", "wordcount"))
_DEFAULTS = frozenset(("default", "d"))


def check(provider: str, model: type[BaseModel], given: Node, problems: Problems) -> None:
    """Report what is unsafe in the options of a step, as far as its provider marks them. Raises TemplateMistake."""
    for name, _ in marked(model, Command):
        if (command := given.get(name)) is not None:
            _Argv(provider, command, problems).check()
    for name, script in marked(model, Script):
        if (text := given.get(name)) is not None and text.kind == "text":
            _script(text, given.get(script.env), problems)


class _Argv:
    """A program and its arguments."""

    def __init__(self, provider: str, node: Node, problems: Problems) -> None:
        self.provider = provider
        self.node = node
        self.items: Sequence[Node] = node.value if node.kind == "list" else [node]
        self.problems = problems

    def check(self) -> None:
        if not self.items:
            return
        program = self.items[0]
        if _from_event(program.raw):
            hint = "Write it out; what the event says can be an argument, or come by `env`."
            self.problems.error("R035", program.place, f"An event chooses the program that `{self.provider}` runs.", hint)
            return
        code = programs.code([_known(item.raw) for item in self.items])
        if code is not None:
            self._code(code)
        for item in self._read_as_options(code):
            if _may_be_option(item.raw):
                name = programs.base(program.raw)
                sentence = f"What the event says here may begin with a hyphen, and `{name}` would take it for an option."
                hint = 'Put "--" before it, write text in front (`--ref={{ … }}`), or pass it by `env`.'
                self.problems.error("R035", item.place, sentence, hint)

    def _code(self, code: programs.Code) -> None:
        item = self.items[code.at]
        if not _is_firm(item.raw):
            hint = "Write the code out, and pass what the event says by `env`."
            self.problems.error("R035", item.place, f"`{code.program}` would run what the event says here as code.", hint)

    def _read_as_options(self, code: programs.Code | None) -> Iterator[Node]:
        """The arguments that the program may take for options."""
        if programs.prints(self.items[0].raw):
            return
        for position, item in enumerate(self.items[1:], start=1):
            if item.raw == "--" or (code is not None and code.closed and position == code.at):
                return
            if code is None or position != code.at:
                yield item


def _script(node: Node, env: Node | None, problems: Problems) -> None:
    given = {name: child for name, child in env.items() if not _is_firm(child.raw)} if env is not None else {}
    for use in scripts.uses(node.raw, frozenset(given)):
        # In a `|` block each line of the script is a line of the file.
        place = replace(node.place, line=node.line + use.line, column=1, width=1) if node.block else node.place
        if use.runs:
            sentence = f"The script runs what the event says: ${use.name} is a command here, or a part of one."
            problems.error("R035", place, sentence, "Write the command out, and give it the variable as an argument.")
        else:
            sentence = f"The shell splits ${use.name} at its blanks, and takes its stars for files: it is not quoted."
            problems.warning("R035", place, sentence, f'Write "${use.name}".')


def _known(text: str) -> str:
    """A text up to its first template."""
    return text.partition("{")[0] if render.is_template(text) else text


def _from_event(text: str) -> bool:
    return render.is_template(text) and not render.names(text) <= _OPERATORS


def _is_firm(text: str) -> bool:
    """Whether all that a template puts in has a grammar."""
    return not render.is_template(text) or all(_has_grammar(each, _FIRM) for each in _expressions(text))


def _may_be_option(text: str) -> bool:
    """Whether what comes of a template may begin with a hyphen that its author did not write."""
    if not render.is_template(text):
        return False
    first = next(iter(_pieces(text)), None)
    if isinstance(first, nodes.TemplateData):
        return first.data in ("-", "--") and not _is_firm(text)
    if isinstance(first, nodes.Expr):
        return not _has_grammar(_leading(first), _LEADING)
    # It begins with a statement: any of its expressions may come first.
    return not all(_has_grammar(each, _LEADING) for each in _expressions(text))


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
        if expression.name in _DEFAULTS:
            return all(_has_grammar(each, names) for each in (expression.node, *expression.args))
        return expression.name in _MAKING or (expression.name in _KEEPING and _has_grammar(expression.node, names))
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
