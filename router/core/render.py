"""Templates: a tree of options -> the same tree with its values filled in.

Jinja computes values and decides nothing. Everything is compiled when rules are loaded; an undefined name is an error; what an
event says is only ever data, never a template. A string that is one whole `{{ expression }}` keeps the value's type, by a
compiled expression and not by Jinja's native mode, which turns a seven-digit sha into a number.

Rules are the operator's own code, but the texts in them are not: what a template may do is bounded (see `core.sandbox`).
"""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from jinja2 import TemplateSyntaxError, Undefined, nodes
from jinja2.meta import find_undeclared_variables
from jinja2.runtime import Context as JinjaContext

from router.core import direct, fused, work
from router.core.errors import RenderError
from router.core.filters import FILTERS, MAX_TEXT, said
from router.core.problems import nearest, printable
from router.core.sandbox import ALLOWED, Sandbox
from router.core.templates import TemplateMistake, is_template

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from router.core.model import Tree
    from router.core.templates import Context, Renderer


class Given(dict[str, Any]):
    """The context of several templates, which share what Jinja makes of it: that costs more than most expressions do. What is
    `later` is made when it is first asked for."""

    __slots__ = ("jinja", "later")
    jinja: JinjaContext

    def __init__(self, known: Mapping[str, Any], later: Mapping[str, Callable[[], Any]] | None = None) -> None:
        super().__init__(known)
        self.later = later or {}

    def __missing__(self, name: str) -> Any:
        made = self[name] = self.later[name]()
        return made

    def whole(self) -> dict[str, Any]:
        """With everything."""
        return self | {name: make() for name, make in self.later.items() if name not in self}


#: What Python's compiler and Jinja's parser say of it.
_TOO_DEEP = (RecursionError, SyntaxError, MemoryError)
_NESTED = "The template is nested too deeply."


@lru_cache(maxsize=1)
def environment() -> Sandbox:
    """The one environment, with the filters that rules may use."""
    return Sandbox()


@lru_cache(maxsize=65536)
def compiled(text: str) -> Renderer:
    """A function from a context to the value of a template. It raises RenderError. Raises TemplateMistake."""

    def otherwise(context: Context) -> Tree:
        return by_jinja(text)(context)

    return direct.renderer(text, otherwise) or by_jinja(text)


@lru_cache(maxsize=65536)
def by_jinja(text: str) -> Renderer:
    """The same, whatever the template says. Raises TemplateMistake."""
    parsed = parse(text)
    if _is_expression(parsed, text):
        return _guarded(text, _expression(re.sub(r"^\{\{[-+]?|[-+]?\}\}$", "", text)))
    if _has_no_statements(text):
        return _guarded(text, _joined(text))
    try:
        template = environment().from_string(parsed)
    except _TOO_DEEP:
        raise TemplateMistake(_NESTED) from None
    return _guarded(text, template.render)


@lru_cache(maxsize=65536)
def names(text: str) -> frozenset[str]:
    """The names that a template takes from its context. Raises TemplateMistake."""
    parsed = parse(text)
    if _has_no_statements(text):
        return frozenset[str]().union(*(_names(part) for is_source, part in _parts(text) if is_source))
    return frozenset(find_undeclared_variables(parsed) - {"range"})


def tree(options: Tree) -> Renderer:
    """A renderer for a tree of options: only strings that are templates are rendered. Raises TemplateMistake."""
    made = _tree(options)
    return fused.renderer(options, made) or made if isinstance(options, dict) else made


def _tree(options: Tree) -> Renderer:
    """The same, part by part."""
    if isinstance(options, str):
        return compiled(options) if is_template(options) else lambda context: options  # noqa: ARG005 - a renderer takes a context
    if isinstance(options, dict):
        return _mapping(options)
    if isinstance(options, list):
        items = [_tree(value) for value in options]
        return lambda context: [render(context) for render in items]
    return lambda context: options  # noqa: ARG005 - as above


def _mapping(options: dict[str, Tree]) -> Renderer:
    """Values that are the same for every event are only copied."""
    rendered = {
        key: _tree(value)
        for key, value in options.items()
        if isinstance(value, (dict, list)) or (isinstance(value, str) and is_template(value))
    }
    fixed = {key: None if key in rendered else value for key, value in options.items()}
    fields = list(rendered.items())

    def render(context: Context) -> Tree:
        made = fixed.copy()
        for key, value in fields:
            made[key] = value(context)
        return made

    return render


@lru_cache(maxsize=256)
def parse(text: str) -> nodes.Template:
    """A template as a tree, checked. Raises TemplateMistake. Whoever asks for the same one soon gets the same tree."""
    try:
        parsed = environment().parse(text)
        _check(parsed)
    except TemplateSyntaxError as error:
        raise TemplateMistake(
            f"The template does not compile: {(error.message or '').rstrip('.')}.", error.lineno, _hint(text)
        ) from None
    except _TOO_DEEP:
        raise TemplateMistake(_NESTED) from None
    return parsed


def _check(parsed: nodes.Template) -> None:
    """Refuse what is valid Jinja, and not available here. Raises TemplateMistake."""
    for node in parsed.find_all(nodes.Node):
        if isinstance(node, (nodes.Filter, nodes.Test)):
            _check_name(node)
        elif isinstance(node, nodes.For):
            if node.recursive or any(isinstance(part, nodes.For) or part.find(nodes.For) for part in node.body):
                hint = "Use `each` on the rule for one of them."
                raise TemplateMistake("A loop in a loop is not available.", node.lineno, hint)
        elif not isinstance(node, ALLOWED):
            word = {"FromImport": "import"}.get(type(node).__name__, type(node).__name__.lower())
            raise TemplateMistake(f"`{word}` is not available in rules.", node.lineno, "Write the text out.")


def _check_name(used: nodes.Filter | nodes.Test) -> None:
    word, there = ("filter", FILTERS) if isinstance(used, nodes.Filter) else ("test", environment().tests.keys())
    if used.name not in there:
        known = sorted(name for name in there if name.isidentifier())
        hint = nearest(used.name, known) or f"{word.capitalize()}s are {', '.join(known)}."
        raise TemplateMistake(f"There is no {word} `{used.name}`.", used.lineno, hint)


def _hint(text: str) -> str:
    if text.count("{{") != text.count("}}"):
        return "Close what `{{` opens with `}}`."
    return "Only expressions go between `{{` and `}}`."


def _is_expression(parsed: nodes.Template, text: str) -> bool:
    body = parsed.body
    whole = text.startswith("{{") and text.endswith("}}") and len(body) == 1 and isinstance(body[0], nodes.Output)
    return whole and len(body[0].nodes) == 1 and not isinstance(body[0].nodes[0], nodes.TemplateData)  # type: ignore[attr-defined]


@lru_cache(maxsize=65536)
def _expression(source: str) -> Callable[[Context], Any]:
    # In parentheses, because `{{ a, b }}` is a list of two and an expression by itself is one value only.
    try:
        template = environment().compile_expression(f"({source})", undefined_to_none=False)._template  # noqa: SLF001
    except _TOO_DEEP:
        raise TemplateMistake(_NESTED) from None
    root = template.root_render_func

    def evaluate(context: Context) -> Any:
        """As Jinja's own TemplateExpression does, which makes a new context each time."""
        known = _known(context)
        for _ in root(known):
            pass
        return known.vars.pop("result")

    return evaluate


def _known(context: Context) -> JinjaContext:
    """The context as Jinja has it, made once for a Given."""
    known: JinjaContext | None = getattr(context, "jinja", None)
    if known is None:
        sandbox = environment()
        given = context.whole() if isinstance(context, Given) else context
        known = JinjaContext(sandbox, {**sandbox.globals, **given}, None, {})
        if isinstance(context, Given):
            context.jinja = known
    return known


@lru_cache(maxsize=65536)
def _names(source: str) -> frozenset[str]:
    return frozenset(find_undeclared_variables(parse("{{" + source + "}}")) - {"range"})


def _has_no_statements(text: str) -> bool:
    return "{%" not in text and "{#" not in text


def _parts(text: str) -> Iterator[tuple[bool, str]]:
    """The texts and (true) the expressions of a template without statements. Of ten thousand rules most use the same few
    expressions, and compiling is what takes long."""
    source: list[str] = []
    for _, kind, value in environment().lex(text):
        if kind == "data":
            yield False, value
        elif kind == "variable_begin":
            source = []
        elif kind == "variable_end":
            yield True, "".join(source)
        else:
            source.append(value)


def _joined(text: str) -> Callable[[Context], str]:
    made = [_part(part) if is_source else part for is_source, part in _parts(text)]

    def join(context: Context) -> str:
        return environment().concat(part if isinstance(part, str) else said(part(context)) for part in made)

    return join


def _part(source: str) -> Callable[[Context], Any]:
    """The value of `{{source}}`."""
    evaluate = _expression(source)
    return direct.renderer("{{" + source + "}}", evaluate) or evaluate


def _guarded(text: str, evaluate: Callable[[Context], Any]) -> Renderer:
    """The renderer: whatever goes wrong with this event, and whatever is too much of it, is a RenderError."""

    def render(context: Context) -> Tree:
        try:
            with work.bounded(work.TEMPLATE):
                value = evaluate(context)
                if isinstance(value, Undefined):
                    str(value)
                # A filter may give a generator, which computes only now.
                return _plain(value, text)
        except RenderError:
            raise
        except Exception as error:  # noqa: BLE001 - strangers choose what filters and operators are applied to
            raise _failure(text, error) from None

    return render


def _failure(text: str, error: Exception) -> RenderError:
    shown = printable(text if len(text) <= 60 else text[:60] + "…")
    return RenderError(f"`{shown}` cannot be rendered for this event: {printable(str(error).rstrip('.')[:200])}.")


def _plain(value: Any, text: str, depth: int = 0) -> Tree:
    """The value as plain data. What a filter made of it (a generator, a tuple) becomes a list; anything else is an error."""
    if isinstance(value, float) and not math.isfinite(value):
        raise _failure(text, ValueError("it comes to no finite number"))
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, str):
        if len(value) > MAX_TEXT:
            raise _failure(text, ValueError(f"it comes to more than {MAX_TEXT} characters"))
        return str(value)
    work.spend(work.STEP)
    if depth < 64 and isinstance(value, dict):
        return {str(key): _plain(inner, text, depth + 1) for key, inner in value.items()}
    if depth < 64 and (isinstance(value, (list, tuple)) or hasattr(value, "__next__")):
        return [_plain(inner, text, depth + 1) for inner in value]
    raise _failure(text, TypeError("its value is no plain data"))
