"""Listing what no stream told: of slow servers, of accounts that moved, of long lists, and while streams go on telling."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from router.core.model import RecordChange
from router.demo.directory import Directory, Identity
from router.engine.store.sqlite import open_store
from router.identity.documents import Documents
from router.spindle.reconcile import Reconcile
from router.spindle.records import Records
from router.spindle.roster import MEMBER, REPO, UPDATE, Roster
from router.spindle.verify import Unasked
from router.testing import Peer, Reply, host
from tests.engine.way.parts import Told
from tests.spindle.test_roster import ALICE, BOB, CORE, EVE, HOST, OWNER, member, repo

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


def listed(*records: tuple[str, dict[str, Any]], cursor: str = "") -> Reply:
    """A page of a server's records."""
    page = [{"uri": f"at://x/y/{rkey}", "cid": "c", "value": value} for rkey, value in records]
    return Reply(200, json.dumps({"records": page} | ({"cursor": cursor} if cursor else {})))


def collaborators(*people: str, cursor: str = "") -> Reply:
    items = [{"subject": did, "addedBy": ALICE, "createdAt": "2026-11-30T00:00:00Z"} for did in people]
    return Reply(200, json.dumps({"items": items} | ({"cursor": cursor} if cursor else {})))


class During(Roster):
    """A stream tells something while a list is read: it is applied when the list is compared."""

    meanwhile: tuple[RecordChange, ...] = ()

    def mirrored(self, did: str, collection: str) -> dict[str, RecordChange]:
        found = super().mirrored(did, collection)
        told, self.meanwhile = self.meanwhile, ()
        self.apply(told)
        return found


@asynccontextmanager
async def reconciling(peer: Peer, *changes: RecordChange) -> AsyncIterator[tuple[Reconcile, During]]:
    store = await open_store(":memory:")
    async with Directory("directory") as directory, host() as lent:
        directory.identities = tuple(Identity(did, pds=peer.url) for did in (OWNER, ALICE, BOB, EVE))
        roster = During(HOST, OWNER, Unasked(), dev=True)
        await store.mirror(changes, 1)
        roster.apply(changes)
        documents = Documents(lent, directory.url, dev=True)
        yield Reconcile(store, roster, Records(roster), lent, documents, Told(), 300.0), roster
    await store.close()


@pytest.mark.parity(15)
async def test_what_is_told_while_a_list_is_read_is_newer() -> None:
    """A member who is added meanwhile is not in the list, and one who is taken away still is: both stay as they were told."""
    invited = {"subject": BOB, "instance": HOST}
    async with Peer() as peer, reconciling(peer, member(BOB)) as (reconcile, roster):
        peer.replies.extend([listed((BOB, invited)), listed(), listed(), listed(), listed()])
        roster.meanwhile = (member(ALICE, rev="2"), RecordChange(did=OWNER, collection=MEMBER, rkey=BOB, rev="2"))
        await reconcile.once()
        assert roster.members == {OWNER, ALICE}
        peer.replies.extend([listed((BOB, invited)), *[listed()] * 6])
        await reconcile.once()
        assert roster.members == {OWNER, BOB}


@pytest.mark.parity(12)
async def test_every_page_of_collaborators_counts() -> None:
    """Those on the second are not taken for removed."""
    async with Peer() as peer:
        place = peer.url.removeprefix("http://")
        async with reconciling(peer, member(ALICE), repo(knot=place)) as (reconcile, roster):
            chosen = {"spindle": HOST, "knot": place, "repoDid": CORE}
            peer.replies.extend([listed((ALICE, {"subject": ALICE, "instance": HOST})), listed(), listed()])
            peer.replies.extend([listed(("core", chosen)), listed()])
            peer.replies.extend([collaborators(BOB, cursor="x"), collaborators(EVE)])
            await reconcile.once()
            assert roster.collaborators(CORE) == {BOB, EVE}
            # One who is removed, and one whom the stream adds meanwhile.
            peer.accepts = collaborators(EVE)
            carol = f"did:plc:{'carol':a<24}"
            op = {"op": "add", "repo": CORE, "subject": carol}
            roster.meanwhile = (
                RecordChange(did=f"knot:{place}", collection=UPDATE, rkey=f"{CORE} {carol}", rev="9", record=op),
            )
            await reconcile._hosted_now(frozenset())
            assert roster.collaborators(CORE) == {EVE, carol}


@pytest.mark.parity(16)
async def test_an_account_that_moved_is_not_away() -> None:
    """Its old server says that it is deactivated there; the document, read anew, names the new one."""
    gone = Reply(400, json.dumps({"error": "RepoDeactivated", "message": "x"}))
    async with Peer(accepts=gone) as old, Peer() as new, reconciling(old, member(ALICE), repo()) as (reconcile, roster):
        await reconcile._account(ALICE, (REPO,))
        assert roster.inactive == {ALICE: "deactivated"}
        new.accepts = listed(("core", {"spindle": HOST, "knot": "knot.example.com", "repoDid": CORE}))

        async def moved(did: str, *, fresh: bool = False) -> Any:
            found = await Documents.document(reconcile.documents, did)
            place = new.url if fresh else old.url
            return type(found)(did, services={"atproto_pds": ("", place)})

        reconcile.documents.document = moved  # type: ignore[method-assign]
        await reconcile._account(ALICE, (REPO,))
        assert roster.inactive == {}
        assert roster.knots == {"knot.example.com"}


@pytest.mark.parity(15)
async def test_a_slow_server_does_not_hold_up_the_others() -> None:
    """Alice's never answers; Bob's repo is found all the same."""
    async with Peer(accepts=Reply(hold=True)) as slow, Peer(accepts=listed()) as peer:
        people = [(did, {"subject": did, "instance": HOST}) for did in (ALICE, BOB)]
        async with reconciling(peer, member(ALICE), member(BOB)) as (reconcile, roster):
            real = reconcile.documents.document

            async def document(did: str, *, fresh: bool = False) -> Any:
                found = await real(did, fresh=fresh)
                return type(found)(did, services={"atproto_pds": ("", slow.url)}) if did == ALICE else found

            reconcile.documents.document = document  # type: ignore[method-assign]
            chosen = {"spindle": HOST, "knot": "knot.example.com", "repoDid": CORE}
            peer.replies.extend([listed(*people), listed(), listed(), listed(("core", chosen))])
            task = asyncio.create_task(reconcile.once())
            async with asyncio.timeout(5):
                while roster.knots != {"knot.example.com"}:
                    await asyncio.sleep(0.01)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
