"""The workflow files of a trigger's commit, as far as they run for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.core.members import workflows
from router.core.model import changed
from router.core.plan import LONGEST_NAME
from router.core.when import Occasion, compile_file
from router.spindle.tags import commit_of

if TYPE_CHECKING:
    from router.core.model import Event, Tree
    from router.spindle.files import Files
    from router.spindle.roster import Repo, Roster


class Checkout:
    """Asks a knot for the files, and each file whether it runs."""

    def __init__(self, files: Files, roster: Roster) -> None:
        self.files = files
        self.roster = roster

    async def peeled(self, event: Event) -> Event:
        """With the commit that its tag stands for as its `sha`. Raises RouterError where the knot has no answer."""
        fields = event.fields
        sha, tag, url = fields.get("sha"), fields.get("tag"), (fields.get("repo") or {}).get("clone_url")
        if not (sha and tag and url):
            return event
        return changed(event, fields={**fields, "sha": await commit_of(self.files.host, url, tag, sha)})

    async def into(self, event: Event, repo: Repo, *, only: frozenset[str] = frozenset()) -> Event:
        """The event with `workflows`, and with the default branch where the knot tells it. `only` names those that are wanted;
        empty for all. Raises RouterError where the knot has no answer."""
        fields = dict(event.fields)
        url = self.roster.knot_url(repo.knot)
        found = await self.files.fetch(url, (repo.did, repo.owner, repo.name), str(fields.get("sha", "")))
        if found.default_branch:
            fields["repo"] = {**fields["repo"], "default_branch": found.default_branch}
        occasion = Occasion(
            kind=str(fields.get("trigger", "")),
            branch=str(fields.get("branch", "")),
            tag=str(fields.get("tag", "")),
            target_branch=str(fields.get("target_branch", "")),
            action=str(fields.get("action", "")),
            paths=fields.get("paths"),
        )
        run: list[dict[str, Tree]] = []
        faults: list[dict[str, Tree]] = []
        for name, text in found.files:
            if only and name not in only:
                continue
            one = compile_file(name, text, occasion)
            if len(name) > LONGEST_NAME:
                why = f"Tangled shows workflows whose files have at most {LONGEST_NAME} characters in their names."
                faults.append({"name": f"{name[: LONGEST_NAME - 1]}…", "fault": why})
            elif one.fault:
                faults.append({"name": name, "fault": one.fault})
            elif one.runs:
                run.append({"name": name, "engine": one.engine, "clone": one.clone, "raw": text})
        fields["workflows"] = [*(workflows(run) or []), *faults]
        if found.files and not fields["workflows"]:
            fields["quiet"] = "its workflow files are for something else"
        return changed(event, fields=fields)
