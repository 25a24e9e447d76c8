"""The Jinja that rules are given: its filters, its attributes and its operators are lists of what is allowed, and all that can
take long pays for it (see `core.work`).

What is written in a template is rewritten before it is compiled: every loop, comparison, slice, `~` and output goes through a
filter of ours, and every filter, test, call and operator through this module. So nothing iterates over, copies or compares what
a stranger sent without being counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jinja2 import Environment, StrictUndefined, Undefined, nodes, pass_context
from jinja2.exceptions import SecurityError
from jinja2.runtime import LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment

from router.core import filters
from router.core.work import STEP, spend, steps, weigh

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

#: Bits of a number that operators take.
_MAX_BITS = 1024
#: Attributes of values that a template may have, beside the keys of a mapping and what a loop says of itself.
_ATTRIBUTES: dict[type, frozenset[str]] = {
    str: frozenset(
        (
            *("capitalize", "casefold", "count", "endswith", "find", "index", "isalnum", "isalpha", "isascii", "isdecimal"),
            *("isdigit", "islower", "isnumeric", "isspace", "isupper", "lower", "lstrip", "partition", "removeprefix"),
            *("removesuffix", "rfind", "rpartition", "rsplit", "rstrip", "split", "splitlines", "startswith", "strip"),
            *("swapcase", "title", "upper"),
        )
    ),
    dict: frozenset(("get", "items", "keys", "values")),
    list: frozenset(("count", "index")),
    tuple: frozenset(("count", "index", "grouper", "list")),
}
#: They may look through one text once for each character of another.
_PRODUCTS = frozenset(("strip", "lstrip", "rstrip", "rfind", "rsplit", "rpartition"))
#: Filters that look at nothing but what they are given first.
_FREE = frozenset(("count", "d", "default", "first", "length"))
#: Filters that take a text as a whole. For any other it is a list of characters.
_TEXTUAL = frozenset(
    (
        *("abs", "capitalize", "e", "escape", "float", "indent", "int", "lower", "replace", "round", "short", "slug"),
        *("string", "title", "tojson", "trim", "truncate", "upper", "urlencode", "wordcount"),
    )
)
_SORTING = frozenset(("sort", "groupby", "dictsort", "unique"))
_FREE_TESTS = frozenset(
    (
        *("defined", "undefined", "none", "boolean", "false", "true", "integer", "float", "number", "string", "mapping"),
        *("iterable", "sequence", "callable", "sameas", "odd", "even", "divisibleby", "filter", "test"),
    )
)
#: Comparisons, as tests spell them.
_COMPARING = {name: name for name in ("eq", "ne", "gt", "lt", "in")}
_COMPARING |= {"==": "eq", "equalto": "eq", "!=": "ne", ">": "gt", "greaterthan": "gt", "ge": "gteq", ">=": "gteq"}
_COMPARING |= {"<": "lt", "lessthan": "lt", "le": "lteq", "<=": "lteq"}
#: Tests that compute a remainder: of a text, that would be formatting.
_OF_NUMBERS = frozenset(("odd", "even", "divisibleby"))
#: Everything else that Jinja can say is not available.
ALLOWED: tuple[type[nodes.Node], ...] = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.If, nodes.For, nodes.Assign, nodes.AssignBlock, nodes.With),
    *(nodes.FilterBlock, nodes.Name, nodes.Const, nodes.Tuple, nodes.List, nodes.Dict, nodes.Pair, nodes.Keyword),
    *(nodes.Filter, nodes.Test, nodes.Call, nodes.Getitem, nodes.Getattr, nodes.Slice, nodes.Concat, nodes.Compare),
    *(nodes.Operand, nodes.BinExpr, nodes.UnaryExpr, nodes.CondExpr),
)


class Sandbox(ImmutableSandboxedEnvironment):
    """An environment for rules. `paying` is false for the one that the filters of the other are run by."""

    intercepted_binops = frozenset(("+", "-", "*", "/", "//", "%", "**"))

    def __init__(self, *, paying: bool = True) -> None:
        super().__init__(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True, cache_size=0, optimized=False)
        self.paying = paying
        self.globals = {"range": filters.bounded_range}
        self.filters = {name: made for name, made in self.filters.items() if name in filters.FILTERS}
        self.filters |= {"short": filters.short, "slug": filters.slug, "replace": filters.replace, "join": filters.join}
        if paying:
            plain = Sandbox(paying=False)
            self.filters = {**{name: _filter(plain, name) for name in self.filters}, **filters.OURS}
            self.tests = {name: _test(plain, name) for name in self.tests}

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if isinstance(left, Undefined) or isinstance(right, Undefined):
            return super().call_binop(context, operator, left, right)
        if operator == "**":
            raise SecurityError("`**` is not available")
        if isinstance(left, (int, float)) and isinstance(right, (int, float)):
            if any(isinstance(one, int) and one.bit_length() > _MAX_BITS for one in (left, right)):
                raise SecurityError(f"`{operator}` is for numbers of at most {_MAX_BITS} bits")
        elif operator == "+" and isinstance(left, (str, list, tuple)) and isinstance(right, (str, list, tuple)):
            spend(len(left) + len(right))
            if len(left) + len(right) > filters.MAX_TEXT:
                raise SecurityError(f"`+` comes to more than {filters.MAX_TEXT} characters or items")
        elif operator == "*":
            raise SecurityError("`*` is for numbers only")
        elif isinstance(left, str) and operator == "%":
            raise SecurityError("`%` is not available")
        return super().call_binop(context, operator, left, right)

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(argument, str):
            spend(len(argument) // 8)
        return super().getitem(obj, argument)

    def wrap_str_format(self, value: Any) -> None:
        """Jinja's own makes `format` safe, but lets it pad a text to any length: without it, `is_safe_attribute` refuses it."""

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        for kind, allowed in _ATTRIBUTES.items():
            if isinstance(obj, kind):
                return attr in allowed
        # A loop tells of itself (`loop.index`); numbers have nothing to say.
        return isinstance(obj, LoopContext) and super().is_safe_attribute(obj, attr, value)

    def call(__self, __context: Any, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805 - Jinja's names, which no argument may have
        spend(STEP)
        owner = getattr(__obj, "__self__", None)
        weigh(owner if isinstance(owner, (str, list)) else None, args, kwargs)
        if isinstance(owner, str) and args and isinstance(args[0], str) and __obj.__name__ in _PRODUCTS:
            spend(len(owner) * len(args[0]) // 8)
        return super().call(__context, __obj, *args, **kwargs)

    def concat(self, parts: Iterable[str]) -> str:
        """What a template, or a block of it, comes to."""
        said, length = [], 0
        for part in parts:
            said.append(part)
            length += len(part)
            if length > filters.MAX_TEXT:
                raise filters.too_long()
        spend(length // 8)
        return "".join(said)

    def _generate(self, source: nodes.Template, name: Any, filename: Any, defer_init: bool = False) -> str:  # noqa: FBT001, FBT002
        rewritten = _rewritten(source) if self.paying else source
        return super()._generate(rewritten, name, filename, defer_init)


def _rewritten(node: Any) -> Any:
    """A copy in which everything that can take long goes through a filter of ours."""
    made: Any = object.__new__(type(node))
    for field in node.fields:
        setattr(made, field, _copied(getattr(node, field)))
    for attribute in node.attributes:
        setattr(made, attribute, getattr(node, attribute, None))
    if isinstance(made, nodes.For):
        made.iter = _through("steps!", made.iter)
    elif isinstance(made, nodes.Output):
        made.nodes = [one if isinstance(one, nodes.TemplateData) else _through("said!", one) for one in made.nodes]
    elif isinstance(made, nodes.Concat):
        return _through("concat!", *made.nodes)
    elif isinstance(made, nodes.Compare):
        flat = [part for one in made.ops for part in (nodes.Const(one.op, lineno=made.lineno), one.expr)]
        return _through("compare!", made.expr, *flat)
    elif isinstance(made, nodes.Getitem) and isinstance(made.arg, nodes.Slice):
        return _through("sliced!", made)
    return made


def _copied(value: Any) -> Any:
    if isinstance(value, nodes.Node):
        return _rewritten(value)
    return [_copied(one) for one in value] if isinstance(value, list) else value


def _through(name: str, first: Any, *more: nodes.Expr) -> nodes.Filter:
    return nodes.Filter(first, name, list(more), [], None, None, lineno=first.lineno, environment=first.environment)


def _filter(plain: Environment, name: str) -> Callable[..., Any]:
    """One of Jinja's filters, paid for. With the context as its first argument it is also never run while compiling."""
    before = filters.BEFORE.get(name)

    @pass_context
    def paid(context: Any, value: Any, *args: Any, **kwargs: Any) -> Any:
        spend(STEP)
        if before is not None:
            before(value, *args, **kwargs)
        if name not in _FREE:
            weigh(value, args, kwargs)
            if name not in _TEXTUAL and hasattr(value, "__iter__") and not isinstance(value, Undefined):
                # An attribute's name, say, is looked up in each of them.
                texts = (one for one in (*args, *kwargs.values()) if isinstance(one, str))
                value = steps(value, STEP + sum(len(one) // 8 for one in texts))
                value = _to_sort(value) if name in _SORTING and not isinstance(value, dict) else value
        return plain.call_filter(name, value, args, kwargs, context=context, eval_ctx=context.eval_ctx)

    return paid


def _to_sort(values: Iterable[Any]) -> list[Any]:
    made = list(values)
    spend(len(made) * len(made).bit_length())
    return made


def _test(plain: Environment, name: str) -> Callable[..., Any]:
    """One of its tests, paid for."""

    @pass_context
    def paid(context: Any, value: Any, *args: Any, **kwargs: Any) -> Any:
        spend(STEP)
        if name in _COMPARING and len(args) == 1:
            filters.pay_comparison(_COMPARING[name], value, args[0])
        elif name in _OF_NUMBERS and not isinstance(value, (int, float)):
            raise SecurityError(f"`{name}` is for numbers only")
        elif name not in _FREE_TESTS:
            weigh(value, args, kwargs)
        return plain.call_test(name, value, args, kwargs, context=context, eval_ctx=context.eval_ctx)

    return paid
