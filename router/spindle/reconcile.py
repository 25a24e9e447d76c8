"""What Jetstream did not tell: records from before we ran, or from an outage longer than its look-back."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from router.core import members
from router.core.envelope import ACCOUNT
from router.core.errors import RouterError
from router.core.model import RecordChange
from router.spindle.calls import Unavailable, tree
from router.spindle.permits import NoList, pushers
from router.spindle.records import SELF
from router.spindle.roster import COLLABORATOR, MEMBER, REPO, UPDATE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Iterable

    from router.core.model import Tree
    from router.engine.store.base import Store
    from router.host import Host
    from router.identity.documents import Documents
    from router.observe import Observer
    from router.spindle.records import Records
    from router.spindle.roster import Roster

#: Records on a page, and pages of one account, that are read.
PAGE, PAGES = 100, 100
#: Accounts and knots that are asked at once.
LANES = 8
#: What a server says of an account that it has no more.
AWAY = {"RepoDeactivated": "deactivated", "RepoTakendown": "takendown", "RepoSuspended": "suspended", "RepoNotFound": "deleted"}


class Away(RouterError):
    """The account is not there now."""

    def __init__(self, state: str) -> None:
        super().__init__(f"The account is {state}.")
        self.state = state


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
        #: Members whose records were listed since they became members, and repos whose collaborators were.
        self._listed: frozenset[str] = frozenset()
        self._asked: frozenset[tuple[str, str]] = frozenset()
        self._joined = asyncio.Event()
        self._missed = False
        #: Set once everybody's records were listed.
        self.looked = asyncio.Event()

    def look(self) -> None:
        """The roster has changed."""
        if self.roster.members - self._listed or self._hosted() - self._asked:
            self._joined.set()

    def again(self) -> None:
        """Something was missed: list everything, and not only when it is time for it."""
        self._missed = True
        self._joined.set()

    def _hosted(self) -> frozenset[tuple[str, str]]:
        """Repos that count, with their knots."""
        return frozenset((one.knot, one.did) for one in self.roster.repos if one.did and not self.roster.objection(one))

    async def run(self) -> None:
        """For ever."""
        while True:
            self._joined.clear()
            self._missed = False
            await self.once()
            self.looked.set()
            with suppress(TimeoutError):
                async with asyncio.timeout(self.every):
                    while not self._missed and not self.roster.members - self._listed:
                        await self._joined.wait()
                        self._joined.clear()
                        await self._hosted_now(self._asked)

    async def once(self) -> None:
        """The owner first: their records say who else there is. Of the others several at once: one whose server is slow must
        not hold up the rest."""
        await self._account(self.roster.owner, (MEMBER, REPO, COLLABORATOR))
        members_now = self.roster.members
        await self._each(self._account(did, (REPO, COLLABORATOR)) for did in sorted(members_now - {self.roster.owner}))
        self._listed = members_now
        await self._hosted_now(frozenset())

    async def _hosted_now(self, asked: frozenset[tuple[str, str]]) -> None:
        hosted = self._hosted()
        await self._each(self._collaborators(knot, repo) for knot, repo in sorted(hosted - asked))
        self._asked = hosted

    async def _each(self, jobs: Iterable[Coroutine[None, None, None]]) -> None:
        turns = asyncio.Semaphore(LANES)

        async def one(job: Coroutine[None, None, None]) -> None:
            async with turns:
                await job

        async with asyncio.TaskGroup() as group:
            for job in jobs:
                group.create_task(one(job))

    async def _account(self, did: str, collections: tuple[str, ...]) -> None:
        try:
            pds = (await self.documents.document(did)).pds
            try:
                await self._records(did, pds, collections)
            except Away:
                # It may have moved to another server, where it is.
                moved = (await self.documents.document(did, fresh=True)).pds
                if moved == pds:
                    raise
                await self._records(did, moved, collections)
            await self._state(did, "")
        except Away as error:
            await self._state(did, error.state)
        except RouterError as error:
            self.observer.fault("roster", f"The records of {did} cannot be listed now: {error}", None)

    async def _records(self, did: str, pds: str, collections: tuple[str, ...]) -> None:
        for collection in collections:
            before = self.roster.mirrored(did, collection)
            listed = {rkey: record async for rkey, record in self._list(pds, did, collection)}
            said = {rkey: RecordChange(did=did, collection=collection, rkey=rkey, record=one) for rkey, one in listed.items()}
            said |= {rkey: RecordChange(did=did, collection=collection, rkey=rkey) for rkey in before if rkey not in listed}
            # What was told while the list was read is newer than the list.
            now = self.roster.mirrored(did, collection)
            still = [change for rkey, change in said.items() if now.get(rkey) is before.get(rkey)]
            await self._apply([change for change in still if self.records.concerns(change)])

    async def _state(self, did: str, state: str) -> None:
        """Whether the account is there: its server knows, if Jetstream did not tell."""
        if state != self.roster.inactive.get(did, ""):
            record = {"active": not state, "status": state}
            await self._apply([RecordChange(did=did, collection=ACCOUNT, rkey=SELF, record=record)])

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
            error = said.get("error")
            if status == 400 and isinstance(error, str) and error in AWAY:
                raise Away(AWAY[error])
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
        name = f"knot:{knot}"
        before = {rkey: one for rkey, one in self.roster.mirrored(name, UPDATE).items() if rkey.startswith(f"{repo} ")}
        try:
            people = await pushers(self.host, self.roster.knot_url(knot), repo)
        except NoList:
            return
        except RouterError as error:
            self.observer.fault("roster", f"The collaborators of {repo} cannot be listed now: {error}", None)
            return
        now = self.roster.mirrored(name, UPDATE)
        said = dict.fromkeys(before, "remove") | {f"{repo} {subject}": "add" for subject in people}
        changes = [
            RecordChange(
                did=name, collection=UPDATE, rkey=rkey, record={"op": op, "repo": repo, "subject": rkey.partition(" ")[2]}
            )
            for rkey, op in said.items()
            if now.get(rkey) is before.get(rkey)
        ]
        await self._apply(changes)
