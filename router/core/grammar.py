"""The language of conditions: YAML nodes -> conditions, with every mistake reported where it stands."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from msgspec import Struct, field

from router.core import document, globs, identity, jsonpath, regex
from router.core.conditions import AllOf, AnyOf, Asks, Condition, Negation
from router.core.operators import (
    Affix,
    Both,
    Cidr,
    Equals,
    EqualsIgnoreCase,
    Every,
    Exists,
    Glob,
    GlobList,
    Leaf,
    Not,
    OneOf,
    Range,
    Regex,
    When,
)
from router.core.operators import AnyOf as AnyValue
from router.core.problems import Problems, nearest
from router.core.questions import Question, question
from router.core.truth import Operator
from router.core.values import instant

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from router.core.document import Node
    from router.core.model import Tree
    from router.core.problems import Place

WORDS: dict[str, tuple[str, ...]] = {
    "trigger": ("push", "pull_request", "manual", "schedule"),
    "operation": ("create", "update", "delete"),
    "trust": ("owner", "member", "collaborator", "contributor", "unknown"),
    "status": ("pending", "running", "failed", "timeout", "cancelled", "success"),
}
_IDENTITIES: dict[str, Callable[[str], identity.Identity]] = {
    "repo": identity.Repo.parse,
    "owner": identity.Account.parse,
    "actor": identity.Account.parse,
    "knot": identity.Knot.parse,
}
#: Fields whose plain text is a glob, with what separates their segments. `allow` is none of an event's, but a step's.
_GLOBS = {"nsid": "", "allow": "", "workflow": "", "branch": "/", "tag": "/", "ref": "/", "target_branch": "/", "paths": "/"}
FIELDS = ("nsid", "source", *WORDS, *_IDENTITIES, *(name for name in _GLOBS if name not in ("nsid", "allow")))
NESTING = ("any", "all", "not")
_PATHS = ("any", "every", "none")
_RANGES = ("gt", "gte", "lt", "lte")
_NOT_FOR_TEXT = frozenset((*_RANGES, "before", "after", "cidr"))
OPERATORS = (
    "not",
    "exists",
    "glob",
    "prefix",
    "suffix",
    "contains",
    "regex",
    "equals_ignore_case",
    *_RANGES,
    "before",
    "after",
    "cidr",
    "in",
)


#: Questions by field and what is asked of it: see `Scope.asks`.
Shared = dict[str, dict[object, Question]]


class Scope(Struct, frozen=True):
    """What a file gives its conditions. `shared` are the questions of all files."""

    problems: Problems
    vars: Mapping[str, Tree] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    shared: Shared = field(default_factory=dict)

    def asks(self, name: str, operator: Operator, place: Place) -> Asks:
        """The condition; its question is one with that of every rule that asks the same."""
        known = self.shared.setdefault(name, {})
        same = _same(operator)
        shared = known.get(same)
        if shared is None:
            shared = known[same] = question(name, operator)
        return Asks.of(shared, place)


def _same(operator: Operator) -> object:
    """A key that equal operators share. To Python true, 1 and 1.0 are equal; to rules they are not."""
    if isinstance(operator, Equals):
        value = operator.value
        if type(value) is str:
            return value
        return (type(value), value) if value is None or isinstance(value, (int, float)) else id(operator)
    if isinstance(operator, Not):
        return Not, _same(operator.operator)
    if isinstance(operator, Every):
        return Every, _same(operator.operator)
    if isinstance(operator, (AnyValue, Both)):
        return type(operator), *map(_same, operator.operators)
    return operator


def condition(node: Node, scope: Scope) -> Condition:
    """A mapping of fields, all of which must hold."""
    return AllOf([part for _, part in fields(node, scope)], node.spot)


def fields(node: Node, scope: Scope) -> list[tuple[str, Condition]]:
    """The same, one condition for each field."""
    if not document.mapping(node, scope.problems, "a condition"):
        return []
    return [(key, part) for key, child in node.items() if (part := _part(key, child, node, scope)) is not None]


def bound(node: Node, scope: Scope) -> Operator | None:
    """What a step's `allow` lets an option be: texts and globs, in which `*` crosses everything."""
    return _operator("allow", node, scope)


def _part(key: str, child: Node, node: Node, scope: Scope) -> Condition | None:
    if key in NESTING:
        return _nested(key, child, scope)
    if key in FIELDS or _is_path(key, node, scope):
        operator = _operator(key, child, scope)
        return scope.asks(key, operator, child.spot) if operator is not None else None
    return None


def _is_path(key: str, node: Node, scope: Scope) -> bool:
    place = node.key_place(key)
    if not key.startswith("$"):
        hint = nearest(key, (*FIELDS, *NESTING)) or "Named fields are in the reference; a path into the record is `$.name`."
        scope.problems.error("R003", place, f"`{key}` is not a field of events.", hint)
        return False
    try:
        jsonpath.finder(key)
    except jsonpath.PathError as error:
        scope.problems.error("R022", place, str(error), "Write a path like `$.target.branch` or `$.rounds[*].createdAt`.")
        return False
    return True


def _nested(key: str, child: Node, scope: Scope) -> Condition | None:
    nodes: Sequence[Node] = child.value if child.kind == "list" else [child]
    if not nodes:
        scope.problems.error("R023", child.place, f"`{key}` has no conditions in it.", "Write at least one, or leave it out.")
        return None
    parts = [condition(node, scope) for node in nodes]
    if key == "all":
        return AllOf(parts, child.spot)
    either = parts[0] if len(parts) == 1 else AnyOf(parts, child.spot)
    return Negation(either, child.spot) if key == "not" else either


def _operator(name: str, node: Node, scope: Scope) -> Operator | None:
    """A value, a list of values or a mapping of operators, for the field `name`."""
    if node.kind == "list":
        return _any_value(name, node, scope)
    if node.kind == "map":
        return _paths(node, scope) if name == "paths" and _is_paths(node) else _operators(name, node, scope)
    if node.kind == "text" and node.value.startswith("!") and name in _GLOBS:
        hint = f'Write {{not: "{node.value[1:]}"}}, or put it in a list after what it takes away from.'
        scope.problems.error("R023", node.place, "A glob that negates needs a list.", hint)
        return None
    return _literal(name, node, scope)


def _any_value(name: str, node: Node, scope: Scope) -> Operator | None:
    if not node.value:
        scope.problems.error("R023", node.place, "An empty list matches nothing.", "List what may match, or leave it out.")
        return None
    if name in _GLOBS and any(item.kind == "text" and item.value.startswith("!") for item in node.value):
        return _glob_list(name, node, scope)
    operators = [found for item in node.value if (found := _operator(name, item, scope)) is not None]
    return operators[0] if len(operators) == 1 else AnyValue(tuple(operators))


def _glob_list(name: str, node: Node, scope: Scope) -> Operator | None:
    parts: list[tuple[bool, Leaf]] = []
    for item in node.value:
        if (glob := document.text(item, scope.problems, f"a glob of `{name}`")) is not None:
            positive = not glob.startswith("!")
            made = _glob(name, glob.removeprefix("!"), item, scope)
            parts += [(positive, made)] if made is not None else []
    if parts and not any(positive for positive, _ in parts):
        hint = 'Start with what they take away from ("**"), or write {not: [...]}.'
        scope.problems.error("R023", node.place, "A list that only negates matches nothing.", hint)
    return GlobList(tuple(parts))


def _literal(name: str, node: Node, scope: Scope) -> Operator | None:
    if name.startswith("$"):
        return Equals(document.tree(node, scope.problems))
    text = document.text(node, scope.problems, f"`{name}`")
    if text is None:
        return None
    if name in _IDENTITIES:
        try:
            return _IDENTITIES[name](text)
        except identity.IdentityError as error:
            scope.problems.error("R024", node.place, str(error), error.hint)
            return None
    if name in WORDS and text not in WORDS[name]:
        hint = nearest(text, WORDS[name]) or f"It is one of {', '.join(WORDS[name])}."
        scope.problems.error("R024", node.place, f"`{name}` is never `{text}`.", hint)
        return None
    return _glob(name, text, node, scope) if name in _GLOBS else Equals(text)


def _glob(name: str, glob: str, node: Node, scope: Scope) -> Leaf | None:
    separator = _GLOBS.get(name, "/")
    try:
        globs.check(glob, separator)
    except globs.GlobError as error:
        scope.problems.error("R020", node.place, str(error), "Escape a character that is meant as such with a backslash.")
        return None
    return Equals(glob) if globs.is_plain(glob) else Glob(glob, separator)


def _is_paths(node: Node) -> bool:
    return any(key in _PATHS for key in node.value)


def _paths(node: Node, scope: Scope) -> Operator | None:
    parts: list[Operator] = []
    for key, child in node.items():
        if key not in _PATHS:
            hint = nearest(key, _PATHS) or "Write `any`, `every` or `none`."
            scope.problems.error("R003", node.key_place(key), f"`{key}` does not go with them.", hint)
        elif (inner := _operator("paths", child, scope)) is not None:
            parts.append({"any": inner, "every": Every(inner), "none": Not(inner)}[key])
    return parts[0] if len(parts) == 1 else Both(tuple(parts)) if parts else None


def _operators(name: str, node: Node, scope: Scope) -> Operator | None:
    keys = tuple(node.value)
    for key in keys:
        if key not in OPERATORS:
            known = (*OPERATORS, *_PATHS) if name == "paths" else OPERATORS
            hint = nearest(key, known) or f"Operators are {', '.join(known)}."
            scope.problems.error("R003", node.key_place(key), f"`{key}` is not an operator.", hint)
            return None
    if not _fits(name, keys, node, scope):
        return None
    if keys and set(keys) <= set(_RANGES):
        return _range(node, scope)
    if keys and set(keys) <= {"before", "after"}:
        return _when(node, scope)
    if len(keys) != 1:
        hint = "Write a list of operators where any may hold, or `all:` with one condition each."
        scope.problems.error("R023", node.place, "An operator is a mapping with one key.", hint)
        return None
    return _one(name, keys[0], node.value[keys[0]], scope)


def _fits(name: str, keys: tuple[str, ...], node: Node, scope: Scope) -> bool:
    """Named fields are texts, and a repo has several spellings: other comparisons with them never hold."""
    if name == "repo":
        wrong, why = set(keys) - {"not", "exists", "in"}, "has several spellings"
        hint = 'Write the repo itself: "@alice.example/core", "@alice.example/*".'
    else:
        wrong, why = set(keys) & _NOT_FOR_TEXT if not name.startswith("$") else set(), "is text"
        hint = "Numbers, times and addresses stand in the record: write a path like `$.count`."
    for key in sorted(wrong):
        scope.problems.error("R023", node.key_place(key), f"`{name}` {why}, and cannot be compared by `{key}`.", hint)
    return not wrong


def _one(name: str, key: str, node: Node, scope: Scope) -> Operator | None:
    if key == "not":
        inner = _operator(name, node, scope)
        return Not(inner) if inner is not None else None
    if key == "exists":
        if node.kind != "bool":
            document.wrong_type(node, scope.problems, "`exists`", "true or false")
            return None
        return Exists(node.value)
    if key == "in":
        return _in(name, node, scope)
    text = document.text(node, scope.problems, f"`{key}`")
    return _on_text(name, key, text, node, scope) if text is not None else None


def _on_text(name: str, key: str, text: str, node: Node, scope: Scope) -> Operator | None:
    if key == "glob":
        return _glob(name, text, node, scope)
    if key in ("prefix", "suffix", "contains"):
        if not text:
            scope.problems.error("R023", node.place, f"An empty `{key}` matches every text.", "Write {exists: true}.")
        return Affix(key, text)
    if key == "equals_ignore_case":
        return EqualsIgnoreCase(text.casefold())
    if key == "regex":
        try:
            regex.compiled(text)
        except regex.RegexError as error:
            scope.problems.error("R021", node.place, str(error), error.hint or "Expressions are RE2's.")
            return None
        return Regex(text)
    try:
        return Cidr(str(ipaddress.ip_network(text, strict=False)))
    except ValueError:
        scope.problems.error("R024", node.place, f"`{text}` is not a network.", "Write one like 10.0.0.0/8 or 2001:db8::/32.")
        return None


def _range(node: Node, scope: Scope) -> Operator | None:
    bounds: list[tuple[str, float]] = []
    for key, child in node.items():
        if child.kind not in ("int", "float"):
            document.wrong_type(child, scope.problems, f"`{key}`", "a number")
            return None
        bounds.append((key, child.value))
    return Range(tuple(bounds))


def _when(node: Node, scope: Scope) -> Operator | None:
    for key, child in node.items():
        if instant(child.raw) is None:
            hint = "Write it like 2026-11-23T12:00:00Z."
            scope.problems.error("R024", child.place, f"`{key}` needs a time, and this is none.", hint)
            return None
    before, after = node.get("before"), node.get("after")
    return When(instant(before.raw) if before else None, instant(after.raw) if after else None)


def _in(name: str, node: Node, scope: Scope) -> Operator | None:
    text = document.text(node, scope.problems, "`in`") or ""
    prefix, _, key = text.partition(".")
    if prefix != "vars" or key not in scope.vars:
        known = [f"vars.{known}" for known in scope.vars]
        hint = nearest(text, known) or "Name a list in the file's `vars`: {in: vars.names}."
        scope.problems.error("R031", node.place, f"There is no variable `{text}`.", hint)
        return None
    scope.used.add(key)
    items = scope.vars[key]
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        scope.problems.error("R004", node.place, f"`{text}` is not a list of texts.", "Make it one.")
        return None
    if name not in _IDENTITIES:
        return OneOf(text, frozenset(items))
    try:
        return AnyValue(tuple(_IDENTITIES[name](item) for item in items))
    except identity.IdentityError as error:
        scope.problems.error("R024", node.place, f"In `{text}`: {error}", error.hint)
        return None
