"""Who set this off, as one word for rules: computed before any rule sees the event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Collection

Trust: TypeAlias = Literal["owner", "member", "collaborator", "contributor", "unknown"]


class People(Protocol):
    """Who is who to the spindle."""

    @property
    def members(self) -> Collection[str]:
        """DIDs of the spindle's owner and of its members."""

    def collaborators(self, repo: str) -> Collection[str]:
        """DIDs of those who may push to a repo beside its owner."""


def trust(actor: str, owner: str, repo: str, people: People) -> Trust:
    """The class of an account towards a repo."""
    if not actor:
        return "unknown"
    if actor == owner:
        return "owner"
    if actor in people.collaborators(repo):
        return "collaborator"
    return "member" if actor in people.members else "unknown"


def of_push(actor: str, owner: str, repo: str, people: People) -> Trust:
    """Whoever pushed, the repo's own knot let them: it knows its collaborators first, and not every knot says who it was."""
    found = trust(actor, owner, repo, people)
    return "collaborator" if found in ("member", "unknown") else found


def of_pull(author: str, owner: str, repo: str, people: People, *, fork: bool) -> tuple[Trust, bool]:
    """The class of a pull request, and whether somebody who may push has to approve it first.

    A member of the spindle may push to their own repos, and to no others. What is in a fork is its author's, and was let in by
    nobody: however well known they are, it is a contribution.
    """
    found = trust(author, owner, repo, people)
    if fork:
        return ("contributor" if found != "unknown" else "unknown"), True
    return found, found not in ("owner", "collaborator")
