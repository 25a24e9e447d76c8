"""Rules that ask a little less, or another thing: what tests should tell from the rule as it is written.

A condition is dropped, a `not` turned, one of a list left out, a bound moved by one. Where one part is all that a part consists
of, only the outer is dropped: the two would be the same rule.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from msgspec.structs import replace

from router.core.analysis.findings import told
from router.core.conditions import AllOf, AnyOf, Asks, Condition, Negation
from router.core.operators import AnyOf as AnyValue
from router.core.operators import Both, Every, Exists, GlobList, Not, Range, When
from router.core.rulebook import Mode
from router.ruletests.pieces import Written, inside, spelt

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from router.core.document import Node
    from router.core.problems import Place
    from router.core.rulebook import Rule, Ruleset, Step
    from router.core.truth import Operator

    #: What is left of a condition or an operator, where that is, and what was changed.
    Changed: TypeAlias = tuple[Condition, Place, str]
    Turned: TypeAlias = tuple[Operator, Node | None, str]

_NEIGHBOUR = {"gt": "gte", "gte": "gt", "lt": "lte", "lte": "lt"}


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change. `rules` are those that it changes, as they are then: several, where `defaults` say what is changed."""

    ruleset: Ruleset
    rules: tuple[Rule, ...]
    place: Place
    what: str


def of(ruleset: Ruleset) -> list[Mutant]:
    """Every mutant of a rule file. Rules that are off have none."""
    written = Written(ruleset)
    found: dict[tuple[Place, str], list[Rule]] = {}
    for rule in ruleset.rules:
        if rule.mode is not Mode.OFF:
            for mutant, place, what in _rule(rule, written):
                found.setdefault((place, what), []).append(mutant)
    return [Mutant(ruleset, tuple(rules), place, what) for (place, what), rules in found.items()]


def _rule(rule: Rule, written: Written) -> Iterator[tuple[Rule, Place, str]]:
    for when, place, what in _root(rule.when, written):
        yield rule.asking(when), place, what
    if rule.where is not None:
        yield rule.on(where=None), written.key(rule, "where"), f"where: {told(rule.where)} → any item"
        for where, place, what in _inner(rule.where, written):
            yield rule.on(where=where), place, f"where: {what}"
    if rule.active is not None:
        yield rule.on(active=None), written.key(rule, "active"), "active → at any time"
    for position, (step, place) in enumerate(zip(rule.steps, rule.step_places, strict=True)):
        for changed, what in _step(step):
            steps = (*rule.steps[:position], changed, *rule.steps[position + 1 :])
            yield replace(rule, steps=steps), place, what


def _step(step: Step) -> Iterator[tuple[Step, str]]:
    words = sorted(step.if_trust)
    if words:
        yield replace(step, if_trust=frozenset()), f"if_trust: {', '.join(words)} → any trust"
    for word in words if len(words) > 1 else ():
        yield replace(step, if_trust=step.if_trust - {word}), f"if_trust: without {word}"


# -- conditions


def _root(condition: Condition, written: Written) -> Iterator[Changed]:
    """A rule's `when`, of which the last part can be dropped, too."""
    parts = condition.parts if isinstance(condition, AllOf) else ()
    if len(parts) == 1:
        yield AllOf((), condition.place), parts[0].place, _dropped(parts[0])
    yield from _inner(condition, written)


def _inner(condition: Condition, written: Written) -> Iterator[Changed]:
    if isinstance(condition, Negation):
        yield condition.part, condition.place, f"{told(condition)} → {told(condition.part)}"
        for part, place, what in _inner(condition.part, written):
            yield Negation(part, condition.place), place, f"within not: {what}"
    elif isinstance(condition, (AllOf, AnyOf)):
        yield from _several(condition, written)
    elif isinstance(condition, Asks):
        for operator, node, what in _operator(condition.operator, written.at(condition.place)):
            place = node.place if node is not None else condition.place
            yield Asks(condition.field, operator, condition.place), place, f"{condition.field}: {what}"


def _several(condition: AllOf | AnyOf, written: Written) -> Iterator[Changed]:
    kind, parts = type(condition), condition.parts
    for position, part in enumerate(parts):
        before, after = parts[:position], parts[position + 1 :]
        if before or after:
            what = _dropped(part) if kind is AllOf else f"any: without {told(part)}"
            yield kind((*before, *after), condition.place), part.place, what
        for changed, place, what in _inner(part, written):
            yield kind((*before, changed, *after), condition.place), place, what


def _dropped(part: Condition) -> str:
    return f"{part} → any {part.field}" if isinstance(part, Asks) else f"{told(part)} → anything"


# -- operators


def _operator(operator: Operator, node: Node | None) -> Iterator[Turned]:
    """What may be left of an operator; the node is that of what was changed."""
    inner = inside(operator, node)
    if isinstance(operator, (AnyValue, Both)):
        yield from _parts(operator, inner)
    elif isinstance(operator, GlobList):
        yield from _globs(operator, inner)
    elif isinstance(operator, (Not, Every)):
        ((part, part_node),) = inner
        yield part, node, f"{operator} → {part}"
        for changed, changed_node, what in _operator(part, part_node):
            yield type(operator)(changed), changed_node, f"within {'not' if isinstance(operator, Not) else 'every'}: {what}"
    elif isinstance(operator, Exists):
        turned = Exists(not operator.wanted)
        yield turned, node, f"{operator} → {turned}"
    elif isinstance(operator, (Range, When)):
        for (part, part_node), (other, _) in zip(inner, reversed(inner), strict=True):
            yield other, part_node, f"without {part}"
        if isinstance(operator, Range):
            yield from _bounds(operator, inner or [(operator, node)])


def _parts(operator: AnyValue | Both, inner: Sequence[tuple[Operator, Node | None]]) -> Iterator[Turned]:
    """One left out, or one changed."""
    kind = type(operator)
    for position, (part, node) in enumerate(inner):
        before, after = operator.operators[:position], operator.operators[position + 1 :]
        yield kind((*before, *after)), node, f"without {part}"
        for changed, changed_node, what in _operator(part, node):
            yield kind((*before, changed, *after)), changed_node, what


def _globs(operator: GlobList, inner: Sequence[tuple[Operator, Node | None]]) -> Iterator[Turned]:
    """One glob left out, unless nothing is left to take away from."""
    for position, (part, node) in enumerate(inner):
        rest = (*operator.parts[:position], *operator.parts[position + 1 :])
        if any(positive for positive, _ in rest):
            yield GlobList(rest), node, f"without {spelt(part, node)}"


def _bounds(operator: Range, inner: Sequence[tuple[Operator, Node | None]]) -> Iterator[Turned]:
    """Whether a bound is within."""
    for position, ((name, bound), (part, node)) in enumerate(zip(operator.bounds, inner, strict=True)):
        moved = (_NEIGHBOUR[name], bound)
        changed = Range((*operator.bounds[:position], moved, *operator.bounds[position + 1 :]))
        yield changed, node, f"{part} → {Range((moved,))}"
