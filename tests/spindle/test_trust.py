"""Who set a trigger off, as the word that rules see."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from router.spindle import trust

ALICE, BOB, CAROL, DAVE = (f"did:plc:{name}" for name in ("alice", "bob", "carol", "dave"))
REPO = "did:plc:repo"


@dataclass
class People:
    """Bob may push to the repo, Carol is a member of the spindle, Dave is a stranger."""

    members = frozenset((ALICE, CAROL))

    def collaborators(self, repo: str) -> frozenset[str]:
        return frozenset((BOB,)) if repo == REPO else frozenset()


@pytest.mark.parametrize(
    ("actor", "word"), [(ALICE, "owner"), (BOB, "collaborator"), (CAROL, "member"), (DAVE, "unknown"), ("", "unknown")]
)
def test_the_class_of_an_account(actor: str, word: str) -> None:
    assert trust.trust(actor, ALICE, REPO, People()) == word


@pytest.mark.parametrize(
    ("actor", "word"), [(ALICE, "owner"), (CAROL, "collaborator"), (DAVE, "collaborator"), ("", "collaborator")]
)
def test_who_pushed_was_let_in_by_the_knot(actor: str, word: str) -> None:
    """It knows whom the owner trusts, and some do not say who it was."""
    assert trust.of_push(actor, ALICE, REPO, People()) == word


@pytest.mark.parametrize(
    ("author", "fork", "answer"),
    [
        (ALICE, False, ("owner", False)),
        (BOB, False, ("collaborator", False)),
        (CAROL, False, ("member", True)),
        (DAVE, False, ("unknown", True)),
        (ALICE, True, ("contributor", True)),
        (DAVE, True, ("unknown", True)),
    ],
)
@pytest.mark.parity(35)
@pytest.mark.threat("S-14")
def test_strangers_and_forks_need_approval(author: str, fork: bool, answer: tuple[str, bool]) -> None:  # noqa: FBT001
    """A fork never starts by itself, whoever wrote it; neither does what a member of the spindle asks of another's repo."""
    assert trust.of_pull(author, ALICE, REPO, People(), fork=fork) == answer
