"""A knot: its `/events` in both generations of semantics, its repositories, and the questions that a router asks it."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiohttp import web

from router.demo.git import Repository
from router.demo.server import Server
from router.demo.stream import PING_EVERY, Farewell, Log, converse, ignore, quiet, send
from router.demo.wire import DID, Ticks, Tids, compact, rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from router.core.model import Tree

BATCH = 100
_INTEGER = re.compile(r"[+-]?[0-9]{1,19}")


@dataclass(frozen=True, slots=True)
class KnotRepo:
    """A repo that this knot hosts; `name` is its rkey."""

    did: str
    owner: str
    name: str
    head: str = "6e13e68d383190280012b07f7a62f830da739b41"
    collaborators: tuple[str, ...] = ()
    default_branch: str = "main"


@dataclass(frozen=True, slots=True)
class _Kept:
    created: int
    frame: str | bytes


@dataclass
class Knot(Server):
    """`older` is the generation of 2025-12: no `created` in the envelope, keys sorted at every level, live only without a
    cursor, and one batch at a time. `drain_cap` is how many batches one connection gets at once from today's generation.
    `rewind` is how many events each connection is sent again, of those that its cursor says were heard.
    """

    older: bool = False
    repos: tuple[KnotRepo, ...] = ()
    drain_cap: int = 1000
    rewind: int = 0
    ping_every: float = PING_EVERY
    log: Log[_Kept] = field(default_factory=Log)
    #: Files by path, of each commit that is there.
    commits: dict[str, dict[str, str]] = field(default_factory=dict)
    #: Of repos that git keeps, by what they are asked for (a DID, or `owner/name`): asked where `commits` has nothing.
    repositories: dict[str, Repository] = field(default_factory=dict)
    _ticks: Ticks = field(default_factory=Ticks)
    _tids: Tids = field(default_factory=Tids)

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        return [
            web.get("/events", self._events),
            web.get("/xrpc/sh.tangled.repo.describeRepo", self._describe_repo),
            web.get("/xrpc/sh.tangled.repo.getDefaultBranch", self._default_branch),
            web.get("/xrpc/sh.tangled.repo.tree", self._tree),
            web.get("/xrpc/sh.tangled.repo.blob", self._blob),
            web.get("/xrpc/sh.tangled.repo.listCollaborators", self._list_collaborators),
            web.get("/{repo:.+}/info/refs", self._refs),
            web.post("/{repo:.+}/git-upload-pack", self._pack),
        ]

    def emit(self, frame: Mapping[str, Tree]) -> dict[str, Tree]:
        """Say that something happened: {"nsid", "event"} and, where they matter, "rkey" and "created".

        Returns the frame as today's generation sends it. Raises ValueError for a `created` that is not after the last:
        no knot sends such a thing.
        """
        created = frame.get("created") or self._ticks.next()
        if self.log.entries and created <= self.log.entries[-1].created:
            raise ValueError(f"created must be greater than {self.log.entries[-1].created}: it is the cursor of this knot.")
        self._ticks.last = max(self._ticks.last, created)
        envelope = {"rkey": frame.get("rkey") or self._tids.next(), "nsid": frame["nsid"], "event": frame["event"]}
        text = compact(envelope, sort_keys=True) if self.older else compact(envelope | {"created": created})
        self.log.append(_Kept(created, text))
        return envelope | {"created": created}

    def emit_raw(self, frame: str | bytes, created: int = 0) -> None:
        """Send this as it is: text as a text frame, bytes as a binary one. It is replayed in its place like any other."""
        self.log.append(_Kept(created or self._ticks.next(), frame))

    async def _events(self, request: web.Request) -> web.StreamResponse:
        origin = request.headers.get("Origin", "")
        if origin and origin.partition("//")[2].lower() != request.headers.get("Host", "").lower():
            # What gorilla/websocket says when its default CheckOrigin refuses.
            raise web.HTTPForbidden(text="Forbidden\n")
        cursor = self._again(self._start(request.query.get("cursor", "")))
        ws = web.WebSocketResponse(timeout=1.0)
        await ws.prepare(request)
        self.log.joined()
        try:
            await converse(ws, lambda: self._tell(ws, cursor), ignore)
        finally:
            self.log.left()
        return ws

    def _start(self, text: str) -> int:
        """Absent, 0 and unparsable cursors mean everything to today's generation, and the present to the older one."""
        cursor = int(text) if _INTEGER.fullmatch(text) and abs(int(text)) < 1 << 63 else 0
        if cursor == 0 and self.older:
            return self.log.entries[-1].created if self.log.entries else 0
        return cursor

    def _again(self, cursor: int) -> int:
        """The cursor, so many events back."""
        at = bisect_right(self.log.entries, cursor, key=lambda kept: kept.created) - 1 - self.rewind
        return cursor if not self.rewind else self.log.entries[at].created if at >= 0 else min(cursor, 0)

    async def _tell(self, ws: web.WebSocketResponse, cursor: int) -> Farewell | None:
        while True:
            grown = self.log.grown
            cursor, drained = await self._drain(ws, cursor)
            if not drained and not self.older:
                return Farewell(1013, "drain cap reached, reconnect to continue")
            await quiet(ws, grown, self.ping_every)

    async def _drain(self, ws: web.WebSocketResponse, cursor: int) -> tuple[int, bool]:
        """Batches until one is short. The older generation sends one and waits for the next event, whatever is left."""
        for _ in range(1 if self.older else self.drain_cap):
            first = bisect_right(self.log.entries, cursor, key=lambda kept: kept.created)
            batch = self.log.entries[first : first + BATCH]
            for kept in batch:
                await send(ws, kept.frame)
                cursor = kept.created
            if len(batch) < BATCH:
                return cursor, True
        return cursor, False

    async def _describe_repo(self, request: web.Request) -> web.Response:
        did = request.query.get("repoDid", "")
        if not DID.fullmatch(did):
            return _refused("InvalidRequest", "repoDid must be a DID")
        for repo in self.repos:
            if repo.did == did:
                # An older core answered with `repo` instead of `repoDid`.
                key = "repo" if self.older else "repoDid"
                return web.json_response({key: repo.did, "ownerDid": repo.owner, "rkey": repo.name})
        return _refused("RepoNotFound", "failed to access repository")

    async def _default_branch(self, request: web.Request) -> web.Response:
        """Today's knots take the repo's DID, those of 2025-12 `<ownerDid>/<name>`."""
        asked = request.query.get("repo", "")
        if not asked:
            return _refused("InvalidRequest", "missing repo parameter")
        for repo in self.repos:
            if asked == (f"{repo.owner}/{repo.name}" if self.older else repo.did):
                return web.json_response(_branch(repo))
        return _refused("RepoNotFound", "failed to access repository")

    async def _refs(self, request: web.Request) -> web.Response:
        return await self._repository(request).refs(request)

    async def _pack(self, request: web.Request) -> web.Response:
        return await self._repository(request).pack(request)

    def _repository(self, request: web.Request) -> Repository:
        found = self.repositories.get(request.match_info["repo"])
        if found is None:
            raise web.HTTPNotFound
        return found

    async def _commit(self, request: web.Request) -> dict[str, str] | web.Response:
        """The files of the commit that is asked about, or what is wrong."""
        asked, ref = request.query.get("repo", ""), request.query.get("ref", "")
        named = {f"{repo.owner}/{repo.name}" if self.older else repo.did for repo in self.repos}
        if self.older and "/" not in asked:
            return _refused("InvalidRequest", "invalid repo format, expected 'did/repoName'")
        if asked not in named:
            return _refused("RepoNotFound", "failed to access repository")
        files = self.commits.get(ref)
        if files is None and asked in self.repositories:
            files = await self.repositories[asked].files(ref)
        return _refused("RefNotFound", "failed to access ref", status=404) if files is None else files

    async def _tree(self, request: web.Request) -> web.Response:
        files = await self._commit(request)
        if isinstance(files, web.Response):
            return files
        folder = request.query.get("path", "")
        inside = {path.removeprefix(f"{folder}/").partition("/") for path in files if path.startswith(f"{folder}/")}
        if not inside:
            return _refused("PathNotFound", "failed to read tree", status=404)
        listed = [{"name": name, "mode": "0040000" if deeper else "0100644", "size": 1} for name, deeper, _ in sorted(inside)]
        return web.json_response({"ref": request.query["ref"], "files": listed})

    async def _blob(self, request: web.Request) -> web.Response:
        files = await self._commit(request)
        if isinstance(files, web.Response):
            return files
        path = request.query.get("path", "")
        if path not in files:
            return _refused("FileNotFound", "file not found at path", status=404)
        made = {"ref": request.query["ref"], "path": path, "content": files[path], "encoding": "utf-8", "isBinary": False}
        return web.json_response(made | {"size": len(files[path]), "mimeType": "text/plain; charset=utf-8"})

    async def _list_collaborators(self, request: web.Request) -> web.Response:
        if self.older:
            raise web.HTTPNotFound
        for repo in self.repos:
            if repo.did == request.query.get("subject"):
                items = [{"subject": did, "addedBy": repo.owner, "createdAt": rfc3339()} for did in repo.collaborators]
                return web.json_response({"items": items})
        return _refused("RepoNotFound", "failed to access repository")


def _branch(repo: KnotRepo) -> dict[str, Tree]:
    now = rfc3339()
    return {
        "hash": repo.head,
        "name": repo.default_branch,
        "shortHash": repo.head[:7],
        "when": now,
        "message": "Initial commit",
        "author": {"name": "Alice", "email": "alice@example.com", "when": now},
    }


def _refused(error: str, message: str, status: int = 400) -> web.Response:
    return web.json_response({"error": error, "message": message}, status=status)
