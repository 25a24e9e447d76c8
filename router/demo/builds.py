"""A build of the demo's CI, what may be asked of it, and how it looks on the wire."""

from __future__ import annotations

import base64
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from router.core.model import Tree

#: States that a build leaves by itself, and what comes next.
UNFINISHED = ("scheduled", "running", "failing")
_MAX_META_VALUE = 100_000
_Text = Annotated[str, Field(min_length=1)]
_MetaValue = Annotated[str, Field(max_length=_MAX_META_VALUE)]


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Author(_Asked):
    name: str = ""
    email: str = ""


class NewBuild(_Asked):
    """The body of a create-build request. Texts stay texts: a number in `env` or `meta_data` is refused."""

    commit: _Text
    branch: _Text
    message: str | None = None
    author: Author | None = None
    env: dict[str, str] = {}
    meta_data: dict[str, _MetaValue] = {}
    clean_checkout: bool = False
    ignore_pipeline_branch_filters: bool = False
    pull_request_id: int | None = None
    pull_request_base_branch: str | None = None
    pull_request_repository: str | None = None
    pull_request_labels: list[str] = []


def mistakes(error: ValidationError) -> list[dict[str, Tree]]:
    """The `errors` of a 422 answer: a field and a code each."""
    codes = {"missing": "missing", "string_too_short": "missing", "extra_forbidden": "unknown"}
    found = error.errors(include_url=False, include_input=False, include_context=False)
    return [{"field": ".".join(map(str, each["loc"])), "code": codes.get(each["type"], "invalid")} for each in found]


@dataclass(slots=True)
class Build:
    """One build with one job. Times are unix seconds; `fails` is decided when it is made."""

    org: str
    pipeline: str
    number: int
    asked: NewBuild
    created: float
    fails: bool = False
    state: str = "scheduled"
    started: float | None = None
    finished: float | None = None
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    job: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def over(self) -> bool:
        return self.state not in UNFINISHED

    def step(self, now: float) -> None:
        """One state on: scheduled, running, then passed or failed."""
        if self.state == "scheduled":
            self.state, self.started = "running", now
        elif not self.over:
            self.state, self.finished = ("failed" if self.fails else "passed"), now

    def cancel(self, now: float) -> None:
        self.state, self.finished = "canceled", now

    def shape(self, url: str, *, jobs: bool = True, pipeline: bool = True) -> dict[str, Tree]:
        """The build object; `url` is the server's."""
        here = f"{url}/v2/organizations/{self.org}/pipelines/{self.pipeline}"
        return {
            "id": self.id,
            "graphql_id": _graphql("Build", self.id),
            "url": f"{here}/builds/{self.number}",
            "web_url": f"{url}/{self.org}/{self.pipeline}/builds/{self.number}",
            "number": self.number,
            "state": self.state,
            "cancel_reason": "Canceled by the API" if self.state == "canceled" else None,
            "blocked": False,
            "message": self.asked.message,
            "commit": self.asked.commit,
            "branch": self.asked.branch,
            "env": self.asked.env,
            "source": "api",
            "creator": None,
            **({"jobs": [self._job(url, here)]} if jobs else {}),
            "created_at": _time(self.created),
            "scheduled_at": _time(self.created),
            "started_at": _time(self.started),
            "failing_at": None,
            "finished_at": _time(self.finished),
            "meta_data": self.asked.meta_data,
            "pull_request": self._pull_request(),
            "rebuilt_from": None,
            **({"pipeline": self._pipeline(url, here)} if pipeline else {}),
        }

    def _job(self, url: str, here: str) -> dict[str, Tree]:
        log = f"{here}/builds/{self.number}/jobs/{self.job}/log"
        return {
            "id": self.job,
            "graphql_id": _graphql("Job", self.job),
            "type": "script",
            "name": "Test",
            "step_key": "test",
            "state": self.state,
            "build_url": f"{here}/builds/{self.number}",
            "web_url": f"{url}/{self.org}/{self.pipeline}/builds/{self.number}#{self.job}",
            "log_url": log,
            "raw_log_url": f"{log}.txt",
            "command": "make test",
            "soft_failed": False,
            "exit_status": {"passed": 0, "failed": 1}.get(self.state),
            "signal": None,
            "signal_reason": None,
            "created_at": _time(self.created),
            "scheduled_at": _time(self.created),
            "runnable_at": _time(self.created),
            "started_at": _time(self.started),
            "finished_at": _time(self.finished),
            "retried": False,
            "retried_in_job_id": None,
            "retries_count": None,
            "retry_type": None,
            "parallel_group_index": None,
        }

    def _pull_request(self) -> Mapping[str, Tree] | None:
        asked = self.asked
        if asked.pull_request_id is None:
            return None
        return {
            "id": str(asked.pull_request_id),
            "base": asked.pull_request_base_branch,
            "repository": asked.pull_request_repository,
            "labels": asked.pull_request_labels,
        }

    def _pipeline(self, url: str, here: str) -> dict[str, Tree]:
        return {
            "url": here,
            "web_url": f"{url}/{self.org}/{self.pipeline}",
            "name": self.pipeline,
            "slug": self.pipeline,
            "builds_url": f"{here}/builds",
        }


def _graphql(kind: str, identifier: str) -> str:
    return base64.b64encode(f"{kind}---{identifier[:8]}".encode()).decode()


def _time(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{int(seconds * 1000) % 1000:03d}Z"
