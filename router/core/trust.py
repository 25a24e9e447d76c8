"""R034: strangers' events that may reach what a step puts at risk.

A stranger is somebody whom the rule does not name. Anybody may have a repo on a knot that is listened to, and is its owner
there; anybody may write records that speak of another's repo, pull requests above all. What their events have is written down
as formulas, and the question is whether such an event can make a rule act. Where that is too hard to tell, nothing is told.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from router.core import identity
from router.core.analysis import facts, sets, texts
from router.core.analysis.automata import TooHard
from router.core.analysis.logic import PART, Each, No, Present, Some, possible
from router.core.analysis.meaning import acts, holds, meaning
from router.core.asked import All
from router.core.conditions import Asks
from router.core.marks import Exposes
from router.core.problems import Place
from router.core.questions import Question
from router.core.rulebook import OWN_STATUS, Mode

if TYPE_CHECKING:
    from router.core.analysis.logic import Formula
    from router.core.problems import Problems
    from router.core.rulebook import Rule, Step
    from router.core.truth import Operator

_FIRE, _PULL = "router.schedule.fire", "sh.tangled.repo.pull"
_RISKS = {
    Exposes.SECRETS: "starts what has your secrets",
    Exposes.MACHINE: "runs on this machine, with the router's rights",
}
_MEANT = "or write `allow_untrusted: true` if that is meant."
#: DIDs of both methods that no rule names, except by a glob.
_STRANGERS = sets.of_texts(texts.words("did:plc:strangerstrangerstranger", "did:web:stranger.invalid"))
_REPO = ("repo", "owner")
_REF = ("branch", "tag", "ref", "target_branch", "paths")
#: Conditions on these tell most rules from what strangers do.
_TELLING = ("nsid", "trigger", "operation", "trust")


def _lacks(*fields: str) -> Formula:
    return Each(tuple(No(Present(field)) for field in fields))


_is = facts.is_one_of
#: The author has no rights on the repo that a record is about.
_UNTRUSTED = _is("trust", "unknown", "contributor")
_NOT_DELETED = No(_is("operation", "delete"))
_NOT_OURS = Each((No(_is("nsid", _FIRE, OWN_STATUS)), No(_is("source", "schedule", "spindle")), _lacks("status")))
#: A source that a rule names by its own name is the operator's choice.
_UNNAMED = No(Some("source", ~sets.of_texts(texts.words("jetstream", "knot"))))


class _Way(Struct, frozen=True, eq=False):
    """One way in which a stranger may set off a rule, by any of `events`. In `accounts` there are strangers."""

    what: str
    events: tuple[Formula, ...]
    accounts: tuple[str, ...]
    hint: str


_PULLS = _Way(
    "Anybody's pull request",
    (
        Each(
            (
                _is("nsid", _PULL),
                _is("trigger", "pull_request"),
                _UNTRUSTED,
                _NOT_DELETED,
                _lacks("tag", "ref", "paths", "workflow"),
            )
        ),
        # One that was withdrawn, and the status that anybody may give one.
        Each((_is("nsid", _PULL, "sh.tangled.repo.pull.status"), _UNTRUSTED, _lacks("trigger", "workflow", *_REPO, *_REF))),
        # What a knot compiled of one, which does not say whose it is.
        Each(
            (
                _is("nsid", "sh.tangled.pipeline"),
                _is("trigger", "pull_request"),
                _lacks("actor", "trust", "operation", "tag", "ref", "paths"),
            )
        ),
    ),
    ("actor",),
    f"Bound it with `trust: [owner, member, collaborator]` or `trigger: push`, {_MEANT}",
)
_UNNAMED_PULLS = replace(_PULLS, events=tuple(Each((event, _UNNAMED)) for event in _PULLS.events))
_REPOS = _Way(
    "What happens in anybody's repo",
    (Each((No(_is("trigger", "schedule")), No(_is("trust", "member")))),),
    (f"repo{PART}did", "actor", "owner", f"repo{PART}owner"),
    f"Bound it with `repo`, `owner` or `actor`, {_MEANT}",
)
_RECORD = Each((_NOT_DELETED, _lacks("trigger", "workflow", *_REF)))
_BOUND_RECORD = f"Bound it with `trigger`, `nsid` or `actor`, {_MEANT}"
_COLLABORATORS = _Way(
    "Anybody's record that names a collaborator",
    (Each((_is("nsid", "sh.tangled.repo.collaborator"), _UNTRUSTED, _RECORD)),),
    ("actor",),
    _BOUND_RECORD,
)
_CLAIMS = _Way(
    "Anybody's record that calls a repo theirs",
    (Each((_is("nsid", "sh.tangled.repo"), _is("trust", "owner"), _RECORD)),),
    ("actor", "owner", f"repo{PART}owner"),
    _BOUND_RECORD,
)
#: The widest first: a rule is told of one.
_WAYS = {
    Exposes.SECRETS: (_UNNAMED_PULLS,),
    Exposes.MACHINE: (_REPOS, _PULLS, _COLLABORATORS, _CLAIMS),
}


def check(rule: Rule, problems: Problems) -> None:
    """Report each step of a rule that strangers may set off, and that puts something at risk."""
    risky = [
        (number, step, risk)
        for number, step in enumerate(rule.steps)
        if (risk := getattr(step.model, "exposes", Exposes.NOTHING)) in _WAYS
    ]
    if not risky or rule.allow_untrusted or rule.mode is Mode.OFF:
        return
    question = _Question(rule)
    for number, step, risk in risky:
        way = next((way for way in _WAYS[risk] if question.is_open(way, step)), None)
        if way is not None:
            sentence = f"{way.what} may match this rule, and `{step.provider}` {_RISKS[risk]}."
            problems.error("R034", rule.step_places[number], sentence, _hint(rule, way))


def _hint(rule: Rule, way: _Way) -> str:
    if way is _REPOS and any(question.field == "source" for question in rule.asked.questions()):
        return f"{way.hint} If the source is a schedule, say `trigger: schedule`, too."
    return way.hint


class _Question:
    """What strangers may do with one rule."""

    def __init__(self, rule: Rule) -> None:
        self.formula = acts(rule)
        parts = rule.asked if isinstance(rule.asked, All) else ()
        self.telling = tuple(
            (part.field, part.operator) for part in parts if isinstance(part, Question) and part.field in _TELLING
        )
        self.handles = sorted({name for one in rule.asked.questions() for name in identity.handles(one.operator)})

    def is_open(self, way: _Way, step: Step) -> bool:
        """Whether an event of this way may set off the step."""
        events = _left(way, self.telling)
        if not events:
            return False
        taken = [_is("trust", *step.if_trust)] if step.if_trust else []
        given = (*map(self._stranger, way.accounts), *taken, self.formula)
        return any(_may_be(event, *given) for event in events)

    def _stranger(self, account: str) -> Formula:
        """That an account is none that the rule names, neither by its handle nor by its DID."""
        named = (meaning(identity.Account(identity.Who(handle=handle)), account, True) for handle in self.handles)  # noqa: FBT003
        return Each((No(Some(account, ~_STRANGERS)), *map(No, named)))


@lru_cache(maxsize=4096)
def _left(way: _Way, telling: tuple[tuple[str, Operator], ...]) -> tuple[Formula, ...]:
    """The events of a way that these conditions alone leave: many rules have the same, and most leave none."""
    conditions = [holds(Asks(field, operator, Place())) for field, operator in telling]
    return tuple(whole for event in way.events if _may_be(whole := Each((_NOT_OURS, event)), *conditions))


def _may_be(*formulas: Formula) -> bool:
    try:
        return possible(*formulas)
    except TooHard:
        return False
