"""Formulas over what a field's values may be, and whether any event can make one true.

    Some(field, values)     one of the field's values is among these
    Present(field)          the field is there
    Fact(subject, name)     something that is not looked into: a handle is this account, a rule is active

`possible` follows each way in which a formula may be true until a field contradicts itself. It errs on one side only: what it
calls impossible is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct, field
from msgspec.structs import replace

from router.core.analysis.automata import TooHard
from router.core.analysis.sets import EVERY_TEXT, EVERYTHING, Values
from router.core.analysis.texts import example

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

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


class Some(Struct, frozen=True):
    field: str
    values: Values


class Present(Struct, frozen=True):
    field: str


class Fact(Struct, frozen=True):
    """`field` is what it is about, if anything, and `there` says that the field is there where the fact is true. Of a fact and
    its `unlike` at most one is."""

    name: str
    field: str = ""
    there: bool = False
    unlike: str = ""


class No(Struct, frozen=True):
    part: Formula


class Each(Struct, frozen=True):
    """All of them."""

    parts: tuple[Formula, ...]


class Either(Struct, frozen=True):
    parts: tuple[Formula, ...]


Formula: TypeAlias = "Some | Present | Fact | No | Each | Either"


class _Field(Struct, frozen=True):
    """What is known of one field's values on one way: `some` each have a member among them, and `only` holds them all."""

    only: Values
    some: tuple[Values, ...] = ()
    there: bool | None = None


class World(Struct, frozen=True):
    """What is known of an event on one way of making a formula true."""

    fields: Mapping[str, _Field] = field(default_factory=dict)
    facts: Mapping[str, bool] = field(default_factory=dict)
    #: What the facts are about: (field, fact).
    subjects: frozenset[tuple[str, str]] = frozenset()


def possible(*formulas: Formula, usual: bool = False) -> bool:
    """Whether an event may make all of these true. Raises TooHard.

    In a `usual` event a path without a star finds no list, so that it has one value.
    """
    return next(_Search(usual=usual).worlds(formulas), None) is not None


def instance(*formulas: Formula) -> dict[str, str] | None:
    """Texts of the fields of a usual event that makes all of these true. None where there is none, or where that is not known:
    two handles are taken for two accounts, and of what is not looked into nothing else is supposed. Raises TooHard."""
    for world in _Search(usual=True).worlds(formulas):
        if not _supposes(world):
            return dict(_texts(world))
    return None


def _supposes(world: World) -> bool:
    """Whether two things must be true together of one field, one of which is not looked into."""
    true = [name for name, fact in world.subjects if world.facts[fact]]
    return len(set(true)) < len(true) or any(world.fields[name].some for name in true if name in world.fields)


def _texts(world: World) -> Iterator[tuple[str, str]]:
    for name, known in world.fields.items():
        if known.some and PART not in name:
            values = known.only & known.some[0]
            for some in known.some[1:] if name in SINGLE else ():
                values = values & some
            found = example(values.texts)
            if found:
                yield name, found


def implies(one: Formula, other: Formula, *, usual: bool = False) -> bool:
    """Whether every event that makes `one` true makes `other` true. Raises TooHard."""
    return not possible(one, No(other), usual=usual)


class _Search:
    """One question: every way in which formulas may be true is followed, until there are too many."""

    def __init__(self, *, usual: bool) -> None:
        self.usual = usual
        self.left = _MOST_WAYS

    def worlds(self, formulas: Sequence[Formula]) -> Iterator[World]:
        """The worlds in which all are true."""
        return self._ways([(formula, True) for formula in formulas], World())

    def _ways(self, todo: list[tuple[Formula, bool]], world: World) -> Iterator[World]:
        """The worlds in which every formula has the truth that is wanted of it."""
        choices: list[tuple[Each | Either, bool]] = []
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
                after = self._learn(world, formula, wanted=wanted)
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
            self.left -= 1
            if self.left < 0:
                raise TooHard
            yield from self._ways([(part, wanted), *rest], world)

    def _learn(self, world: World, formula: Some | Present | Fact, *, wanted: bool) -> World | None:
        """The world with one more thing known, or None where that contradicts it."""
        if isinstance(formula, Fact):
            return self._learn_fact(world, formula, wanted=wanted)
        name = formula.field
        known = world.fields.get(name) or _Field(EVERYTHING if name.startswith("$") else EVERY_TEXT)
        if isinstance(formula, Present):
            if known.there is (not wanted):
                return None
            known = replace(known, there=wanted)
        elif wanted:
            known = replace(known, some=(*known.some, formula.values))
        else:
            known = replace(known, only=known.only & ~formula.values)
        fields = {**world.fields, name: known}
        return replace(world, fields=fields) if _consistent(name, fields, one=self._has_one(name)) else None

    def _has_one(self, name: str) -> bool:
        return name in SINGLE or (self.usual and name.startswith("$") and "*" not in name and ".." not in name)

    def _learn_fact(self, world: World, fact: Fact, *, wanted: bool) -> World | None:
        if world.facts.get(fact.name) is (not wanted):
            return None
        subjects = world.subjects | {(fact.field, fact.name)} if fact.field else world.subjects
        after = World(world.fields, {**world.facts, fact.name: wanted}, subjects)
        if not wanted:
            return after
        if fact.unlike and after.facts.get(fact.unlike):
            return None
        return self._learn(after, Present(fact.field.partition(PART)[0]), wanted=True) if fact.there else after


def _consistent(name: str, fields: Mapping[str, _Field], *, one: bool) -> bool:
    """Whether what is known of a field, of which one more thing became known, can be. `one`: it has at most one value."""
    base = name.partition(PART)[0]
    there = fields[base].there if base in fields else None
    if there is False:
        return not any(found.some for other, found in fields.items() if other.partition(PART)[0] == base)
    known = fields[name]
    if one:
        values = known.only
        for some in known.some:
            values = values & some
        return not (known.some or (there and name == base)) or not values.empty()
    if there and not known.some and not name.startswith("$") and known.only.empty():
        return False
    return all(not (some & known.only).empty() for some in known.some)
