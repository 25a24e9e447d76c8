"""Names that are written in rules and lead to nothing: members that no event of the rule has, and variables.

Templates are judged by what must be there for them to be rendered, JSONPaths of conditions by what they can ever find. Where
the events of a rule may be of an nsid that is not known, nothing is said.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from msgspec import Struct

from router.core import grammar, jsonpath, shapes
from router.core.chains import chains
from router.core.kinds import kinds
from router.core.lexicons import ALWAYS, KNOWN, WORKFLOW_ITEM
from router.core.problems import nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from router.core.chains import Chain
    from router.core.document import Node
    from router.core.model import Tree
    from router.core.problems import Place, Problems
    from router.core.rulebook import Rule
    from router.core.shapes import Miss, Part, Shape

#: Names that a hint lists, and nsids that a sentence does.
_MOST_NAMES, _MOST_WHOSE = 16, 3
#: What only some events have. `workflow` is there where an `each` names its items so.
_FIELDS = frozenset(name for lexicon in KNOWN.values() for name in lexicon.fields) | {"workflow"}


class Passages(Struct, frozen=True):
    """Where names stand in a rule. `conditions` are its own `when` and that of the defaults."""

    templates: Sequence[Node]
    conditions: Sequence[Node]
    each: Node | None
    where: Node | None


class _Subject(Struct, frozen=True):
    """What names are taken from. `sentence` is what to say of one that is not there, up to the name, with `whose` in it;
    `remedy` is what to do where no first part is like it; `skip` is how many parts of a name lead to the shapes."""

    code: str
    sentence: str
    shapes: Sequence[Shape]
    whose: Sequence[str] = ()
    skip: int = 1
    remedy: str = ""
    fatal: bool = False


def check(rule: Rule, passages: Passages, variables: Mapping[str, Tree], problems: Problems) -> None:
    """Report each name in a rule that leads to nothing."""
    _Check(rule, passages, variables, problems).run()


def used(templates: Sequence[Node], variables: Mapping[str, Tree]) -> Iterator[str]:
    """The variables that templates use: all, where one takes them by a name that it computes."""
    for node in templates:
        for chain in chains(node.raw):
            if chain.parts[0] == "vars":
                yield from (str(chain.parts[1]),) if len(chain.parts) > 1 else variables


def unused(variables: Node, named: set[str], problems: Problems) -> None:
    """Report each variable that is not among those which the file names."""
    for name in variables.value:
        if name not in named:
            sentence = f"No condition and no template of this file uses the variable `{name}`."
            hint = "Write it where it is meant, {{ vars." + name + " }} or {in: vars." + name + "}, or remove it."
            problems.warning("R036", variables.key_place(name), sentence, hint)


class _Check:
    """The check of one rule."""

    def __init__(self, rule: Rule, passages: Passages, variables: Mapping[str, Tree], problems: Problems) -> None:
        self.rule = rule
        self.passages = passages
        self.variables = variables
        self.problems = problems
        self.events = kinds(rule.asked)
        self.records = [KNOWN[nsid].record for nsid in self.events.named]

    def run(self) -> None:
        passages = self.passages
        of_records = _Subject("R026", "Records of {} have no", self.records, self.events.named)
        for node in passages.conditions:
            self._paths(node, of_records)
        if self.rule.each is not None and passages.each is not None:
            self._path(passages.each.raw, passages.each.place, of_records)
            if passages.where is not None:
                self._paths(passages.where, self._items("R026", passages.each))
        for node in passages.templates:
            for chain in chains(node.raw):
                self._chain(chain, node)

    def _paths(self, node: Node, subject: _Subject) -> None:
        """The JSONPaths of a condition. One that asks that there be nothing may lead to nothing."""
        for key, child in node.items():
            if key in grammar.NESTING:
                for part in child.value if child.kind == "list" else [child]:
                    self._paths(part, subject)
            elif key.startswith("$") and ((exists := child.get("exists")) is None or exists.value is not False):
                self._path(key, node.key_place(key), subject)

    def _path(self, path: str, place: Place, subject: _Subject) -> None:
        parts = jsonpath.plain_parts(path) if path.startswith("$") else None
        if parts is not None:
            self._judge(subject, ("$", *parts), lambda _: place)

    def _chain(self, chain: Chain, node: Node) -> None:
        subject = self._subject(str(chain.parts[0]))
        if subject is not None:
            self._judge(subject, chain.parts[: chain.sure], lambda parts: _place(node, parts, chain.line))

    def _subject(self, root: str) -> _Subject | None:
        """What the name at the beginning of a chain stands for; None where it says nothing of what is in it."""
        each = self.passages.each
        if self.rule.each is not None and each is not None and root == self.rule.item_name:
            return self._items("R015", each)
        if root in ALWAYS:
            return _Subject("R013", "No template has a name", [ALWAYS[root]], fatal=True)
        if root == "vars":
            variables = [shapes.shape_of(self.variables)]
            return _Subject("R031", "There is no variable", variables, remedy="Add it to the file's `vars`.", fatal=True)
        if root == "record":
            return _Subject("R015", "Events of {} have no", self.records, self.events.named)
        if root in _FIELDS:
            fields = [KNOWN[nsid].fields for nsid in self.events.triggered]
            return _Subject("R015", "Events of {} have no", fields, self.events.triggered, skip=0)
        return None

    def _items(self, code: str, each: Node) -> _Subject:
        return _Subject(code, "Items of {} have no", list(_items(each.raw, self.records)), (f"`{each.raw}`",))

    def _judge(self, subject: _Subject, parts: Sequence[Part], place: Callable[[Sequence[Part]], Place]) -> None:
        miss = shapes.missing(subject.shapes, parts[subject.skip :])
        if miss is None:
            return
        end = subject.skip + miss.at + 1
        report = self.problems.error if subject.fatal else self.problems.warning
        sentence = subject.sentence.format(_listed(subject.whose, _MOST_WHOSE))
        remedy = subject.remedy if miss.at == 0 else ""
        hint = nearest(str(parts[end - 1]), miss.names) or remedy or _hint(parts[:end], miss)
        report(subject.code, place(parts[:end]), f"{sentence} `{_shown(parts[:end])}`.", hint)


def _items(each: str, records: Sequence[Shape]) -> Iterator[Shape]:
    """What the items of an `each` look like; nothing where that is not known."""
    if each == "workflows":
        yield WORKFLOW_ITEM
        return
    parts = jsonpath.plain_parts(each)
    if parts is not None:
        ends = (shapes.along(record, parts) for record in records)
        yield from (end[0] if isinstance(end, list) else end for end in ends if end is not None)


def _hint(parts: Sequence[Part], miss: Miss) -> str:
    *before, last = parts
    if miss.names:
        there = _listed([name for name in miss.names if name != "$type"], _MOST_NAMES)
        return f"`{_shown(before)}` has {there}." if before else f"They have {there}."
    if miss.listed:
        return f"`{_shown(before)}` is a list: write `{_shown((*before, None if before[0] == '$' else 0, last))}`."
    return f"`{_shown(before)}` has no members."


def _shown(parts: Sequence[Part]) -> str:
    """A name as it is written."""
    root, *rest = parts
    return str(root) + "".join(map(_step, rest))


def _step(part: Part) -> str:
    if isinstance(part, str):
        return f".{part}" if part.isidentifier() else f"['{part}']"
    return "[*]" if part is None else f"[{part}]"


def _listed(names: Sequence[str], most: int) -> str:
    shown = [*names[:most], *([f"{len(names) - most} more"] if len(names) > most else [])]
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def _place(node: Node, parts: Sequence[Part], line: int) -> Place:
    """Where a name stands in a template: the very place, where it is in one line and there only once."""
    if node.block:
        return line_of(node, line)
    quotes = node.width - len(node.raw)
    found = list(_written(parts).finditer(node.raw))
    # With an escape in it, the text is shorter than what is written.
    if quotes not in (0, 2) or len(found) != 1:
        return node.place
    start, end = found[0].span()
    return replace(node.place, column=node.column + quotes // 2 + start, width=end - start)


def line_of(node: Node, line: int) -> Place:
    """A line of a `|` block, counted from 1: each line of the text is a line of the file."""
    return replace(node.place, line=node.line + line, column=1, width=1)


def _written(parts: Sequence[Part]) -> re.Pattern[str]:
    steps = (rf"(?:\.{re.escape(str(part))}\b|\[['\"]?{re.escape(str(part))}['\"]?\])" for part in parts[1:])
    return re.compile(rf"(?<![\w.]){re.escape(str(parts[0]))}\b" + "".join(steps))
