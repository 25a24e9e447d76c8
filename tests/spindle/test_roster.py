"""Whose repos are built: what the records of accounts and the words of knots make of each other."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from router.cli.roster import _rows
from router.core import envelope
from router.core.envelope import ACCOUNT
from router.core.model import RecordChange
from router.spindle.records import Records
from router.spindle.roster import COLLABORATOR, MEMBER, PULL, REPO, UPDATE, Roster
from router.spindle.verify import Unasked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from router.spindle.roster import Repo

OWNER, ALICE, BOB, EVE = (f"did:plc:{name:a<24}" for name in ("owner", "alice", "bob", "eve"))
CORE, HOST, KNOT = f"did:plc:{'core':r<24}", "ci.example.com", "knot.example.com"


def change(did: str, collection: str, rkey: str = "core", rev: str = "1", **record: Any) -> RecordChange:
    return RecordChange(did=did, collection=collection, rkey=rkey, rev=rev, record=record or None)


def member(subject: str, **more: Any) -> RecordChange:
    return change(OWNER, MEMBER, **{"rkey": subject, "subject": subject, "instance": HOST, **more})


def repo(owner: str = ALICE, **more: Any) -> RecordChange:
    return change(owner, REPO, **{"spindle": HOST, "knot": KNOT, "repoDid": CORE, **more})


def roster(*changes: RecordChange) -> Roster:
    made = Roster(HOST, OWNER, Unasked())
    made.apply(changes)
    return made


@pytest.mark.parity(9, 10)
def test_members_are_whom_the_owner_names() -> None:
    """For this spindle, by now: a record that is changed or deleted names nobody else; a stranger's record names nobody."""
    assert roster(member(ALICE)).members == {OWNER, ALICE}
    assert roster(change(EVE, MEMBER, "x", subject=EVE, instance=HOST)).members == {OWNER}
    assert roster(member(ALICE, instance="other.example.com")).members == {OWNER}
    assert roster(member(ALICE, rkey="m"), member(BOB, rkey="m", rev="2")).members == {OWNER, BOB}
    assert roster(member(ALICE, rkey="m"), change(OWNER, MEMBER, "m", "2")).members == {OWNER}
    assert roster(member(ALICE, rkey="m", rev="2"), change(OWNER, MEMBER, "m", "1")).members == {OWNER, ALICE}


@pytest.mark.parity(6, 7, 8, 19)
@pytest.mark.acceptance("A-01")
@pytest.mark.threat("S-15")
def test_knots_are_those_of_repos_that_count() -> None:
    """They come and go with the repos that name us."""
    ours = member(ALICE), repo()
    assert roster(*ours).knots == {KNOT}
    assert roster(repo()).knots == frozenset()
    assert roster(*ours, repo(rev="2", knot="other.example.com")).knots == {"other.example.com"}
    assert roster(*ours, repo(rev="2", spindle="other.example.com")).knots == frozenset()
    assert roster(*ours, change(ALICE, REPO, rev="2")).knots == frozenset()
    assert roster(*ours, change(OWNER, MEMBER, ALICE, "2")).knots == frozenset()
    assert roster(*ours, repo(rkey="two", repoDid=BOB), change(ALICE, REPO, "core", "2")).knots == {KNOT}


@pytest.mark.parity(6, 8)
def test_a_repo_that_is_renamed_is_one_repo() -> None:
    """Its new record and the one of its old name are of one DID: the newer counts, in whatever order they come."""
    older, newer = repo(rkey="core"), repo(rkey="kernel", rev="2")
    for order in ((older, newer), (newer, older)):
        (found,) = roster(member(ALICE), *order).repos
        assert (found.name, found.did) == ("kernel", CORE)
    named = roster(member(ALICE), repo(rkey="3mvfdkqum2222", name="core", repoDid=""))
    assert (named.repo_by_name(ALICE, "core") or repo).rkey == "3mvfdkqum2222"  # type: ignore[union-attr]


@pytest.mark.parity(11, 12)
def test_collaborators_of_old_and_new_shapes() -> None:
    """By the AT-URI of the record or by the repo's DID, as the owner wrote; and as the knot says, whose word is the last."""
    ours = member(ALICE), repo()
    older = change(ALICE, COLLABORATOR, "a", subject=BOB, repo=f"at://{ALICE}/sh.tangled.repo/core")
    newer = change(ALICE, COLLABORATOR, "a", subject=BOB, repo=CORE)
    for record in (older, newer):
        assert roster(*ours, record).collaborators(CORE) == {BOB}
    assert roster(*ours, change(EVE, COLLABORATOR, "a", subject=EVE, repo=CORE)).collaborators(CORE) == frozenset()
    told = {"collection": UPDATE, "rkey": f"{CORE} {BOB}", "repo": CORE, "subject": BOB}
    added, removed = (change(f"knot:{KNOT}", **{**told, "op": op}) for op in ("add", "remove"))
    assert roster(*ours, added).collaborators(CORE) == {BOB}
    assert roster(*ours, newer, removed).collaborators(CORE) == frozenset()
    elsewhere = change("knot:other.example.com", **{**told, "op": "add"})
    assert roster(*ours, elsewhere).collaborators(CORE) == frozenset()


@pytest.mark.parity(17)
def test_a_members_repo_is_nobody_elses() -> None:
    """A stranger's record that names its DID has an objection, and takes nothing from it."""
    made = roster(member(ALICE), repo(), repo(EVE))
    assert (made.repo_by_did(CORE) or repo).owner == ALICE  # type: ignore[union-attr]
    (stranger,) = [one for one in made.repos if one.owner == EVE]
    assert "neither the owner nor a member" in made.objection(stranger)


class Confirms:
    """Knots and documents say that it is Alice's."""

    async def objection(self, repo: Repo, _knot_url: str) -> str:
        return "" if repo.owner == ALICE else "no"

    async def fork(self, did: str) -> Repo:
        raise NotImplementedError(did)


@pytest.mark.parity(17)
@pytest.mark.parametrize("claims", [(repo(), repo(EVE)), (repo(EVE), repo())])
@pytest.mark.threat("S-16")
async def test_a_repo_that_two_members_claim_is_whose_its_knot_says(claims: tuple[RecordChange, ...]) -> None:
    """Whoever claimed it first: until that is known neither is preferred, and from then on the other has an objection."""
    made = Roster(HOST, OWNER, Confirms())
    collaborator = change(EVE, COLLABORATOR, "a", subject=EVE, repo=CORE)
    made.apply((member(ALICE), member(EVE), *claims, collaborator))
    found = await made.rightful(CORE)
    assert found is not None
    assert found.owner == ALICE
    assert made.repo_by_did(CORE) == found
    assert [made.objection(one) for one in made.claims(CORE)] == ["", f"{CORE} is a repo of {ALICE}."]
    assert made.collaborators(CORE) == frozenset()


@pytest.mark.parity(16)
def test_an_account_that_is_not_there_owns_nothing() -> None:
    """Deactivated, deleted or taken down, by the network's word; until it comes back."""

    def account(seq: int, **said: Any) -> RecordChange:
        return change(ALICE, ACCOUNT, "self", f"{seq:020}", **said)

    ours = member(ALICE), repo()
    made = roster(*ours, account(1, active=False, status="deactivated"))
    assert made.knots == frozenset()
    assert made.objection(made.repos[0]) == f"The account {ALICE} is deactivated."
    made.apply([account(2, active=True)])
    assert made.knots == {KNOT}
    made.apply([account(1, active=False, status="deactivated")])  # told again, later
    assert made.knots == {KNOT}


@pytest.mark.threat("S-15")
def test_accounts_and_collaborators_of_strangers_are_not_mirrored() -> None:
    """The network has millions of them, and a knot thousands of repos."""
    made = roster(member(ALICE), repo())
    records = Records(made)

    def told(kind: str, frame: dict[str, Any]) -> Sequence[RecordChange]:
        text = json.dumps(frame).encode()
        heard = envelope.knot(text, source="k", host=KNOT) if kind == "knot" else envelope.jetstream(text, source="j")
        assert heard.event is not None
        return records.of(heard.event)

    for did, count in ((ALICE, 1), (BOB, 0)):
        account = {"active": False, "did": did, "seq": 7, "status": "deleted"}
        changes = told("jetstream", {"did": did, "time_us": 10**15, "kind": "account", "account": account})
        assert [one.record for one in changes] == [{"active": False, "status": "deleted"}] * count
    for did, count in ((CORE, 1), (f"did:plc:{'else':r<24}", 0)):
        event = {"op": "add", "repo": did, "subject": BOB}
        changes = told("knot", {"rkey": "3mvhu2kwuyh22", "nsid": UPDATE, "event": event, "created": 10**18})
        assert len(changes) == count


@pytest.mark.parametrize(
    ("did", "collection", "first", "then"),
    [
        (OWNER, MEMBER, {"subject": ALICE, "instance": HOST}, None),
        (ALICE, REPO, {"spindle": HOST, "knot": KNOT}, {"spindle": "other.example.com", "knot": KNOT}),
    ],
)
def test_what_takes_back_a_record_that_is_not_stored_yet_is_mirrored_too(
    did: str, collection: str, first: dict[str, Any], then: dict[str, Any] | None
) -> None:
    """After an outage both come at once: whoever was removed in it would else stay."""
    made = roster()
    records = Records(made)

    def told(rev: str, operation: str, record: dict[str, Any] | None) -> Sequence[RecordChange]:
        commit = {"rev": rev, "operation": operation, "collection": collection, "rkey": "core", "record": record}
        text = json.dumps({"did": did, "time_us": 10**15, "kind": "commit", "commit": commit}).encode()
        heard = envelope.jetstream(text, source="j")
        assert heard.event is not None
        return records.of(heard.event)

    changes = [*told("3a", "create", first), *told("3b", "delete" if then is None else "update", then)]
    assert [one.record for one in changes] == [first, then]
    made.apply(changes)
    records.stored(changes)
    assert made.members == {OWNER}
    assert not made.repos
    # Nothing is on its way any more.
    assert bool(told("3c", "delete", None)) is made.known(did, collection, "core")


def test_pull_requests_are_remembered_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Anybody may write them, so many of them push out the oldest and nothing else."""
    monkeypatch.setattr("router.spindle.roster.PULLS", 3)
    made = roster(member(ALICE), repo(), *(change(EVE, PULL, f"p{number}", target={"repo": CORE}) for number in range(5)))
    assert [made.known(EVE, PULL, f"p{number}") for number in range(5)] == [False, False, True, True, True]
    assert made.knots == {KNOT}


@pytest.mark.threat("S-16")
async def test_a_knot_speaks_of_its_own_repos_alone() -> None:
    """Whatever it says of others' counts for nothing, and why is said."""
    made = roster(member(ALICE), repo())
    (ours,) = made.repos
    assert await made.verdict(ours, KNOT) == ""
    assert await made.verdict(ours, "evil.example.com") == (
        "The repo's record names the knot knot.example.com, and this came from evil.example.com."
    )


def test_everything_is_listed_with_its_reason() -> None:
    """What `router roster` prints."""
    collaborator = change(ALICE, COLLABORATOR, "a", subject=BOB, repo=CORE)
    made = roster(member(ALICE), repo(), repo(EVE, rkey="fake", repoDid=""), collaborator)
    rows = [(row["what"], row["who"], row["why"]) for row in _rows(made)]
    assert rows == [
        ("owner", OWNER, "router.yaml"),
        ("member", ALICE, "a record of the owner"),
        ("repo", f"{CORE} ({ALICE}/core)", "its record names us"),
        ("collaborator", BOB, "a record of the owner"),
        ("repo", f"{EVE}/fake", f"does not count: {EVE} is neither the owner nor a member of this spindle."),
        ("knot", KNOT, "1 repo of ours"),
    ]
