"""What a condition needs of an event, as keys that an index can file rules by.

A way is a tuple of keys: where an event hits none of them, the condition is *certainly* false. Not undecided, and no error: a
rule that is passed over because of it would have been false whatever else is unknown (see `truth`). So a way may promise too
much and never too little. A condition may have several ways, of which one is enough, or none: nothing can be told of it then.

    =  a value, exactly                     ^  a text begins so           ?  there is a value
    $  a text ends so                       ~  a text has these three     !  there is none
    @  an account, by its handle            #  a number is within bounds  o  a repo, by its owner and name
"""

from __future__ import annotations

import re
import typing
from typing import TYPE_CHECKING, NamedTuple

from router.core import globs, operators
from router.core.asked import All, Any
from router.core.identity import Account, Knot, Repo, Who
from router.core.questions import Question

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from router.core.asked import Asked
    from router.core.model import Tree
    from router.core.truth import Operator

GRAM = 3
#: Longer beginnings and ends tell nothing more apart that is worth a look-up for each length.
LONGEST = 32
_MAGIC = re.compile(r"[*?\[\]{}\\]+")
_INFINITE = float("inf")


class Key(NamedTuple):
    """One key. `value` is hashable, and of one type for each kind."""

    kind: str
    field: str
    value: Tree = None


Way = tuple[Key, ...]


def handle_of(key: Key) -> str:
    """The handle that a key names, if any."""
    return str(key.value) if key.kind == "@" else str(key.value[1]) if key.kind == "o" else ""


def ways(asked: Asked) -> list[Way]:
    """The ways of what is asked."""
    if isinstance(asked, Question):
        return of_operator(asked.field, asked.operator)
    if isinstance(asked, All):
        return [way for part in asked for way in ways(part)]
    if isinstance(asked, Any):
        return _either([ways(part) for part in asked])
    return []


def of_operator(field: str, operator: Operator) -> list[Way]:
    """The ways of what is asked of a field."""
    made = _MAKERS.get(type(operator))
    if made is not None:
        return made(field, operator)
    # Whatever looks at single values is false where there are none.
    return [(Key("?", field),)] if isinstance(operator, (operators.Leaf, operators.Every)) else []


def _either(alternatives: Sequence[list[Way]]) -> list[Way]:
    """One way that leads to any of these: the best of each, together. None where one has none."""
    if not all(alternatives):
        return []
    return [tuple(dict.fromkeys(key for found in alternatives for key in min(found, key=_rank)))]


_RANKS = {"=": 0, "o": 0, "@": 0, "^": 1, "$": 1, "~": 2, "#": 3, "?": 9, "!": 9}


def _rank(way: Way) -> int:
    return max((_RANKS[key.kind] for key in way), default=0)


def _equals(field: str, operator: operators.Equals) -> list[Way]:
    value = operator.value
    simple = value is None or isinstance(value, (str, int, float))
    return [(Key("=", field, value),)] if simple else [(Key("?", field),)]


def _one_of(field: str, operator: operators.OneOf) -> list[Way]:
    return [tuple(Key("=", field, text) for text in sorted(operator.texts))]


def _glob(field: str, operator: operators.Glob) -> list[Way]:
    return of_glob(field, operator.glob, operator.separator)


def of_glob(field: str, glob: str, separator: str) -> list[Way]:
    """The ways of a glob: how the texts that it matches begin or end, or what they have in the middle."""
    if globs.is_plain(glob):
        return [(Key("=", field, glob),)]
    first, *middle, last = _MAGIC.split(glob)
    if separator and glob[-len(last) - 1] == "*":
        # `**/` may stand for nothing, with its separator.
        last = last.removeprefix(separator)
    found = _affixes(field, first, last)
    if "{" not in glob and "[" not in glob and "\\" not in glob:
        found += [way for part in middle for way in _grams(field, part.strip(separator) if separator else part)]
    return found or [(Key("?", field),)]


def _affixes(field: str, first: str, last: str) -> list[Way]:
    found: list[Way] = [(Key("^", field, first[:LONGEST]),)] if first else []
    return [*found, (Key("$", field, last[-LONGEST:]),)] if last else found


def _grams(field: str, text: str) -> list[Way]:
    """Every three characters in a row: any of them must be there."""
    return [(Key("~", field, text[at : at + GRAM]),) for at in range(len(text) - GRAM + 1)]


def _glob_list(field: str, operator: operators.GlobList) -> list[Way]:
    return _either([of_operator(field, part) for positive, part in operator.parts if positive])


def _affix(field: str, operator: operators.Affix) -> list[Way]:
    if operator.kind == "contains":
        return _grams(field, operator.text) or [(Key("?", field),)]
    prefix = operator.kind == "prefix"
    return _affixes(field, operator.text if prefix else "", "" if prefix else operator.text) or [(Key("?", field),)]


def _range(field: str, operator: operators.Range) -> list[Way]:
    low = max((bound for name, bound in operator.bounds if name in ("gt", "gte")), default=-_INFINITE)
    high = min((bound for name, bound in operator.bounds if name in ("lt", "lte")), default=_INFINITE)
    return [(Key("#", field, (low, high)),)]


def _exists(field: str, operator: operators.Exists) -> list[Way]:
    return [(Key("?" if operator.wanted else "!", field),)]


def _any_of(field: str, operator: operators.AnyOf) -> list[Way]:
    return _either([of_operator(field, part) for part in operator.operators])


def _both(field: str, operator: operators.Both) -> list[Way]:
    return [way for part in operator.operators for way in of_operator(field, part)]


def _every(field: str, operator: operators.Every) -> list[Way]:
    # What must hold of all values, of which there is at least one, must hold of some.
    return of_operator(field, operator.operator) or [(Key("?", field),)]


def _who(field: str, who: Who) -> list[Way]:
    return [(Key("@", field, who.handle),)] if who.handle else of_glob(field, who.did, "")


def _account(field: str, operator: Account) -> list[Way]:
    return _who(field, operator.who)


def _repo(field: str, operator: Repo) -> list[Way]:
    owner = operator.owner
    if owner is None:
        return of_glob(field, operator.did, "")
    if owner.did and not globs.is_plain(owner.did):
        return [(Key("?", field),)]
    name = operator.name if globs.is_plain(operator.name) else None
    return [(Key("o", field, (owner.did, owner.handle, name)),)]


def _knot(field: str, operator: Knot) -> list[Way]:
    return of_glob(field, operator.host, "")


_MAKERS: dict[type[typing.Any], Callable[[str, typing.Any], list[Way]]] = {
    operators.Equals: _equals,
    operators.OneOf: _one_of,
    operators.Glob: _glob,
    operators.GlobList: _glob_list,
    operators.Affix: _affix,
    operators.Range: _range,
    operators.Exists: _exists,
    operators.AnyOf: _any_of,
    operators.Both: _both,
    operators.Every: _every,
    Account: _account,
    Repo: _repo,
    Knot: _knot,
}
