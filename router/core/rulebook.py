"""Rules, compiled. What `rules` makes of documents, and `match` and `plan` read."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field
from msgspec.structs import replace

from router.core import asked, spots
from router.core.model import Busy, Retry, Tree
from router.core.problems import Place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from zoneinfo import ZoneInfo

    from pydantic import BaseModel

    from router.core.asked import Asked
    from router.core.conditions import Condition
    from router.core.document import Source
    from router.core.index import Index
    from router.core.kept import Kept
    from router.core.sieve import Sieve
    from router.core.spots import Packed
    from router.core.templates import Renderer
    from router.core.topics import Topics
    from router.core.truth import Operator

#: The nsid of our own status events.
OWN_STATUS = "sh.tangled.pipeline.status"


class Strategy(StrEnum):
    ALL = "all"
    FIRST = "first"


class Mode(StrEnum):
    """`canary` is live for a share of the repos and shadow for the rest."""

    LIVE = "live"
    SHADOW = "shadow"
    OFF = "off"
    CANARY = "canary"


class Step(Struct, frozen=True, kw_only=True, gc=False):
    """One `provider: options` of a rule. `name` is its id, or its position, and part of its deliveries' ids.

    Rules with the same steps share them; a rule knows where its own are written.
    """

    name: str
    provider: str
    options: Tree
    render: Renderer
    model: type[BaseModel] | None
    timeout: float | None = None
    retry: Retry | None = None
    idempotent: bool = False
    if_trust: frozenset[str] = frozenset()
    allow: Mapping[str, Operator] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """What a gate tells deliveries apart by. `text` is the template as written, empty where a gate has no key."""

    render: Renderer
    text: str
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A gate with a key: `seconds` is its `within`, `per` or `for`."""

    key: Key
    seconds: float
    limit: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Active:
    """Minutes of the day, in a zone, between which a rule matches; over midnight where `start` is after `end`."""

    start: int
    end: int
    zone: ZoneInfo


class Terms(Struct, frozen=True, kw_only=True, gc=False):
    """What most rules of a file have in common: whatever is not who they are, what they ask and what they do."""

    ruleset: str
    source: Source | None = None
    mode: Mode = Mode.LIVE
    canary: float = 0.0
    report: Renderer | None = None
    each: Callable[[Any], list[Tree]] | None = None
    item_name: str = "item"
    where: Condition | None = None
    group: Key | None = None
    busy: Busy = Busy.QUEUE
    dedupe: Window | None = None
    throttle: Window | None = None
    debounce: Window | None = None
    retry: Retry | None = None
    timeout: float | None = None
    active: Active | None = None
    allow_untrusted: bool = False


class Rule(Struct, frozen=True, kw_only=True, gc=False):
    """One rule, as little as it can be: there may be a hundred thousand.

    `asked` is everything that must hold, `given_id` empty where the id is made of the names. `places` are those of the rule, of
    the parts of its `when`, and of its steps.
    """

    name: str
    asked: Asked
    places: Packed
    terms: Terms
    steps: tuple[Step, ...] = ()
    description: str = ""
    given_id: str = ""

    @property
    def id(self) -> str:
        """What deliveries are deduplicated by."""
        return self.given_id or f"{self.terms.ruleset}/{self.name}"

    @property
    def place(self) -> Place:
        """Where it begins."""
        return spots.first(self.places, self.terms.source)

    @property
    def when(self) -> Condition:
        """What it asks, as it is written: made anew, for whoever looks into it. `asked` decides the same."""
        return asked.bound(self.asked, iter(spots.unpack(self.places, self.terms.source)[1:]))

    @property
    def step_places(self) -> list[Place]:
        """Where its steps are written."""
        return spots.last(self.places, len(self.steps), self.terms.source)

    def asking(self, when: Condition) -> Rule:
        """The same with other conditions."""
        own, *_ = spots.unpack(self.places, self.terms.source)
        mine, places = asked.taken(when, {})
        kept = [own, *places, *((place, 0) for place in self.step_places)]
        return replace(self, asked=mine, places=spots.pack(kept, self.terms.source))

    def on(self, **terms: Any) -> Rule:
        """The same on other terms."""
        return replace(self, terms=replace(self.terms, **terms))

    @property
    def ruleset(self) -> str:
        return self.terms.ruleset

    @property
    def mode(self) -> Mode:
        return self.terms.mode

    @property
    def canary(self) -> float:
        return self.terms.canary

    @property
    def report(self) -> Renderer | None:
        return self.terms.report

    @property
    def each(self) -> Callable[[Any], list[Tree]] | None:
        return self.terms.each

    @property
    def item_name(self) -> str:
        return self.terms.item_name

    @property
    def where(self) -> Condition | None:
        return self.terms.where

    @property
    def group(self) -> Key | None:
        return self.terms.group

    @property
    def busy(self) -> Busy:
        return self.terms.busy

    @property
    def dedupe(self) -> Window | None:
        return self.terms.dedupe

    @property
    def throttle(self) -> Window | None:
        return self.terms.throttle

    @property
    def debounce(self) -> Window | None:
        return self.terms.debounce

    @property
    def retry(self) -> Retry | None:
        return self.terms.retry

    @property
    def timeout(self) -> float | None:
        return self.terms.timeout

    @property
    def active(self) -> Active | None:
        return self.terms.active

    @property
    def allow_untrusted(self) -> bool:
        return self.terms.allow_untrusted


class Unmatched(StrEnum):
    """Whether a push that no rule of a ruleset acts on says so in Tangled."""

    REPORT = "report"
    SILENT = "silent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruleset:
    """One file. `kept` is what it says: two rulesets of one name and one text decide alike."""

    name: str
    file: str
    kept: Kept
    strategy: Strategy
    vars: Mapping[str, Tree]
    rules: tuple[Rule, ...]
    unmatched: Unmatched = Unmatched.REPORT

    @property
    def text(self) -> str:
        """What the file says."""
        return self.kept.text


class Rulebook:
    """All rulesets in the order of their loading. What finds the rules for an event is made when it is first asked for."""

    #: Distinct nsids of which it is remembered whether any rule asks for them. Strangers choose nsids: the memory is bounded.
    REMEMBERED = 1024

    def __init__(self, rulesets: tuple[Ruleset, ...], handles: frozenset[str] = frozenset()) -> None:
        self.rulesets = rulesets
        self.rules: tuple[Rule, ...] = (
            rulesets[0].rules if len(rulesets) == 1 else tuple(rule for ruleset in rulesets for rule in ruleset.rules)
        )
        self.vars: dict[str, Mapping[str, Tree]] = {ruleset.name: ruleset.vars for ruleset in rulesets}
        self.handles = handles
        self._asked: dict[str, bool] = {}
        self._heeded: dict[str, bool] = {}
        self._sieves: dict[str, Sieve | None] = {}

    @cached_property
    def by_id(self) -> dict[str, Rule]:
        return {rule.id: rule for rule in self.rules}

    @cached_property
    def index(self) -> Index:
        from router.core.index import Index  # noqa: PLC0415 - only those who match events need it

        return Index(self.rulesets)

    @cached_property
    def topics(self) -> Topics:
        from router.core.topics import Topics  # noqa: PLC0415 - as above

        return Topics(self.rulesets)

    def prepare(self) -> None:
        """Make now what would be made when it is first asked for: the first event is not to wait for that."""
        _ = self.index, self.topics

    def asks_for(self, nsid: str) -> bool:
        """Whether some rule may match an event of this nsid."""
        found = self._asked.get(nsid)
        if found is None:
            if len(self._asked) >= self.REMEMBERED:
                self._asked.clear()
            found = self._asked[nsid] = self.topics.asks_for(nsid)
        return found

    def heeds(self, nsid: str) -> bool:
        """Whether some rule may match, or is about, an event of this nsid as knots and Jetstream tell it. It knows which named
        fields such an event can have: a rule that asks for a trigger or a repo says by that what it is about."""
        found = self._heeded.get(nsid)
        if found is None:
            if len(self._heeded) >= self.REMEMBERED:
                self._heeded.clear()
            found = self._heeded[nsid] = self.topics.heed(nsid)
        return found

    def sieve(self, nsid: str) -> Sieve | None:
        """What tells of such an event that no rule matches it before all of it is read, where anything can."""
        if nsid not in self._sieves:
            from router.core import sieve  # noqa: PLC0415 - only those who listen need it

            if len(self._sieves) >= self.REMEMBERED:
                self._sieves.clear()
            self._sieves[nsid] = sieve.of(self.index, nsid)
        return self._sieves[nsid]

    def candidates(self, nsid: str) -> Iterator[Rule]:
        """The rules that ask for this nsid or for any, in order."""
        numbers = self.topics.of_nsid(nsid)
        return (self.topics.rules[number] for number in numbers)


def asks_for_statuses(rule: Rule) -> bool:
    """Whether a rule speaks of our own statuses. They have a branch and a repo like what they are about, and a rule that only
    names those means the push: it would set itself off."""
    return any(question.field in ("nsid", "source", "status") for question in rule.asked.questions())
