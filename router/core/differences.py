"""What two rulebooks make of the same events, compared: deliveries that only one of them plans, or that they plan differently.

Both are asked by `plan`. A ruleset that both have with the same text plans the same in both, so only the others are asked; what
is kept is a count and one example for each kind of difference, however many events there are.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from router.core import plan
from router.core.rulebook import Rulebook
from router.core.truth import Unevaluable
from router.core.view import View

if TYPE_CHECKING:
    from collections.abc import Iterator

    from router.core.model import Delivery, Event, Plan, Tree
    from router.core.rulebook import Rule
    from router.core.truth import Identities

#: A value that one of two deliveries does not have.
ABSENT: Tree = type("Absent", (), {"__repr__": lambda _: "absent"})()


class Kind(StrEnum):
    """`changed`: both plan the delivery, which is known by rule, event, item and step, but not with the same terms."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Term:
    """One value that differs: `path` is like `options.env.REF`, `retry.attempts` or `state`."""

    path: str
    old: Tree
    new: Tree


@dataclass(frozen=True, slots=True)
class Change:
    """One delivery that differs; `terms` of a changed one."""

    kind: Kind
    delivery: Delivery[Tree]
    terms: tuple[Term, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """What differs, as far as rules write it: deeper keys may be an event's, and of those there is no end."""
        return tuple(dict.fromkeys(".".join(term.path.partition("[")[0].split(".")[:2]) for term in self.terms))


def compare(old: Plan, new: Plan) -> Iterator[Change]:
    """Every delivery that differs: those of the old plan in its order, then what only the new one has."""
    after = {delivery.id: delivery for delivery in new.deliveries}
    for before in old.deliveries:
        now = after.pop(before.id, None)
        if now is None:
            yield Change(Kind.REMOVED, before)
        elif terms := tuple(_terms(before, now)):
            yield Change(Kind.CHANGED, now, terms)
    for delivery in after.values():
        yield Change(Kind.ADDED, delivery)


def _terms(old: Delivery[Tree], new: Delivery[Tree]) -> Iterator[Term]:
    for name in ("provider", "options", "state", "reason", "item"):
        yield from _differing(getattr(old, name), getattr(new, name), name)
    yield from _differing(old.subject.workflow, new.subject.workflow, "report")
    for name in ("timeout", "idempotent"):
        yield from _differing(getattr(old, name), getattr(new, name), name)
    if old.retry != new.retry:
        before, after = (asdict(delivery.retry) if delivery.retry else None for delivery in (old, new))
        yield from _differing(before, after, "retry")
    if old.gates != new.gates:
        before, after = (asdict(delivery.gates) if delivery.gates else None for delivery in (old, new))
        yield from _differing(before, after, "gates")


def _differing(old: Tree, new: Tree, path: str) -> Iterator[Term]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in dict.fromkeys((*old, *new)):
            yield from _differing(old.get(key, ABSENT), new.get(key, ABSENT), f"{path}.{key}" if path else str(key))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for position, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from _differing(one, other, f"{path}[{position}]")
    elif type(old) is not type(new) or old != new:  # 1 == True, and one of them is another build
        yield Term(path, old, new)


class Pair:
    """Two rulebooks to ask about the same events."""

    def __init__(self, old: Rulebook, new: Rulebook) -> None:
        self.old, self.new = old, new
        texts = {(ruleset.name, ruleset.text) for ruleset in old.rulesets}
        shared = texts & {(ruleset.name, ruleset.text) for ruleset in new.rulesets}
        self._old, self._new = _without(old, shared), _without(new, shared)
        rules = [rule for ruleset in new.rulesets if (ruleset.name, ruleset.text) in shared for rule in ruleset.rules]
        self._steps = sum(len(rule.steps) for rule in rules if rule.each is None)
        self._spreading = [rule for rule in rules if rule.each is not None]
        self._aligned = [ruleset.name for ruleset in old.rulesets] == [ruleset.name for ruleset in new.rulesets]

    @property
    def same(self) -> bool:
        """Whether both say the same, in the same order: then no event tells them apart."""
        return self._aligned and not self._old.rulesets and not self._new.rulesets

    def plans(self, event: Event, identities: Identities) -> tuple[Plan, Plan]:
        """What each makes of the event, as far as it can differ."""
        old, new = plan.plan(event, self._old, identities), plan.plan(event, self._new, identities)
        if self._aligned and old.deliveries == new.deliveries:
            return old, new
        if max(len(old.deliveries), len(new.deliveries)) + self._most(event, identities) <= plan.MAX_DELIVERIES:
            return old, new
        # Somebody's deliveries may not be made, and whose they are depends on all rules together.
        return plan.plan(event, self.old, identities), plan.plan(event, self.new, identities)

    def _most(self, event: Event, identities: Identities) -> int:
        """No fewer deliveries than the shared rulesets can lead to."""
        view = View(event, identities)
        return self._steps + sum(len(rule.steps) * _items(rule, view) for rule in self._spreading)


def _without(book: Rulebook, shared: set[tuple[str, str]]) -> Rulebook:
    """The book itself where it shares nothing: its index may be made already."""
    rulesets = tuple(one for one in book.rulesets if (one.name, one.text) not in shared)
    return book if len(rulesets) == len(book.rulesets) else Rulebook(rulesets, book.handles)


def _items(rule: Rule, view: View) -> int:
    try:
        return len(rule.each(view)) if rule.each is not None else 1
    except Unevaluable:
        return 0


@dataclass(slots=True)
class Group:
    """Differences of one kind, with the first of them. `where` is how the event that it came from is called."""

    change: Change
    event: Event
    where: str
    count: int = 0


@dataclass(slots=True)
class Doubt:
    """A rule that could not be decided or rendered for some events, and the first reason."""

    sentence: str
    count: int = 0


@dataclass(slots=True)
class Tally:
    """What was found so far."""

    events: int = 0
    differing: int = 0
    groups: dict[tuple[Any, ...], Group] = field(default_factory=dict)
    #: By rule id, of the new rules.
    doubts: dict[str, Doubt] = field(default_factory=dict)

    def add(self, where: str, event: Event, old: Plan, new: Plan) -> None:
        """Count one event."""
        self.events += 1
        changes = list(compare(old, new))
        self.differing += bool(changes)
        for change in changes:
            made = change.delivery
            key = (made.rule, change.kind, made.provider, made.step, made.state, change.names)
            self.groups.setdefault(key, Group(change, event, where)).count += 1
        for trouble in new.troubles:
            self.doubts.setdefault(trouble.rule, Doubt(trouble.sentence)).count += 1

    def counted(self, kind: Kind) -> int:
        """How many deliveries differ so."""
        return sum(group.count for group in self.groups.values() if group.change.kind is kind)

    def by_rule(self) -> dict[str, list[Group]]:
        """The groups of each rule, rules by id."""
        found: dict[str, list[Group]] = {}
        for _, group in sorted(self.groups.items(), key=lambda item: item[0]):
            found.setdefault(group.change.delivery.rule, []).append(group)
        return found
