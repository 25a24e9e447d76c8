"""YAML text -> a tree of nodes that know where they stand.

YAML that cannot betray: scalars follow YAML 1.2's core types, so `on`, `no` and `10:30` are text; a node keeps its raw text, so
a place that wants text gets `1.10` as it was written; a decimal with a leading zero (`012`) and a number that is too large for
others are refused where a number could be meant; duplicate keys, tags, merge keys and second documents are problems, not
surprises.

The tree is built from the parser's event stream with its own stack: composing in PyYAML recurses, and libyaml's composer ends
the whole process on deep nesting.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, Literal

import yaml

from router.core.kept import Kept
from router.core.problems import Place, Problems, nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from router.core.model import Tree

Kind = Literal["map", "list", "text", "int", "float", "bool", "null", "ambiguous"]

MAX_DEPTH = 64
MAX_ALIASES = 200
#: Different texts of which it is remembered that they have been read: what is said over and over is among the last few.
MAX_TEXTS = 4096

_NULL = frozenset(("", "~", "null", "Null", "NULL"))
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]+(\.[0-9]*)?")
#: What a number begins with.
_NUMERIC = frozenset("+-.0123456789")
#: Characters of a number that somebody meant as one.
_LONGEST = 40
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

NAMES: dict[str, str] = {
    "map": "a mapping",
    "list": "a list",
    "text": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "null": "nothing",
    "ambiguous": "a number that reads two ways",
}


#: Of scalars and lists, which are most nodes.
_NO_KEYS: dict[str, Any] = {}


class Source:
    """A text that nodes were read from. It knows what stands where, also when the nodes are gone: then it is read again."""

    __slots__ = ("_paths", "file", "kept")

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.kept = Kept(text)
        self._paths: dict[tuple[int, int, int], str] | None = None

    def path_of(self, place: Place) -> str:
        if self._paths is None:
            self._paths = {}
            root = read(self.kept.text, self.file, Problems())
            todo = [root] if root is not None else []
            while todo:
                node = todo.pop()
                named = [*node.keys.values()]
                todo += node.value.values() if node.kind == "map" else node.value if node.kind == "list" else ()
                self._paths |= {(one.line, one.column, one.width): one.path for one in (*named, node)}
        return self._paths.get((place.line, place.column, place.width), "")


class Node:
    """One value of a document. `value` is a dict of text to Node, a list of Node, or a scalar of YAML 1.2; `raw` its text."""

    __slots__ = ("block", "column", "key", "keys", "kind", "line", "parent", "quoted", "raw", "source", "value", "width")

    def __init__(self, kind: Kind, value: Any, raw: str, source: Source, line: int, column: int, width: int = 1) -> None:
        self.kind: Kind = kind
        self.value = value
        self.raw = raw
        self.quoted = False
        self.block = False
        self.source = source
        self.line = line
        self.column = column
        self.width = width
        self.parent: Node | None = None
        self.key: str | int = ""
        self.keys: dict[str, Node] = _NO_KEYS

    @property
    def place(self) -> Place:
        """Where it stands. For those who report it: the place keeps the document alive."""
        return Place(self.source.file, self.line, self.column, self.width, self)

    @property
    def spot(self) -> Place:
        """The same, for what outlives the document."""
        return Place(self.source.file, self.line, self.column, self.width, self.source)

    def path_of(self, place: Place) -> str:
        return self.path

    @property
    def path(self) -> str:
        parts: list[str] = []
        node: Node | None = self
        while node is not None and node.parent is not None:
            parts.append(f"[{node.key}]" if isinstance(node.key, int) else f".{node.key}")
            node = node.parent
        return "".join(reversed(parts)).lstrip(".")

    def get(self, key: str) -> Node | None:
        return self.value.get(key) if self.kind == "map" else None

    def items(self) -> Iterator[tuple[str, Node]]:
        if self.kind == "map":
            yield from self.value.items()

    def key_place(self, key: str) -> Place:
        """Where `key` itself is written."""
        return (self.keys.get(key) or self).place

    def key_spot(self, key: str) -> Place:
        """The same, for what outlives the document."""
        return (self.keys.get(key) or self).spot

    def at(self, loc: Iterable[str | int]) -> Node:
        """The node at a location, or the nearest one above it that exists."""
        node = self
        for part in loc:
            child: Node | None = None
            if node.kind == "map":
                child = node.value.get(part)
            elif node.kind == "list" and isinstance(part, int) and part < len(node.value):
                child = node.value[part]
            if child is None:
                return node
            node = child
        return node


def read(text: str, file: str, problems: Problems, *, aliases: int = MAX_ALIASES, values: int | None = None) -> Node | None:
    """The document, or None where it is empty or too broken to have a tree. Every problem found goes to `problems`.

    `aliases` and `values` are how many of them it may have.
    """
    builder = Builder(Source(file, text), problems, aliases, values)
    try:
        for event in events(text):
            if not builder.take(event):
                return None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(file, mark.line + 1, mark.column + 1) if mark else Place(file)
        problems.error("R001", place, f"This is not YAML: {error.problem or error.context}.", _yaml_hint(text, place))
        return None
    except UnicodeEncodeError as error:
        line = text.count("\n", 0, error.start) + 1
        problems.error("R001", Place(file, line), "This is not YAML: it has half of a character in it.", "Save it as UTF-8.")
        return None
    except yaml.YAMLError as error:
        problems.error("R001", Place(file), f"This is not YAML: {str(error).splitlines()[0]}.")
        return None
    return builder.root


def events(text: str | Stream) -> Iterator[yaml.Event]:
    """The parser's events, each fetched by one call: `yaml.parse` asks first whether there is another."""
    return iter(LOADER(text).get_event, None)


class Stream:
    """A text to be read bit by bit: of a text as such the parser makes a copy, which it keeps to its end."""

    __slots__ = ("at", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def read(self, size: int) -> str:
        """So many characters, fewer only at the end."""
        start = self.at
        self.at += size
        return self.text[start : self.at]


def tree(node: Node, problems: Problems) -> Tree:
    """The node as plain data, for a place that takes any value. A number that reads two ways is reported and taken as text."""
    if node.kind == "map":
        return {key: tree(child, problems) for key, child in node.value.items()}
    if node.kind == "list":
        return [tree(child, problems) for child in node.value]
    if node.kind == "ambiguous":
        problems.error(
            "R007",
            node.place,
            _two_ways(node.raw),
            f'Write "{_cut(node.raw)}" for text, or a number that all read alike.',
        )
        return node.raw
    return node.value


def text(node: Node, problems: Problems, what: str) -> str | None:
    """A scalar as the text that was written, or None with a problem. `what` names the place: "a branch"."""
    if node.kind in ("text", "int", "float", "ambiguous"):
        return node.raw
    wrong_type(node, problems, what, "text")
    return None


def wrong_type(node: Node, problems: Problems, what: str, wanted: str) -> None:
    """Report that `what` is not `wanted`, quoting what YAML made of it."""
    is_scalar = node.kind not in ("map", "list")
    was = f"`{_cut(node.raw)}`, which YAML reads as {NAMES[node.kind]}" if is_scalar and node.raw else NAMES[node.kind]
    hint = f'Write "{_cut(node.raw)}" if text is meant.' if wanted == "text" and is_scalar and node.raw else f"Write {wanted}."
    problems.error("R004", node.place, f"{what[:1].upper()}{what[1:]} must be {wanted}, not {was}.", hint)


def mapping(node: Node, problems: Problems, what: str, known: Iterable[str] = ()) -> bool:
    """True if the node is a mapping. With `known`, every other key is reported with a did-you-mean."""
    if node.kind != "map":
        wrong_type(node, problems, what, "a mapping")
        return False
    names = tuple(known)
    for key in node.value if names else ():
        if key not in names:
            hint = nearest(key, names) or f"Known here: {', '.join(names)}."
            problems.error("R003", node.key_place(key), f"`{key}` is not a key of {what}.", hint)
    return True


class Builder:
    """Takes parser events, keeps a stack of open collections."""

    def __init__(self, source: Source, problems: Problems, aliases: int, values: int | None = None) -> None:
        self.source = source
        self.problems = problems
        self.root: Node | None = None
        self.documents = 0
        self.aliases_left = aliases
        self.values_left = values
        self.anchors: dict[str, Node] = {}
        self.texts: dict[str, str] = {}
        #: Every node with an alias in it. None may be an alias's target: nothing is read twice over, or within itself.
        self.aliasing: set[Node] = set()
        self.stack: list[tuple[Node, list[Node]]] = []

    def take(self, event: Any) -> bool:
        """One parser event; False to stop reading."""
        if self.values_left is not None and not self._count(event):
            return False
        kind: Any = type(event)
        if kind is yaml.ScalarEvent:
            self._add(self._scalar(event), event.anchor)
        elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
            return self._open(event)
        elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
            self.stack.pop()
        elif kind is yaml.AliasEvent:
            return self._alias(event)
        elif kind is yaml.DocumentStartEvent:
            self.documents += 1
            if self.documents > 1:
                self._refuse(event, "A second document starts here.", "Put it in a file of its own.")
                return False
        return True

    def _count(self, event: yaml.Event) -> bool:
        self.values_left = (self.values_left or 0) - isinstance(event, yaml.NodeEvent)
        if self.values_left < 0:
            self._refuse(event, "This has more values than are read.", "Leave some out.")
        return self.values_left >= 0

    def _node(self, event: Any, kind: Kind, value: Any, raw: str = "", width: int = 1) -> Node:
        mark = event.start_mark
        return Node(kind, value, raw, self.source, mark.line + 1, mark.column + 1, width)

    def _scalar(self, event: Any) -> Node:
        start, end = event.start_mark, event.end_mark
        line, column = start.line, start.column
        width = (end.column - column or 1) if end.line == line else 1
        # Rules say the same over and over: each text is kept once.
        if len(self.texts) >= MAX_TEXTS:
            self.texts.clear()
        raw = self.texts.setdefault(event.value, event.value)
        kind: Kind
        kind, value = _resolve(raw) if event.implicit[0] else ("text", raw)
        node = Node(kind, value, raw, self.source, line + 1, column + 1, width)
        if event.style:
            node.quoted = True
            node.block = event.style == "|"
        if event.tag not in (None, "!"):
            self._refuse(event, f"The tag `{event.tag}` is not used here.", "Leave it out; quote what must be text.")
        return node

    def _open(self, event: Any) -> bool:
        if len(self.stack) >= MAX_DEPTH:
            self._refuse(event, f"This is nested deeper than {MAX_DEPTH} levels.", "Flatten it.")
            return False
        is_map = isinstance(event, yaml.MappingStartEvent)
        if event.tag not in (None, "!"):
            self._refuse(event, f"The tag `{event.tag}` is not used here.", "Leave it out.")
        node = self._node(event, "map" if is_map else "list", {} if is_map else [])
        if is_map:
            node.keys = {}
        self._add(node, event.anchor)
        self.stack.append((node, []))
        return True

    def _alias(self, event: yaml.AliasEvent) -> bool:
        self.aliases_left -= 1
        target = self.anchors.get(event.anchor or "")
        self.aliasing.update(open_node for open_node, _ in self.stack)
        if target is None:
            sentence = f"Nothing in this file is named `&{event.anchor}`, so `*{event.anchor}` is no alias of it."
            self._refuse(event, sentence, f'A text that begins with a star needs quotes: "*{event.anchor}".')
            return False
        if self.aliases_left < 0 or target in self.aliasing:
            sentence = f"The alias `*{event.anchor}` is one too many, or stands for something with an alias in it."
            self._refuse(event, sentence, "Write it out.")
            return False
        self._add(target, None, adopt=False)
        return True

    def _add(self, node: Node, anchor: str | None, *, adopt: bool = True) -> None:
        if anchor:
            self.anchors[anchor] = node
        if not self.stack:
            self.root = node
            return
        parent, waiting = self.stack[-1]
        if parent.kind == "list":
            if adopt:
                node.parent, node.key = parent, len(parent.value)
            parent.value.append(node)
        elif not waiting:
            waiting.append(node)
        else:
            self._pair(parent, waiting.pop(), node, adopt=adopt)

    def _pair(self, parent: Node, key: Node, node: Node, *, adopt: bool) -> None:
        name = key.raw
        if adopt:
            node.parent, node.key = parent, name
        key.parent, key.key = parent, name
        if key.kind in ("map", "list"):
            hint = 'Write a name, or put a template in quotes: `"{{ … }}"`.'
            self.problems.error("R006", key.place, "A key must be text, and here a brace or bracket opens.", hint)
        elif name == "<<" and not key.quoted:
            self.problems.error("R006", key.place, "YAML 1.2 has no merge keys.", "Use `defaults`, or write the keys out.")
        elif name in parent.value:
            first = parent.keys[name].line
            hint = f"Remove one of them; the first is in line {first}."
            self.problems.error("R002", key.place, f"The key `{name}` is written twice.", hint)
        else:
            parent.value[name] = node
            parent.keys[name] = key

    def _refuse(self, event: Any, message: str, hint: str) -> None:
        mark = event.start_mark
        self.problems.error("R006", Place(self.source.file, mark.line + 1, mark.column + 1), message, hint)


def _resolve(raw: str) -> tuple[Kind, Any]:
    """A plain scalar by YAML 1.2's core schema; any other is text."""
    if raw in _NULL:
        return "null", None
    if raw in _BOOL:
        return "bool", _BOOL[raw]
    if raw[0] not in _NUMERIC:
        return "text", raw
    if _LEADING_ZERO.fullmatch(raw):
        return "ambiguous", raw
    if _INT.fullmatch(raw):
        if len(raw) > _LONGEST:
            return "ambiguous", raw
        return _sized(int(raw, 0) if raw[:2] in ("0o", "0x") else int(raw), "int", raw)
    if _FLOAT.fullmatch(raw):
        return _sized(float(raw), "float", raw)
    return "text", raw


def _sized(value: float, kind: Kind, raw: str) -> tuple[Kind, Any]:
    """A number that 64 bits hold; others round what is larger, or make it infinite."""
    return (kind, value) if abs(value) < (2**63 if kind == "int" else math.inf) else ("ambiguous", raw)


def _two_ways(raw: str) -> str:
    if _LEADING_ZERO.fullmatch(raw) is None or len(raw) > _LONGEST:
        return f"`{_cut(raw)}` is too large a number for some YAML readers."
    digits = raw.lstrip("+-")
    octal = str(int(digits, 8)) if set(digits) <= set("01234567") else "text"
    return f"`{raw}` is {digits.lstrip('0') or '0'} to some YAML readers and {octal} to others."


def _cut(raw: str) -> str:
    return raw if len(raw) <= _LONGEST else raw[:_LONGEST] + "…"


def _yaml_hint(text: str, place: Place) -> str:
    """The commonest mistakes, said in the words of the person who made them."""
    lines = text.splitlines()
    line = lines[place.line - 1] if place.line <= len(lines) else ""
    if "\t" in line[: len(line) - len(line.lstrip())]:
        return "Indent with spaces: YAML does not allow tabs."
    if "{{" in line and '"' not in line and "'" not in line:
        return "Put the template in quotes: YAML reads a brace as the start of a mapping."
    if line.lstrip("- ").startswith(("@", "`", "*", "&", "!", "%")) or ": @" in line or ": *" in line:
        return "Put the value in quotes: it starts with a character that means something to YAML."
    return "Check the indentation, and quote values with colons, braces or a leading sign."
