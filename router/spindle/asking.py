"""Runs that somebody asks for: by hand, once more, or of a fork whose pull request somebody who may push has looked at.

Unlike a push, which is completed whenever its peers answer, an asking is answered at once: with the run, or with why there is
none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.core.members import branch_or_tag
from router.core.model import Event
from router.spindle import trust
from router.spindle.complete import with_repo
from router.spindle.desk import BadTrigger, NothingToRun

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from router.core.model import Pipeline, Tree
    from router.engine.intake import Intake
    from router.engine.store.base import Store
    from router.host import Clock
    from router.spindle.checkout import Checkout
    from router.spindle.complete import Completer
    from router.spindle.roster import Repo, Roster

NSID = "sh.tangled.ci.triggerPipeline"
_MANUAL, _PULL = "sh.tangled.ci.trigger#manual", "sh.tangled.ci.trigger#pullRequest"


class Asking:
    """Answers `triggerPipeline`. Whether the actor may push was looked at before."""

    def __init__(
        self, store: Store, intake: Intake, roster: Roster, completer: Completer, checkout: Checkout, clock: Clock
    ) -> None:
        self.store = store
        self.intake = intake
        self.roster = roster
        self.completer = completer
        self.checkout = checkout
        self.clock = clock

    async def trigger(self, actor: str, repo: Repo, trigger: Mapping[str, Tree], workflows: Sequence[str]) -> Pipeline:
        """The run, stored. Raises NothingToRun, BadTrigger, or another RouterError where a peer does not answer."""
        if trigger.get("$type") == _MANUAL and not trigger.get("ref"):
            trigger = {**trigger, "ref": await self._ref_of(repo, str(trigger["sha"]))}
        event = self._event(actor, repo, trigger, workflows)
        if why := await self.roster.verdict(repo, repo.knot):
            raise NothingToRun(why)
        source = repo
        if fork := event.fields.get("source_repo"):
            source = await self.roster.fork(str(fork))
        event = await self.checkout.into(event, source, only=frozenset(workflows))
        event = await self.completer.shown(event)
        await self.intake.conclude(event)
        made = await self.store.pipeline(event.fields["pipeline"]["id"])
        if made is None:
            raise NothingToRun("no workflows to run")
        return made

    async def _ref_of(self, repo: Repo, sha: str) -> str:
        """Where the commit was last built from: whoever asks for it once more, as appviews do, names the commit alone."""
        found, _ = await self.store.pipelines(repo.id, commits=[sha], kinds=["push", "manual"])
        told = found[0].record["triggerMetadata"] if found else {}
        return str((told.get("push") or told.get("manual") or {}).get("ref") or "")

    def _event(self, actor: str, repo: Repo, trigger: Mapping[str, Tree], workflows: Sequence[str]) -> Event:
        now = self.clock.now()
        ref = str(trigger.get("ref") or "")
        # Whoever asks may push: that was looked at, and the roster need not know of it yet.
        fields: dict[str, Tree] = {"actor": actor, "trust": trust.of_push(actor, repo.owner, repo.id, self.roster)}
        if trigger.get("$type") == _MANUAL:
            inputs = {str(one["key"]): str(one["value"]) for one in trigger.get("inputs") or ()}
            fields |= {"trigger": "manual", "sha": trigger["sha"], "ref": ref, "inputs": inputs, **branch_or_tag(ref)}
        elif trigger.get("$type") == _PULL:
            fields |= {
                "trigger": "pull_request",
                "sha": trigger["sourceSha"],
                "branch": trigger.get("sourceBranch"),
                "target_branch": trigger["targetBranch"],
                "pull": trigger.get("pull"),
                "action": trigger.get("action") or "opened",
            }
        else:
            raise BadTrigger(f"A run cannot be asked for by {trigger.get('$type')}.")
        source = trigger.get("sourceRepo")
        fields |= {"source_repo": source if source != repo.did else None, "only": list(workflows)}
        event = Event(
            origin="xrpc",
            id=f"{actor}/{now}",
            source="xrpc",
            kind="xrpc",
            nsid=NSID,
            time=now,
            record={"repo": repo.did, "trigger": dict(trigger), "workflows": list(workflows)},
            fields={name: value for name, value in fields.items() if value},
        )
        return with_repo(event, repo, self.roster.knot_url(repo.knot))
