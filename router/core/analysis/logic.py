"""Formulas over what a field's values may be, and whether any event can make one true.

    Some(field, values)     one of the field's values is among these
    Present(field)          the field is there
    Fact(subject, name)     something that is not looked into: a handle is this account, a rule is active

`possible` follows each way in which a formula may be true until a field contradicts itself. It errs on one side only: what it
calls impossible is.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

from router.core.analysis.automata import TooHard
from router.core.analysis.sets import EVERY_TEXT, EVERYTHING, Values
from router.core.analysis.texts import example

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: Ways that are followed before a question is given up.
_MOST_WAYS = 400
#: Between a field and a part of it that is looked at by itself: no path has this character.
PART = "\x1f"
_PARTS = tuple(PART.join(names) for names in (("knot", "lower"), ("repo", "did"), ("repo", "owner"), ("repo", "name")))
#: Fields of texts that have at most one value in an event.
SINGLE = frozenset(
    (
        *("nsid", "trigger", "operation", "trust", "status", "owner", "actor", "knot"),
        *("branch", "tag", "ref", "target_branch", *_PARTS),
    )
)


@dataclass(frozen=True, slots=True)
class Some:
    field: str
    values: Values


@dataclass(frozen=True, slots=True)
class Present:
    field: str


@dataclass(frozen=True, slots=True)
class Fact:
    """`about` is the field that must be there for the fact to be true, if any; of a fact and its `unlike` at most one is."""

    name: str
    about: str = ""
    unlike: str = ""


@dataclass(frozen=True, slots=True)
class No:
    part: Formula


@dataclass(frozen=True, slots=True)
class Each:
    """All of them."""

    parts: tuple[Formula, ...]


@dataclass(frozen=True, slots=True)
class Either:
    parts: tuple[Formula, ...]


Formula: TypeAlias = "Some | Present | Fact | No | Each | Either"


@dataclass(frozen=True, slots=True)
class _Field:
    """What is known of one field's values on one way: `some` each have a member among them, and `only` holds them all."""

    only: Values
    some: tuple[Values, ...] = ()
    there: bool | None = None


@dataclass(frozen=True, slots=True)
class World:
    """What is known of an event on one way of making a formula true."""

    fields: Mapping[str, _Field] = field(default_factory=dict)
    facts: Mapping[str, bool] = field(default_factory=dict)


def possible(*formulas: Formula) -> bool:
    """Whether an event may make all of these true. Raises TooHard."""
    return next(_ways([(formula, True) for formula in formulas], World(), _Budget()), None) is not None


def instance(*formulas: Formula) -> dict[str, str] | None:
    """Texts of the fields of an event that makes all of these true, where handles are taken for different accounts. None
    where there is no such event. Raises TooHard."""
    for world in _ways([(formula, True) for formula in formulas], World(), _Budget()):
        if not _same_account_twice(world):
            return dict(_texts(world))
    return None


def _same_account_twice(world: World) -> bool:
    """Whether this world needs that one account has two handles, or a handle and a DID that a rule wrote out."""
    subjects: dict[str, set[str]] = {}
    for fact in (name for name, true in world.facts.items() if true and " is @" in name):
        subjects.setdefault(fact.partition(" is @")[0], set()).add(fact)
    return any(
        len(facts) > 1 or any(some.texts.listed() for some in getattr(world.fields.get(field), "some", ()))
        for field, facts in subjects.items()
    )


def _texts(world: World) -> Iterator[tuple[str, str]]:
    for name, known in world.fields.items():
        if known.some and PART not in name:
            values = known.only & known.some[0]
            for some in known.some[1:] if name in SINGLE else ():
                values = values & some
            found = example(values.texts)
            if found:
                yield name, found


def implies(one: Formula, other: Formula) -> bool:
    """Whether every event that makes `one` true makes `other` true. Raises TooHard."""
    return not possible(one, No(other))


class _Budget:
    def __init__(self) -> None:
        self.left = _MOST_WAYS

    def take(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise TooHard


def _ways(todo: list[tuple[Formula, bool]], world: World, budget: _Budget) -> Iterator[World]:
    """The worlds in which every formula has the truth that is wanted of it."""
    choices: list[tuple[Each | Either, bool]] = []
    todo = list(todo)
    while todo:
        formula, wanted = todo.pop()
        if isinstance(formula, No):
            todo.append((formula.part, not wanted))
        elif isinstance(formula, (Each, Either)):
            if isinstance(formula, Each) is wanted:
                todo.extend((part, wanted) for part in formula.parts)
            else:
                choices.append((formula, wanted))
        else:
            after = _learn(world, formula, wanted=wanted)
            if after is None:
                return
            world = after
    if not choices:
        yield world
        return
    # The one with the fewest ways first: most ways end soon.
    choices.sort(key=lambda choice: len(choice[0].parts))
    (formula, wanted), *rest = choices
    for part in formula.parts:
        budget.take()
        yield from _ways([(part, wanted), *rest], world, budget)


def _learn(world: World, formula: Some | Present | Fact, *, wanted: bool) -> World | None:
    """The world with one more thing known, or None where that contradicts it."""
    if isinstance(formula, Fact):
        return _learn_fact(world, formula, wanted=wanted)
    name = formula.field
    known = world.fields.get(name) or _Field(_universe(name))
    if isinstance(formula, Present):
        if known.there is (not wanted):
            return None
        known = replace(known, there=wanted)
    elif wanted:
        known = replace(known, some=(*known.some, formula.values))
    else:
        known = replace(known, only=known.only & ~formula.values)
    fields = {**world.fields, name: known}
    return World(fields, world.facts) if _consistent(name, fields) else None


def _universe(name: str) -> Values:
    return EVERYTHING if name.startswith("$") else EVERY_TEXT


def _learn_fact(world: World, fact: Fact, *, wanted: bool) -> World | None:
    if world.facts.get(fact.name) is (not wanted):
        return None
    facts = {**world.facts, fact.name: wanted}
    if not wanted:
        return World(world.fields, facts)
    if fact.unlike and facts.get(fact.unlike):
        return None
    after = World(world.fields, facts)
    return _learn(after, Present(fact.about), wanted=True) if fact.about else after


def _consistent(name: str, fields: Mapping[str, _Field]) -> bool:
    """Whether what is known of a field, of which one more thing became known, can be."""
    base = name.partition(PART)[0]
    there = fields[base].there if base in fields else None
    if there is False:
        return not any(found.some for other, found in fields.items() if other.partition(PART)[0] == base)
    known = fields[name]
    if name in SINGLE:
        values = known.only
        for some in known.some:
            values = values & some
        return not (known.some or (there and name == base)) or not values.empty()
    if there and not known.some and not name.startswith("$") and known.only.empty():
        return False
    return all(not (some & known.only).empty() for some in known.some)
