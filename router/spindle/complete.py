"""What a trigger lacks: whether it counts, who set it off, and the workflow files of its commit that run for it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from router.core import tid
from router.core.errors import RouterError
from router.core.wire import PIPELINE, pipeline_uri
from router.spindle import compose, trust
from router.spindle.desk import NothingToRun

if TYPE_CHECKING:
    from collections.abc import Sequence

    from router.core.model import Event, Tree
    from router.engine.store.base import Store
    from router.host import Clock
    from router.spindle.checkout import Checkout
    from router.spindle.pulls import Pulls
    from router.spindle.roster import Repo, Roster

REF_UPDATE, PULL, PULL_STATUS = "sh.tangled.git.refUpdate", "sh.tangled.repo.pull", "sh.tangled.repo.pull.status"
#: Push options that ask for no CI (git push -o skip-ci).
_SKIP = frozenset(("skip-ci", "ci-skip"))


class Later(RouterError):
    """It cannot be told now."""


class Completer:
    """Makes of a trigger the event that rules see, or says why they may not."""

    def __init__(self, store: Store, roster: Roster, checkout: Checkout, pulls: Pulls, clock: Clock) -> None:
        self.store = store
        self.roster = roster
        self.checkout = checkout
        self.pulls = pulls
        self.clock = clock

    async def complete(self, event: Event) -> Event:
        """The event with `pipeline`, `workflows` and `trust`, or with `refused`. Raises RouterError where it has to wait."""
        repo = self.roster.repo_of(event)
        if repo is None:
            return refused(event, "Its repo does not name this spindle any more.")
        event = self.named(event)
        knot = str(event.fields.get("knot", "")) if event.kind == "knot" else repo.knot
        if why := await self.roster.verdict(repo, knot):
            return await self.shown(refused(event, why))
        if _skips(event):
            return refused(event, "The push asks for no CI (skip-ci).")
        if event.nsid in (PULL, PULL_STATUS):
            return await self._pull(event, repo)
        return await self._of_knot(event, repo)

    async def admitted(self, event: Event) -> Event:
        """A pull request that waited and is approved: one more run, of the fork's own workflow files where it is from one.
        Raises RouterError where it is none of ours any more, or a peer has no answer."""
        repo, waited = self.roster.repo_of(event), event.fields.get("pipeline")
        if repo is None or not isinstance(waited, dict):
            return event
        if why := await self.roster.verdict(repo, repo.knot):
            raise NothingToRun(why)
        event = self.named(event)
        if fork := event.fields.get("source_repo"):
            event = await self.checkout.into(event, await self.roster.fork(str(fork)))
        return await self.shown(event, f"{waited['key']}|approved")

    async def given_up(self, event: Event, why: str) -> Event:
        """An event whose peers never told what it lacks."""
        return await self.shown(refused(self.named(event), f"It was given up after a day: {why}"))

    def named(self, event: Event) -> Event:
        """The event with its repo as the roster knows it, whichever generation tells of it."""
        repo = self.roster.repo_of(event)
        if repo is None:
            return event
        return with_repo(event, repo, self.roster.knot_url(repo.knot))

    async def _of_knot(self, event: Event, repo: Repo) -> Event:
        actor = str(event.fields.get("actor") or "")
        pull = event.fields.get("trigger") == "pull_request"
        # A knot of the older generation compiles pull requests from branches of the repo itself, and does not say whose.
        word = "collaborator" if pull else trust.of_push(actor, repo.owner, repo.id, self.roster)
        event = replace(event, fields={**event.fields, "trust": word})
        if (taken := await self._taken(event)) is not None:
            return taken
        key = compose.key(event)
        event = await self.checkout.peeled(event)
        if event.nsid != PIPELINE:
            event = await self.checkout.into(event, repo)
        return await self.shown(event, key)

    async def _pull(self, event: Event, repo: Repo) -> Event:
        found = await self.pulls.round(event)
        if found is None:
            return refused(event, "The pull request has no branch that could be built.")
        word, waits = trust.of_pull(found.author, repo.owner, repo.id, self.roster, fork=bool(found.source_repo))
        more: dict[str, Tree] = {
            "trigger": "pull_request",
            "sha": found.sha,
            "branch": found.source_branch,
            "target_branch": found.target_branch,
            "action": found.action,
            "pull": found.uri,
            "actor": found.author,
            "trust": word,
            "source_repo": found.source_repo or None,
            "approval": "needed" if waits else None,
        }
        given = {name: value for name, value in more.items() if value}
        event = replace(event, fields={**event.fields, **given})
        if (taken := await self._taken(event)) is not None:
            return taken
        key = compose.key(event)
        if not found.source_repo:
            event = await self.checkout.into(event, repo)
        return await self.shown(event, key)

    async def _taken(self, event: Event) -> Event | None:
        """The event refused, if the run that it asks for is another's already."""
        existing = await self.store.pipeline_of(compose.key(event))
        if existing is None:
            return None
        if event.nsid == PIPELINE:
            rkey = event.id.rpartition("/")[2]
            await self.store.name_pipeline(existing.id, str(event.fields.get("knot", "")), rkey, self.clock.now())
        return refused(event, f"It tells again of what made the pipeline {existing.id}.")

    async def shown(self, event: Event, key: str = "") -> Event:
        """With the name of the run that it makes, and with the key that makes it one: by now, a tag's sha may have given way to
        its commit's."""
        key = key or compose.key(event)
        name = await self._name(event, key)
        knot = str((event.fields.get("repo") or {}).get("knot") or event.fields.get("knot") or "")
        about = {"id": name, "uri": pipeline_uri(knot, name), "knot": knot, "key": key}
        return replace(event, fields={**event.fields, "pipeline": about})

    async def _name(self, event: Event, key: str) -> str:
        """A TID: what the knot calls the run, where it announced one and nobody has the name; else one of our own."""
        announced = event.id.rpartition("/")[2] if event.nsid == PIPELINE else ""
        if tid.micros(announced) is not None and not await self.store.pipeline(announced):
            return announced
        return await self.unused(key)

    async def unused(self, key: str) -> str:
        """A TID of now that no run has."""
        now = self.clock.now()
        maker = 16 + sum(key.encode("utf-8", "replace")) % 1000
        while await self.store.pipeline(name := tid.make(now, maker)):
            now += 1
        return name


def with_repo(event: Event, repo: Repo, knot_url: str) -> Event:
    """The event with its repo's names, knot and address."""
    path = repo.did or f"{repo.owner}/{repo.name}"
    names: dict[str, Tree] = {"owner": repo.owner, "name": repo.name, "knot": repo.knot, "clone_url": f"{knot_url}/{path}"}
    if repo.did:
        names["did"] = repo.did
    fields = {**event.fields, "repo": {**(event.fields.get("repo") or {}), **names}, "owner": repo.owner}
    fields.setdefault("knot", repo.knot)
    return replace(event, fields=fields)


def refused(event: Event, why: str) -> Event:
    """The event, of which no rule sees anything."""
    return replace(event, fields={**event.fields, "refused": why})


def is_older(event: Event) -> bool:
    """Whether a push is told in the shape of 2025, whose knots compile pipelines themselves."""
    return "repo" not in event.record


def _skips(event: Event) -> bool:
    options = event.record.get("pushOptions")
    said: Sequence[Tree] = options if isinstance(options, list) else ()
    return any(isinstance(one, str) and one in _SKIP for one in said)
