"""What rules are about, whether they match or not: of which nsids, and of what kind of event.

Many rules are about the same: what is asked here is asked once for all of those.
"""

from __future__ import annotations

from array import array
from heapq import merge
from typing import TYPE_CHECKING, NamedTuple

from router.core.asked import All
from router.core.questions import Question
from router.core.rulebook import OWN_STATUS, Mode, asks_for_statuses
from router.core.truth import attempt
from router.core.view import SINGLE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from router.core.asked import Asked
    from router.core.rulebook import Rule, Ruleset
    from router.core.truth import Operator
    from router.core.view import View

#: Fields that say what kind of event a rule is about; its other named fields it must at least have.
KINDS = ("nsid", "source", "trigger", "operation", "status")
#: Kinds of events that are remembered. Strangers choose some of what tells them apart.
REMEMBERED = 4096


class Topic(NamedTuple):
    """What the rules of a group demand: `kinds` are operators of KINDS that must hold; `present` are named fields that an event
    must have, none where `nsid` or `source` has said what it is about."""

    kinds: tuple[tuple[str, Operator], ...]
    present: tuple[str, ...]


class _Demand(NamedTuple):
    """What a rule demands before it is anything to an event: operators of `nsid` and of `trigger`, and named fields without
    which it is false. `statuses` is whether our own statuses are shown to it."""

    nsids: tuple[Operator, ...]
    triggers: tuple[Operator, ...]
    present: frozenset[str]
    statuses: bool


class _Spoken:
    """Rulesets that are about events of one kind, by what else an event must have. `least` is what is enough for any: fields of
    SINGLE, and others."""

    __slots__ = ("least", "rulesets")

    def __init__(self, rulesets: Mapping[tuple[str, ...], dict[int, Ruleset]]) -> None:
        self.rulesets = rulesets
        asked = [frozenset(present) for present in rulesets]
        self.least = [
            (tuple(sorted(fields & SINGLE)), tuple(sorted(fields - SINGLE)))
            for fields in sorted(asked, key=len)
            if not any(other < fields for other in asked)
        ]


class Topics:
    """The topics of all rules that are not off, with the rulesets that have rules about them."""

    def __init__(self, rulesets: Sequence[Ruleset]) -> None:
        rules = [(ruleset, rule) for ruleset in rulesets for rule in ruleset.rules if rule.mode is not Mode.OFF]
        self.rules = [rule for _, rule in rules]
        #: By their nsid's operators, and whether they ask for our own statuses.
        self._nsids: dict[tuple[tuple[Operator, ...], bool], array[int]] = {}
        #: Rulesets by topic, of rules that our own statuses are shown to, and of the others.
        self._topics: dict[tuple[Topic, bool], dict[int, Ruleset]] = {}
        #: What rules demand, by which it is told that they are not about an nsid: see _Demand.
        self._demands: set[_Demand] = set()
        self._known: dict[tuple[object, ...], _Spoken] = {}
        for number, (ruleset, rule) in enumerate(rules):
            self._file(number, ruleset, rule)

    def _file(self, number: int, ruleset: Ruleset, rule: Rule) -> None:
        tests = _asked(rule.asked)
        statuses = asks_for_statuses(rule)
        nsids = tuple(test.operator for test in tests if test.field == "nsid")
        self._nsids.setdefault((nsids, statuses), array("I")).append(number)
        kinds = tuple((test.field, test.operator) for test in tests if test.field in KINDS)
        named = any(test.field in ("nsid", "source") for test in tests)
        self._demands.add(_demand(tests, statuses=statuses, named=named))
        fields = () if named else tuple(sorted({test.field for test in tests if not test.field.startswith("$")}))
        self._topics.setdefault((Topic(kinds, fields), statuses), {})[id(ruleset)] = ruleset

    def asks_for(self, nsid: str) -> bool:
        """Whether some rule asks for this nsid, or for any."""
        return any(_fits(key, nsid) for key in self._nsids)

    def heed(self, nsid: str) -> bool:
        """Whether some rule may match, or is about, an event of this nsid as knots and Jetstream tell it."""
        return any(_heeds(demand, nsid) for demand in self._demands)

    def of_nsid(self, nsid: str) -> Iterator[int]:
        """The numbers of those rules, in order."""
        return merge(*(numbers for key, numbers in self._nsids.items() if _fits(key, nsid)))

    def about(self, view: View) -> tuple[Ruleset, ...]:
        """The rulesets with a rule that is about such an event: one of which somebody may ask why it does not match."""
        told: dict[int, Ruleset] = {}
        for present, rulesets in self._of_kind(view).rulesets.items():
            if all(map(view.values, present)):
                told |= rulesets
        return tuple(told.values())

    def speak_of(self, view: View) -> bool:
        """Whether there is one."""
        event = view.event
        told = event.fields.get
        # As `_of_kind`, which most events need not call.
        found = self._known.get((event.nsid, event.kind, event.source, told("trigger"), told("operation"), told("status")))
        for single, several in (found or self._of_kind(view)).least:
            for field in single:
                if told(field) is None:
                    break
            else:
                if all(map(view.values, several)):
                    return True
        return False

    def _of_kind(self, view: View) -> _Spoken:
        event = view.event
        told = event.fields.get
        key = event.nsid, event.kind, event.source, told("trigger"), told("operation"), told("status")
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            found = self._known[key] = _Spoken(self._made(view))
        return found

    def _made(self, view: View) -> Mapping[tuple[str, ...], dict[int, Ruleset]]:
        made: dict[tuple[str, ...], dict[int, Ruleset]] = {}
        for (topic, statuses), rulesets in self._topics.items():
            if (statuses or view.event.nsid != OWN_STATUS) and _is_of_kind(topic, view):
                present = tuple(field for field in topic.present if field not in KINDS)
                made[present] = made.get(present, {}) | rulesets
        return dict(sorted(made.items(), key=lambda one: len(one[0])))


def _asked(asked: Asked) -> Sequence[Question]:
    """What a rule asks beside what stands under `any`, `all` and `not`."""
    return [part for part in asked if isinstance(part, Question)] if isinstance(asked, All) else ()


def _demand(tests: Sequence[Question], *, statuses: bool, named: bool) -> _Demand:
    """A rule with an `nsid` or a `source` is about its events even where they lack what else it asks for (see Topic): of such
    a rule only the fields of KINDS are demanded."""
    return _Demand(
        tuple(test.operator for test in tests if test.field == "nsid"),
        tuple(test.operator for test in tests if test.field == "trigger"),
        frozenset(
            test.field
            for test in tests
            if not test.field.startswith("$") and (test.field in KINDS or not named) and attempt(test.operator, (), {}) is False
        ),
        statuses,
    )


def _heeds(demand: _Demand, nsid: str) -> bool:
    from router.core.lexicons import ALL, KNOWN  # noqa: PLC0415 - only those who listen need it

    lexicon = KNOWN.get(nsid)
    told = ALL if lexicon is None else ALL | lexicon.named
    if not demand.present <= told or not _fits((demand.nsids, demand.statuses), nsid):
        return False
    values = [(), *((trigger,) for trigger in lexicon.triggers)] if lexicon is not None else [()]
    return all(any(attempt(operator, value, {}) is not False for value in values) for operator in demand.triggers)


def _fits(key: tuple[tuple[Operator, ...], bool], nsid: str) -> bool:
    operators, statuses = key
    if nsid == OWN_STATUS and not statuses:
        return False
    return all(attempt(operator, (nsid,), {}) is not False for operator in operators)


def _is_of_kind(topic: Topic, view: View) -> bool:
    """As far as the fields of KINDS tell, which events of one kind have in common."""
    if any(attempt(operator, view.values(field), {}) is not True for field, operator in topic.kinds):
        return False
    return all(view.values(field) for field in topic.present if field in KINDS)
