"""Whose repos are built: what the records of accounts and the words of knots make of each other."""

from __future__ import annotations

from typing import Any

import pytest

from router.cli.roster import _rows
from router.core.model import RecordChange
from router.spindle.roster import COLLABORATOR, MEMBER, REPO, UPDATE, Roster
from router.spindle.verify import Unasked

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
    both = roster(member(ALICE), member(EVE), repo(), repo(EVE))
    assert sum(not both.objection(one) for one in both.repos) == 1


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
        ("collaborator", BOB, "the owner's record or the knot"),
        ("repo", f"{EVE}/fake", f"does not count: {EVE} is neither the owner nor a member of this spindle."),
        ("knot", KNOT, "1 repo of ours"),
    ]
