"""One index over all rules: an event looks at the few that it may match, however many there are.

Most rules are about one repo, one branch, one account: they have a condition without which they are false, and which few events
fulfil. Each rule is filed under such a condition, the one that the fewest other rules share, as the keys of `ways`; an event
looks up its own values on `shelves`. Where many rules share a key (all are about one repo), what is filed there is an index
again, over what else they ask. Rules of which nothing can be told are looked at always.

So the cost of an event grows with the fields that rules speak of, and with the rules that it nearly matches, and not with the
rules that there are. It never changes an answer: whatever the index finds is decided by the rule's own conditions, and what it
leaves out is *certainly* false. Errors and doubts are never left out (see `ways`).

Handles are filed as they are written. Whose they are is looked up as events come (`People`), because it changes.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from router.core.rulebook import Mode
from router.core.shelves import People, shelf
from router.core.ways import Key, Way, handle_of, ways

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from router.core.model import Tree
    from router.core.rulebook import Rule, Ruleset
    from router.core.shelves import Filed, Shelf
    from router.core.view import View

#: So many rules are looked at one by one rather than by a further index.
FEW = 6
_NO_WAYS: list[Way] = []
#: How likely an event is to have what a key asks for, beside how many rules ask for it. Some fields have few values.
_COMMON = {"nsid": 50, "source": 50, "trigger": 50, "operation": 50, "trust": 50, "status": 50}
#: What says of most rules that they are for another kind of event.
_KIND = frozenset(("nsid", "trigger"))
#: Kinds of events of which it is remembered.
REMEMBERED = 1024
_WEIGHTS = {"=": 1, "o": 1, "@": 1, "^": 2, "$": 2, "~": 4, "#": 100, "?": 200, "!": 200}


class Index:
    """The rules that are not off, in order: `rules[n]` is of `rulesets[n]`."""

    def __init__(self, rulesets: Sequence[Ruleset]) -> None:
        rules = [(ruleset, rule) for ruleset in rulesets for rule in ruleset.rules if rule.mode is not Mode.OFF]
        self.rules: tuple[Rule, ...] = tuple(rule for _, rule in rules)
        self.rulesets: tuple[Ruleset, ...] = tuple(ruleset for ruleset, _ in rules)
        filed = _Ways(self.rules)
        counts = _counted(filed)
        self.people = People({handle for key in counts if (handle := handle_of(key))})
        self.root = Node(filed, counts)
        #: The shelves of the root with rules for an nsid and a trigger. Strangers choose nsids: the memory is bounded.
        self._open: dict[tuple[str, Tree], tuple[Shelf, ...]] = {}

    def near(self, view: View) -> list[int]:
        """The numbers of the rules that the event may match, in order."""
        people, event = self.people, view.event
        if people.handles:
            people.refresh(view.identities)
        kind = event.nsid, event.fields.get("trigger")
        shelves = self._open.get(kind)
        if shelves is None:
            shelves = self._opened(*kind)
        found = list(self.root.always)
        for one in shelves:
            one.gather(view, people, found)
        return found if len(found) < 2 else sorted(set(found))

    def _opened(self, nsid: str, trigger: Tree) -> tuple[Shelf, ...]:
        if len(self._open) >= REMEMBERED:
            self._open.clear()
        found = self._open[nsid, trigger] = self.root.open_to(nsid, trigger)
        return found


class _Ways:
    """The numbers of rules with their ways, which are worked out again for each iteration: kept, they would weigh more than the
    index that is made of them."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = rules

    def __iter__(self) -> Iterator[tuple[int, list[Way]]]:
        for number, rule in enumerate(self.rules):
            yield number, ways(rule.asked)


def _counted(rules: Iterable[tuple[int, list[Way]]]) -> Counter[Key]:
    return Counter(key for _, found in rules for way in found for key in way)


class Node:
    """An index over some of the rules, given by their numbers, each with the ways that are not used yet. `counts` says how many
    of them have a key."""

    __slots__ = ("_kinds", "always", "shelves")

    def __init__(self, rules: Iterable[tuple[int, list[Way]]], counts: Counter[Key]) -> None:
        always: list[int] = []
        filed: dict[str, dict[Key, list[tuple[int, list[Way]]]]] = {}
        #: For each shelf, what its rules ask of nsid and trigger.
        self._kinds: dict[str, set[tuple[Way, ...]]] = {}
        for number, found in rules:
            if not found:
                always.append(number)
                continue
            best = min(found, key=lambda way: sum(map(counts.__getitem__, way)) * _weight(way))
            rest = [way for way in found if way is not best]
            kinds = tuple(way for way in rest if way and all(key.field in _KIND for key in way))
            for key in best:
                # Where few are filed nothing more is asked of the index.
                entry = (number, rest if counts[key] > FEW else _NO_WAYS)
                filed.setdefault(key.field, {}).setdefault(key, []).append(entry)
                self._kinds.setdefault(key.field, set()).add(kinds)
        self.always = tuple(always)
        self.shelves: tuple[Shelf, ...] = tuple(
            shelf(field, {key: _filed(entries) for key, entries in places.items()}) for field, places in filed.items()
        )

    def open_to(self, nsid: str, trigger: Tree) -> tuple[Shelf, ...]:
        """The shelves on which not all rules are for another kind of event."""
        told = {"nsid": nsid, "trigger": trigger}
        return tuple(
            one
            for one in self.shelves
            if any(all(any(_may_hit(key, told[key.field]) for key in way) for way in ways) for ways in self._kinds[one.field])
        )

    def gather(self, view: View, people: People, out: list[int]) -> None:
        """The rules that the event may match."""
        if self.always:
            out.extend(self.always)
        for one in self.shelves:
            one.gather(view, people, out)


def _may_hit(key: Key, value: Tree) -> bool:
    """Whether an event with this value may have what the key asks for."""
    return key.kind != "=" or key.value == value


def _weight(way: Way) -> int:
    return max((_WEIGHTS[key.kind] * _COMMON.get(key.field, 1) for key in way), default=0)


def _filed(entries: Sequence[tuple[int, list[Way]]]) -> Filed:
    if len(entries) == 1:
        return entries[0][0]
    numbers = tuple(number for number, _ in entries)
    return Node(entries, _counted(entries)) if len(entries) > FEW and any(found for _, found in entries) else numbers
