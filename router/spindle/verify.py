"""Whether a repo is whose its record says: anybody may write any `repoDid` into a record of their own.

Its knot has to agree (`sh.tangled.repo.describeRepo`), and so has the repo's DID document, which names the knot. Knots that
are too old to be asked pass on the document's word, and repos that have no DID on the record's: there the knot names the owner
in each event.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Protocol

from router.core import members
from router.core.errors import RouterError
from router.identity.documents import NoIdentity
from router.spindle.calls import Unavailable, tree

if TYPE_CHECKING:
    from router.core.model import Micros
    from router.host import Host
    from router.identity.documents import Documents
    from router.spindle.roster import Repo

#: Microseconds for which an answer is believed: a no for a moment only, because repos move, and a yes for a day where nobody
#: answers. Answers that are remembered.
FRESH: Micros = 600_000_000
FRESH_NO: Micros = 20_000_000
STALE: Micros = 86_400_000_000
REMEMBERED = 10_000


class Verifies(Protocol):
    """Tells whether a record is believed."""

    async def objection(self, repo: Repo, knot_url: str) -> str:
        """Why not; empty where it is."""

    async def fork(self, did: str) -> Repo:
        """A repo that is none of ours."""


class Unasked:
    """For whoever only reads what is known: nobody is asked."""

    async def objection(self, repo: Repo, knot_url: str) -> str:
        return ""

    async def fork(self, did: str) -> Repo:
        raise NoIdentity(f"{did} is not looked up here.")


class Verifier:
    """Asks, and remembers for ten minutes."""

    def __init__(self, host: Host, documents: Documents, *, dev: bool = False) -> None:
        self.host = host
        self.documents = documents
        self.dev = dev
        self._known: OrderedDict[tuple[str, str, str], tuple[Micros, str]] = OrderedDict()

    async def objection(self, repo: Repo, knot_url: str) -> str:
        """Why the record is not believed; empty where it is. Raises Unavailable or Unresolved where that cannot be told."""
        if not repo.did:
            return ""
        name, now = (repo.did, repo.owner, repo.knot), self.host.clock.now()
        at, said = self._known.get(name, (0, ""))
        if at + (FRESH_NO if said else FRESH) >= now and name in self._known:
            return said
        try:
            said = await self._ask(repo, knot_url)
        except RouterError:
            if name in self._known and not said and at + STALE >= now:
                return ""
            raise
        self._known[name] = now, said
        self._known.move_to_end(name)
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return said

    async def _ask(self, repo: Repo, knot_url: str) -> str:
        status, answer = await tree(self.host, knot_url, "sh.tangled.repo.describeRepo", {"repoDid": repo.did})
        said = members.mapping(answer or {})
        if status == 200:
            if said.get("repoDid", said.get("repo")) != repo.did or said.get("ownerDid") != repo.owner:
                return f"The knot {repo.knot} says that {repo.did} is no repo of {repo.owner}."
        elif said.get("error") == "RepoNotFound":
            return f"The knot {repo.knot} has no repo {repo.did}."
        return await self._documented(repo)

    async def _documented(self, repo: Repo) -> str:
        """Whether the DID's document names the knot. A document that names another is read anew: the repo may have moved."""
        hosts: list[str] = []
        for fresh in (False, True):
            try:
                document = await self.documents.document(repo.did, fresh=fresh)
            except NoIdentity:
                continue
            hosts = [host for url in document.knots if (host := members.canonical_host(url))]
            if repo.knot in hosts:
                return ""
        return f"{repo.did} says that it lives on {hosts[0]}, not on {repo.knot}." if hosts else f"{repo.did} names no knot."

    async def fork(self, did: str) -> Repo:
        """A repo that is none of ours, by its DID. Raises Unavailable, Unresolved or NoIdentity."""
        from router.spindle.roster import Repo  # noqa: PLC0415 - the roster has a verifier

        document = await self.documents.document(did)
        host = members.canonical_host(document.knots[0]) if document.knots else None
        if host is None:
            raise NoIdentity(f"{did} names no knot, so it is no repo.")
        url = f"{'http' if self.dev else 'https'}://{host}"
        status, answer = await tree(self.host, url, "sh.tangled.repo.describeRepo", {"repoDid": did})
        said = members.mapping(answer or {})
        owner, rkey = members.did(said.get("ownerDid")), members.text(said.get("rkey"))
        if status != 200 or said.get("repoDid", said.get("repo")) != did or owner is None or rkey is None:
            raise Unavailable(f"The knot {host} does not know the repo {did}.")
        return Repo(did=did, owner=owner, rkey=rkey, name=rkey, knot=host)
