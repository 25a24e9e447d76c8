"""A rule document -> rules: everything compiled, everything checked, and every problem reported in one run.

Nothing is parsed after this. A file with errors yields no rules: half a ruleset is another ruleset.
"""

from __future__ import annotations

import re
from array import array
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from router.core import asked, document, grammar, identity, jsonpath, keys, mentions, parts, spots, steps, trust
from router.core.conditions import AllOf, Condition
from router.core.problems import Level, Problems, nearest
from router.core.rulebook import Rule, Rulebook, Ruleset, Strategy, Terms, Unmatched

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from pydantic import BaseModel

    from router.core.document import Node
    from router.core.model import Tree
    from router.core.templates import Renderer
    from router.core.view import View

FILE_KEYS = ("strategy", "unmatched", "defaults", "vars", "rules")
DEFAULTABLE = (
    "when",
    "do",
    "mode",
    "report",
    "each",
    "as",
    "where",
    "concurrency",
    "dedupe",
    "throttle",
    "debounce",
    "retry",
    "timeout",
    "active",
    "allow_untrusted",
)
RULE_KEYS = ("name", "id", "description", *DEFAULTABLE)
#: Characters from which on a file is read piece by piece.
LONG = 1 << 18
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,199}")
ITEM = re.compile(r"[a-z_][a-z0-9_]*")


class RuleText(Struct, frozen=True):
    """A rule file, read. `name` is the ruleset's: its path without the ending."""

    name: str
    file: str
    text: str


def load(
    texts: Sequence[RuleText],
    providers: Mapping[str, type[BaseModel]],
    problems: Problems,
    step: Callable[[], object] = lambda: None,
) -> Rulebook:
    """The rules of all files. A bad rule never raises: what is wrong is in `problems`, and its file has no rules here.

    `step` is called after each rule, for whoever waits.
    """
    rulesets: list[Ruleset] = []
    seen: dict[str, Rule] = {}
    shared: grammar.Shared = {}
    for text in texts:
        mine = Problems()
        made = _Reader(text, providers, mine, step, shared).ruleset()
        if made is not None:
            _check_ids(made, seen, mine)
        # What is wrong in `defaults` is found again for each rule.
        problems.found.extend(dict.fromkeys(mine.found))
        if made is not None and not mine.errors:
            rulesets.append(made)
    return Rulebook(tuple(rulesets), frozenset(_handles(rulesets)))


def _check_ids(ruleset: Ruleset, seen: dict[str, Rule], problems: Problems) -> None:
    for rule in ruleset.rules:
        # Twice the same name in one file has been told already.
        if (other := seen.get(rule.id)) and (rule.name, rule.place.file) != (other.name, other.place.file):
            hint = f"Ids are what deliveries are known by: change one; the other is at {other.place}."
            problems.error("R030", rule.place, f"The rule id `{rule.id}` is used twice.", hint)
        seen[rule.id] = rule


def _handles(rulesets: Sequence[Ruleset]) -> Iterator[str]:
    for ruleset in rulesets:
        for rule in ruleset.rules:
            for question in (*rule.asked.questions(), *(rule.where.questions() if rule.where is not None else ())):
                yield from identity.handles(question.operator)


class _Names:
    """The names of a file's rules, and in which lines they are: as numbers in a row, which nobody asks for as a rule."""

    def __init__(self) -> None:
        self._known: dict[str, None] = {}
        self._lines = array("I")

    def line(self, name: str) -> int | None:
        """The line of the last rule of this name."""
        return self._lines[list(self._known).index(name)] if name in self._known else None

    def add(self, name: str, line: int) -> None:
        if name in self._known:
            self._lines[list(self._known).index(name)] = line
        else:
            self._known[name] = None
            self._lines.append(line)


class _Reader:
    """Reads one file."""

    def __init__(
        self,
        text: RuleText,
        providers: Mapping[str, type[BaseModel]],
        problems: Problems,
        step: Callable[[], object],
        shared: grammar.Shared,
    ) -> None:
        self.text = text
        self.step = step
        self.providers = providers
        self.problems = problems
        self.vars: dict[str, Tree] = {}
        self.defaults: dict[str, Node] = {}
        self.when_of_defaults: Node | None = None
        self.default_when: list[tuple[str, Condition]] = []
        self.shared = shared
        self.alike = steps.Alike()
        self.scope = grammar.Scope(problems)

    def ruleset(self) -> Ruleset | None:
        """The rules, of a long file piece by piece."""
        text, file = self.text.text, self.text.file
        if len(text) >= LONG:
            told = len(self.problems.found)
            try:
                return self._ruleset(*parts.split(text, file, "rules"))
            except parts.Unusual:
                del self.problems.found[told:]
        root = document.read(text, file, self.problems)
        node = root.get("rules") if root is not None else None
        return self._ruleset(root, node.value if node is not None and node.kind == "list" else ()) if root is not None else None

    def _ruleset(self, root: Node, items: Iterable[Node]) -> Ruleset | None:
        if not document.mapping(root, self.problems, "a rule file", FILE_KEYS):
            return None
        self.vars = self._vars(root)
        self.scope = grammar.Scope(self.problems, self.vars, shared=self.shared)
        self.defaults = self._defaults(root)
        self.when_of_defaults = when = self.defaults.pop("when", None)
        self.default_when = grammar.fields(when, self.scope) if when is not None else []
        ruleset = Ruleset(
            name=self.text.name,
            file=self.text.file,
            kept=root.source.kept,
            strategy=keys.word(root.get("strategy"), Strategy, Strategy.ALL, self.problems, "`strategy`"),
            unmatched=keys.word(root.get("unmatched"), Unmatched, Unmatched.REPORT, self.problems, "`unmatched`"),
            vars=self.vars,
            rules=tuple(self._rules(root, items)),
        )
        variables = root.get("vars")
        if variables is not None and not self.problems.errors:
            mentions.unused(variables, self.scope.used, self.problems)
        return ruleset

    def _vars(self, root: Node) -> dict[str, Tree]:
        node = root.get("vars")
        if node is None or not document.mapping(node, self.problems, "`vars`"):
            return {}
        return dict(document.tree(node, self.problems))

    def _defaults(self, root: Node) -> dict[str, Node]:
        node = root.get("defaults")
        if node is None or not document.mapping(node, self.problems, "`defaults`", DEFAULTABLE):
            return {}
        return dict(node.items())

    def _rules(self, root: Node, items: Iterable[Node]) -> Iterator[Rule]:
        node = root.get("rules")
        if node is None:
            self.problems.error("R005", root.place, "A rule file needs `rules`.", "Write `rules:` and a list of rules.")
        elif node.kind != "list":
            document.wrong_type(node, self.problems, "`rules`", "a list")
        else:
            names = _Names()
            sound = not self.problems.errors
            for item in items:
                before = len(self.problems.found)
                if document.mapping(item, self.problems, "a rule", RULE_KEYS):
                    for rule in self._rule(item, names):
                        # A condition that has a mistake is missing here, and the rule looks wider than it is meant.
                        if sound and all(found.level is not Level.ERROR for found in self.problems.found[before:]):
                            trust.check(rule, self.problems)
                        yield rule
                self.step()

    def _rule(self, node: Node, names: _Names) -> Iterator[Rule]:
        name = self._name(node, names)
        if name is None:
            return
        given = self.defaults | {key: child for key, child in node.items() if key not in ("name", "when")}
        each, item_name = self._each(given)
        known = steps.Names(names=(item_name,) if each else (), vars=self.vars, used=self.scope.used, alike=self.alike)
        read = steps.StepReader(self.providers, self.problems, known)
        mode, canary = keys.mode(given.get("mode"), self.problems)
        gates = keys.Gates(given, self.problems, read.renderer)
        given_id = self._id(given.get("id"))
        description = keys.text(given.get("description"), self.problems, "`description`")
        asks, places = asked.taken(self._when(node), self.alike.asked)
        steps_of, step_places = read.steps(given.get("do"), node)
        terms = Terms(
            ruleset=self.text.name,
            source=node.source,
            mode=mode,
            canary=canary,
            report=self._report(given.get("report"), read),
            each=each,
            item_name=item_name,
            where=self._where(given, each=each is not None),
            group=gates.group,
            busy=gates.busy,
            dedupe=gates.window("dedupe", "within"),
            throttle=gates.window("throttle", "per", needs_limit=True),
            debounce=gates.window("debounce", "for"),
            retry=keys.retry(given.get("retry"), self.problems),
            timeout=keys.duration(given.get("timeout"), self.problems, "`timeout`"),
            active=keys.active(given.get("active"), self.problems),
            allow_untrusted=keys.flag(given.get("allow_untrusted"), self.problems, "`allow_untrusted`"),
        )
        rule = Rule(
            name=name,
            asked=asks,
            places=spots.pack([(node.spot, 0), *places, *((place, 0) for place in step_places)], node.source),
            terms=self.alike.terms.setdefault(terms, terms),
            steps=steps_of,
            description=description,
            given_id=given_id,
        )
        conditions = [when for when in (node.get("when"), self.when_of_defaults) if when is not None]
        passages = mentions.Passages(read.templates, conditions, given.get("each"), given.get("where"))
        mentions.check(rule, passages, self.vars, self.problems)
        self.scope.used.update(mentions.used(read.templates, self.vars))
        yield rule

    def _name(self, node: Node, names: _Names) -> str | None:
        found = node.get("name")
        if found is None:
            self.problems.error("R005", node.place, "A rule needs a `name`.", "Give it a short one: `name: build-main`.")
            return None
        name = document.text(found, self.problems, "a rule's name")
        if name is None:
            return None
        if NAME.fullmatch(name) is None:
            hint = "Use letters, digits, dots, hyphens and underscores, at most 100 of them."
            self.problems.error("R024", found.place, f"`{name}` cannot be a rule's name.", hint)
        elif (first := names.line(name)) is not None:
            hint = f"Name one of them differently; the first is in line {first}."
            self.problems.error("R030", found.place, f"Two rules are named `{name}`.", hint)
        names.add(name, found.line)
        return name

    def _id(self, node: Node | None) -> str:
        if node is None:
            return ""
        given = document.text(node, self.problems, "a rule's id") or ""
        if ID.fullmatch(given) is None:
            hint = "Use letters, digits, dots, hyphens, underscores and slashes."
            self.problems.error("R024", node.place, f"`{given}` cannot be a rule's id.", hint)
        return given

    def _when(self, node: Node) -> Condition:
        """The rule's own conditions, and those of the defaults on fields that it does not speak of.

        `any`, `all` and `not` are no fields: a guard that the defaults put up with them stands beside the rule's own.
        """
        own = node.get("when")
        parts = grammar.fields(own, self.scope) if own is not None else []
        speaks = own.value if own is not None and own.kind == "map" else {}
        kept = [part for key, part in self.default_when if key not in speaks or key in grammar.NESTING]
        return AllOf([*kept, *(part for _, part in parts)], (own or node).spot)

    def _each(self, given: dict[str, Node]) -> tuple[Callable[[Any], list[Tree]] | None, str]:
        node = given.get("each")
        if node is None:
            for key in ("as", "where"):
                if key in given and key not in self.defaults:
                    self.problems.error("R033", given[key].place, f"`{key}` needs `each`.", "Write `each: workflows`.")
            return None, "item"
        path = document.text(node, self.problems, "`each`") or ""
        item = keys.text(given.get("as"), self.problems, "`as`") or ("workflow" if path == "workflows" else "item")
        if ITEM.fullmatch(item) is None or item in steps.ROOTS - steps.SHADOWED:
            hint = "Use lower-case letters, digits and underscores, and no name that templates have already."
            self.problems.error("R024", given["as"].place, f"`{item}` cannot be an item's name.", hint)
        if path == "workflows":
            return _workflows, item
        try:
            return _found(path), item
        except jsonpath.PathError as error:
            hint = nearest(path, ("workflows",)) or "Write `workflows`, or a path like `$.rounds`."
            self.problems.error("R022", node.place, str(error), hint)
            return None, item

    def _where(self, given: dict[str, Node], *, each: bool) -> Condition | None:
        node = given.get("where")
        return grammar.condition(node, self.scope) if node is not None and each else None

    def _report(self, node: Node | None, read: steps.StepReader) -> Renderer | None:
        if node is None:
            return None
        if not document.mapping(node, self.problems, "`report`", ("workflow",)):
            return None
        workflow = node.get("workflow")
        if workflow is None:
            self.problems.error("R005", node.place, "`report` needs a `workflow`.", "Name it: {workflow: ci}.")
            return None
        return read.renderer(workflow, "`report.workflow`")


def _workflows(view: View) -> list[Tree]:
    return list(view.event.fields.get("workflows", ()))


@lru_cache(maxsize=1024)
def _found(path: str) -> Callable[[View], list[Tree]]:
    """What a path finds in a record. Raises PathError."""
    find = jsonpath.finder(path)
    return lambda view: _spread(find(view.root))


def _spread(found: list[Tree]) -> list[Tree]:
    """A path that finds one list means its items."""
    return list(found[0]) if len(found) == 1 and isinstance(found[0], list) else found
