"""Templates: a tree of options -> the same tree with its values filled in.

Jinja computes values and decides nothing. Everything is compiled when rules are loaded; an undefined name is an error; what an
event says is only ever data, never a template. A string that is one whole `{{ expression }}` keeps the value's type, by a
compiled expression and not by Jinja's native mode, which turns a seven-digit sha into a number.

The sandbox is for accidents of size: rules are the operator's own code, but the texts in them are not.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

from jinja2 import Environment, StrictUndefined, TemplateSyntaxError, Undefined, nodes
from jinja2.exceptions import SecurityError
from jinja2.meta import find_undeclared_variables
from jinja2.sandbox import ImmutableSandboxedEnvironment

from router.core.errors import RenderError
from router.core.problems import nearest, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from router.core.model import Tree

Context: TypeAlias = "Mapping[str, Tree]"
Renderer: TypeAlias = "Callable[[Context], Tree]"

#: Characters that one rendered text may have: more than any commit message, less than trouble.
MAX_TEXT = 65536
MAX_RANGE = 1000
FILTERS = frozenset(
    (
        *("abs", "batch", "capitalize", "count", "d", "default", "dictsort", "e", "escape", "first", "float", "groupby"),
        *("indent", "int", "items", "join", "last", "length", "list", "lower", "map", "max", "min", "reject", "rejectattr"),
        *("replace", "reverse", "round", "select", "selectattr", "slice", "sort", "string", "sum", "title", "tojson", "trim"),
        *("truncate", "unique", "upper", "urlencode", "wordcount", "short", "slug"),
    )
)
_GROWING = frozenset(("center", "expandtabs", "format", "format_map", "ljust", "replace", "rjust", "translate", "zfill"))
_NOT_HERE: dict[type[nodes.Node], str] = {
    nodes.Macro: "macro",
    nodes.Import: "import",
    nodes.FromImport: "import",
    nodes.Include: "include",
    nodes.Extends: "extends",
}
#: What Python's compiler and Jinja's parser say of it.
_TOO_DEEP = (RecursionError, SyntaxError, MemoryError)
_NESTED = "The template is nested too deeply."


class TemplateMistake(ValueError):
    """A template does not compile; the message is a sentence, `line` counts from 1 within the template."""

    def __init__(self, sentence: str, line: int = 1, hint: str = "") -> None:
        super().__init__(sentence)
        self.line = line
        self.hint = hint


class _Sandbox(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset(("*", "**", "%"))

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if operator == "*" and not (isinstance(left, (int, float)) and isinstance(right, (int, float))):
            raise SecurityError("`*` is for numbers only")
        if operator == "**" or (operator == "%" and isinstance(left, str)):
            raise SecurityError(f"`{operator}` is not available")
        return super().call_binop(context, operator, left, right)

    def wrap_str_format(self, value: Any) -> None:
        """Jinja's own makes `format` safe, but lets it pad a text to any length: without it, `_GROWING` refuses it."""

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        if isinstance(obj, str) and attr in _GROWING:
            return False
        return super().is_safe_attribute(obj, attr, value)


def is_template(text: str) -> bool:
    """Whether the text has anything for Jinja in it."""
    return "{" in text and any(mark in text for mark in ("{{", "{%", "{#"))


@lru_cache(maxsize=1)
def environment() -> Environment:
    """The one environment, with the filters that rules may use."""
    sandbox = _Sandbox(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True, cache_size=0)
    sandbox.globals = {"range": _range}
    sandbox.filters = {name: made for name, made in sandbox.filters.items() if name in FILTERS}
    sandbox.filters |= {"short": _short, "slug": _slug, "replace": _replace}
    return sandbox


@lru_cache(maxsize=65536)
def compiled(text: str) -> Renderer:
    """A function from a context to the value of a template. It raises RenderError. Raises TemplateMistake."""
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


class Rendering:
    """A renderer for a tree of options: only strings that are templates are rendered.

    Templates were compiled once when the rules were read, which proves them right. What they were compiled to is put together
    when it is first needed: of many rules most never act.
    """

    __slots__ = ("_made", "options")

    def __init__(self, options: Tree) -> None:
        self.options = options
        self._made: Renderer | None = None

    def __call__(self, context: Context) -> Tree:
        made = self._made
        if made is None:
            made = self._made = tree(self.options)
        return made(context)


def tree(options: Tree) -> Renderer:
    """A renderer for a tree of options: only strings that are templates are rendered. Raises TemplateMistake."""
    if isinstance(options, str):
        return compiled(options) if is_template(options) else lambda context: options  # noqa: ARG005 - a renderer takes a context
    if isinstance(options, dict):
        fields = [(key, tree(value)) for key, value in options.items()]
        return lambda context: {key: render(context) for key, render in fields}
    if isinstance(options, list):
        items = [tree(value) for value in options]
        return lambda context: [render(context) for render in items]
    return lambda context: options  # noqa: ARG005 - as above


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
        elif (word := _NOT_HERE.get(type(node))) is not None:
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
        return environment().compile_expression(f"({source})", undefined_to_none=False)
    except _TOO_DEEP:
        raise TemplateMistake(_NESTED) from None


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
    made = [_expression(part) if is_source else part for is_source, part in _parts(text)]
    return lambda context: "".join(part if isinstance(part, str) else str(part(context)) for part in made)


def _guarded(text: str, evaluate: Callable[[Context], Any]) -> Renderer:
    """The renderer: whatever goes wrong with this event is a RenderError."""

    def render(context: Context) -> Tree:
        try:
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
    if depth < 64 and isinstance(value, dict):
        return {str(key): _plain(inner, text, depth + 1) for key, inner in value.items()}
    if depth < 64 and (isinstance(value, (list, tuple)) or hasattr(value, "__next__")):
        return [_plain(inner, text, depth + 1) for inner in value]
    raise _failure(text, TypeError("its value is no plain data"))


def _range(*bounds: int) -> range:
    made = range(*bounds)
    if len(made) > MAX_RANGE:
        raise SecurityError(f"range() is limited to {MAX_RANGE} steps")
    return made


def _short(sha: str, length: int = 8) -> str:
    """The first characters of a sha."""
    return str(sha)[:length]


def _slug(text: str, limit: int = 63) -> str:
    """Lower-case letters, digits and single hyphens only: fit for a name elsewhere."""
    return re.sub(r"[^a-z0-9]+", "-", str(text).lower()).strip("-")[:limit].strip("-")


def _replace(text: str, old: str, new: str) -> str:
    """As Jinja's, without its count, and bounded."""
    text, old, new = str(text), str(old), str(new)
    if old and len(text) + text.count(old) * max(0, len(new) - len(old)) > MAX_TEXT:
        raise SecurityError(f"replace() comes to more than {MAX_TEXT} characters")
    return text.replace(old, new)
