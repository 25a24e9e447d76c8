"""Which rules an event matches, and why. `explain` answers from the same compiled conditions that `select` decides with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from router.core.model import Trouble
from router.core.operators import Unevaluable
from router.core.rulebook import Mode, Strategy
from router.core.view import View

if TYPE_CHECKING:
    from collections.abc import Sequence

    from router.core.conditions import Verdict
    from router.core.model import Event, Micros
    from router.core.operators import Identities
    from router.core.rulebook import Rule, Rulebook, Ruleset


@dataclass(frozen=True, slots=True)
class Selection:
    """The rules that act on an event, in order, and those that could not be decided."""

    chosen: tuple[tuple[Ruleset, Rule], ...] = ()
    troubles: tuple[Trouble, ...] = ()
    wanted: bool = False


@dataclass(frozen=True, slots=True)
class RuleVerdict:
    """What became of one rule: `note` says why one that holds does not act, or what else decided."""

    rule: Rule
    matched: bool
    verdict: Verdict
    note: str = ""


def select(view: View, rulebook: Rulebook) -> Selection:
    """The rules that act on the event.

    Under `first`, a rule that cannot be decided *now* ends its ruleset: what comes after it must not win by accident. One
    that cannot be evaluated at all (text compared with a number) is passed over, and told.
    """
    chosen: list[tuple[Ruleset, Rule]] = []
    troubles: list[Trouble] = []
    candidates = rulebook.candidates(view.event.nsid)
    for ruleset, rules in candidates:
        first = ruleset.strategy is Strategy.FIRST
        for rule in rules:
            try:
                held = rule.when.holds(view) and is_active(rule, view.event.time)
            except Unevaluable as doubt:
                troubles.append(Trouble(rule=rule.id, sentence=str(doubt), undecided=doubt.undecided))
                if first and doubt.undecided:
                    break
                continue
            if held:
                chosen.append((ruleset, rule))
                if first:
                    break
    return Selection(tuple(chosen), tuple(troubles), wanted=bool(candidates))


def is_active(rule: Rule, time: Micros) -> bool:
    """Whether the rule matches at that time of the day."""
    if rule.active is None:
        return True
    moment = datetime.fromtimestamp(time / 1_000_000, UTC).astimezone(rule.active.zone)
    minute = moment.hour * 60 + moment.minute
    start, end = rule.active.start, rule.active.end
    return start <= minute < end if start <= end else minute >= start or minute < end


def explain(event: Event, rulebook: Rulebook, identities: Identities) -> tuple[RuleVerdict, ...]:
    """Every rule, with its verdict."""
    view = View(event, identities)
    acting = {rule.id for _, rule in select(view, rulebook).chosen}
    verdicts: list[RuleVerdict] = []
    for ruleset in rulebook.rulesets:
        ended_by = ""
        for rule in ruleset.rules:
            verdict = rule.when.answer(view)
            matched = rule.id in acting
            verdicts.append(RuleVerdict(rule, matched, verdict, "" if matched else _note(rule, verdict, event, ended_by)))
            ends = matched or (verdict.held is None and rule.mode is not Mode.OFF)
            if ruleset.strategy is Strategy.FIRST and ends and not ended_by:
                ended_by = rule.name
    return tuple(verdicts)


def why(event: Event, rule: Rule, identities: Identities) -> Sequence[str]:
    """What made a rule match: each condition with the value that it saw."""
    verdict = rule.when.answer(View(event, identities))
    return [f"{leaf.text} (is {leaf.saw})" if leaf.saw else leaf.text for leaf in verdict.leaves() if leaf.held]


def _note(rule: Rule, verdict: Verdict, event: Event, ended_by: str) -> str:
    if rule.mode is Mode.OFF:
        return "the rule is off"
    if not verdict.held:
        return ""
    if not is_active(rule, event.time):
        return "the rule is not active at this time of the day"
    return f"`{ended_by}` comes first" if ended_by else ""
