"""*Pipelines*: what became of commits. A spindle's runs; of any other router, the deliveries that report a status."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

from aiohttp import web

from router.web.page.words import ref

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from router.core.model import LogLine, Pipeline, Workflow
    from router.engine.store.base import DeliveryRow
    from router.web.desk import Desk

#: Pipelines on a page, deliveries that are looked through for those of no pipeline, and lines of a log that are shown.
LIMIT, LOOKED, LINES = 50, 200, 2000


async def look(desk: Desk, _path: Mapping[str, str], query: Mapping[str, str]) -> dict[str, Any]:
    repo = query.get("repo", "").strip()[:200]
    asked = query.get("before", "")
    before = int(asked) if asked.isdecimal() and len(asked) < 20 else None
    if repo:
        found, _ = await desk.store.pipelines(repo, before=before, limit=LIMIT)
    else:
        found = await desk.store.latest_pipelines(before, LIMIT)
    runs = [of_pipeline(one) for one in found]
    if not runs and before is None:
        runs = of_deliveries(await desk.store.deliveries(repo=repo, limit=LOOKED))[:LIMIT]
    return {"runs": runs, "repo": repo, "older": found[-1].created if len(found) == LIMIT else 0}


async def look_at(desk: Desk, path: Mapping[str, str], _query: Mapping[str, str]) -> dict[str, Any]:
    found = await _pipeline(desk, path["id"])
    runs = await desk.store.runs(found.id)
    made = of_pipeline(found)
    for one in made["workflows"]:
        one["deliveries"] = [run.delivery for run in runs if run.workflow == one["name"]]
    return {"run": made, "record": found.record}


async def look_at_log(desk: Desk, path: Mapping[str, str], query: Mapping[str, str]) -> dict[str, Any]:
    found, name = await _pipeline(desk, path["id"]), query.get("workflow", "")
    workflow = next((one for one in found.workflows if one.name == name), None)
    if workflow is None:
        raise web.HTTPNotFound(text="The pipeline has no such workflow.")
    lines: list[LogLine] = []
    for run in await desk.store.runs(found.id):
        if run.workflow == name:
            # Each begins to count at 0.
            first = lines[-1].step + 1 if lines else 0
            lines += [replace(line, step=first + line.step) for line in await desk.logbook.so_far(run)]
    return {"run": of_pipeline(found), "workflow": of_workflow(workflow), "log": logged(lines)}


async def _pipeline(desk: Desk, name: str) -> Pipeline:
    found = await desk.store.pipeline(name)
    if found is None:
        raise web.HTTPNotFound(text=f"There is no pipeline {name}.")
    return found


def of_pipeline(found: Pipeline) -> dict[str, Any]:
    """A run of the spindle. Its `created` is in nanoseconds."""
    trigger = found.record.get("triggerMetadata")
    told = trigger if isinstance(trigger, dict) else {}
    inner = next((one for one in (told.get("push"), told.get("pullRequest")) if isinstance(one, dict)), {})
    return {
        "id": found.id,
        "repo": found.repo,
        "name": found.name,
        "owner": found.owner,
        "kind": found.kind,
        "ref": ref(str(inner.get("ref") or inner.get("sourceBranch") or "")),
        "sha": found.sha,
        "actor": found.actor,
        "fork": found.source_repo,
        "created": found.created // 1000,
        "workflows": [of_workflow(one) for one in found.workflows],
    }


def of_workflow(one: Workflow) -> dict[str, Any]:
    """What a workflow has come to; `took` in seconds."""
    took = (one.finished - one.started) / 1e6 if one.finished and one.started else None
    return {
        "name": one.name,
        "status": str(one.status or ""),
        "error": one.error,
        "exit_code": one.exit_code,
        "url": one.url,
        "started": one.started,
        "took": took,
        "delivery": "",
        "deliveries": [],
    }


def of_deliveries(rows: Sequence[DeliveryRow]) -> list[dict[str, Any]]:
    """Those that report a status, by repo and commit, in the order of the newest."""
    runs: dict[tuple[str, str], list[DeliveryRow]] = {}
    for row in rows:
        if row.workflow and row.repo:
            runs.setdefault((row.repo, row.sha), []).append(row)
    return [
        {
            "id": "",
            "repo": repo,
            "name": "",
            "owner": "",
            "kind": "",
            "ref": ref(of[0].ref),
            "sha": sha,
            "actor": "",
            "fork": "",
            "created": of[0].created,
            "workflows": [of_delivery(row) for row in reversed(of)],
        }
        for (repo, sha), of in runs.items()
    ]


def of_delivery(row: DeliveryRow) -> dict[str, Any]:
    """A delivery as the workflow that it reports."""
    return {
        "name": row.workflow,
        "status": row.status,
        "error": row.reason,
        "exit_code": None,
        "url": "",
        "started": None,
        "took": None,
        "delivery": row.id,
        "deliveries": [row.id],
    }


def logged(lines: Sequence[LogLine]) -> dict[str, Any]:
    """The last lines, by steps: a title, and what was said. `left_out` counts those before."""
    shown = lines[-LINES:]
    steps = []
    for step, of in groupby(shown, key=lambda line: line.step):
        told = list(of)
        title = next((line.text or line.command for line in told if line.part == "start"), "")
        said = [line for line in told if line.part == "said"]
        steps.append({"step": step, "title": title, "lines": [(line.text, line.stream, line.system) for line in said]})
    return {"steps": steps, "left_out": len(lines) - len(shown)}
