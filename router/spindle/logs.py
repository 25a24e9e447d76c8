"""Logs for whoever looks at a workflow: from the first line, live while it runs, closed when it is over."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import unquote

from aiohttp import web

from router.core import tid
from router.core.model import Status
from router.spindle import frames
from router.spindle.streams import serve
from router.spindle.xrpc import refused

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from router.core.model import LogLine, Pipeline, Workflow
    from router.spindle.server import Desk
    from router.spindle.streams import Crowd, Line

_DONE = (1000, "log stream complete")


def older(desk: Desk, crowd: Crowd) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """`/logs/{knot}/{rkey}/{workflow}`: JSON lines of one workflow."""

    async def answer(request: web.Request) -> web.StreamResponse:
        knot, rkey, name = (unquote(request.match_info[part]) for part in ("knot", "rkey", "workflow"))
        if not (knot and rkey and name):
            raise web.HTTPBadRequest(text="knot, rkey and name are needed\n")
        pipeline = await desk.store.pipeline(rkey, knot)
        workflow = _workflow(pipeline, name)

        async def tell(line: Line) -> tuple[int, str]:
            if pipeline is None or workflow is None:
                return _DONE
            said = False
            async for one in desk.logbook.follow(pipeline.id, name):
                await line.send(frames.json_line(one))
                said = True
            error = await _error(desk, pipeline, name)
            for text in frames.failure(error) if error and not said else ():
                await line.send(text)
            return _DONE

        return await serve(request, crowd, tell)

    return answer


def today(desk: Desk, crowd: Crowd) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """`subscribePipelineLogs`: CBOR frames of several workflows on one socket."""

    async def answer(request: web.Request) -> web.StreamResponse:
        name = request.query.get("pipeline", "")
        if tid.micros(name) is None:
            return refused("BadRequest", "pipeline must be a TID")
        pipeline = await desk.store.pipeline(name)
        if pipeline is None:
            return refused("NotFound", "there is no such pipeline", status=404)
        wanted = request.query.getall("workflows", [])
        chosen = [one.name for one in pipeline.workflows if not wanted or one.name in wanted]
        if not chosen:
            return refused("BadRequest", "the pipeline has no such workflow")

        async def tell(line: Line) -> tuple[int, str]:
            turn = asyncio.Lock()
            async with asyncio.TaskGroup() as group:
                for workflow in chosen:
                    group.create_task(_multiplexed(desk, line, turn, pipeline, workflow))
            return _DONE

        return await serve(request, crowd, tell)

    return answer


async def _multiplexed(desk: Desk, line: Line, turn: asyncio.Lock, pipeline: Pipeline, workflow: str) -> None:
    said = False
    async for one in desk.logbook.follow(pipeline.id, workflow):
        said = True
        async with turn:
            await line.send(frames.frame(workflow, one))
    error = await _error(desk, pipeline, workflow)
    for one in () if said or not error else _failure(error, desk.clock.now()):
        async with turn:
            await line.send(frames.frame(workflow, one))


def _failure(error: str, now: int) -> tuple[LogLine, ...]:
    from router.core.model import LogLine  # noqa: PLC0415 - a type elsewhere

    return LogLine(step=0, part="start", at=now), LogLine(step=0, part="said", text=error, at=now)


async def _error(desk: Desk, pipeline: Pipeline, name: str) -> str:
    """Why a workflow that said nothing is over."""
    one = _workflow(await desk.store.pipeline(pipeline.id), name)
    return one.error if one is not None and one.status not in (None, Status.SUCCESS) else ""


def _workflow(pipeline: Pipeline | None, name: str) -> Workflow | None:
    return next((one for one in pipeline.workflows if one.name == name), None) if pipeline is not None else None
