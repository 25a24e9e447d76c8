"""What is true of every event, whatever a rule says: a ref is a branch or a tag, only our own statuses have a status, and an
event of a known nsid has the fields that its lexicon gives it."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from router.core.analysis import sets, texts
from router.core.analysis.logic import PART, Each, Either, Fact, Formula, No, Present, Some
from router.core.lexicons import KNOWN
from router.core.rulebook import OWN_STATUS

if TYPE_CHECKING:
    from collections.abc import Iterator

_FIRE, _PUSH = "router.schedule.fire", "sh.tangled.git.refUpdate"
#: Fields of what a ref points to: an update of a ref that has one is a push, and one that deletes it has none.
_POINTED = ("branch", "tag", "paths")
#: Fields that every event has, and those that go by another name in events.
_ALWAYS, _CALLED = frozenset(("nsid", "source")), {"workflow": "workflows"}


def about(*formulas: Formula) -> Formula:
    """The facts that bear on these formulas."""
    fields = frozenset().union(*map(_fields, formulas))
    # Of an nsid that no rule names nothing can be proved: it might be any, and of most nothing is known.
    named = frozenset[str]().union(*map(_nsids, formulas))
    return Each(tuple(_known(fields, named)))


def is_one_of(field: str, *words: str) -> Formula:
    return Some(field, sets.of_texts(texts.words(*words)))


def _fields(formula: Formula) -> frozenset[str]:
    """The fields that a formula speaks of."""
    if isinstance(formula, (Some, Present)):
        return frozenset((formula.field.partition(PART)[0],))
    if isinstance(formula, Fact):
        return frozenset((formula.field.partition(PART)[0],) if formula.field else ())
    if isinstance(formula, No):
        return _fields(formula.part)
    return frozenset().union(*map(_fields, formula.parts))


def _nsids(formula: Formula) -> frozenset[str]:
    """The nsids that a formula names."""
    if isinstance(formula, Some):
        return formula.values.texts.listed() or frozenset() if formula.field == "nsid" else frozenset()
    if isinstance(formula, No):
        return _nsids(formula.part)
    return frozenset().union(*map(_nsids, formula.parts)) if isinstance(formula, (Each, Either)) else frozenset()


@lru_cache(maxsize=1024)
def _known(fields: frozenset[str], named: frozenset[str]) -> tuple[Formula, ...]:
    return tuple(_facts(set(fields), set(named)))


def _facts(fields: set[str], named: set[str]) -> Iterator[Formula]:
    if {"branch", "tag"} <= fields:
        yield Either((No(Present("branch")), No(Present("tag"))))
    if "trigger" in fields:
        yield _if(is_one_of("trigger", "schedule"), _lacking(_FIRE, fields - {"trigger"}))
    if "status" in fields:
        yield _if(Present("status"), [is_one_of("nsid", OWN_STATUS)])
    if "source" in fields:
        yield _if(is_one_of("source", "spindle"), [is_one_of("nsid", OWN_STATUS)])
    for nsid in sorted(named & KNOWN.keys() | ({OWN_STATUS} if fields & {"status", "source"} else set())):
        then = _lacking(nsid, fields)
        if "trigger" in fields and (triggers := KNOWN[nsid].triggers):
            then.append(Either((No(Present("trigger")), is_one_of("trigger", *triggers))))
        yield _if(is_one_of("nsid", nsid), then)
    if _PUSH in named:
        pointed: list[Formula] = [No(Present(field)) for field in _POINTED if field in fields]
        if "trigger" in fields and pointed:
            yield _if(is_one_of("nsid", _PUSH), [Either((Each(tuple(pointed)), is_one_of("trigger", "push")))])
        if "operation" in fields:
            gone = [*pointed, *([No(Present("trigger"))] if "trigger" in fields else [])]
            yield _if(Each((is_one_of("nsid", _PUSH), is_one_of("operation", "delete"))), gone)


def _lacking(nsid: str, fields: set[str]) -> list[Formula]:
    """That events of an nsid do not have those of the fields that its lexicon does not give them."""
    had = KNOWN[nsid].fields
    asked = (field for field in sorted(fields - _ALWAYS) if not field.startswith("$"))
    return [No(Present(field)) for field in asked if _CALLED.get(field, field) not in had]


def _if(this: Formula, then: list[Formula]) -> Formula:
    return Either((No(this), Each(tuple(then))))
