"""Which repos are ours, and whose word counts: what accounts and knots have written, read as it stands now.

A repo is ours if its own record names us as its spindle and its author is the spindle's owner or a member. Records come in any
order; nothing here depends on it, because everything is worked out anew from what the mirror holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from router.core import members, tid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from router.core.model import Event, RecordChange
    from router.engine.store.base import Store
    from router.spindle.verify import Verifies

REPO, MEMBER, COLLABORATOR = "sh.tangled.repo", "sh.tangled.spindle.member", "sh.tangled.repo.collaborator"
UPDATE, PULL, PULL_STATUS = "sh.tangled.repo.collaboratorUpdate", "sh.tangled.repo.pull", "sh.tangled.repo.pull.status"
#: What is mirrored of others' records.
MIRRORED = (REPO, MEMBER, COLLABORATOR, UPDATE, PULL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Repo:
    """A repo that names us, by the record of its owner. `did` is empty where it has none of its own."""

    did: str
    owner: str
    rkey: str
    name: str
    knot: str
    source: str = ""

    @property
    def id(self) -> str:
        """The DID, or `owner/name`."""
        return self.did or f"{self.owner}/{self.name}"


class Roster:
    """Kept by `apply`. `dev` speaks http to knots."""

    def __init__(self, hostname: str, owner: str, verifier: Verifies, *, dev: bool = False) -> None:
        self.hostname = hostname
        self.owner = owner
        self.verifier = verifier
        self.dev = dev
        #: Called whenever something is different.
        self.watchers: list[Callable[[], object]] = []
        self._records: dict[tuple[str, str, str], RecordChange] = {}
        self._read()

    async def load(self, store: Store) -> None:
        """What the mirror holds."""
        for collection in MIRRORED:
            for record in await store.records(collection):
                self._records[record.did, record.collection, record.rkey] = record
        self._read()

    def apply(self, changes: Iterable[RecordChange]) -> None:
        """The same changes as the mirror took, in the same order."""
        for change in changes:
            name = change.did, change.collection, change.rkey
            known = self._records.get(name)
            if known is not None and change.rev and known.rev > change.rev:
                continue
            self._records[name] = change
        self._read()
        for watcher in self.watchers:
            watcher()

    def differs(self, change: RecordChange) -> bool:
        """Whether the mirror says something else."""
        known = self._records.get((change.did, change.collection, change.rkey))
        return (known.record if known is not None else None) != change.record

    def known(self, did: str, collection: str, rkey: str) -> bool:
        """Whether there is a record of this name in the mirror."""
        found = self._records.get((did, collection, rkey))
        return found is not None and found.record is not None

    # --- who is who

    def repo_by_did(self, did: str) -> Repo | None:
        return self._by_did.get(did)

    def repo_by_name(self, owner: str, name: str) -> Repo | None:
        return self._by_name.get((owner, name))

    def repo_by_record(self, uri: str) -> Repo | None:
        """By the AT-URI of its record."""
        owner, _, rkey = uri.removeprefix("at://").partition(f"/{REPO}/")
        return next((repo for repo in self.repos if (repo.owner, repo.rkey) == (owner, rkey)), None)

    def repo_of(self, event: Event) -> Repo | None:
        """The repo of ours that an event is about, whichever way it names it."""
        if event.nsid == PULL_STATUS:
            uri = event.record.get("pull")
            author, _, rkey = str(uri).removeprefix("at://").partition(f"/{PULL}/")
            pull = self._records.get((author, PULL, rkey))
            target = members.mapping((pull.record or {}).get("target")).get("repo") if pull is not None else None
            return self._named(members.named(target))
        return self._named(members.mapping(event.fields.get("repo")))

    def _named(self, repo: Mapping[str, str]) -> Repo | None:
        did, owner, name = repo.get("did"), repo.get("owner"), repo.get("name")
        found = self._by_did.get(did) if did else None
        if found is None and owner and name:
            found = self._by_name.get((owner, name))
        return found

    def collaborators(self, repo: str) -> frozenset[str]:
        """DIDs of those who may push beside the owner, of a repo by its `id`."""
        return self._collaborators.get(repo, frozenset())

    def rkeys_of(self, did: str, collection: str) -> list[str]:
        """The rkeys of an account's mirrored records."""
        return [rkey for (who, what, rkey), one in self._records.items() if (who, what) == (did, collection) and one.record]

    def knot_url(self, knot: str) -> str:
        return f"{'http' if self.dev else 'https'}://{knot}"

    @property
    def knots(self) -> frozenset[str]:
        """Hosts where repos of ours live."""
        return frozenset(repo.knot for repo in self.repos if not self.objection(repo))

    # --- what counts

    def objection(self, repo: Repo) -> str:
        """Why a repo that names us is not ours; empty where it is."""
        if repo.owner not in self.members:
            return f"{repo.owner} is neither the owner nor a member of this spindle."
        first = self._by_did.get(repo.did) if repo.did else repo
        if first is not None and first.owner != repo.owner:
            return f"{repo.did} is a repo of {first.owner}."
        return ""

    async def verdict(self, repo: Repo, knot: str) -> str:
        """Why a trigger that was heard from this knot does not count; empty where it does. Raises RouterError where that cannot
        be told now."""
        if repo.knot != knot:
            return f"The repo's record names the knot {repo.knot}, and this came from {knot}."
        return self.objection(repo) or await self.verifier.objection(repo, self.knot_url(repo.knot))

    async def fork(self, did: str) -> Repo:
        """The repo of somebody else that a pull request comes from. Raises RouterError."""
        return await self.verifier.fork(did)

    # --- how it is worked out

    def _read(self) -> None:
        records = [one for one in self._records.values() if one.record is not None]
        self.members = frozenset({self.owner, *self._members(records)})
        self.repos: tuple[Repo, ...] = tuple(self._repos(records))
        self._by_did: dict[str, Repo] = {}
        self._by_name: dict[tuple[str, str], Repo] = {}
        # Members' repos last, so that a stranger who claims a member's repo never has it.
        for repo in sorted(self.repos, key=lambda one: one.owner in self.members):
            if repo.did:
                self._by_did[repo.did] = repo
            self._by_name[repo.owner, repo.name] = repo
        self._collaborators = self._collaborations(records)

    def _members(self, records: Sequence[RecordChange]) -> Iterable[str]:
        for one in records:
            if one.collection == MEMBER and one.did == self.owner and (one.record or {}).get("instance") == self.hostname:
                subject = members.did((one.record or {}).get("subject"))
                if subject is not None:
                    yield subject

    def _repos(self, records: Sequence[RecordChange]) -> Iterable[Repo]:
        """Of several records of one repo (it was renamed) the newest."""
        found: dict[tuple[str, str], tuple[str, Repo]] = {}
        for one in records:
            said = one.record or {}
            knot = members.canonical_host(said.get("knot"))
            if one.collection != REPO or said.get("spindle") != self.hostname or knot is None:
                continue
            named = members.text(said.get("name")) if tid.micros(one.rkey) is not None else None
            did = members.did(said.get("repoDid")) or ""
            # It becomes a part of addresses.
            if members.REPO_NAME.fullmatch(named or one.rkey) is None:
                continue
            repo = Repo(did=did, owner=one.did, rkey=one.rkey, name=named or one.rkey, knot=knot)
            age, name = one.rev or str(said.get("createdAt", "")), (one.did, did or one.rkey)
            if name not in found or found[name][0] <= age:
                found[name] = age, repo
        return [repo for _, repo in found.values()]

    def _collaborations(self, records: Sequence[RecordChange]) -> dict[str, frozenset[str]]:
        """What the owner wrote, and what the knot that hosts the repo says: its word is the newer custom, and wins."""
        found: dict[str, set[str]] = {}
        for one in records:
            said, subject = one.record or {}, members.did((one.record or {}).get("subject"))
            repo = self._named(members.named(said.get("repo")))
            if one.collection == COLLABORATOR and repo is not None and subject is not None and one.did == repo.owner:
                found.setdefault(repo.id, set()).add(subject)
        for one in records:
            said, subject = one.record or {}, members.did((one.record or {}).get("subject"))
            repo = self._named(members.named(said.get("repo")))
            if one.collection != UPDATE or repo is None or subject is None or one.did != f"knot:{repo.knot}":
                continue
            people = found.setdefault(repo.id, set())
            (people.add if said.get("op") == "add" else people.discard)(subject)
        return {repo: frozenset(people) for repo, people in found.items()}
