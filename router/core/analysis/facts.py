"""What is true of every event, whatever a rule says: a ref is a branch or a tag, only our own statuses have a status."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from router.core.analysis import sets, texts
from router.core.analysis.logic import PART, Each, Either, Fact, Formula, No, Present, Some
from router.core.rulebook import OWN_STATUS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_FIRE, _PUSH, _PULL = "router.schedule.fire", "sh.tangled.git.refUpdate", "sh.tangled.repo.pull"
#: Fields of what a ref points to: an update that has one is a push.
_POINTED = ("branch", "tag", "paths")
#: What events of an nsid never have.
_LACKS = {
    _FIRE: ("repo", "owner", "knot", "actor", "operation", "branch", "tag", "ref", "target_branch", "paths", "workflow"),
    _PUSH: ("target_branch", "workflow"),
    _PULL: ("tag", "ref", "paths", "workflow"),
    "sh.tangled.repo": ("trigger", "branch", "tag", "ref", "target_branch", "paths", "workflow"),
    OWN_STATUS: ("trigger", "operation"),
}
#: The only trigger that events of an nsid have, where they have one.
_TRIGGERS = {_FIRE: "schedule", _PUSH: "push", _PULL: "pull_request"}


def about(*formulas: Formula) -> Formula:
    """The facts that bear on these formulas."""
    return on(frozenset().union(*map(fields, formulas)))


@lru_cache(maxsize=1024)
def on(asked: frozenset[str]) -> Formula:
    """The facts that bear on these fields."""
    return Each(tuple(_facts(set(asked))))


def fields(formula: Formula) -> frozenset[str]:
    """The fields that a formula speaks of."""
    if isinstance(formula, (Some, Present)):
        return frozenset((formula.field.partition(PART)[0],))
    if isinstance(formula, Fact):
        return frozenset((formula.field.partition(PART)[0],) if formula.field else ())
    if isinstance(formula, No):
        return fields(formula.part)
    return frozenset().union(*map(fields, formula.parts))


def is_one_of(field: str, *words: str) -> Formula:
    return Some(field, sets.of_texts(texts.words(*words)))


def _facts(asked: set[str]) -> Iterator[Formula]:
    if {"branch", "tag"} <= asked:
        yield Either((No(Present("branch")), No(Present("tag"))))
    if "status" in asked:
        yield Either((No(Present("status")), is_one_of("nsid", OWN_STATUS)))
        asked = asked | {"nsid"}
    if "source" in asked:
        yield Either((No(is_one_of("source", "spindle")), is_one_of("nsid", OWN_STATUS)))
        asked = asked | {"nsid"}
    if "trigger" in asked and (found := tuple(No(Present(field)) for field in _LACKS[_FIRE] if field in asked)):
        yield Either((No(is_one_of("trigger", "schedule")), Each(found)))
    if "nsid" not in asked:
        return
    for nsid, lacking in _LACKS.items():
        if found := tuple(No(Present(field)) for field in lacking if field in asked):
            yield _where(nsid, found)
    for nsid, trigger in _TRIGGERS.items():
        if "trigger" in asked:
            yield _where(nsid, (Either((No(Present("trigger")), is_one_of("trigger", trigger))),))
    if "trigger" in asked:
        pointed = tuple(No(Present(field)) for field in _POINTED if field in asked)
        if pointed:
            yield _where(_PUSH, (Either((Each(pointed), is_one_of("trigger", "push"))),))
    if "operation" in asked and (gone := tuple(No(Present(field)) for field in ("trigger", *_POINTED) if field in asked)):
        yield _where(_PUSH, (Either((No(is_one_of("operation", "delete")), Each(gone))),))


def _where(nsid: str, then: Sequence[Formula]) -> Formula:
    return Either((No(is_one_of("nsid", nsid)), Each(tuple(then))))
