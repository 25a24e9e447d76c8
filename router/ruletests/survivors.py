"""Which mutants of the rules no test notices. Only a test that holds with the rules as they are can notice one, by failing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from router.core.analysis import facts
from router.core.analysis.findings import may_be, within
from router.core.analysis.logic import Each, Either
from router.core.analysis.meaning import acts, item
from router.core.rulebook import OWN_STATUS, Mode, Rulebook, Strategy
from router.core.truth import Unevaluable
from router.core.view import View
from router.ruletests import mutants

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from router.core.analysis.logic import Formula
    from router.core.asked import Asked
    from router.core.rulebook import Rule
    from router.ruletests.mutants import Mutant
    from router.ruletests.trials import Trial


def of_folder(book: Rulebook) -> list[Mutant]:
    """Every mutant of the rules of a folder."""
    return [mutant for ruleset in book.rulesets for mutant in mutants.of(ruleset)]


def surviving(
    book: Rulebook, found: Sequence[Mutant], trials: Sequence[Trial], step: Callable[[], object] = lambda: None
) -> list[Mutant]:
    """The mutants that no trial notices, without those that no event can tell from the rule. `step` is called after each."""
    witnesses = [witness for trial in trials if (witness := _Witness(trial, book)).holds]
    left: list[Mutant] = []
    for mutant in found:
        if not _noticed(mutant, book, witnesses) and not _is_the_same(mutant):
            left.append(mutant)
        step()
    return left


def _noticed(mutant: Mutant, book: Rulebook, witnesses: Sequence[_Witness]) -> bool:
    changed = mutated(book, mutant)
    return any(witness.may_tell(book, mutant) and witness.fails(changed) for witness in witnesses)


def mutated(book: Rulebook, mutant: Mutant) -> Rulebook:
    """The rules of a folder with one mutant among them."""
    new = {rule.id: rule for rule in mutant.rules}
    rules = tuple(new.get(rule.id, rule) for rule in mutant.ruleset.rules)
    changed = replace(mutant.ruleset, rules=rules)
    return Rulebook(tuple(changed if one is mutant.ruleset else one for one in book.rulesets), book.handles)


class _Witness:
    """A trial that says what the plan must be. What came of its deliveries came of the same ones, and is not played again."""

    def __init__(self, trial: Trial, book: Rulebook) -> None:
        self.trial = trial
        self.view = View(trial.event, trial.identities)
        self._known: dict[str, bool | tuple[str, bool]] = {}
        self.holds = not self.fails(book)

    def fails(self, book: Rulebook) -> bool:
        return any(True for _ in self.trial.findings(book, self.trial.plan(book)))

    def may_tell(self, book: Rulebook, mutant: Mutant) -> bool:
        """Whether the verdict may be another with the mutant: most are not even about the event."""
        return any(self._tells(book.by_id[rule.id], rule) for rule in mutant.rules)

    def _tells(self, old: Rule, new: Rule) -> bool:
        # Whether a rule is shown our own statuses depends on what it asks for, not only on whether it holds.
        if self.view.event.nsid == OWN_STATUS or {old.id, old.name} & self.trial.case.why_not.keys():
            return True
        before, after = self._before(old), _answer(new.asked, self.view)
        return before != after or (before is True and old.asked is new.asked)

    def _before(self, rule: Rule) -> bool | tuple[str, bool]:
        """What the rule answers as it is: asked for each of its mutants, and the same each time."""
        found = self._known.get(rule.id)
        if found is None:
            found = self._known[rule.id] = _answer(rule.asked, self.view)
        return found


def _answer(asked: Asked, view: View) -> bool | tuple[str, bool]:
    answer = asked.decide(view)
    return (str(answer), answer.undecided) if isinstance(answer, Unevaluable) else answer


# -- mutants that are the rule in other words


def _is_the_same(mutant: Mutant) -> bool:
    """Whether it is proved that no event tells the mutant from the rules as they are: no test could notice it."""
    changed = {rule.id: rule for rule in mutant.rules}
    earlier: list[Formula] = []
    for rule in mutant.ruleset.rules:
        if rule.id in changed:
            if not _acts_alike(rule, changed[rule.id], earlier):
                return False
        elif mutant.ruleset.strategy is Strategy.FIRST and rule.mode is not Mode.OFF:
            earlier.append(acts(rule))
    return True


def _acts_alike(old: Rule, new: Rule, earlier: Sequence[Formula]) -> bool:
    if old.asked is not new.asked:
        return _alike(acts(old), acts(new), earlier)
    if old.where is not new.where:
        return _alike(_items(old), _items(new), ())
    return old.active is new.active and all(_taken_alike(old, *words) for words in _trusts(old, new))


def _alike(old: Formula, new: Formula, taken: Sequence[Formula]) -> bool:
    """Whether both hold for the same events, those aside that an earlier rule takes."""
    return within(old, Either((new, *taken))) and within(new, Either((old, *taken)))


def _items(rule: Rule) -> Formula:
    return item(rule.where) if rule.where is not None else Each(())


def _trusts(old: Rule, new: Rule) -> Iterator[tuple[frozenset[str], frozenset[str]]]:
    for before, after in zip(old.steps, new.steps, strict=True):
        if before.if_trust != after.if_trust:
            yield before.if_trust, after.if_trust


def _taken_alike(rule: Rule, before: frozenset[str], after: frozenset[str]) -> bool:
    """Whether the rule's events all have a trust for which the step is taken both ways; none at all stands for any."""
    if not after:
        return within(acts(rule), facts.is_one_of("trust", *before))
    return not may_be(acts(rule), facts.is_one_of("trust", *(before - after)))
