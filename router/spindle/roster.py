"""Which repos are ours, and whose word counts: what accounts and knots have written, read as it stands now.

A repo is ours if its own record names us as its spindle and its author is the spindle's owner or a member. Records come in any
order; nothing here depends on it, because everything is worked out anew from what the mirror holds.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from router.core import members, tid
from router.core.envelope import ACCOUNT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from router.core.model import Event, RecordChange
    from router.engine.store.base import Store
    from router.spindle.verify import Verifies

REPO, MEMBER, COLLABORATOR = "sh.tangled.repo", "sh.tangled.spindle.member", "sh.tangled.repo.collaborator"
UPDATE, PULL, PULL_STATUS = "sh.tangled.repo.collaboratorUpdate", "sh.tangled.repo.pull", "sh.tangled.repo.pull.status"
#: What is mirrored of others' records, and of what is said of accounts.
MIRRORED = (REPO, MEMBER, COLLABORATOR, UPDATE, ACCOUNT, PULL)
#: Pull requests whose repo is remembered. Anybody may write any number of them.
PULLS = 20_000


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
        self._pulls: OrderedDict[tuple[str, str, str], RecordChange] = OrderedDict()
        #: Of DIDs that several claim, whom their knot and their document named last.
        self._confirmed: dict[str, str] = {}
        self._read()

    async def load(self, store: Store) -> None:
        """What the mirror holds."""
        for collection in MIRRORED:
            for record in sorted(await store.records(collection), key=lambda one: one.rkey):
                self._keep(record)
        self._read()

    def apply(self, changes: Iterable[RecordChange]) -> None:
        """The same changes as the mirror took, in the same order."""
        if any([self._keep(change) for change in changes]):  # noqa: C419 - every one is kept
            self._read()
        for watcher in self.watchers:
            watcher()

    def _keep(self, change: RecordChange) -> bool:
        """Whether it may change who and what is ours: a pull request does not."""
        kept = self._pulls if change.collection == PULL else self._records
        name = change.did, change.collection, change.rkey
        known = kept.get(name)
        if known is not None and change.rev and known.rev > change.rev:
            return False
        # A listing tells no rev: what Jetstream told before must not count as newer.
        kept[name] = change if change.rev or known is None else replace(change, rev=known.rev)
        while len(self._pulls) > PULLS:
            self._pulls.popitem(last=False)
        return change.collection != PULL

    def mirrored(self, did: str, collection: str) -> dict[str, RecordChange]:
        """What the mirror holds of an account's records, deletions as well, by rkey."""
        return {rkey: one for (who, what, rkey), one in self._records.items() if (who, what) == (did, collection)}

    def differs(self, change: RecordChange) -> bool:
        """Whether the mirror says something else."""
        known = self._records.get((change.did, change.collection, change.rkey))
        return (known.record if known is not None else None) != change.record

    def known(self, did: str, collection: str, rkey: str) -> bool:
        """Whether there is a record of this name in the mirror."""
        kept = self._pulls if collection == PULL else self._records
        found = kept.get((did, collection, rkey))
        return found is not None and found.record is not None

    # --- who is who

    def repo_by_did(self, did: str) -> Repo | None:
        """Of several that claim it the one that counts most."""
        return next(iter(self.claims(did)), None)

    def claims(self, did: str) -> Sequence[Repo]:
        """The repos that say that this DID is theirs. Those of members go first, and of these what was confirmed."""
        confirmed = self._confirmed.get(did)
        return sorted(self._claims.get(did, ()), key=lambda one: (one.owner not in self.members, one.owner != confirmed))

    def repo_by_name(self, owner: str, name: str) -> Repo | None:
        return self._by_name.get((owner, name))

    def repo_by_record(self, uri: str) -> Repo | None:
        """By the AT-URI of its record."""
        owner, _, rkey = uri.removeprefix("at://").partition(f"/{REPO}/")
        return next((repo for repo in self.repos if (repo.owner, repo.rkey) == (owner, rkey)), None)

    def repo_of(self, event: Event) -> Repo | None:
        """The repo of ours that an event is about, whichever way it names it."""
        return next(iter(self.repos_of(event)), None)

    def repos_of(self, event: Event) -> Sequence[Repo]:
        """The same, with whatever else claims to be that repo."""
        if event.nsid == PULL_STATUS:
            uri = event.record.get("pull")
            author, _, rkey = str(uri).removeprefix("at://").partition(f"/{PULL}/")
            pull = self._pulls.get((author, PULL, rkey))
            target = members.mapping((pull.record or {}).get("target")).get("repo") if pull is not None else None
            return self._all_named(members.named(target))
        return self._all_named(members.mapping(event.fields.get("repo")))

    def _named(self, repo: Mapping[str, str]) -> Repo | None:
        return next(iter(self._all_named(repo)), None)

    def _all_named(self, repo: Mapping[str, str]) -> Sequence[Repo]:
        did, owner, name = repo.get("did"), repo.get("owner"), repo.get("name")
        found = self.claims(did) if did else ()
        if not found and owner and name and (owner, name) in self._by_name:
            return (self._by_name[owner, name],)
        return found

    def collaborators(self, repo: str) -> frozenset[str]:
        """DIDs of those who may push beside the owner, of a repo by its `id`."""
        found = self.repo_by_did(repo)
        owner = found.owner if found is not None else repo.partition("/")[0]
        return self._collaborators.get((owner, repo), frozenset())

    def invited(self, repo: Repo, did: str) -> str:
        """Whose word makes somebody a collaborator of a repo."""
        said = self._records.get((f"knot:{repo.knot}", UPDATE, f"{repo.did} {did}"))
        return f"the knot {repo.knot} says so" if said is not None and said.record is not None else "a record of the owner"

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
        if repo.owner in self.inactive:
            return f"The account {repo.owner} is {self.inactive[repo.owner]}."
        theirs = self._confirmed.get(repo.did, repo.owner)
        if theirs != repo.owner and any(one.owner == theirs for one in self._claims[repo.did]):
            return f"{repo.did} is a repo of {theirs}."
        return ""

    async def verdict(self, repo: Repo, knot: str) -> str:
        """Why a trigger that was heard from this knot does not count; empty where it does. Raises RouterError where that cannot
        be told now."""
        if repo.knot != knot:
            return f"The repo's record names the knot {repo.knot}, and this came from {knot}."
        if repo.owner not in self.members or repo.owner in self.inactive:
            return self.objection(repo)
        why = await self.verifier.objection(repo, self.knot_url(repo.knot))
        if why and self._confirmed.get(repo.did) == repo.owner:
            del self._confirmed[repo.did]
        elif not why and repo.did:
            self._confirmed[repo.did] = repo.owner
        return why

    async def rightful(self, did: str) -> Repo | None:
        """Of the repos that claim this DID the one that has it, or the likeliest. Raises RouterError where that cannot be told
        now."""
        claims = self.claims(did)
        for repo in claims if len(claims) > 1 else ():
            if not await self.verdict(repo, repo.knot):
                return repo
        return claims[0] if claims else None

    async def fork(self, did: str) -> Repo:
        """The repo of somebody else that a pull request comes from. Raises RouterError."""
        return await self.verifier.fork(did)

    # --- how it is worked out

    def _read(self) -> None:
        records = [one for one in self._records.values() if one.record is not None]
        self.members = frozenset({self.owner, *self._members(records)})
        #: Accounts that are not there now, and what they are: deactivated, deleted, taken down.
        self.inactive = dict(_inactive(records))
        self.repos: tuple[Repo, ...] = tuple(self._repos(records))
        self._claims: dict[str, list[Repo]] = {}
        self._by_name: dict[tuple[str, str], Repo] = {}
        for repo in self.repos:
            if repo.did:
                self._claims.setdefault(repo.did, []).append(repo)
            self._by_name[repo.owner, repo.name] = repo
        self._confirmed = {did: owner for did, owner in self._confirmed.items() if did in self._claims}
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

    def _collaborations(self, records: Sequence[RecordChange]) -> dict[tuple[str, str], frozenset[str]]:
        """By owner and repo: what the owner wrote, and what the knot that hosts the repo says. The knot's word is the newer
        custom, and wins."""
        found: dict[tuple[str, str], set[str]] = {}
        for one in sorted(records, key=lambda one: one.collection == UPDATE):
            said, subject = one.record or {}, members.did((one.record or {}).get("subject"))
            if one.collection not in (COLLABORATOR, UPDATE) or subject is None:
                continue
            for repo in self._all_named(members.named(said.get("repo"))):
                people = found.setdefault((repo.owner, repo.id), set())
                if one.collection == COLLABORATOR and one.did == repo.owner:
                    people.add(subject)
                elif one.collection == UPDATE and one.did == f"knot:{repo.knot}":
                    (people.add if said.get("op") == "add" else people.discard)(subject)
        return {repo: frozenset(people) for repo, people in found.items()}


def _inactive(records: Sequence[RecordChange]) -> Iterable[tuple[str, str]]:
    for one in records:
        said = one.record or {}
        if one.collection == ACCOUNT and said.get("active") is False:
            yield one.did, members.text(said.get("status")) or "deactivated"
