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


class Permits:
    """Asked of every change, so the knot is asked each time: somebody may have been removed a moment ago."""

    def __init__(self, roster: Roster, host: Host) -> None:
        self.roster = roster
        self.host = host

    async def may(self, actor: str, repo: Repo) -> bool:
        """Whether the account may push to the repo, which is also what secrets, runs and cancelling need. Where the knot keeps
        no list, or does not answer, the roster's word counts."""
        if self.roster.objection(repo):
            return False
        if actor == repo.owner:
            return True
        try:
            return actor in await self._listed(repo)
        except RouterError:
            return actor in self.roster.collaborators(repo.id)

    async def _listed(self, repo: Repo) -> frozenset[str]:
        url, found, cursor = self.roster.knot_url(repo.knot), set[str](), ""
        for _ in range(PAGES if repo.did else 0):
            wanted = {"subject": repo.did, "limit": PAGE} | ({"cursor": cursor} if cursor else {})
            status, answer = await tree(self.host, url, "sh.tangled.repo.listCollaborators", wanted)
            said = members.mapping(answer or {})
            items = said.get("items")
            if status != 200 or not isinstance(items, list):
                break
            found |= {str(members.mapping(one).get("subject")) for one in items}
            cursor = members.text(said.get("cursor")) or ""
            if not cursor:
                return frozenset(found)
        raise RouterError(f"The knot {repo.knot} does not list who may push to {repo.id}.")
