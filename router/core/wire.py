"""What the spindle says of a run in the words of the older lexicons, `sh.tangled.pipeline` and `sh.tangled.pipeline.status`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from router.core.model import Tree, Workflow

PIPELINE, STATUS = "sh.tangled.pipeline", "sh.tangled.pipeline.status"


def pipeline_uri(knot: str, rkey: str) -> str:
    """A run's AT-URI. Its authority is the knot's did:web, in both generations, with the port as it is: appviews take the text
    behind `did:web:` for the knot's name."""
    return f"at://did:web:{knot}/{PIPELINE}/{rkey}"


def status_record(pipeline: str, workflow: Workflow, created: int) -> dict[str, Tree]:
    """A status of a workflow that has one. `created` is in nanoseconds; a failure without a code has -1, as the stock spindle
    says it."""
    status = workflow.status
    record: dict[str, Tree] = {
        "$type": STATUS,
        "createdAt": rfc3339(created),
        "pipeline": pipeline,
        "status": str(status),
        "workflow": workflow.name,
    }
    if workflow.error:
        record["error"] = workflow.error
    if workflow.exit_code is not None:
        record["exitCode"] = workflow.exit_code
    elif status is not None and status.final and status != "success":
        record["exitCode"] = -1
    return record


def rfc3339(nanos: int) -> str:
    """A moment in UTC, to the microsecond."""
    seconds, rest = divmod(nanos // 1000, 1_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:06}Z"
