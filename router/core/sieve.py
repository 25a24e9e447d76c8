"""Pull requests that no rule may match, told from a few members of their records: most of a network's are about nobody's repos.

It asks the index itself, with an event that has no more than what the shelves ask for. Whatever else is asked (by an index
within the index) cannot be said, which the index takes for a rule that may match. So what is left out matches nothing for
certain; whatever is unusual, or may match, is read whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from router.core.model import Event
from router.core.truth import Unevaluable
from router.core.usual import PULL, owner_and_name
from router.core.view import SINGLE, View

if TYPE_CHECKING:
    from collections.abc import Sequence

    from router.core.glance import Commit
    from router.core.index import Index
    from router.core.model import Tree
    from router.core.truth import Identities

#: What is known of a pull request here: it has these as the whole event has them, or it does not have them either.
TOLD = SINGLE | {"nsid", "$.title"}
_TRIGGER = "pull_request"


class _Target(Struct, gc=False):
    repo: str
    branch: str


class _Source(Struct, gc=False):
    branch: str


class _Pull(Struct, gc=False):
    title: str
    target: _Target
    source: _Source


class _Partly(View):
    """An event of which no more than TOLD is known."""

    def values(self, field: str) -> Sequence[Tree]:
        if field in TOLD:
            return View.values(self, field)
        raise Unevaluable("It was not read.")


_PULL = msgspec.json.Decoder(_Pull).decode
_ODD = (msgspec.MsgspecError, ValueError, RecursionError)


class Sieve:
    """For the rules of one index."""

    __slots__ = ("_near",)

    def __init__(self, index: Index) -> None:
        self._near = index.near

    def leaves_out(self, identities: Identities, sent: Commit[Any]) -> bool:
        """Whether certainly no rule matches a pull request, nor fails to be decided for it."""
        commit, did = sent.commit, sent.did
        if commit.operation == "delete" or type(commit.record) is dict:  # what is read already need not be spared
            return False
        try:
            pull = _PULL(commit.record)
        except _ODD:
            return False
        target, branch = pull.target, pull.source.branch
        repo = owner_and_name(target.repo)
        if repo is None or not branch or not target.branch:
            return False
        owner, name = repo
        fields: dict[str, Tree] = {
            "operation": commit.operation,
            "actor": did,
            "trigger": _TRIGGER,
            "branch": branch,
            "target_branch": target.branch,
            "repo": {"owner": owner, "name": name},
            "owner": owner,
        }
        event = Event(origin="", id="", source="", kind="", nsid=PULL, time=0, record={"title": pull.title}, fields=fields)
        return not self._near(_Partly(event, identities))


def of(index: Index, nsid: str) -> Sieve | None:
    """None where it could leave nothing out."""
    if nsid != PULL or index.root.always or any(one.field not in TOLD for one in index.root.open_to(PULL, _TRIGGER)):
        return None
    return Sieve(index)
