"""The methods of `sh.tangled.ci` and of secrets, with the answers and the errors that Tangled's clients expect.

Errors are `{"error", "message"}`. Nothing that anybody asks about is a 5xx: appviews ask again, and show nothing meanwhile.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from aiohttp import web

from router.core import frame, members, tid
from router.core.definition import definition_hash
from router.core.errors import BadFrame, RouterError
from router.spindle import shapes
from router.spindle.auth import AuthError
from router.spindle.vault import BadKey, KeyNotFound, KeyPresent, NoVault

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from router.core.model import Tree
    from router.spindle.roster import Repo
    from router.spindle.server import Desk

CI = "sh.tangled.ci"
#: Pipelines on a page: as many as the stock spindle gives, and the most.
PAGE, LARGEST_PAGE = 30, 250
#: Commits whose files are read at once: anybody may ask, and each makes us ask a knot for up to 50 files.
DESCRIBING = 16
#: Commits of one question.
COMMITS = 250
KINDS = ("push", "pull_request", "manual")
_SHA = re.compile(r"[0-9a-f]{40}")
_INTEGER = re.compile(r"[0-9]{1,19}")
_CANCELLED = "User canceled the workflow"


class Refusal(Exception):
    """An answer that is an error."""

    def __init__(self, error: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.error = error
        self.message = message
        self.status = status


def answered(tree: Tree) -> web.Response:
    """JSON, and the newline that Go's encoder writes."""
    return web.Response(text=json.dumps(tree, separators=(",", ":")) + "\n", content_type="application/json")


def refused(error: str, message: str, status: int = 400) -> web.Response:
    """An error of XRPC."""
    response = answered({"error": error, "message": message})
    response.set_status(status)
    return response


class Methods:
    """Bound to a desk."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self._describing = 0

    def routes(self) -> Iterable[web.RouteDef]:
        """Today's names, and those that they had on the way."""
        for nsid, query in (
            (f"{CI}.queryPipelines", self._query_pipelines),
            (f"{CI}.getPipeline", self._get_pipeline),
            (f"{CI}.describeWorkflowDefinition", self._describe),
        ):
            yield web.get(f"/xrpc/{nsid}", self._caught(query))
        for nsid, call in (
            (f"{CI}.triggerPipeline", self._trigger),
            (f"{CI}.pipeline.triggerPipeline", self._trigger),
            (f"{CI}.cancelPipeline", self._cancel),
            (f"{CI}.pipeline.cancelPipeline", self._cancel),
            ("sh.tangled.pipeline.cancelPipeline", self._cancel),
            ("sh.tangled.repo.addSecret", self._add_secret),
            ("sh.tangled.repo.removeSecret", self._remove_secret),
        ):
            yield web.post(f"/xrpc/{nsid}", self._called(nsid, call))
        nsid = "sh.tangled.repo.listSecrets"
        yield web.get(f"/xrpc/{nsid}", self._called(nsid, self._list_secrets))

    def _caught(
        self, query: Callable[[web.Request], Awaitable[web.Response]]
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def answer(request: web.Request) -> web.Response:
            try:
                return await query(request)
            except Refusal as error:
                return refused(error.error, error.message, error.status)

        return answer

    def _called(
        self, nsid: str, call: Callable[[web.Request, str], Awaitable[web.Response]]
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        """A method for those who say who they are."""

        async def answer(request: web.Request) -> web.Response:
            try:
                actor = await self.desk.authority.verify(request.headers.get("Authorization"), nsid)
            except AuthError as error:
                return refused("Auth", str(error), 403)
            return await call(request, actor)

        return self._caught(answer)

    # --- questions that anybody may ask

    async def _query_pipelines(self, request: web.Request) -> web.Response:
        query = request.query
        repo = query.get("repo", "")
        if not repo:
            raise Refusal("Generic", "repo is required")
        commits, kinds = query.getall("commits", [])[:COMMITS], query.getall("kinds", [])
        if set(kinds) - set(KINDS):
            raise Refusal("Generic", f"kinds are {', '.join(KINDS)}")
        limit = int(query["limit"]) if _INTEGER.fullmatch(query.get("limit", "")) else 0
        cursor = int(query["cursor"]) if _INTEGER.fullmatch(query.get("cursor", "")) else None
        page = min(limit, LARGEST_PAGE) or PAGE
        found, total = await self.desk.store.pipelines(repo, commits=commits, kinds=kinds, before=cursor, limit=page)
        made: dict[str, Tree] = {"total": total, "pipelines": [shapes.shown(one) for one in found]}
        if not commits and len(found) == page:
            made["cursor"] = str(found[-1].created)
        return answered(made)

    async def _get_pipeline(self, request: web.Request) -> web.Response:
        name = request.query.get("pipeline", "")
        found = await self.desk.store.pipeline(name) if tid.micros(name) is not None else None
        if found is None:
            raise Refusal("PipelineNotFound", "there is no such pipeline")
        return answered(shapes.shown(found))

    async def _describe(self, request: web.Request) -> web.Response:
        sha = request.query.get("sha", "")
        if _SHA.fullmatch(sha) is None:
            raise Refusal("InvalidRequest", "sha must have 40 characters")
        if self._describing >= DESCRIBING:
            raise Refusal("RateLimitExceeded", "too many commits are being read", 429)
        self._describing += 1
        try:
            return await self._described(request, sha)
        finally:
            self._describing -= 1

    async def _described(self, request: web.Request, sha: str) -> web.Response:
        repo = await self._repo(request.query.get("repo", ""))
        source, fork = repo, request.query.get("sourceRepo", "")
        try:
            if fork and fork != repo.did:
                source = await self.desk.roster.fork(fork)
            url = self.desk.roster.knot_url(source.knot)
            found = await self.desk.files.fetch(url, (source.did, source.owner, source.name), sha)
        except RouterError as error:
            raise Refusal("Generic", str(error)) from None
        digest = definition_hash((name, text.encode()) for name, text in found.files)
        return answered({"derived": True, "hash": digest, "workflows": [name for name, _ in found.files]})

    # --- changes

    async def _trigger(self, request: web.Request, actor: str) -> web.Response:
        body = await _body(request)
        repo = await self._repo(body.get("repo"))
        await self._may(actor, repo)
        trigger = body.get("trigger")
        if trigger is None and "sha" in body:
            trigger = {"$type": f"{CI}.trigger#manual", "sha": body["sha"], "ref": body.get("ref")}
        workflows = _names(body.get("workflows") or [])
        trigger = _trigger(trigger)
        try:
            made = await self.desk.asking.trigger(actor, repo, trigger, workflows[:50])
        except RouterError as error:
            text = str(error)
            raise Refusal("Generic", text if text == "no workflows to run" else f"failed to trigger pipeline: {text}") from None
        return answered({"pipeline": f"at://did:web:{made.knot}/sh.tangled.pipeline/{made.id}"})

    async def _cancel(self, request: web.Request, actor: str) -> web.Response:
        body = await _body(request)
        repo = await self._repo(body.get("repo"))
        await self._may(actor, repo)
        said = body.get("pipeline")
        name = said.rpartition("/")[2] if isinstance(said, str) else ""
        if tid.micros(name) is None:
            raise Refusal("Generic", "pipeline must be a TID")
        pipeline = await self.desk.store.pipeline(name)
        if pipeline is None and isinstance(said, str) and said.startswith("at://did:web:"):
            pipeline = await self.desk.store.pipeline(name, said.removeprefix("at://did:web:").partition("/")[0])
        if pipeline is None:
            raise Refusal("Generic", "there is no such pipeline")
        if pipeline.repo != repo.id:
            raise Refusal("AccessControl", "DID does not have sufficent access permissions for this operation: other repo")
        names = _names(body.get("workflows") or ([body["workflow"]] if body.get("workflow") else []))
        await self.desk.store.ask_cancel(pipeline.id, names, _CANCELLED, self.desk.clock.now())
        self.desk.bell.ring()
        return web.Response()

    async def _add_secret(self, request: web.Request, actor: str) -> web.Response:
        body = await _body(request)
        repo = await self._of_secrets(body.get("repo"), actor)
        try:
            await self.desk.vault.add(repo.id, str(body.get("key", "")), str(body.get("value", "")), actor)
        except NoVault as error:
            raise Refusal("MethodNotImplemented", str(error), 501) from None
        except BadKey as error:
            raise Refusal("Generic", str(error)) from None
        except KeyPresent as error:
            raise Refusal("Generic", str(error), 500) from None
        return web.Response()

    async def _remove_secret(self, request: web.Request, actor: str) -> web.Response:
        body = await _body(request)
        repo = await self._of_secrets(body.get("repo"), actor)
        try:
            await self.desk.vault.remove(repo.id, str(body.get("key", "")))
        except KeyNotFound as error:
            raise Refusal("Generic", str(error), 500) from None
        return web.Response()

    async def _list_secrets(self, request: web.Request, actor: str) -> web.Response:
        said = request.query.get("repo", "")
        if not said:
            raise Refusal("Generic", "empty params")
        repo = await self._of_secrets(said, actor)
        uri = f"at://{repo.owner}/sh.tangled.repo/{repo.rkey}"
        listed = [
            {"repo": uri, "key": one.key, "createdAt": shapes.moment(one.created), "createdBy": one.creator}
            for one in await self.desk.vault.listed(repo.id)
        ]
        return answered({"secrets": listed})

    # --- what they have in common

    async def _repo(self, said: Tree) -> Repo:
        """By its DID, or by the AT-URI of its record."""
        if not isinstance(said, str) or (members.did(said) is None and not said.startswith("at://did:")):
            raise Refusal("Generic", "repo must be a DID")
        roster = self.desk.roster
        try:
            found = roster.repo_by_record(said) if said.startswith("at://") else await roster.rightful(said)
        except RouterError as error:
            raise Refusal("Generic", f"it cannot be told now whose repo it is: {error}") from None
        if found is None or roster.objection(found):
            raise Refusal("RepoNotFound", "failed to access repository")
        return found

    async def _of_secrets(self, said: Tree, actor: str) -> Repo:
        try:
            repo = await self._repo(said)
        except Refusal as error:
            raise Refusal("InvalidRepo" if error.error == "Generic" else error.error, error.message) from None
        await self._may(actor, repo, 401)
        return repo

    async def _may(self, actor: str, repo: Repo, status: int = 400) -> None:
        try:
            allowed = await self.desk.permits.may(actor, repo)
        except RouterError as error:
            raise Refusal("Generic", f"it cannot be told now whose repo it is: {error}") from None
        if not allowed:
            raise Refusal("AccessControl", _denied(actor), status)


def _denied(actor: str) -> str:
    """Spelled as Tangled spells it."""
    return f"DID does not have sufficent access permissions for this operation: {actor}"


async def _body(request: web.Request) -> dict[str, Tree]:
    try:
        return frame.tree(await request.read())
    except BadFrame as error:
        raise Refusal("Generic", f"the body cannot be read: {error}") from None


def _names(said: Tree) -> list[str]:
    """Workflows that a call names: a list that cannot be read is none of all."""
    if not isinstance(said, list) or not all(isinstance(one, str) for one in said):
        raise Refusal("Generic", "workflows must be a list of names")
    return said


def _trigger(said: Tree) -> dict[str, Tree]:
    """Checked, with what is missing left out."""
    trigger = members.present(members.mapping(said))
    kind = trigger.get("$type")
    if kind not in (f"{CI}.trigger#manual", f"{CI}.trigger#pullRequest"):
        raise Refusal("Generic", "a trigger is manual or of a pull request")
    source = trigger.get("sourceRepo")
    if source is not None and members.did(source) is None:
        raise Refusal("Generic", "sourceRepo must be a DID")
    pull = kind.endswith("#pullRequest")
    if pull and not members.text(trigger.get("targetBranch")):
        raise Refusal("Generic", "targetBranch is required")
    if trigger.get("pull") is not None and members.at_uri(trigger.get("pull")) is None:
        raise Refusal("InvalidRepo", "pull must be an AT-URI")
    sha = trigger.get("sourceSha" if pull else "sha")
    if not isinstance(sha, str) or _SHA.fullmatch(sha) is None:
        raise Refusal("Generic", "a commit has 40 characters")
    for name in ("ref", "sourceBranch", "targetBranch", "action"):
        if name in trigger and not isinstance(trigger[name], str):
            raise Refusal("Generic", f"{name} must be a text")
    return trigger | {"inputs": _inputs(trigger.get("inputs"))}


def _inputs(said: Tree) -> list[dict[str, str]]:
    listed = said if isinstance(said, list) else []
    pairs = [members.mapping(one) for one in listed[:50]]
    return [
        {"key": one["key"], "value": one["value"]}
        for one in pairs
        if isinstance(one.get("key"), str) and isinstance(one.get("value"), str)
    ]
