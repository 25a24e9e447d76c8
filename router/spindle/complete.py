"""What a trigger lacks: whether it counts, who set it off, and the workflow files of its commit that run for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.core import tid
from router.core.errors import RouterError
from router.core.model import changed
from router.core.wire import PIPELINE, pipeline_uri
from router.spindle import compose, trust
from router.spindle.desk import NothingToRun

if TYPE_CHECKING:
    from collections.abc import Sequence

    from router.core.model import Event, Tree
    from router.engine.store.base import Store
    from router.host import Clock
    from router.spindle.checkout import Checkout
    from router.spindle.permits import Permits
    from router.spindle.pulls import Pulls
    from router.spindle.roster import Repo, Roster

REF_UPDATE, PULL, PULL_STATUS = "sh.tangled.git.refUpdate", "sh.tangled.repo.pull", "sh.tangled.repo.pull.status"
#: Push options that ask for no CI (git push -o skip-ci).
_SKIP = frozenset(("skip-ci", "ci-skip"))


class Later(RouterError):
    """It cannot be told now."""


class Completer:
    """Makes of a trigger the event that rules see, or says why they may not."""

    def __init__(self, store: Store, roster: Roster, checkout: Checkout, pulls: Pulls, permits: Permits, clock: Clock) -> None:
        self.store = store
        self.roster = roster
        self.checkout = checkout
        self.pulls = pulls
        self.permits = permits
        self.clock = clock

    async def complete(self, event: Event) -> Event:
        """The event with `pipeline`, `workflows` and `trust`, or with `refused`. Raises RouterError where it has to wait."""
        claims = self.roster.repos_of(event)
        if not claims:
            return refused(event, "Its repo does not name this spindle any more.")
        repo, why = await self._whose(event, claims)
        event = with_repo(event, repo, self.roster.knot_url(repo.knot))
        if why:
            return await self._not_counted(event, claims, why)
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

    async def _whose(self, event: Event, claims: Sequence[Repo]) -> tuple[Repo, str]:
        """Of those that claim to be its repo the one that is, or the likeliest with why it does not count."""
        doubts: list[tuple[Repo, str]] = []
        for repo in claims:
            why = await self.roster.verdict(repo, _knot_of(event, repo))
            if not why:
                return repo, ""
            doubts.append((repo, why))
        return next((one for one in doubts if one[0].knot == _knot_of(event, one[0])), doubts[0])

    async def _not_counted(self, event: Event, claims: Sequence[Repo], why: str) -> Event:
        """Refused, and told in Tangled only where that cannot be somebody else's mischief: what another knot than its own says
        of a repo, or what is said of a repo that two claim, must not stand beside the runs of its commits."""
        event = refused(event, why)
        theirs = all(one.knot == _knot_of(event, one) for one in claims) and len({one.owner for one in claims}) == 1
        return await self.shown(event) if theirs else event

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
        more: dict[str, Tree] = {"trust": word}
        if event.fields.get("source_repo") not in (None, repo.did):
            more = {"trust": "unknown", "approval": "needed"}
        event = changed(event, fields={**event.fields, **more})
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
        actor = str(event.fields.get("actor") or "")
        if actor != found.author and not await self.permits.may(actor, repo):
            return refused(event, "A pull request is opened and closed by its author and by those who may push.")
        people = _Told(self.roster, found.author) if await self.permits.may(found.author, repo) else self.roster
        word, waits = trust.of_pull(found.author, repo.owner, repo.id, people, fork=bool(found.source_repo))
        if waits and found.action in compose.OVER:
            return refused(event, "A pull request that waits for approval was closed.")
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
        event = changed(event, fields={**event.fields, **given})
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
        return changed(event, fields={**event.fields, "pipeline": about})

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
    return changed(event, fields=fields)


def refused(event: Event, why: str) -> Event:
    """The event, of which no rule sees anything."""
    return changed(event, fields={**event.fields, "refused": why})


class _Told:
    """The roster, and one who may push to the repo by what its knot says now."""

    def __init__(self, roster: Roster, actor: str) -> None:
        self.members = roster.members
        self.actor = actor

    def collaborators(self, repo: str) -> frozenset[str]:
        return frozenset((self.actor,))


def _knot_of(event: Event, repo: Repo) -> str:
    """The knot that an event was heard from; what accounts write comes from none."""
    return str(event.fields.get("knot", "")) if event.kind == "knot" else repo.knot


def is_older(event: Event) -> bool:
    """Whether a push is told in the shape of 2025, whose knots compile pipelines themselves."""
    return "repo" not in event.record


def _skips(event: Event) -> bool:
    options = event.record.get("pushOptions")
    said: Sequence[Tree] = options if isinstance(options, list) else ()
    return any(isinstance(one, str) and one in _SKIP for one in said)
