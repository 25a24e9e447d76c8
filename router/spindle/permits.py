"""Who may do what to a repo: its owner and those who may push, by the word of the knot that hosts it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.core import members
from router.core.errors import RouterError
from router.spindle.calls import tree

if TYPE_CHECKING:
    from router.host import Host
    from router.spindle.roster import Repo, Roster

PAGE, PAGES = "100", 20


class NoList(RouterError):
    """The knot keeps none, as older ones, or one without an end."""


class Permits:
    """Asked of every change, so the knot is asked each time: somebody may have been removed a moment ago."""

    def __init__(self, roster: Roster, host: Host) -> None:
        self.roster = roster
        self.host = host

    async def may(self, actor: str, repo: Repo) -> bool:
        """Whether the account may push to the repo, which is also what secrets, runs and cancelling need. Where the knot keeps
        no list, or does not answer, the roster's word counts. Raises RouterError where it cannot be told now whose repo it is:
        whoever claims another's must not have its secrets until then."""
        if await self.roster.verdict(repo, repo.knot):
            return False
        if actor == repo.owner:
            return True
        try:
            return actor in await pushers(self.host, self.roster.knot_url(repo.knot), repo.did)
        except RouterError:
            return actor in self.roster.collaborators(repo.id)


async def pushers(host: Host, knot_url: str, repo: str) -> frozenset[str]:
    """DIDs of those who may push to a repo beside its owner, by its knot's list. Raises NoList where it keeps none, and another
    RouterError where it does not answer."""
    found, cursor = set[str](), ""
    for _ in range(PAGES if repo else 0):
        wanted = {"subject": repo, "limit": PAGE} | ({"cursor": cursor} if cursor else {})
        status, answer = await tree(host, knot_url, "sh.tangled.repo.listCollaborators", wanted)
        said = members.mapping(answer or {})
        items = said.get("items")
        if status != 200 or not isinstance(items, list):
            break
        found |= {did for one in items if (did := members.did(members.mapping(one).get("subject"))) is not None}
        cursor = members.text(said.get("cursor")) or ""
        if not cursor:
            return frozenset(found)
    raise NoList(f"{knot_url} does not list who may push to {repo}.")
