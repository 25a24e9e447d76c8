"""Which pairs of rules may match the same event at all, without asking each pair: rules are filed by an exact value that they
want of some field, and two that want different ones never meet."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from router.core import globs
from router.core.analysis.logic import SINGLE, Each, Some
from router.core.conditions import Asks
from router.core.identity import Repo
from router.core.operators import AnyOf

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from router.core.analysis.logic import Formula
    from router.core.rulebook import Rule


def wanted(rule: Rule, formula: Formula) -> dict[str, frozenset[str]]:
    """For each field with one value, the few texts of which it must have one. `formula` says when the rule acts.

    For a repo they are its spellings: that two of them are the same repo cannot be proved, and is not supposed.
    """
    found = {"repo": spelt} if (spelt := _repos(rule)) else {}
    for part in _parts(formula):
        if isinstance(part, Some) and part.field in SINGLE and not part.values.numbers and part.values.others.empty:
            listed = part.values.texts.listed()
            if listed is not None:
                found[part.field] = found.get(part.field, listed) & listed
    return found


def _repos(rule: Rule) -> frozenset[str]:
    """The repos that a rule is about, as it spells them; none where it is about others, too."""
    for test in getattr(rule.when, "parts", ()):
        if isinstance(test, Asks) and test.field == "repo":
            operators = test.operator.operators if isinstance(test.operator, AnyOf) else (test.operator,)
            if all(isinstance(operator, Repo) and _is_one(operator) for operator in operators):
                return frozenset(map(str, operators))
    return frozenset()


def _is_one(repo: Repo) -> bool:
    owner = repo.owner.did if repo.owner is not None else ""
    return all(map(globs.is_plain, (repo.did, owner, repo.name if repo.owner is not None else "")))


def _parts(formula: Formula) -> Iterator[Formula]:
    if isinstance(formula, Each):
        for part in formula.parts:
            yield from _parts(part)
    else:
        yield formula


def overlapping(wants: Sequence[Mapping[str, frozenset[str]]]) -> Iterator[tuple[int, list[int]]]:
    """For each position, the earlier positions that want nothing else of any field, in order."""
    fields = _telling(wants)
    filed: dict[str, dict[str, list[int]]] = {field: defaultdict(list) for field in fields}
    free: dict[str, list[int]] = {field: [] for field in fields}
    for position, wish in enumerate(wants):
        yield position, _earlier(position, wish, wants, filed, free)
        for field in fields:
            for word in wish.get(field, ()):
                filed[field][word].append(position)
            if field not in wish:
                free[field].append(position)


def _telling(wants: Sequence[Mapping[str, frozenset[str]]]) -> list[str]:
    """The fields by which filing tells most: those that the most rules want something of."""
    counts: dict[str, int] = defaultdict(int)
    for wish in wants:
        for field in wish:
            counts[field] += 1
    return sorted(counts, key=lambda field: -counts[field])[:4]


def _earlier(
    position: int,
    wish: Mapping[str, frozenset[str]],
    wants: Sequence[Mapping[str, frozenset[str]]],
    filed: Mapping[str, Mapping[str, list[int]]],
    free: Mapping[str, list[int]],
) -> list[int]:
    """The shortest list that some field gives, without those that another field rules out."""
    best = min(
        (field for field in filed if field in wish),
        key=lambda field: _length(wish[field], filed[field], free[field]),
        default=None,
    )
    if best is None:
        candidates: Iterable[int] = range(position)
    else:
        candidates = sorted({*free[best], *(one for word in wish[best] for one in filed[best].get(word, ()))})
    return [one for one in candidates if _may_meet(wish, wants[one])]


def _length(words: frozenset[str], filed: Mapping[str, list[int]], free: list[int]) -> int:
    return len(free) + sum(len(filed.get(word, ())) for word in words)


def _may_meet(one: Mapping[str, frozenset[str]], other: Mapping[str, frozenset[str]]) -> bool:
    return all(not words.isdisjoint(other[field]) for field, words in one.items() if field in other)
