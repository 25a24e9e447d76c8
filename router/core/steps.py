"""The `do` of a rule: each step's provider, options and policy, checked against the provider's schema and compiled."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING

from msgspec import Struct, field

from router.core import asked, commands, document, grammar, keys, marks, mentions, options, templates
from router.core.problems import nearest
from router.core.rulebook import Step, Terms
from router.core.templates import Rendering

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic import BaseModel

    from router.core.document import Node
    from router.core.model import Tree
    from router.core.problems import Place, Problems
    from router.core.templates import Renderer
    from router.core.truth import Operator

STEP_KEYS = ("id", "timeout", "retry", "if_trust", "idempotent", "allow", "secrets")
#: What a template sees, beside the name of an item.
ROOTS = frozenset(
    (
        *("event", "record", "vars", "rule", "delivery", "sha", "old_sha", "workflow", "workflows", "pull", "paths"),
        *("nsid", "source", "trigger", "operation", "repo", "owner", "knot", "actor", "trust", "status"),
        *("branch", "tag", "ref", "target_branch", "pipeline", "action", "source_repo", "inputs"),
    )
)
#: Names that an item may take for itself: rules had such items before events had these.
SHADOWED = frozenset(("workflow", "pipeline", "action", "source_repo", "inputs"))
STEP_ID = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
#: The names that Tangled lets a repo's secrets have.
SECRET_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]{0,49}")


_NOTHING_BOUND: dict[str, Operator] = {}
_ANYBODY: frozenset[str] = frozenset()


class Alike(Struct, frozen=True):
    """What rules of a file have in common, by what it says: those that are made by the thousand do the same, kept once."""

    renderings: dict[object, Rendering] = {}
    steps: dict[object, Step] = {}
    lists: dict[tuple[int, ...], tuple[Step, ...]] = {}
    terms: dict[Terms, Terms] = {}
    asked: asked.Known = {}


class Names(Struct, frozen=True):
    """What templates of one rule may name, beside ROOTS. `used` gathers the variables that the file uses."""

    names: tuple[str, ...] = ()
    vars: Mapping[str, Tree] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    alike: Alike = field(default_factory=Alike)


class StepReader:
    """Reads the steps of one rule. `templates` are those that it has compiled."""

    def __init__(self, providers: Mapping[str, type[BaseModel]], problems: Problems, known: Names) -> None:
        self.providers = providers
        self.problems = problems
        self.known = known
        self.templates: list[Node] = []

    def steps(self, node: Node | None, rule: Node) -> tuple[tuple[Step, ...], list[Place]]:
        """The steps of `do`, in order, and where they are written."""
        read = list(self._steps(node, rule))
        steps = tuple(step for step, _ in read)
        return self.known.alike.lists.setdefault(tuple(map(id, steps)), steps), [place for _, place in read]

    def _steps(self, node: Node | None, rule: Node) -> Iterator[tuple[Step, Place]]:
        if node is None:
            hint = "Write a list of steps, or `do: []` to do nothing on purpose."
            self.problems.error("R005", rule.place, "A rule needs `do`.", hint)
            return
        if node.kind != "list":
            document.wrong_type(node, self.problems, "`do`", "a list of steps")
            return
        ids: set[str] = set()
        for position, item in enumerate(node.value):
            if document.mapping(item, self.problems, "a step"):
                read = self._step(item, position)
                if read is not None:
                    step, _ = read
                    if step.name in ids:
                        self.problems.error("R030", item.place, f"Two steps have the id `{step.name}`.", "Change one.")
                    ids.add(step.name)
                    yield read

    def _step(self, node: Node, position: int) -> tuple[Step, Place] | None:
        named = [key for key in node.value if key not in STEP_KEYS]
        known = [key for key in named if key in self.providers]
        if len(named) > 1 and len(known) == 1:
            document.mapping(node, self.problems, "a step", (*STEP_KEYS, *known))
            return None
        if len(named) != 1:
            what = "names no provider" if not named else f"names {len(named)} providers: {', '.join(named)}"
            self.problems.error("R023", node.place, f"A step {what}.", "Write one `provider: options` for each step.")
            return None
        provider = named[0]
        model = self._model(provider, node)
        written = node.value[provider]
        if written.kind not in ("map", "null"):
            document.wrong_type(written, self.problems, f"the value of `{provider}`", "a mapping of options")
            return None
        self._check_keys(written)
        tree = document.tree(written, self.problems) or {}
        if model is not None:
            self._check(provider, model, tree, node)
        rendering = self._compiled(tree, written)
        step = Step(
            name=self._id(node.get("id")) or str(position),
            provider=provider,
            options=rendering.options,
            render=rendering,
            model=model,
            timeout=keys.duration(node.get("timeout"), self.problems, "`timeout`"),
            retry=keys.retry(node.get("retry"), self.problems),
            idempotent=keys.flag(node.get("idempotent"), self.problems, "`idempotent`"),
            if_trust=self._trust(node.get("if_trust")),
            allow=self._allow(node.get("allow"), model),
            secrets=self._secrets(node.get("secrets"), provider, model),
        )
        return self._alike(step), node.key_spot(provider)

    def _alike(self, step: Step) -> Step:
        """The one that says the same, if there is one."""
        if step.allow:
            return step
        key = step.name, step.provider, id(step.render), step.timeout, step.retry, step.idempotent, step.if_trust, step.secrets
        return self.known.alike.steps.setdefault(key, step)

    def _model(self, provider: str, node: Node) -> type[BaseModel] | None:
        if provider in self.providers:
            return self.providers[provider]
        known = list(self.providers)
        hint = nearest(provider, (*known, *STEP_KEYS)) or f"Installed are {', '.join(known)}."
        self.problems.error("R010", node.key_place(provider), f"There is no provider `{provider}`.", hint)
        return None

    def _id(self, node: Node | None) -> str:
        name = keys.text(node, self.problems, "a step's id")
        if node is not None and name and STEP_ID.fullmatch(name) is None:
            hint = "Start with a letter; use letters, digits, hyphens and underscores."
            self.problems.error("R024", node.place, f"`{name}` cannot be a step's id.", hint)
        return name

    def _check_keys(self, node: Node) -> None:
        for key, child in node.items():
            if templates.is_template(key):
                hint = "Write the key out; only values can be templates."
                self.problems.error("R014", node.key_place(key), "A key cannot be a template.", hint)
            self._check_keys(child)
        for child in node.value if node.kind == "list" else ():
            self._check_keys(child)

    def _check(self, provider: str, model: type[BaseModel], tree: Tree, node: Node) -> None:
        root = node.value[provider]
        for found in options.complaints(model, tree, templates.is_template):
            place, hint = options.placed(found, root)
            self.problems.error("R011", place, f"In the options of `{provider}`: {options.sentence(found)}", hint)
        for name, verbatim in options.marked(model, marks.Verbatim):
            child = root.get(name)
            if child is not None and any(templates.is_template(found.raw) for found in _texts(child)):
                self.problems.error("R014", child.place, f"`{name}` of `{provider}` must be written out.", verbatim.why)
        for name, bounded in options.marked(model, marks.Bounded):
            child, allow = root.get(name), node.get("allow")
            if child is not None and self._from_event(child) and (allow is None or allow.get(name) is None):
                hint = f'Say which it may be, on the step: allow: {{{name}: ["name", "prefix-*"]}}.'
                self.problems.error("R032", child.place, f"An event chooses {bounded.what} here.", hint)
        # A template that does not compile is told by itself.
        with suppress(templates.TemplateMistake):
            commands.check(provider, model, root, self.problems)

    def _from_event(self, node: Node) -> bool:
        """Whether a template in the node takes more than variables from its context."""
        for found in _texts(node):
            if templates.is_template(found.raw):
                try:
                    if templates.names(found.raw) - {"vars", "rule"}:
                        return True
                except templates.TemplateMistake:
                    continue
        return False

    def _trust(self, node: Node | None) -> frozenset[str]:
        if node is None:
            return _ANYBODY
        items = node.value if node.kind == "list" else [node]
        words = [document.text(item, self.problems, "`if_trust`") or "" for item in items]
        for item, word in zip(items, words, strict=True):
            if word not in grammar.WORDS["trust"]:
                hint = nearest(word, grammar.WORDS["trust"]) or f"It is one of {', '.join(grammar.WORDS['trust'])}."
                self.problems.error("R024", item.place, f"`trust` is never `{word}`.", hint)
        return frozenset(words)

    def _allow(self, node: Node | None, model: type[BaseModel] | None) -> dict[str, Operator]:
        if node is None:
            return _NOTHING_BOUND
        known = tuple(info.alias or name for name, info in model.model_fields.items()) if model is not None else ()
        if not document.mapping(node, self.problems, "`allow`", known):
            return _NOTHING_BOUND
        scope = grammar.Scope(self.problems, self.known.vars, self.known.used)
        return {key: made for key, child in node.items() if (made := grammar.bound(child, scope)) is not None}

    def _secrets(self, node: Node | None, provider: str, model: type[BaseModel] | None) -> tuple[str, ...]:
        if node is None:
            return ()
        if model is not None and not getattr(model, "takes_secrets", False):
            hint = "What starts builds or commands is given them, as variables of its environment."
            self.problems.error("R011", node.place, f"`{provider}` is not given secrets.", hint)
            return ()
        if node.kind != "list":
            document.wrong_type(node, self.problems, "`secrets`", "a list of names")
            return ()
        return tuple(name for item in node.value if (name := self._secret(item, provider, model)))

    def _secret(self, node: Node, provider: str, model: type[BaseModel] | None) -> str:
        name = document.text(node, self.problems, "the name of a secret") or ""
        if name and SECRET_NAME.fullmatch(name) is None:
            hint = "Write the name alone: letters, digits and underscores, 50 at the most; values are kept by the spindle."
            self.problems.error("R024", node.place, f"`{name}` cannot be a secret's name.", hint)
            return ""
        for found in options.complaints(model, {"env": {name: ""}}, templates.is_template) if model is not None else ():
            if found.loc[:1] == ("env",) and found.kind != "extra_forbidden":
                hint = "Give the secret another name: it becomes a variable of this name."
                self.problems.error("R011", node.place, f"In `secrets` of `{provider}`: {options.sentence(found)}", hint)
                return ""
        return name

    def renderer(self, node: Node, what: str) -> Renderer | None:
        """A text that may be a template, compiled."""
        text = document.text(node, self.problems, what)
        return self._compiled(text, node) if text is not None else None

    def _compiled(self, tree: Tree, node: Node) -> Rendering:
        for found in _texts(node):
            if templates.is_template(found.raw):
                self._check_template(found)
        # What has errors is never used: its file has no rules.
        return self.known.alike.renderings.setdefault(_frozen(tree), templates.Rendering(tree))

    def _check_template(self, node: Node) -> None:
        place = node.place
        try:
            templates.check(node.raw)
            used = templates.names(node.raw)
        except templates.TemplateMistake as mistake:
            place = mentions.line_of(node, mistake.line) if node.block else place
            self.problems.error("R012", place, str(mistake), mistake.hint)
            return
        self.templates.append(node)
        for name in sorted(used - ROOTS - set(self.known.names)):
            known = sorted((*ROOTS, *self.known.names))
            hint = nearest(name, known) or (
                "It is one of the file's: write vars." + name + "." if name in self.known.vars else ""
            )
            hint = hint or f"Templates see {', '.join(known)}."
            self.problems.error("R013", place, f"No template has a name `{name}`.", hint)


def _frozen(tree: Tree) -> object:
    """A key that equal trees share; true, 1 and 1.0 are three."""
    if isinstance(tree, dict):
        return tuple((key, _frozen(value)) for key, value in tree.items())
    if isinstance(tree, list):
        return list, *map(_frozen, tree)
    return type(tree), tree


def _texts(node: Node) -> Iterator[Node]:
    """Every text in a tree of options."""
    if node.kind == "text":
        yield node
    children = node.value.values() if node.kind == "map" else node.value if node.kind == "list" else ()
    for child in children:
        yield from _texts(child)
