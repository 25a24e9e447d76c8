"""The schemas that judge us: they take what Tangled's own servers said, and nothing that is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.spindle import schemas

WIRE = Path(__file__).parent.parent / "wire" / "spindle"
CI = "sh.tangled.ci"
RECORDED = {
    "ci_query_pipelines_response": f"{CI}.queryPipelines",
    "ci_query_pipelines_response_empty": f"{CI}.queryPipelines",
    "ci_get_pipeline_response": f"{CI}.getPipeline",
    "ci_trigger_response": f"{CI}.triggerPipeline",
    "ci_describe_workflow_definition_response": f"{CI}.describeWorkflowDefinition",
    "owner_response": "sh.tangled.owner",
    "secrets_list_response": "sh.tangled.repo.listSecrets",
}


def recorded(name: str) -> Any:
    return json.loads((WIRE / f"{name}.json").read_bytes())


@pytest.mark.parametrize("name", RECORDED)
def test_what_was_recorded_fits(name: str) -> None:
    """Answers of real servers."""
    schemas.check(schemas.output(RECORDED[name]), recorded(name))


def test_what_is_wrong_does_not() -> None:
    """A list that is null (as stock spindles once had it), a state that there is not, a trigger of no kind, a name too much."""
    with pytest.raises(AssertionError):
        schemas.check(schemas.output(f"{CI}.queryPipelines"), recorded("ci_query_pipelines_response_empty_stock"))
    good = recorded("ci_get_pipeline_response")
    for wrong in (
        good | {"workflows": [good["workflows"][0] | {"status": "queued"}]},
        good | {"workflows": []},
        good | {"trigger": {**good["trigger"], "$type": "sh.tangled.ci.trigger#schedule"}},
        good | {"createdAt": "yesterday"},
        good | {"note": 1},
        {name: value for name, value in good.items() if name != "commit"},
    ):
        with pytest.raises(AssertionError):
            schemas.check(schemas.output(f"{CI}.getPipeline"), wrong)


@pytest.mark.parametrize("name", ["spindle_events_status", "spindle_events_status_cancelled", "spindle_events_status_failed"])
def test_recorded_statuses_fit(name: str) -> None:
    """As they stand in `/events`."""
    schemas.check(schemas.record("sh.tangled.pipeline.status"), recorded(name)["event"])
