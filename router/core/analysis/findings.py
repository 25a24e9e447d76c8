"""The questions that are asked of loaded rules: R060 to R063. None of them stops a rule from being used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from router.core.analysis import facts, texts
from router.core.analysis.automata import TooHard
from router.core.analysis.gaps import keys_with_gaps
from router.core.analysis.logic import Each, Either, implies, instance, possible
from router.core.analysis.meaning import acts, holds, item
from router.core.analysis.pairs import overlapping, wanted
from router.core.conditions import AllOf, AnyOf, Negation
from router.core.rulebook import Mode, Strategy

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from router.core.analysis.logic import Formula
    from router.core.conditions import Condition
    from router.core.problems import Problems
    from router.core.rulebook import Rule, Rulebook

#: Earlier rules that together may leave a rule nothing: more are not put together.
_MOST_TOGETHER = 6
#: Questions about pairs of rules in one ruleset, so that an answer comes in seconds whatever the rules are.
_MOST_QUESTIONS = 12_000
#: Steps of automata, in all.
_MOST_STEPS = 100_000


class _Known(Struct, frozen=True):
    """A rule with the formula of when it acts."""

    rule: Rule
    formula: Formula


def analyse(book: Rulebook, problems: Problems, step: Callable[[], object] = lambda: None) -> None:
    """Report what can be known of these rules before any event. `step` is called once for each rule."""
    with texts.effort.limited(_MOST_STEPS):
        _analyse(book, problems, step)


def _analyse(book: Rulebook, problems: Problems, step: Callable[[], object]) -> None:
    for ruleset in book.rulesets:
        alive: list[_Known] = []
        for rule in ruleset.rules:
            known = _Known(rule, acts(rule))
            if rule.mode is not Mode.OFF and _may_act(known, problems):
                _never_taken(known, problems)
                keys_with_gaps(rule, known.formula, problems)
                alive.append(known)
            step()
        if ruleset.strategy is Strategy.FIRST:
            _order(alive, problems)


def may_be(*formulas: Formula) -> bool:
    """Whether an event may make all of these true; True also where that is too hard to tell."""
    try:
        return possible(facts.about(*formulas), *formulas)
    except TooHard:
        return True


def within(one: Formula, other: Formula, *, usual: bool = False) -> bool:
    """Whether every event of `one` is one of `other`; False also where that is too hard to tell."""
    try:
        return implies(Each((facts.about(one, other), one)), other, usual=usual)
    except TooHard:
        return False


# -- R060: rules, and steps, for which there is no event


def _may_act(known: _Known, problems: Problems) -> bool:
    rule = known.rule
    if not may_be(known.formula):
        _tell_of_contradiction(rule, problems)
        return False
    if rule.where is not None and not may_be(known.formula, item(rule.where)):
        sentence = f"The rule `{rule.name}` acts on no item: its `where` never holds of one."
        problems.warning("R060", rule.where.place, sentence, "Ask for what an item of such an event can have.")
    return True


def _tell_of_contradiction(rule: Rule, problems: Problems) -> None:
    core = _core(rule)
    at = max(core, key=lambda part: (part.place.line, part.place.column), default=rule.when)
    others = [part for part in core if part is not at]
    if others:
        named = " and ".join(f"`{told(part)}` (line {part.place.line})" for part in others[:3])
        sentence = f"The rule `{rule.name}` can never match: no event has `{told(at)}` and {named}."
    else:
        sentence = f"The rule `{rule.name}` can never match: no event has `{told(at)}`."
    hint = "All fields of `when` must hold at once. Where any will do, write a list or `any:`; else make it two rules."
    hint = hint if others else "No value fits it: ask for what can be, or leave the rule out."
    problems.warning("R060", at.place, sentence, hint)


def told(condition: Condition) -> str:
    """A condition on one line."""
    if isinstance(condition, Negation):
        return f"not ({told(condition.part)})"
    if isinstance(condition, (AllOf, AnyOf)):
        return (" and " if isinstance(condition, AllOf) else " or ").join(map(told, condition.parts)) or "anything"
    return str(condition)


def _core(rule: Rule) -> list[Condition]:
    """Parts of the rule's conditions that contradict each other, and none that the others do without."""
    when = rule.when
    parts = list(when.parts) if isinstance(when, AllOf) else [when]
    for part in tuple(parts):
        without = [other for other in parts if other is not part]
        if without and not may_be(*map(holds, without)):
            parts = without
    return parts


def _never_taken(known: _Known, problems: Problems) -> None:
    for number, step in enumerate(known.rule.steps):
        if step.if_trust and not may_be(known.formula, facts.is_one_of("trust", *step.if_trust)):
            words = " or ".join(sorted(step.if_trust))
            sentence = f"The rule `{known.rule.name}` never takes this step: none of its events has trust {words}."
            problems.warning(
                "R060", known.rule.step_places[number], sentence, "Change `if_trust`, or the rule's condition on `trust`."
            )


# -- R061 and R062: what the order of rules decides under `first`


def _order(alive: Sequence[_Known], problems: Problems) -> None:
    left = _MOST_QUESTIONS
    hidden: set[int] = set()
    for position, earlier in overlapping([wanted(known.rule, known.formula) for known in alive]):
        left -= len(earlier)
        if left < 0:
            return
        known = alive[position]
        meeting = [alive[one] for one in earlier if one not in hidden and may_be(known.formula, alive[one].formula)]
        if taking := _taking(known, meeting):
            hidden.add(position)
            _tell_of_shadow(known.rule, [other.rule for other in taking], problems)
        elif rivals := [other for other in meeting if _rival(known, other)]:
            _tell_of_overlap(known, rivals, problems)


def _taking(known: _Known, meeting: Sequence[_Known]) -> Sequence[_Known]:
    """The earlier rule that takes every event of this one, or the few that do together."""
    for other in meeting:
        if within(known.formula, other.formula):
            return (other,)
    if not 1 < len(meeting) <= _MOST_TOGETHER or not _within_any(known, meeting):
        return ()
    together = list(meeting)
    for other in meeting:
        without = [one for one in together if one is not other]
        together = without if _within_any(known, without) else together
    return together


def _within_any(known: _Known, others: Sequence[_Known]) -> bool:
    return within(known.formula, Either(tuple(other.formula for other in others)))


def _tell_of_shadow(rule: Rule, taking: Sequence[Rule], problems: Problems) -> None:
    names = " and ".join(f"`{other.name}` (line {other.place.line})" for other in taking)
    verb = "takes" if len(taking) == 1 else "take"
    sentence = f"The rule `{rule.name}` never acts: {names} {verb} every event that it matches."
    hint = f"Under `strategy: first` the first that matches wins: put `{rule.name}` before, or narrow what comes first."
    problems.warning("R061", rule.place, sentence, hint)


def _rival(known: _Known, other: _Known) -> bool:
    """Whether an earlier rule takes some events, each rule has some of its own, and it makes a difference.

    A rule that does nothing, or at some hours only, is an exception that stands first, and one whose events are all of the
    later rule's is its special case: there the order is the point.
    """
    if not other.rule.steps or not known.rule.steps or _doing(known.rule) == _doing(other.rule) or other.rule.active:
        return False
    return not within(other.formula, known.formula, usual=True) and _meets(known, other) is not None


def _doing(rule: Rule) -> object:
    return [(step.provider, step.options, step.if_trust) for step in rule.steps], rule.item_name, rule.where


def _meets(known: _Known, other: _Known) -> dict[str, str] | None:
    """An event of both: its fields, as far as they matter. None where there may be none: handles are taken for different
    people, and what is too hard to tell is not told."""
    both = (known.formula, other.formula)
    try:
        return instance(facts.about(*both), *both)
    except TooHard:
        return None


def _tell_of_overlap(known: _Known, rivals: Sequence[_Known], problems: Problems) -> None:
    first = rivals[0]
    event = _meets(known, first) or {}
    told = ", ".join(f"{field} `{value}`" for field, value in list(event.items())[:3])
    more = f" So it is with {len(rivals) - 1} more." if len(rivals) > 1 else ""
    sentence = (
        f"Which of `{first.rule.name}` (line {first.rule.place.line}) and `{known.rule.name}` acts on what both match"
        f"{f' ({told})' if told else ''} is decided by their order.{more}"
    )
    problems.note("R062", known.rule.place, sentence, "If that is meant, leave it; else say in one what the other has.")
