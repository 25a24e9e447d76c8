"""Create a build on Buildkite, find it again by its delivery, and follow it to its end.

Facts: https://buildkite.com/docs/apis/rest-api/builds. Creating a build has no idempotency key, so the delivery's id travels in
the build's meta-data, and what may have happened is looked up by it (`find`) before anything is sent again.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlencode

from pydantic import AfterValidator, Field

from providers import _environment
from providers._requests import Answer, ask
from router.core.errors import Ambiguous, DeliveryError, Permanent, Transient
from router.core.model import Delivery, Receipt, Report, Status
from router.provider import Bounded, Closed, Duration, Plugin, Secret

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from router.provider import Host

#: The meta-data key that holds the delivery's id.
DELIVERY = "router:delivery"
LIMIT = 1 << 20
#: Characters of a build's message: Buildkite shows a line.
MESSAGE = 1000
#: Seconds until a token or a scope that was refused is tried again: only an operator can mend it.
REFUSED = 300.0
LANES = 4

_SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,254}")
_COMMIT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/~^-]{0,254}")

#: Buildkite's states, and what Tangled calls them; see `_status` for builds that a block step holds up.
STATES = {
    **dict.fromkeys(("creating", "scheduled", "waiting"), Status.PENDING),
    **dict.fromkeys(("running", "failing", "canceling", "waiting_failed", "blocked"), Status.RUNNING),
    "passed": Status.SUCCESS,
    "failed": Status.FAILED,
    **dict.fromkeys(("canceled", "skipped", "not_run"), Status.CANCELLED),
}


def _slug(text: str) -> str:
    if _SLUG.fullmatch(text) is None:
        raise ValueError("a slug has letters, digits, hyphens and underscores only")
    return text


def _pipeline(text: str) -> str:
    for part in text.split("/", 1):
        _slug(part)
    return text


def _commit(text: str) -> str:
    if _COMMIT.fullmatch(text) is None:
        raise ValueError("a commit is a sha, a ref or HEAD")
    return text


def _url(text: str) -> str:
    if re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#]*)?", text) is None:
        raise ValueError("write the API's address, like https://api.buildkite.com/v2")
    return text.rstrip("/")


class Settings(Closed):
    """How to reach Buildkite."""

    token: Secret = Field(description="An API access token with write_builds and read_builds.")
    org: Annotated[str, AfterValidator(_slug)] | None = Field(None, description="The organization of steps that name none.")
    url: Annotated[str, AfterValidator(_url)] = "https://api.buildkite.com/v2"
    settle: Duration = Field(15.0, description="How long Buildkite may need to show a build that it accepted.")


class Author(Closed):
    """Whom a build is shown as the work of."""

    name: str
    email: str


class Options(Closed):
    """A build. `pipeline` may be `org/slug`."""

    org: Annotated[str, AfterValidator(_slug), Bounded("the organization")] | None = None
    pipeline: Annotated[str, AfterValidator(_pipeline), Bounded("the pipeline")]
    commit: Annotated[str, AfterValidator(_commit)]
    branch: str = Field(min_length=1, max_length=1000)
    message: str | None = None
    author: Author | None = None
    env: _environment.Environment = Field(default_factory=dict)
    meta_data: dict[str, str] = Field(default_factory=dict)
    pull_request_base_branch: str | None = None
    pull_request_id: int | None = None
    pull_request_repository: str | None = None
    pull_request_labels: list[str] | None = None
    ignore_pipeline_branch_filters: bool = Field(default=True, description="The rule has decided already.")
    clean_checkout: bool | None = None


class Buildkite:
    """One organization's token, all of its pipelines."""

    def __init__(self, settings: Settings, host: Host) -> None:
        self.settings = settings
        self.host = host
        self.settle = settings.settle

    async def deliver(self, delivery: Delivery[Options], /) -> Receipt:
        org, slug = self._pipeline(delivery.options)
        body = json.dumps(_build(delivery)).encode()
        answer = await self._ask("POST", f"/organizations/{org}/pipelines/{slug}/builds", body)
        if answer.status == 201:
            receipt = _receipt(answer.json(), org, slug)
            if receipt is None:
                raise Ambiguous("Buildkite accepted the build, and its answer cannot be read.", response=answer.shown())
            return receipt
        raise _refused(answer)

    async def find(self, delivery: Delivery[Options], /) -> Receipt | None:
        org, slug = self._pipeline(delivery.options)
        query = urlencode({f"meta_data[{DELIVERY}]": delivery.id, "exclude_jobs": "true", "exclude_pipeline": "true"})
        try:
            answer = await self._ask("GET", f"/organizations/{org}/pipelines/{slug}/builds?{query}")
        except Ambiguous as lost:
            raise Transient(str(lost)) from None
        builds = answer.json() if answer.status == 200 else None
        if not isinstance(builds, list):
            raise Transient(
                f"The look-up was answered with {answer.status}.", response=answer.shown(), retry_after=_wait(answer)
            )
        mine = [build for build in builds if isinstance(build, dict) and _delivery_of(build) == delivery.id]
        # The oldest is the first that was made: a later one, if there ever is one, is the one too many.
        return _receipt(mine[-1], org, slug) if mine else None

    async def poll(self, receipts: Sequence[tuple[str, Receipt]], /) -> Sequence[Report]:
        import asyncio  # noqa: PLC0415 - validate reads only the options

        lanes = asyncio.Semaphore(LANES)

        async def one(delivery: str, receipt: Receipt) -> Report | None:
            async with lanes:
                return await self._report(delivery, receipt)

        reports = await asyncio.gather(*(one(delivery, receipt) for delivery, receipt in receipts))
        return [report for report in reports if report is not None]

    async def _report(self, delivery: str, receipt: Receipt) -> Report | None:
        detail = receipt.detail
        path = f"/organizations/{detail['org']}/pipelines/{detail['pipeline']}/builds/{detail['number']}?exclude_pipeline=true"
        try:
            answer = await self._ask("GET", path)
        except (Ambiguous, Transient):
            return None
        build = answer.json() if answer.status == 200 else None
        return _report(delivery, build, self.host) if isinstance(build, dict) else None

    def _pipeline(self, options: Options) -> tuple[str, str]:
        first, slash, rest = options.pipeline.partition("/")
        org = first if slash else options.org or self.settings.org
        if org is None:
            raise Permanent("No organization: say `org` in the step, or in router.yaml under providers, buildkite.")
        return org, rest if slash else first

    async def _ask(self, method: str, path: str, body: bytes | None = None) -> Answer:
        headers = {"Authorization": f"Bearer {self.settings.token.reveal()}", "Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        url = f"{self.settings.url}{path}"
        return await ask(self.host, method, url, headers=headers, body=body, limit=LIMIT, to="Buildkite")


def _build(delivery: Delivery[Options]) -> dict[str, Any]:
    """The body of a create-build request. What the router needs in the meta-data wins over what a rule says."""
    options = delivery.options
    body = options.model_dump(exclude={"org", "pipeline", "message"}, exclude_none=True)
    message = "".join(char if char.isprintable() else " " for char in options.message or "").strip()[:MESSAGE]
    if message:
        body["message"] = message
    body["meta_data"] = {**options.meta_data, DELIVERY: delivery.id, "router:attempt": str(delivery.attempt)}
    return body


def _refused(answer: Answer) -> DeliveryError:
    """What any answer but success means for a build that was asked for."""
    told, shown = _message(answer), answer.shown()
    if answer.status == 429:
        return Transient("Buildkite is asked too often.", response=shown, retry_after=_wait(answer) or 30.0, counts=False)
    if answer.status in (401, 403):
        sentence = f"Buildkite refuses the token ({answer.status}): it needs write_builds and read_builds, here."
        return Transient(sentence, response=shown, retry_after=REFUSED, counts=False)
    if answer.status < 500 and not 200 <= answer.status < 300:
        return Permanent(f"Buildkite answered {answer.status}: {told}", response=shown)
    return Ambiguous(f"Buildkite answered {answer.status}.", response=shown)


def _message(answer: Answer) -> str:
    tree = answer.json()
    if not isinstance(tree, dict) or not isinstance(tree.get("message"), str):
        return "without saying why."
    errors = tree.get("errors")
    about = f" ({json.dumps(errors)})" if errors else ""
    return "".join(char if char.isprintable() else " " for char in tree["message"] + about)[:300]


def _wait(answer: Answer) -> float | None:
    return answer.wait("Retry-After", "RateLimit-Reset", "RateLimit-User-Reset")


def _delivery_of(build: Mapping[str, Any]) -> Any:
    meta = build.get("meta_data")
    return meta.get(DELIVERY) if isinstance(meta, dict) else None


def _receipt(build: Any, org: str, slug: str) -> Receipt | None:
    if not isinstance(build, dict) or not isinstance(build.get("id"), str) or not isinstance(build.get("number"), int):
        return None
    url = build.get("web_url")
    detail = {"org": org, "pipeline": slug, "number": build["number"]}
    return Receipt(id=build["id"], url=url if isinstance(url, str) else "", detail=detail)


def _report(delivery: str, build: Mapping[str, Any], host: Host) -> Report | None:
    status, error = _status(build)
    if status is None:
        return None
    failed = _failed_job(build) if status is Status.FAILED else None
    if failed is not None and failed.get("state") == "timed_out":
        status = Status.TIMEOUT
    exit_status = failed.get("exit_status") if failed else None
    url = build.get("web_url")
    return Report(
        delivery=delivery,
        status=status,
        at=_moment(build.get("finished_at") if status.final else build.get("started_at")) or host.clock.now(),
        url=url if isinstance(url, str) else "",
        error=error or (_job_error(failed) if failed else ""),
        exit_code=exit_status if isinstance(exit_status, int) else None,
    )


def _status(build: Mapping[str, Any]) -> tuple[Status | None, str]:
    """A build that a block step holds up says `passed` of what ran so far: it is not over."""
    state = build.get("state")
    if build.get("blocked") is True or state == "blocked":
        return Status.RUNNING, "waiting on a block step"
    status = STATES.get(state) if isinstance(state, str) else None
    if status is Status.CANCELLED:
        reason = build.get("cancel_reason")
        return status, reason if isinstance(reason, str) and reason else f"{state} by Buildkite"
    return status, ""


def _failed_job(build: Mapping[str, Any]) -> Mapping[str, Any] | None:
    jobs = build.get("jobs")
    for job in jobs if isinstance(jobs, list) else ():
        over = isinstance(job, dict) and job.get("state") in ("failed", "timed_out", "broken", "expired")
        if over and not (job.get("retried") or job.get("soft_failed")):
            return dict(job)
    return None


def _job_error(job: Mapping[str, Any]) -> str:
    name = "".join(char if char.isprintable() else " " for char in str(job.get("name") or "a job"))[:100]
    return f"{name}: {job.get('state')}"


def _moment(text: Any) -> int | None:
    """Microseconds of RFC 3339 or of `2006-01-02 15:04:05 UTC`, which webhooks use."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text.replace(" UTC", "+00:00"))
    except ValueError:
        return None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1_000_000)


plugin = Plugin(settings=Settings, options=Options, open=Buildkite)
