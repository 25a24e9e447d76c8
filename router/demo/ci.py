"""A small CI that speaks the part of Buildkite's REST API that a router uses, with faults on demand."""

from __future__ import annotations

import asyncio
import hmac
import math
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiohttp import web
from pydantic import ValidationError

from router.demo.builds import UNFINISHED, Build, NewBuild, mistakes
from router.demo.faults import Faults
from router.demo.server import Server, hang_up

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from router.core.model import Tree

PER_PAGE, MAX_PER_PAGE = 30, 100
#: Buildkite's default, requests in a minute and organization.
RATE_LIMIT = 200
_BUILDS = "/v2/organizations/{org}/pipelines/{slug}/builds"


@dataclass
class Ci(Server):
    """Any pipeline of organization `org` exists. Builds of a commit in `failing` fail.

    `pace` is (seconds scheduled, seconds running) on `clock`; without it builds move on `advance()` only.
    """

    org: str = "demo"
    token: str = ""
    scopes: list[str] = field(default_factory=lambda: ["read_organizations", "read_builds", "write_builds", "read_build_logs"])
    pace: tuple[float, float] | None = None
    clock: Callable[[], float] = time.time
    faults: Faults = field(default_factory=Faults)
    failing: set[str] = field(default_factory=set)
    builds: list[Build] = field(default_factory=list)
    #: Seconds of a rate limit's window, which its headers tell the end of.
    window: float = 60.0
    #: Rung whenever a fault changes or a build is made, for those who wait for either.
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    #: The builds by pipeline, whose numbers count from 1, and those that carry meta-data by each of its pairs.
    _by_pipeline: dict[str, list[Build]] = field(default_factory=dict, init=False, repr=False)
    _by_meta: dict[tuple[str, str], list[Build]] = field(default_factory=dict, init=False, repr=False)

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        return [
            web.get("/v2/access-token", self._token),
            web.get("/v2/organizations/{org}", self._organization),
            web.post(_BUILDS, self._create),
            web.get(_BUILDS, self._list),
            web.get("/v2/organizations/{org}/builds", self._list),
            web.get(_BUILDS + "/{number:[0-9]+}", self._get),
            web.put(_BUILDS + "/{number:[0-9]+}/cancel", self._cancel),
            web.get("/{org}/{slug}/builds/{number:[0-9]+}", self._page),
        ]

    def advance(self) -> None:
        """Every build that is not over, one state on."""
        for build in self.builds:
            build.step(self.clock())

    async def built(self, count: int) -> None:
        """Return once so many builds were made, answered or not."""
        async with self.changed:
            await self.changed.wait_for(lambda: len(self.builds) >= count)

    async def disturb(self, **changes: Tree) -> None:
        """Set faults by name. Raises ValueError as Faults.update does."""
        self.faults.update(changes)
        async with self.changed:
            self.changed.notify_all()

    async def _token(self, request: web.Request) -> web.Response:
        self._admit(request)
        return self._answer({"uuid": "b63254c0-3271-4a98-8270-7cfbd6c2f14e", "scopes": self.scopes})

    async def _organization(self, request: web.Request) -> web.Response:
        self._admit(request)
        return self._answer({"id": "3d3c3bf0-7d58-4afe-8fe7-b3017d5504de", "slug": self.org, "name": self.org})

    async def _create(self, request: web.Request) -> web.StreamResponse:
        self._admit(request)
        if self.faults.answers:
            raise self._refusal(self.faults.answers.popleft())
        if self.faults.take("drop_before"):
            return hang_up(request)
        asked = await self._asked(request)
        slug = request.match_info["slug"]
        number = 1 + len(self._by_pipeline.get(slug, ()))
        build = Build(self.org, slug, number, asked, self.clock(), fails=asked.commit in self.failing)
        answer = build.shape(self.url)
        self._keep(build)
        async with self.changed:
            self.changed.notify_all()
        if self.faults.take("drop_after"):
            return hang_up(request)
        if self.faults.take("truncate"):
            return await _cut_short(request, self._answer(answer, status=201))
        if self.faults.take("garble"):
            return web.Response(status=201, text="<html>Created", content_type="text/html")
        await asyncio.sleep(self.faults.delay)
        async with self.changed:
            await self.changed.wait_for(lambda: not self.faults.hold)
        return self._answer(answer, status=201)

    def _keep(self, build: Build) -> None:
        self.builds.append(build)
        self._by_pipeline.setdefault(build.pipeline, []).append(build)
        for pair in build.asked.meta_data.items():
            self._by_meta.setdefault(pair, []).append(build)

    async def _asked(self, request: web.Request) -> NewBuild:
        """The body, checked; raises the answer to one that is wrong."""
        try:
            tree = await request.json()
        except ValueError:
            raise _error(web.HTTPBadRequest, "Your request body could not be parsed as JSON") from None
        try:
            return NewBuild.model_validate(tree)
        except ValidationError as error:
            raise _error(web.HTTPUnprocessableEntity, "Validation Failed", errors=mistakes(error)) from None

    async def _list(self, request: web.Request) -> web.Response:
        if self.faults.take("drop_look"):
            return hang_up(request)
        self._look(request)
        query = request.query
        states = {*query.getall("state", []), *query.getall("state[]", [])}
        page, per_page = _count(query.get("page", ""), 1, 10_000), _count(query.get("per_page", ""), PER_PAGE, MAX_PER_PAGE)
        meta = [(key[10:-1], value) for key, value in query.items() if key.startswith("meta_data[") and key.endswith("]")]
        found = [
            build
            for build in reversed(self._by_meta.get(meta[0], []) if meta else self.builds)
            if build.pipeline == request.match_info.get("slug", build.pipeline)
            and build.created + self.faults.index_lag <= self.clock()
            and all(build.asked.meta_data.get(key) == value for key, value in meta)
            and build.asked.commit == query.get("commit", build.asked.commit)
            and build.asked.branch == query.get("branch", build.asked.branch)
            and (not states or self._catch_up(build).state in states)
        ]
        jobs, pipeline = query.get("exclude_jobs") != "true", query.get("exclude_pipeline") != "true"
        some = found[(page - 1) * per_page : page * per_page]
        return self._answer([self._catch_up(build).shape(self.url, jobs=jobs, pipeline=pipeline) for build in some])

    async def _get(self, request: web.Request) -> web.Response:
        self._look(request)
        query = request.query
        jobs, pipeline = query.get("exclude_jobs") != "true", query.get("exclude_pipeline") != "true"
        return self._answer(self._build(request).shape(self.url, jobs=jobs, pipeline=pipeline))

    async def _cancel(self, request: web.Request) -> web.Response:
        self._admit(request)
        build = self._build(request)
        if build.state not in UNFINISHED:
            raise _error(web.HTTPUnprocessableEntity, "Build can't be canceled because it's already finished.")
        build.cancel(self.clock())
        return self._answer(build.shape(self.url))

    async def _page(self, request: web.Request) -> web.Response:
        """What a person sees who follows a build's link; not part of the API."""
        build = self._build(request)
        return web.Response(text=f"{build.org}/{build.pipeline} build {build.number}: {build.state}\n")

    def _look(self, request: web.Request) -> None:
        self._admit(request)
        if self.faults.look_answers:
            raise self._refusal(self.faults.look_answers.popleft())

    def _admit(self, request: web.Request) -> None:
        """Raises the answer to a wrong token or organization."""
        given = request.headers.get("Authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {self.token}".encode()):
            raise _error(web.HTTPUnauthorized, "Authentication required. Please supply a valid API Access Token.")
        if request.match_info.get("org", self.org) != self.org:
            raise _error(web.HTTPNotFound, "No organization found")

    def _catch_up(self, build: Build) -> Build:
        """Builds move when somebody looks: nobody can tell the difference, and no task has to be stopped."""
        if self.pace is None:
            return build
        start = build.created + self.pace[0]
        if build.state == "scheduled" and self.clock() >= start:
            build.step(start)
        if build.state == "running" and self.clock() >= start + self.pace[1]:
            build.step(start + self.pace[1])
        return build

    def _build(self, request: web.Request) -> Build:
        where = request.match_info
        made = self._by_pipeline.get(where["slug"], []) if where["org"] == self.org else []
        number = _count(where["number"], 0, len(made) + 1)
        if str(number) != where["number"] or number > len(made):
            raise _error(web.HTTPNotFound, "No build found")
        return self._catch_up(made[number - 1])

    def _answer(self, tree: Tree, status: int = 200) -> web.Response:
        return web.json_response(tree, status=status, headers=self._rate(left=RATE_LIMIT - 1))

    def _rate(self, *, left: int) -> dict[str, str]:
        reset = math.ceil(self.window - self.clock() % self.window)
        return {"RateLimit-Remaining": str(left), "RateLimit-Limit": str(RATE_LIMIT), "RateLimit-Reset": str(reset)}

    def _refusal(self, status: int) -> web.HTTPException:
        if status == 429:
            rate = self._rate(left=0)
            body = {"scope": "rest", "limit": RATE_LIMIT, "current": RATE_LIMIT, "reset": int(rate["RateLimit-Reset"])}
            return _error(web.HTTPTooManyRequests, "You have exceeded your API rate limit.", headers=rate, **body)
        by_status = {503: web.HTTPServiceUnavailable, 502: web.HTTPBadGateway, 500: web.HTTPInternalServerError}
        return _error(by_status[status], "The server is not available right now")


def _error(
    answer: Callable[..., web.HTTPException], message: str, headers: dict[str, str] | None = None, **body: Tree
) -> web.HTTPException:
    text = web.json_response({"message": message} | body).text
    return answer(text=text, content_type="application/json", headers=headers)


async def _cut_short(request: web.Request, whole: web.Response) -> web.StreamResponse:
    """The answer that is cut in its middle: its headers and half of its body arrive."""
    body = (whole.text or "").encode()
    half = web.StreamResponse(status=whole.status, headers=whole.headers)
    half.content_length = len(body)
    with suppress(ConnectionError):
        await half.prepare(request)
        await half.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.abort()
    return half


def _count(text: str, default: int, most: int) -> int:
    return min(max(int(text), 1), most) if text.isascii() and text.isdigit() and len(text) < 10 else default
