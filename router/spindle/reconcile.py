"""What Jetstream did not tell: records from before we ran, or from an outage longer than its look-back."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from router.core import members
from router.core.errors import RouterError
from router.core.model import RecordChange
from router.spindle.calls import Unavailable, tree
from router.spindle.roster import COLLABORATOR, MEMBER, REPO, UPDATE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from router.core.model import Tree
    from router.engine.store.base import Store
    from router.host import Host
    from router.identity.documents import Documents
    from router.observe import Observer
    from router.spindle.records import Records
    from router.spindle.roster import Roster

#: Records on a page, and pages of one account, that are read.
PAGE, PAGES = 100, 100


class Reconcile:
    """Every so often, and at once when somebody becomes a member."""

    def __init__(
        self, store: Store, roster: Roster, records: Records, host: Host, documents: Documents, observer: Observer, every: float
    ) -> None:
        self.store = store
        self.roster = roster
        self.records = records
        self.host = host
        self.documents = documents
        self.observer = observer
        self.every = every
        #: Members whose records were listed since they became members.
        self._listed: frozenset[str] = frozenset()
        self._joined = asyncio.Event()

    def look(self) -> None:
        """The roster has changed."""
        if self.roster.members - self._listed:
            self._joined.set()

    def again(self) -> None:
        """Something was missed: list everything, and not only when it is time for it."""
        self._joined.set()

    async def run(self) -> None:
        """For ever."""
        while True:
            self._joined.clear()
            await self.once()
            try:
                async with asyncio.timeout(self.every):
                    await self._joined.wait()
            except TimeoutError:
                continue

    async def once(self) -> None:
        """The owner first: their records say who else there is."""
        await self._account(self.roster.owner, (MEMBER, REPO, COLLABORATOR))
        members_now = self.roster.members
        for did in sorted(members_now - {self.roster.owner}):
            await self._account(did, (REPO, COLLABORATOR))
        self._listed = members_now
        for repo in self.roster.repos:
            if repo.did and not self.roster.objection(repo):
                await self._collaborators(repo.knot, repo.did)

    async def _account(self, did: str, collections: tuple[str, ...]) -> None:
        try:
            pds = (await self.documents.document(did)).pds
            for collection in collections:
                listed = {rkey: record async for rkey, record in self._list(pds, did, collection)}
                # What was told while the list was read is newer than the list: only what was known before can be missing.
                gone = [rkey for rkey in self.roster.rkeys_of(did, collection) if rkey not in listed]
                found = [RecordChange(did=did, collection=collection, rkey=rkey, record=one) for rkey, one in listed.items()]
                found += [RecordChange(did=did, collection=collection, rkey=rkey) for rkey in gone]
                await self._apply([change for change in found if self.records.concerns(change)])
        except RouterError as error:
            self.observer.fault("roster", f"The records of {did} cannot be listed now: {error}", None)

    async def _apply(self, changes: list[RecordChange]) -> None:
        fresh = [change for change in changes if self.roster.differs(change)]
        if fresh:
            await self.store.mirror(fresh, self.host.clock.now())
            self.roster.apply(fresh)

    async def _list(self, pds: str, did: str, collection: str) -> AsyncIterator[tuple[str, dict[str, Tree]]]:
        cursor = ""
        for _ in range(PAGES):
            params = {"repo": did, "collection": collection, "limit": str(PAGE)} | ({"cursor": cursor} if cursor else {})
            status, answer = await tree(self.host, pds, "com.atproto.repo.listRecords", params)
            said = members.mapping(answer or {})
            listed = said.get("records")
            if status != 200 or not isinstance(listed, list):
                raise Unavailable(f"{pds} answered {status}.")
            for one in listed:
                uri, value = members.mapping(one).get("uri"), members.mapping(one).get("value")
                if isinstance(uri, str) and isinstance(value, dict):
                    yield uri.rpartition("/")[2], value
            cursor = members.text(said.get("cursor")) or ""
            if not cursor or not listed:
                return
        raise Unavailable(f"{did} has more than {PAGE * PAGES} records of {collection}.")

    async def _collaborators(self, knot: str, repo: str) -> None:
        """The knot's own list, where it keeps one."""
        try:
            wanted = {"subject": repo, "limit": str(PAGE)}
            status, answer = await tree(self.host, self.roster.knot_url(knot), "sh.tangled.repo.listCollaborators", wanted)
        except RouterError as error:
            self.observer.fault("roster", f"The collaborators of {repo} cannot be listed now: {error}", None)
            return
        items = members.mapping(answer or {}).get("items")
        if status != 200 or not isinstance(items, list):
            return
        people = {members.did(members.mapping(one).get("subject")) for one in items} - {None}
        before = {rkey for rkey in self.roster.rkeys_of(f"knot:{knot}", UPDATE) if rkey.startswith(f"{repo} ")}
        said = {f"{repo} {subject}": "add" for subject in people} | dict.fromkeys(before, "remove")
        said |= {f"{repo} {subject}": "add" for subject in people}
        changes = [
            RecordChange(
                did=f"knot:{knot}",
                collection=UPDATE,
                rkey=rkey,
                record={"op": op, "repo": repo, "subject": rkey.partition(" ")[2]},
            )
            for rkey, op in said.items()
        ]
        await self._apply(changes)
