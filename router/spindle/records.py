"""Which records of others are mirrored, of all that is heard: those that may say who and what is ours."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from router.core import members
from router.core.envelope import ACCOUNT
from router.core.model import RecordChange
from router.spindle.roster import COLLABORATOR, MEMBER, PULL, REPO, UPDATE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from router.core.model import Event, Tree
    from router.spindle.roster import Roster

#: What an account's state is mirrored as: there is one of each.
SELF = "self"
#: A commit's id (see `core.envelope`).
_COMMIT = re.compile(r"(?P<did>did:[^/]+)/(?P<nsid>[^/]+)/(?P<rkey>[^/@]+)@(?P<rev>[^:]*):(?P<operation>create|update|delete)")


class Records:
    """Of Jetstream's commits, of accounts that come and go, and of what knots say of collaborators."""

    def __init__(self, roster: Roster) -> None:
        self.roster = roster
        #: Names of records that are on their way to the mirror, which the roster does not know yet: what takes one back may
        #: come right behind it.
        self._coming: set[tuple[str, str, str]] = set()

    def of(self, event: Event) -> Sequence[RecordChange]:
        """The changes that an event makes; none, mostly."""
        made = self._of(event)
        self._coming.update(map(_name, made))
        return made

    def stored(self, changes: Iterable[RecordChange]) -> None:
        """The roster knows these now."""
        self._coming.difference_update(map(_name, changes))

    def _of(self, event: Event) -> Sequence[RecordChange]:
        if event.kind == "knot":
            return [one for one in _told_by_knot(event) if self._hosts(one)] if event.nsid == UPDATE else ()
        if event.nsid == ACCOUNT and event.kind == "jetstream":
            return [one for one in _account(event) if self.concerns(one)]
        found = _COMMIT.fullmatch(event.id) if event.kind == "jetstream" else None
        if found is None:
            return ()
        deleted = found["operation"] == "delete"
        change = RecordChange(
            did=found["did"],
            collection=found["nsid"],
            rkey=found["rkey"],
            rev=found["rev"],
            record=None if deleted else _kept(found["nsid"], event.record),
        )
        return (change,) if self.concerns(change) else ()

    def concerns(self, change: RecordChange) -> bool:
        """Whether it may matter: it names us, or what it replaces did."""
        if _name(change) in self._coming or self.roster.known(change.did, change.collection, change.rkey):
            return True
        said = change.record or {}
        if change.collection == ACCOUNT:
            return said.get("active") is False and (
                change.did in self.roster.members or any(repo.owner == change.did for repo in self.roster.repos)
            )
        if change.collection == REPO:
            return said.get("spindle") == self.roster.hostname
        if change.collection == MEMBER:
            return change.did == self.roster.owner and said.get("instance") == self.roster.hostname
        if change.collection == COLLABORATOR:
            return change.did in self.roster.members
        if change.collection == PULL:
            named = members.named(members.mapping(said.get("target")).get("repo"))
            return self.roster.repo_by_did(named.get("did", "")) is not None or self._by_name(named)
        return False

    def _hosts(self, change: RecordChange) -> bool:
        """Whether it is about a repo of ours on that knot, which hosts thousands of others: those of a repo that chooses us
        later are listed then."""
        return any(f"knot:{repo.knot}" == change.did for repo in self.roster.claims(change.rkey.partition(" ")[0]))

    def _by_name(self, named: Mapping[str, Tree]) -> bool:
        return self.roster.repo_by_name(str(named.get("owner")), str(named.get("name"))) is not None


def _name(change: RecordChange) -> tuple[str, str, str]:
    return change.did, change.collection, change.rkey


def _kept(collection: str, record: Mapping[str, Tree]) -> Mapping[str, Tree]:
    """Of a pull request no more than whose it is: its patches may be long."""
    return {"target": record.get("target")} if collection == PULL else record


def _told_by_knot(event: Event) -> Sequence[RecordChange]:
    """Under the knot's name: whether it hosts the repo is looked at when it is read."""
    repo, subject = members.did(event.record.get("repo")), members.did(event.record.get("subject"))
    host = event.origin.removeprefix("knot:")
    if repo is None or subject is None or members.op(event.record) is None:
        return ()
    rkey = f"{repo} {subject}"
    rev = event.id.rpartition("/")[2]
    return (RecordChange(did=f"knot:{host}", collection=UPDATE, rkey=rkey, rev=rev, record=event.record),)


def _account(event: Event) -> Sequence[RecordChange]:
    """Its state by `seq`, which grows."""
    did, _, seq = event.id.partition("#account@")
    said = {"active": event.record.get("active") is not False, "status": members.text(event.record.get("status")) or ""}
    return (RecordChange(did=did, collection=ACCOUNT, rkey=SELF, rev=f"{seq:0>20}", record=said),)
