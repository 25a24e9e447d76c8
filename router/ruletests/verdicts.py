"""A case against the plan that the rules made: what differs, told so that the rule or the test can be mended from it."""

from __future__ import annotations

from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

from router.core import match
from router.core.model import State
from router.core.problems import nearest
from router.core.values import show
from router.core.view import View
from router.ruletests import diff, endings, reasons
from router.ruletests.events import wrong

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from router.core.model import Delivery, Event, Plan, Tree
    from router.core.problems import Place
    from router.core.rulebook import Rule, Rulebook
    from router.ruletests.cases import Case, Expected

Found: TypeAlias = "Delivery[Tree]"
Endings: TypeAlias = "Mapping[str, endings.Ending]"
#: Characters of a value in one line.
_WIDTH = 200


def judge(
    case: Case,
    made: Plan,
    event: Event,
    rulebook: Rulebook,
    identities: Mapping[str, str | None],
    ends: Endings = MappingProxyType({}),
) -> Iterator[str]:
    """What is wrong with a plan, as lines; nothing where the case holds. `ends` are those of deliveries that were played, by
    their ids.

    Raises BadInput where the case names no rule of these.
    """

    @cache
    def verdicts() -> Mapping[str, match.RuleVerdict]:
        # Explaining every rule costs far more than deciding, and most cases hold.
        return {verdict.rule.id: verdict for verdict in match.explain(event, rulebook, identities)}

    view = View(event, identities)
    yield from (f"`{trouble.rule}` cannot be decided: {trouble.sentence}" for trouble in made.troubles)
    for reference, (field, place) in case.why_not.items():
        yield from _why_not(verdicts()[_rule(reference, rulebook, place).id], view, field)
    if case.expect is not None:
        ends = {**_stillborn(made), **ends}
        yield from _compare(case.expect, made, rulebook, ends, lambda rule: _unmatched(rule, verdicts, view))


def _stillborn(made: Plan) -> dict[str, endings.Ending]:
    """The endings of deliveries that this event does not render."""
    dead = [delivery for delivery in made.deliveries if delivery.state is State.DEAD]
    return {delivery.id: endings.Ending(state=State.DEAD, reason=delivery.reason) for delivery in dead}


def _rule(reference: str, rulebook: Rulebook, place: Place) -> Rule:
    """The rule of this id, or the only one of this name."""
    found = [rule for rule in rulebook.rules if reference in (rule.id, rule.name)]
    if len(found) == 1:
        return found[0]
    if found:
        raise wrong(place, f"Several rules are named `{reference}`.", f"Write one of {', '.join(rule.id for rule in found)}.")
    hint = nearest(reference, [rule.name for rule in rulebook.rules]) or "Rules under test are those beside the test file."
    raise wrong(place, f"There is no rule `{reference}`.", hint)


def _why_not(verdict: match.RuleVerdict, view: View, field: str) -> Iterator[str]:
    name = verdict.rule.name
    settling = reasons.settling(verdict.rule.when, view)
    if verdict.matched:
        yield f"`{name}` matches, and must not because of `{field}`"
    elif not settling:
        yield f"`{name}` is silent, but its conditions hold: {verdict.note}"
    elif not any(part.field == field for settled in settling for part in reasons.fields(settled)):
        yield f"`{name}` is silent, but not because of `{field}`:"
        yield from (f"    {reasons.told(part)}" for part in settling)


def _unmatched(rule: Rule, verdicts: Callable[[], Mapping[str, match.RuleVerdict]], view: View) -> Iterator[str]:
    yield f"`{rule.name}` does not match:"
    settling = [reasons.told(part) for part in reasons.settling(rule.when, view)]
    for line in settling or [verdicts()[rule.id].note or "its conditions hold"]:
        yield f"    {line}"


def _compare(
    expected: Sequence[Expected],
    made: Plan,
    rulebook: Rulebook,
    ends: Endings,
    unmatched: Callable[[Rule], Iterator[str]],
) -> Iterator[str]:
    rules = [_rule(item.rule, rulebook, item.place) for item in expected]
    taken = _assign(expected, rules, made.deliveries, ends)
    rest = [position for position in range(len(made.deliveries)) if position not in taken.values()]
    for number, (item, rule) in enumerate(zip(expected, rules, strict=True)):
        if number in taken:
            continue
        if rule.id not in made.matched:
            yield from unmatched(rule)
        elif item.provider or rule.steps:
            near = _nearest(item, rule, [made.deliveries[position] for position in rest], ends)
            if near is None:
                yield f"`{rule.name}` matches, but makes no further delivery" + (
                    f" to {item.provider}" if item.provider else ""
                )
            else:
                rest.remove(made.deliveries.index(near))
                yield from _differs(item, near, rule, ends)
    names = {rule.id: rule.name for rule in rulebook.rules}
    for position in rest:
        yield from _unexpected(made.deliveries[position], names)


def _assign(expected: Sequence[Expected], rules: Sequence[Rule], deliveries: Sequence[Found], ends: Endings) -> dict[int, int]:
    """Which delivery each expectation gets, so that as many as possible get one, in whatever order either are written."""
    fits = [
        [position for position, found in enumerate(deliveries) if _fits(item, rule, found, ends)]
        for item, rule in zip(expected, rules, strict=True)
    ]
    owner: dict[int, int] = {}

    def place(number: int, tried: set[int]) -> bool:
        for position in fits[number]:
            if position not in tried:
                tried.add(position)
                if position not in owner or place(owner[position], tried):
                    owner[position] = number
                    return True
        return False

    for number in range(len(expected)):
        place(number, set())
    return {number: position for position, number in owner.items()}


def _fits(item: Expected, rule: Rule, found: Found, ends: Endings) -> bool:
    if found.rule != rule.id or _unforeseen(item, found) or item.provider not in ("", found.provider):
        return False
    return not list(_apart(item, found, ends))


def _unforeseen(item: Expected, found: Found) -> bool:
    """Whether the delivery cannot be rendered, and the case does not say that it ends so."""
    return found.state is State.DEAD and item.ends is None


def _apart(item: Expected, found: Found, ends: Endings) -> Iterator[str]:
    """One line for each thing that differs: in what is delivered, and in how that ended."""
    if item.provider:
        yield from diff.options(item.options, found.options, exact=item.exact)
    yield from endings.differences(item.ends, ends.get(found.id))


def _nearest(item: Expected, rule: Rule, rest: Sequence[Found], ends: Endings) -> Found | None:
    """The delivery that was probably meant: of the same rule and provider, with the fewest differences."""
    same = [found for found in rest if found.rule == rule.id and item.provider in ("", found.provider)]
    return min(same, key=lambda found: _distance(item, found, ends), default=None)


def _distance(item: Expected, found: Found, ends: Endings) -> tuple[bool, int]:
    """Whoever asks for an ending means a delivery that has one."""
    return item.ends is not None and found.id not in ends, len(list(_apart(item, found, ends)))


def _differs(item: Expected, found: Found, rule: Rule, ends: Endings) -> Iterator[str]:
    if _unforeseen(item, found):
        yield f"`{rule.name}` to {found.provider} cannot be rendered: {found.reason}"
        return
    yield f"`{rule.name}` to {found.provider} differs:"
    for difference in _apart(item, found, ends):
        yield f"    {difference}"
    if list(endings.differences(item.ends, ends.get(found.id))) and found.id in ends:
        for line in endings.tale(ends[found.id]):
            yield f"    {line}"


def _unexpected(found: Found, names: Mapping[str, str]) -> Iterator[str]:
    name = names.get(found.rule, found.rule)
    if found.state is State.DEAD:
        yield f"`{name}` to {found.provider} cannot be rendered: {found.reason}"
        return
    yield f"`{name}` was not expected to act on {found.provider}" + ("" if found.state is State.READY else f" ({found.state})")
    for key, value in found.options.items():
        yield f"    {key}: {show(value, _WIDTH)}"
