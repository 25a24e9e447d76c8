"""A `*.test.yaml` file -> cases, with every mistake where it stands."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from router import library
from router.core import document, grammar
from router.core.problems import Place, Problems, nearest
from router.core.values import instant
from router.ruletests import answers, endings
from router.ruletests.events import EventText, path_steps

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

    from router.core.document import Node
    from router.core.model import Micros, Tree

CASE_KEYS = ("name", "event", "expect", "why_not", "trust", "vars", "now", "identities", "answers", "golden")
EXPECT_KEYS = ("rule", "exact", *endings.ENDING_KEYS)
#: Of a case's name, in the name of its golden.
_LONGEST_NAME = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """One delivery that must be there. Without a `provider`, any of the rule will do, or that it matched and does nothing.

    `options` are those that must be there with these values; all of them, where `exact`.
    """

    rule: str
    place: Place
    provider: str = ""
    options: Tree = None
    exact: bool = False
    ends: endings.Expectation | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One test: an event, and what the rules must make of it. `expect` is None where `why_not` or the golden says enough."""

    name: str
    place: Place
    event: EventText
    expect: tuple[Expected, ...] | None = None
    why_not: Mapping[str, tuple[str, Place]] = field(default_factory=dict)
    trust: str = ""
    vars: Mapping[str, Tree] = field(default_factory=dict)
    now: Micros | None = None
    identities: Mapping[str, str] = field(default_factory=dict)
    answers: Mapping[str, tuple[answers.Answer, ...]] = field(default_factory=dict)
    golden: Path | None = None


def read(text: str, file: Path, providers: Collection[str], problems: Problems) -> list[Case]:
    """The cases of a file; none where it has mistakes, which are then in `problems`."""
    mine = Problems()
    root = document.read(text, str(file), mine)
    cases: list[Case] = []
    if root is not None and root.kind != "list":
        document.wrong_type(root, mine, "a test file", "a list of cases")
    elif root is not None:
        reader = _Reader(file, providers, mine)
        cases = [case for node in root.value if (case := reader.case(node)) is not None]
    problems.found.extend(mine.found)
    return [] if mine.errors else cases


def _stem(name: str) -> str:
    return next(name.removesuffix(ending) for ending in library.TEST_ENDINGS if name.endswith(ending))


def _slug(name: str) -> str:
    """A case's name as part of a file's."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower())[:_LONGEST_NAME].strip("-") or "plan"


class _Reader:
    """Reads the cases of one file."""

    def __init__(self, file: Path, providers: Collection[str], problems: Problems) -> None:
        self.file = file
        self.providers = providers
        self.problems = problems
        self.names: set[str] = set()

    def case(self, node: Node) -> Case | None:
        if not document.mapping(node, self.problems, "a case", CASE_KEYS):
            return None
        name, event = self._name(node), self._event(node)
        expect, why_not, answered = node.get("expect"), node.get("why_not"), node.get("answers")
        golden = self._golden(node.get("golden"), name)
        if expect is None and why_not is None and golden is None:
            self._error("R005", node.place, "A case needs `expect`.", "Write `expect: []` where no rule may do anything.")
        if event is None:
            return None
        return Case(
            name=name,
            place=node.place,
            event=event,
            expect=tuple(self._expectations(expect, answered=answered is not None)) if expect is not None else None,
            why_not=dict(self._why_not(why_not)) if why_not is not None else {},
            trust=self._trust(node.get("trust")),
            vars=self._plain_mapping(node.get("vars"), "`vars`"),
            now=self._now(node.get("now")),
            identities=dict(self._identities(node.get("identities"))),
            answers=dict(answers.read(answered, self.providers, self.problems)) if answered is not None else {},
            golden=golden,
        )

    def _error(self, code: str, place: Place, message: str, hint: str = "") -> None:
        self.problems.error(code, place, message, hint)

    def _name(self, node: Node) -> str:
        found = node.get("name")
        if found is None:
            self._error("R005", node.place, "A case needs a `name`.", "Say in a sentence what it promises.")
            return ""
        name = document.text(found, self.problems, "a case's name") or ""
        if name in self.names:
            self._error("R050", found.place, f"Two cases are named `{name}`.", "Say what is different about this one.")
        self.names.add(name)
        return name

    def _golden(self, node: Node | None, name: str) -> Path | None:
        if node is None or (node.kind == "bool" and not node.value):
            return None
        if node.kind == "bool":
            return self.file.parent / f"{_stem(self.file.name)}.{_slug(name)}{library.GOLDEN_ENDING}"
        given = document.text(node, self.problems, "`golden`") or ""
        if not given.endswith(library.GOLDEN_ENDING) or "/" in given or given[0] == ".":
            hint = f"Write a name that ends in {library.GOLDEN_ENDING}, or `true` for one that follows from the case's."
            self._error("R050", node.place, "A golden is a file beside its test.", hint)
        return self.file.parent / given

    def _event(self, node: Node) -> EventText | None:
        event = node.get("event")
        if event is None:
            hint = "Name a file beside this one, or write the event here."
            self._error("R005", node.place, "A case needs an `event`.", hint)
            return None
        if event.kind == "map" and event.get("extends") is None:
            return EventText(place=event.place, inline=document.tree(event, self.problems))
        if event.kind != "map":
            file = document.text(event, self.problems, "an event")
            return EventText(place=event.place, file=self.file.parent / file) if file else None
        document.mapping(event, self.problems, "an event", ("extends", "with"))
        base = document.text(event.value["extends"], self.problems, "`extends`")
        changes = tuple(self._changes(event.get("with")))
        return EventText(place=event.place, file=self.file.parent / base, changes=changes) if base else None

    def _changes(self, node: Node | None) -> Iterator[tuple[str, Tree, Place]]:
        if node is None or not document.mapping(node, self.problems, "`with`"):
            return
        for path, child in node.items():
            place = node.key_place(path)
            if path_steps(path) is None:
                hint = "Write one like $.ref or $.rounds[0].createdAt."
                self._error("R022", place, f"`{path}` is not a plain path into the record.", hint)
            else:
                yield path, document.tree(child, self.problems), place

    def _expectations(self, node: Node, *, answered: bool) -> Iterator[Expected]:
        if node.kind != "list":
            document.wrong_type(node, self.problems, "`expect`", "a list")
            return
        for item in node.value:
            known = (*EXPECT_KEYS, *self.providers)
            if document.mapping(item, self.problems, "an item of `expect`", known):
                expected = self._expected(item, answered=answered)
                if expected is not None:
                    yield expected

    def _expected(self, node: Node, *, answered: bool) -> Expected | None:
        rule = node.get("rule")
        if rule is None:
            self._error("R005", node.place, "An item of `expect` needs a `rule`.", "Name the rule that must match.")
            return None
        named = [key for key in node.value if key in self.providers]
        if len(named) > 1:
            self._error("R050", node.place, "This names two providers.", "Write an item for each delivery.")
        provider = named[0] if named else ""
        exact = node.get("exact")
        if exact is not None and exact.kind != "bool":
            document.wrong_type(exact, self.problems, "`exact`", "true or false")
        options = node.get(provider)
        return Expected(
            rule=document.text(rule, self.problems, "a rule's name") or "",
            place=rule.place,
            provider=provider,
            options=self._plain_mapping(options, f"the options of `{provider}`"),
            exact=exact is not None and exact.value is True,
            ends=endings.read(node, answered=answered, problems=self.problems),
        )

    def _why_not(self, node: Node) -> Iterator[tuple[str, tuple[str, Place]]]:
        if not document.mapping(node, self.problems, "`why_not`"):
            return
        for rule, child in node.items():
            name = document.text(child, self.problems, "a field") or ""
            if name not in grammar.FIELDS and not name.startswith("$"):
                hint = nearest(name, grammar.FIELDS) or "Name the field whose condition must fail."
                self._error("R003", child.place, f"`{name}` is not a field of events.", hint)
            yield rule, (name, node.key_place(rule))

    def _trust(self, node: Node | None) -> str:
        if node is None:
            return ""
        word = document.text(node, self.problems, "`trust`") or ""
        known = grammar.WORDS["trust"]
        if word not in known:
            hint = nearest(word, known) or f"It is one of {', '.join(known)}."
            self._error("R024", node.place, f"`trust` is never `{word}`.", hint)
        return word

    def _now(self, node: Node | None) -> Micros | None:
        if node is None:
            return None
        moment = instant(node.raw) if node.kind == "text" else None
        if moment is None:
            self._error("R024", node.place, "`now` must be a time.", "Write it like 2026-11-23T12:00:00Z.")
            return None
        return int(moment.timestamp() * 1_000_000)

    def _identities(self, node: Node | None) -> Iterator[tuple[str, str]]:
        if node is not None and document.mapping(node, self.problems, "`identities`"):
            for handle, child in node.items():
                yield handle.removeprefix("@").lower(), document.text(child, self.problems, "a DID") or ""

    def _plain_mapping(self, node: Node | None, what: str) -> Mapping[str, Tree]:
        if node is None or node.kind == "null" or not document.mapping(node, self.problems, what):
            return {}
        made: Mapping[str, Tree] = document.tree(node, self.problems)
        return made
