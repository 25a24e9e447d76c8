"""What conditions mean: a formula for "it holds", and one for "it does not, and that can be told".

Between the two lies what cannot be evaluated, so neither is the negation of the other. A condition that is not looked into
(an expression beyond the everyday, a network among times) becomes a fact by its own name, which is equal to itself only.
"""

from __future__ import annotations

import ipaddress
import json
from datetime import UTC, datetime
from functools import singledispatch
from typing import TYPE_CHECKING

from router.core import jsonpath, operators
from router.core.analysis import sets, texts
from router.core.analysis.automata import TooHard
from router.core.analysis.logic import PART, Each, Either, Fact, Formula, No, Present, Some
from router.core.analysis.sets import EVERYTHING, NAN, Values
from router.core.conditions import AllOf, AnyOf, Asks, Condition, Negation
from router.core.identity import Account, Knot, Repo, Who
from router.core.model import Tree
from router.core.rulebook import OWN_STATUS, asks_for_statuses

if TYPE_CHECKING:
    from router.core.rulebook import Rule
    from router.core.truth import Operator

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NOT_NUMBERS = ~(sets.between(None, None) | sets.other(NAN))
#: Above every address of IPv4.
_V6 = 1 << 33


def acts(rule: Rule) -> Formula:
    """When a rule may act: its conditions, its hours, and that it is shown the event at all."""
    parts = [holds(rule.when)]
    if rule.active is not None:
        parts.append(Fact(f"active {rule.active}"))
    if not asks_for_statuses(rule):
        parts.append(No(_is("nsid", OWN_STATUS)))
    return Each(tuple(parts))


def holds(condition: Condition) -> Formula:
    """That a condition holds."""
    return _formula(condition, wanted=True)


def item(condition: Condition) -> Formula:
    """That a `where` holds of one of the items: its paths look into the item."""
    return _formula(condition, wanted=True, root="item")


def _is(field: str, text: str) -> Formula:
    return Some(field, sets.of_texts(texts.words(text)))


def _formula(condition: Condition, *, wanted: bool, root: str = "") -> Formula:
    """That the condition is true, or (not `wanted`) that it is false."""
    if isinstance(condition, Negation):
        return _formula(condition.part, wanted=not wanted, root=root)
    if isinstance(condition, (AllOf, AnyOf)):
        parts = tuple(_formula(part, wanted=wanted, root=root) for part in condition.parts)
        return Each(parts) if isinstance(condition, AllOf) is wanted else Either(parts)
    assert isinstance(condition, Asks)  # noqa: S101 - there are four kinds
    field = condition.field
    if not field.startswith("$"):
        return _asked(condition.operator, field, wanted=wanted)
    # A path that sorts or computes may fail for a record, and then the condition is neither true nor false.
    found = _asked(condition.operator, field + root, wanted=wanted)
    return found if jsonpath.plain_parts(field) is not None else Each((Fact(f"{field}{root} can be found"), found))


def _asked(operator: Operator, field: str, *, wanted: bool) -> Formula:
    try:
        return meaning(operator, field, wanted)
    except TooHard:
        # What is too hard are texts, and of those it can always be told whether an operator holds.
        fact = Fact(f"{field} is {operator!r}", field)
        return fact if wanted else No(fact)


@singledispatch
def meaning(operator: Operator, field: str, wanted: bool) -> Formula:  # noqa: FBT001 - singledispatch takes positions
    """That an operator is true of a field's values, or false. Raises TooHard."""
    if not isinstance(operator, operators.Leaf):
        raise TooHard
    accepted, refused = single(operator)
    # True: one value is accepted. False: none is, and none makes it impossible to tell.
    return Some(field, accepted) if wanted else No(Some(field, ~refused))


@meaning.register
def _(operator: operators.When, field: str, wanted: bool) -> Formula:  # noqa: FBT001
    low, high = _micros(operator.after), _micros(operator.before)
    accepted = sets.between(low, high, above=True, below=True)
    return _read_as("time", field, accepted, wanted=wanted)


@meaning.register
def _(operator: operators.Cidr, field: str, wanted: bool) -> Formula:  # noqa: FBT001
    network = ipaddress.ip_network(operator.network, strict=False)
    offset = 0 if network.version == 4 else _V6
    first, last = int(network.network_address) + offset, int(network.broadcast_address) + offset
    return _read_as("address", field, sets.between(first, last), wanted=wanted)


def _read_as(what: str, field: str, accepted: Values, *, wanted: bool) -> Formula:
    """Of values that are read as something else than text: true of some, false of the others, neither of what is no such."""
    part = f"{field}{PART}{what}"
    return Some(part, accepted) if wanted else No(Some(part, accepted | sets.other(sets.MISFIT)))


def _micros(moment: datetime | None) -> float | None:
    if moment is None:
        return None
    since = moment - _EPOCH
    return (since.days * 86400 + since.seconds) * 1_000_000 + since.microseconds


@meaning.register
def _(operator: operators.Exists, field: str, wanted: bool) -> Formula:  # noqa: FBT001
    return Present(field) if operator.wanted is wanted else No(Present(field))


@meaning.register
def _(operator: operators.Not, field: str, wanted: bool) -> Formula:  # noqa: FBT001
    return meaning(operator.operator, field, not wanted)


@meaning.register
def _(operator: operators.AnyOf, field: str, wanted: bool) -> Formula:  # noqa: FBT001
    whole = _together(operator)
    if whole is not None:
        return Some(field, whole) if wanted else No(Some(field, whole))
    parts = tuple(_asked(part, field, wanted=wanted) for part in operator.operators)
    return Either(parts) if wanted else Each(parts)


def _together(operator: operators.AnyOf) -> Values | None:
    """The values that a list of plain values, globs and affixes accepts, as one set: a list of names is one question."""
    found = Values()
    words: set[str] = set()
    for part in operator.operators:
        if isinstance(part, operators.Equals) and isinstance(part.value, str):
            words.add(part.value)
        elif isinstance(part, (operators.Glob, operators.Affix, operators.OneOf)):
            found = Values(found.texts | single(part)[0].texts)
        else:
            return None
    return Values(found.texts | texts.Words(frozenset(words))) if words else found


@meaning.register
def _(operator: operators.Both, field: str, wanted: bool) -> Formula:  # noqa: FBT001
    parts = tuple(_asked(part, field, wanted=wanted) for part in operator.operators)
    return Each(parts) if wanted else Either(parts)


@meaning.register
def _(operator: operators.Every, field: str, wanted: bool) -> Formula:  # noqa: FBT001
    accepted, refused = single(operator.operator)
    if wanted:
        return Each((Present(field), No(Some(field, ~accepted))))
    return Either((No(Present(field)), Some(field, refused)))


@meaning.register
def _(operator: Account, field: str, wanted: bool) -> Formula:  # noqa: FBT001
    if wanted:
        return _who(operator.who, field, wanted=True)
    return Either((No(Present(field)), _who(operator.who, field, wanted=False)))


@meaning.register
def _(operator: Knot, field: str, wanted: bool) -> Formula:  # noqa: FBT001
    found = Some(f"{field}{PART}lower", sets.of_texts(texts.glob(operator.host, "")))
    return found if wanted else No(found)


@meaning.register
def _(operator: Repo, field: str, wanted: bool) -> Formula:  # noqa: FBT001
    did, owner, name = (f"{field}{PART}{part}" for part in ("did", "owner", "name"))
    if operator.owner is None:
        found = Some(did, sets.of_texts(texts.glob(operator.did, "")))
        return found if wanted else No(found)
    accepted = sets.of_texts(texts.glob(operator.name, "/"))
    if not wanted:
        parts = (No(Present(field)), Some(name, ~accepted), _who(operator.owner, owner, wanted=False))
        return Either(parts)
    # Any name will do, even one that is not known.
    named = No(Some(name, ~accepted)) if operator.name in ("*", "**") else Some(name, accepted)
    return Each((Present(field), named, _who(operator.owner, owner, wanted=True)))


def _who(who: Who, field: str, *, wanted: bool) -> Formula:
    """That somebody there is this account, or is not. A handle is not looked into: it may be anybody's."""
    if who.did:
        accepted = sets.of_texts(texts.glob(who.did, ""))
        return Some(field, accepted if wanted else ~accepted)
    yes, no = f"{field} is {who}", f"{field} is not {who}"
    return Fact(yes, field, there=True, unlike=no) if wanted else Fact(no, field, there=True, unlike=yes)


def single(operator: Operator) -> tuple[Values, Values]:
    """The single values that an operator accepts, and those that it refuses; of the rest it cannot tell. Raises TooHard."""
    if isinstance(operator, operators.Not):
        accepted, refused = single(operator.operator)
        return refused, accepted
    if isinstance(operator, operators.AnyOf):
        accepted, refused = Values(), EVERYTHING
        for part in operator.operators:
            yes, no = single(part)
            accepted, refused = accepted | yes, refused & no
        return accepted, refused
    if isinstance(operator, operators.Every):
        return single(operator.operator)
    if isinstance(operator, operators.Exists):
        return (EVERYTHING, Values()) if operator.wanted else (Values(), EVERYTHING)
    if isinstance(operator, operators.Range):
        accepted = _range(operator)
        return accepted, ~accepted & ~_NOT_NUMBERS
    accepted = Values(_texts(operator)) if not isinstance(operator, operators.Equals) else _equal(operator.value)
    return accepted, ~accepted


def _range(operator: operators.Range) -> Values:
    found = sets.between(None, None)
    for word, bound in operator.bounds:
        if word in ("gt", "gte"):
            found = found & sets.between(bound, None, above=word == "gt")
        else:
            found = found & sets.between(None, bound, below=word == "lt")
    return found


def _equal(value: Tree) -> Values:
    if isinstance(value, str):
        return sets.of_texts(texts.words(value))
    if value is None or isinstance(value, bool):
        return sets.other(json.dumps(value))
    if isinstance(value, (int, float)) and value == value:  # noqa: PLR0124 - NaN is not equal to itself
        return sets.point(value)
    raise TooHard


def _texts(operator: Operator) -> texts.Texts:
    if isinstance(operator, operators.Glob):
        return texts.glob(operator.glob, operator.separator)
    if isinstance(operator, operators.OneOf):
        return texts.Words(operator.texts)
    if isinstance(operator, operators.Affix):
        return texts.affix(operator.kind, operator.text)
    if isinstance(operator, operators.Regex):
        return texts.regex(operator.pattern)
    if isinstance(operator, operators.EqualsIgnoreCase):
        return texts.ignoring_case(operator.folded)
    if isinstance(operator, operators.GlobList):
        found = texts.NONE
        for positive, part in operator.parts:
            accepted = single(part)[0].texts
            found = found | accepted if positive else found & ~accepted
        return found
    raise TooHard
