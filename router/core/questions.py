"""What is asked of a field, in the form that is answered fastest.

Equal questions of many rules are one object, and answered once for an event, except where asking again takes less than
remembering does. A form of its own decides as `Question` would, of the commonest values; all others it leaves to that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from router.core import globs
from router.core.identity import Account, Repo
from router.core.operators import Equals, Leaf, Not
from router.core.truth import Answer, Operator, Unevaluable
from router.core.view import GIVEN, SINGLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from router.core.view import View

#: What a look at a field costs, roughly; the rest is a JSONPath.
_COSTS = {"nsid": 0, "source": 1, "trigger": 1, "operation": 1, "status": 1, "trust": 1, "branch": 2, "tag": 2, "ref": 2}


class Question(Struct, eq=False, gc=False):
    """One field and what is asked of its values. Compared by identity: `grammar` sees to it that equals are one.

    Of one value, which most fields have, a `leaf` asks no more than itself.
    """

    field: str
    operator: Operator
    leaf: bool

    @property
    def cost(self) -> int:
        return _COSTS.get(self.field, 5 if self.field.startswith("$") else 3)

    def questions(self) -> Iterator[Question]:
        """Itself: see `asked`."""
        yield self

    def decide(self, view: View) -> Answer:
        """The answer for an event, which is remembered as long as the view is."""
        answers = view.answers
        answer = answers.get(self)
        if answer is None:
            try:
                values = view.values(self.field)
                if self.leaf and len(values) == 1 and type(values[0]) is not list:
                    answer = self.operator.check(values[0])  # type: ignore[attr-defined]
                else:
                    answer = self.operator.holds(values, view.identities)
            except Unevaluable as doubt:
                # It is remembered as long as the view is, and must not keep alive where it came from.
                answer = doubt.with_traceback(None)
            answers[self] = answer
        return answer


class _IsText(Question, eq=False, gc=False):
    """The commonest question: whether a named field is exactly this text, or this account."""

    text: str

    def decide(self, view: View) -> Answer:
        value = view.event.fields.get(self.field)
        if type(value) is str:
            return self.text == value
        return False if value is None else super().decide(view)


class _IsNoText(Question, eq=False, gc=False):
    """The opposite."""

    text: str

    def decide(self, view: View) -> Answer:
        value = view.event.fields.get(self.field)
        if type(value) is str:
            return self.text != value
        return True if value is None else super().decide(view)


class _IsTrust(Question, eq=False, gc=False):
    """The same of `trust`, which has a second value once somebody has looked at the event."""

    text: str

    def decide(self, view: View) -> Answer:
        fields = view.event.fields
        value = fields.get("trust")
        if type(value) is str and fields.get("approval") != GIVEN:
            return self.text == value
        return super().decide(view)


class _IsNsid(Question, eq=False, gc=False):
    """The same of the nsid, which every event has."""

    text: str

    def decide(self, view: View) -> Answer:
        return self.text == view.event.nsid


class _IsRepo(Question, eq=False, gc=False):
    """Whether it is the repo with this DID."""

    did: str

    def decide(self, view: View) -> Answer:
        repo = view.event.fields.get("repo")
        if type(repo) is dict:
            return bool(self.did == repo.get("did"))
        return False if repo is None else super().decide(view)


class _IsRepoOf(Question, eq=False, gc=False):
    """Whether it is this owner's repo of this name."""

    owner: str
    name: str

    def decide(self, view: View) -> Answer:
        repo = view.event.fields.get("repo")
        if type(repo) is dict and type(owner := repo.get("owner")) is str and type(name := repo.get("name")) is str:
            return name == self.name and owner == self.owner
        return super().decide(view)


class _OfText(Question, eq=False, gc=False):
    """What a leaf asks of the one text of a named field."""

    def decide(self, view: View) -> Answer:
        answers = view.answers
        answer = answers.get(self)
        if answer is None:
            value = view.event.fields.get(self.field)
            if type(value) is not str:
                return super().decide(view)
            try:
                answer = self.operator.check(value)  # type: ignore[attr-defined]
            except Unevaluable as doubt:
                answer = doubt.with_traceback(None)
            answers[self] = answer
        return answer


def question(field: str, operator: Operator) -> Question:
    """The question about a field."""
    equals = operator if isinstance(operator, Equals) and type(operator.value) is str else None
    if field in SINGLE:
        if equals is not None:
            return _IsText(field, operator, leaf=True, text=equals.value)
        if isinstance(operator, Not) and isinstance(inner := operator.operator, Equals) and type(inner.value) is str:
            return _IsNoText(field, operator, leaf=True, text=inner.value)
        if isinstance(operator, Account) and (did := operator.who.did) and globs.is_plain(did):
            return _IsText(field, operator, leaf=False, text=did)
        if isinstance(operator, Repo) and field == "repo":
            return _of_repo(operator)
        if isinstance(operator, Leaf):
            return _OfText(field, operator, leaf=True)
    elif equals is not None and field in _ALONE:
        return _ALONE[field](field, operator, leaf=True, text=equals.value)
    one = isinstance(operator, Leaf) or (isinstance(operator, Not) and isinstance(operator.operator, Leaf))
    return Question(field, operator, leaf=one)


_ALONE = {"nsid": _IsNsid, "trust": _IsTrust}


def _of_repo(operator: Repo) -> Question:
    owner = operator.owner
    if owner is None:
        if globs.is_plain(operator.did):
            return _IsRepo("repo", operator, leaf=False, did=operator.did)
    elif owner.did and globs.is_plain(owner.did) and globs.is_plain(operator.name):
        return _IsRepoOf("repo", operator, leaf=False, owner=owner.did, name=operator.name)
    return Question("repo", operator, leaf=False)
