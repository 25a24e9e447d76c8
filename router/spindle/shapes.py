"""Pipelines as `sh.tangled.ci.*` shows them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from router.core.model import Status

if TYPE_CHECKING:
    from collections.abc import Mapping

    from router.core.model import Pipeline, Tree, Workflow

_TRIGGER = "sh.tangled.ci.trigger"
#: Workflows of one run.
MOST = 50


def shown(pipeline: Pipeline) -> dict[str, Tree]:
    """The object of `queryPipelines` and `getPipeline`. A repo without a DID of its own is shown by its owner's, as the stock
    spindle does."""
    made: dict[str, Tree] = {
        "id": pipeline.id,
        "repo": pipeline.repo if pipeline.repo.startswith("did:") and "/" not in pipeline.repo else pipeline.owner,
        "commit": pipeline.sha,
        "createdAt": moment(pipeline.created // 1000),
        "trigger": trigger(pipeline.record),
        "workflows": [_workflow(one) for one in pipeline.workflows[:MOST]],
    }
    return made | ({"sourceRepo": pipeline.source_repo} if pipeline.source_repo else {})


def trigger(record: Mapping[str, Tree]) -> dict[str, Tree]:
    """The closed union of three, of the record's older words."""
    said = record["triggerMetadata"]
    kind, source = said["kind"], {"sourceRepo": said["sourceRepo"]} if said.get("sourceRepo") else {}
    if kind == "push":
        return {"$type": f"{_TRIGGER}#push", **said["push"]}
    if kind == "pull_request":
        return {"$type": f"{_TRIGGER}#pullRequest", **said["pullRequest"], **source}
    return {"$type": f"{_TRIGGER}#manual", **said["manual"], **source}


def _workflow(workflow: Workflow) -> dict[str, Tree]:
    made: dict[str, Tree] = {"id": workflow.name, "name": workflow.name, "status": workflow.status or Status.PENDING}
    if workflow.started is not None:
        made["startedAt"] = moment(workflow.started)
    if workflow.finished is not None:
        made["finishedAt"] = moment(workflow.finished)
    if workflow.error:
        made["error"] = workflow.error
    return made


def moment(micros: int) -> str:
    """RFC 3339 in whole seconds, as the stock spindle writes it."""
    return f"{datetime.fromtimestamp(micros // 1_000_000, UTC):%Y-%m-%dT%H:%M:%SZ}"
