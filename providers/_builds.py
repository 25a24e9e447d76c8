"""What a build of Buildkite says: a receipt, and how far it is in Tangled's six words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from providers._requests import line
from router.core.model import Micros, Receipt, Report, Status

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Buildkite's states, and what Tangled calls them; see `_status` for builds that a block step holds up.
STATES = {
    **dict.fromkeys(("creating", "scheduled", "waiting"), Status.PENDING),
    **dict.fromkeys(("running", "failing", "canceling", "waiting_failed"), Status.RUNNING),
    "passed": Status.SUCCESS,
    "failed": Status.FAILED,
    **dict.fromkeys(("canceled", "skipped", "not_run"), Status.CANCELLED),
}


def receipt(build: Any, org: str, slug: str) -> Receipt | None:
    """None where this is no build."""
    if not isinstance(build, dict) or not isinstance(build.get("id"), str) or not isinstance(build.get("number"), int):
        return None
    detail = {"org": org, "pipeline": slug, "number": build["number"]}
    return Receipt(id=build["id"], url=_page(build), detail=detail)


def _page(build: Mapping[str, Any]) -> str:
    """A link for people, if it is one."""
    url = build.get("web_url")
    return url if isinstance(url, str) and url.startswith(("https://", "http://")) and url.isprintable() else ""


def report(delivery: str, build: Mapping[str, Any], now: Micros) -> Report | None:
    """None where its state is one that nobody knows."""
    status, error = _status(build)
    if status is None:
        return None
    failed = _failed_jobs(build) if status is Status.FAILED else []
    if failed and all(job["state"] == "timed_out" for job in failed):
        status = Status.TIMEOUT
    exit_status = failed[0].get("exit_status") if failed else None
    return Report(
        delivery=delivery,
        status=status,
        at=moment(build.get("finished_at") if status.final else build.get("started_at")) or now,
        url=_page(build),
        error=error or (_job_error(failed[0]) if failed else ""),
        exit_code=exit_status if isinstance(exit_status, int) else None,
    )


def _status(build: Mapping[str, Any]) -> tuple[Status | None, str]:
    """A build that a block step holds up says `passed` or `failed` of what ran so far: it is not over."""
    state = build.get("state")
    status = STATES.get(state) if isinstance(state, str) else None
    if status is Status.CANCELLED:
        reason = build.get("cancel_reason")
        return status, line(reason, 300) if isinstance(reason, str) and reason else f"{state} by Buildkite"
    if build.get("blocked") is True or state == "blocked":
        return Status.RUNNING, "waiting on a block step"
    return status, ""


def _failed_jobs(build: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The jobs that failed the build: neither those that were tried again, nor those that may fail."""
    jobs = build.get("jobs")
    return [
        job
        for job in (jobs if isinstance(jobs, list) else ())
        if isinstance(job, dict) and job.get("state") in ("failed", "timed_out", "expired")
        if not (job.get("retried") or job.get("soft_failed"))
    ]


def _job_error(job: Mapping[str, Any]) -> str:
    status = job.get("exit_status")
    code = f" with exit status {status}" if isinstance(status, int) and job["state"] == "failed" else ""
    return f"{line(str(job.get('name') or 'a job'), 100)}: {job['state']}{code}"


def moment(text: Any) -> int | None:
    """Microseconds of RFC 3339 or of `2006-01-02 15:04:05 UTC`, which webhooks use."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text.replace(" UTC", "+00:00"))
    except ValueError:
        return None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1_000_000)
