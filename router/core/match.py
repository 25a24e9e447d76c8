"""Which rules an event matches, and why. `explain` answers from the same compiled conditions that `select` decides with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from msgspec import Struct

from router.core.model import Trouble
from router.core.rulebook import OWN_STATUS, Mode, Strategy, Unmatched, asks_for_statuses
from router.core.view import View

if TYPE_CHECKING:
    from collections.abc import Sequence

    from router.core.conditions import Verdict
    from router.core.index import Index
    from router.core.model import Event, Micros
    from router.core.rulebook import Rule, Rulebook, Ruleset
    from router.core.truth import Identities

#: What is said of a rule that a stranger's pull request would set off.
WAITS = "It waits for approval: somebody who may push runs it from Tangled, or the operator by `router approve`."
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: A year before the calendar ends, so that no time zone leads out of it.
_LAST = (datetime(9999, 1, 1, tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)


class Selection(Struct, frozen=True, gc=False):
    """The rules that act on an event, in order, and those that could not be decided. `wanted`: some rule is about its kind."""

    chosen: tuple[tuple[Ruleset, Rule], ...] = ()
    troubles: tuple[Trouble, ...] = ()
    wanted: bool = False


#: What most events come to.
_WANTED, _UNWANTED = Selection(wanted=True), Selection()


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
    if "refused" in view.event.fields and (why := refusal(view.event)):
        return Selection(troubles=(Trouble(rule="", sentence=why),), wanted=True)
    index = rulebook.index
    near = index.near(view)
    chosen, troubles = _decided(view, index, near) if near else ((), ())
    if chosen:
        return Selection(tuple(chosen), tuple(troubles), wanted=True)
    wanted = rulebook.topics.speak_of(view)
    return Selection((), tuple(troubles), wanted=wanted) if troubles else _WANTED if wanted else _UNWANTED


def _decided(view: View, index: Index, near: Sequence[int]) -> tuple[list[tuple[Ruleset, Rule]], list[Trouble]]:
    """The rules that act, of those that may, and what became of those that could not be decided."""
    event = view.event
    chosen: list[tuple[Ruleset, Rule]] = []
    troubles: list[Trouble] = []
    waits = event.fields.get("approval") == "needed"
    own = event.nsid == OWN_STATUS
    rules, rulesets = index.rules, index.rulesets
    ended: Ruleset | None = None
    for number in near:
        rule, ruleset = rules[number], rulesets[number]
        if ruleset is ended or (own and not asks_for_statuses(rule)):
            continue
        if rule.terms.active is not None and not is_active(rule, event.time):
            continue
        answer = rule.asked.decide(view)
        if answer is False:
            continue
        ends = True
        if answer is not True:
            ends = answer.undecided
            troubles.append(Trouble(rule=rule.id, sentence=str(answer), undecided=ends))
        elif waits and not names_trust(rule):
            ends = False
            troubles.append(Trouble(rule=rule.id, sentence=WAITS))
        else:
            chosen.append((ruleset, rule))
        if ends and ruleset.strategy is Strategy.FIRST:
            ended = ruleset
    return chosen, troubles


def refusal(event: Event) -> str:
    """Why no rule sees the event; empty where they do."""
    return str(event.fields.get("refused") or "")


def names_trust(rule: Rule) -> bool:
    """Whether a rule thinks of who set the event off. Any other is not shown what a stranger asks for until it is approved."""
    return rule.allow_untrusted or any(question.field == "trust" for question in rule.asked.questions())


def keeps_silent(event: Event, rulebook: Rulebook, identities: Identities) -> bool:
    """Whether every ruleset that is about such an event wants it not to be told that none of its rules acts."""
    about = rulebook.topics.about(View(event, identities))
    return bool(about) and all(ruleset.unmatched is Unmatched.SILENT for ruleset in about)


def moment(time: Micros) -> datetime:
    """The time of an event in UTC. Strangers choose it: one that no calendar reaches is the last that ours does."""
    return _EPOCH + timedelta(microseconds=min(max(time, 0), _LAST))


def is_active(rule: Rule, time: Micros) -> bool:
    """Whether the rule matches at that time of the day."""
    if rule.active is None:
        return True
    local = moment(time).astimezone(rule.active.zone)
    minute = local.hour * 60 + local.minute
    start, end = rule.active.start, rule.active.end
    return start <= minute < end if start <= end else minute >= start or minute < end


def explain(event: Event, rulebook: Rulebook, identities: Identities) -> tuple[RuleVerdict, ...]:
    """Every rule, with its verdict."""
    view = View(event, identities)
    selection = select(view, rulebook)
    acting = {rule.id for _, rule in selection.chosen}
    ending = acting | {trouble.rule for trouble in selection.troubles if trouble.undecided}
    verdicts: list[RuleVerdict] = []
    for ruleset in rulebook.rulesets:
        ended_by = ""
        for rule in ruleset.rules:
            verdict = rule.when.answer(view)
            matched = rule.id in acting
            verdicts.append(RuleVerdict(rule, matched, verdict, "" if matched else _note(rule, verdict, event, ended_by)))
            if ruleset.strategy is Strategy.FIRST and rule.id in ending:
                ended_by = rule.name
    return tuple(verdicts)


def why(event: Event, rule: Rule, identities: Identities) -> Sequence[str]:
    """What made a rule match: each condition with the value that it saw."""
    verdict = rule.when.answer(View(event, identities))
    return [f"{leaf.text} (is {leaf.saw})" if leaf.saw else leaf.text for leaf in verdict.leaves() if leaf.held]


def _note(rule: Rule, verdict: Verdict, event: Event, ended_by: str) -> str:
    if rule.mode is Mode.OFF:
        return "the rule is off"
    if why := refusal(event):
        return f"no rule sees the event: {why}"
    if not verdict.held:
        return ""
    if event.nsid == OWN_STATUS and not asks_for_statuses(rule):
        return "our own statuses are shown only to rules that ask for `status`, `source` or `nsid`"
    if not is_active(rule, event.time):
        return "the rule is not active at this time of the day"
    if event.fields.get("approval") == "needed" and not names_trust(rule):
        return WAITS
    return f"`{ended_by}` comes first" if ended_by else ""
