"""An event against every rule: what `explain` shows, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from router.core import match
from router.core.outline import outline
from router.core.view import View

if TYPE_CHECKING:
    from collections.abc import Sequence

    from router.core.match import RuleVerdict
    from router.core.model import Delivery, Event, Plan, Tree
    from router.core.outline import Part
    from router.core.problems import Problem
    from router.core.rulebook import Rulebook
    from router.core.truth import Identities


@dataclass(frozen=True, slots=True)
class Explained:
    """One rule: what was decided of it, and its conditions with what each came to."""

    verdict: RuleVerdict
    part: Part


def every_rule(event: Event, book: Rulebook, identities: Identities) -> Sequence[Explained]:
    """In the order of the rules."""
    view = View(event, identities)
    return [Explained(found, outline(found.rule.when, view)) for found in match.explain(event, book, identities)]


def tree(event: Event, told: Sequence[Explained], made: Plan, said: Sequence[Problem] = ()) -> dict[str, Any]:
    """As JSON. `said` is what validation says of the rules that matched."""
    return {
        "event": {"source": event.source, "id": event.id, "nsid": event.nsid},
        "rules": [
            {
                "rule": one.verdict.rule.id,
                "matched": one.verdict.matched,
                "note": one.verdict.note,
                "conditions": _part_tree(one.part),
            }
            for one in told
        ],
        "troubles": [{"rule": trouble.rule, "sentence": trouble.sentence} for trouble in made.troubles],
        "deliveries": [_delivery_tree(delivery) for delivery in made.deliveries],
        "problems": [problem.tree() for problem in said],
    }


def _part_tree(part: Part) -> dict[str, Any]:
    """A condition on a field, or all, any or not of others."""
    told: dict[str, Any] = {"kind": part.kind, "held": part.held, "place": str(part.place)}
    if part.kind == "field":
        return {**told, "field": part.field, "text": part.text, "saw": part.saw, "error": part.error}
    return {**told, "parts": [_part_tree(inner) for inner in part.parts]}


def _delivery_tree(delivery: Delivery[Tree]) -> dict[str, Any]:
    return {
        "id": delivery.id,
        "rule": delivery.rule,
        "step": delivery.step,
        "item": delivery.item,
        "provider": delivery.provider,
        "state": str(delivery.state),
        "reason": delivery.reason,
        "options": delivery.options,
    }
