"""Submit a job to builds.sr.ht, find it again by its delivery, and follow it to its end.

Facts: https://docs.sourcehut.org/builds.sr.ht (GraphQL at `/query`; logs at `/query/log/…`, with the token) and
https://man.sr.ht/builds.sr.ht/manifest.md. Submitting has no idempotency key, so the delivery's id stands in the job's note,
and what may have happened is looked up by it before anything is sent again.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import AfterValidator, Field

from providers import _environment
from providers._requests import Answer, ask, bearer, line
from router.core.errors import Ambiguous, DeliveryError, Permanent, RateLimited, Transient, Unauthorized
from router.core.model import Delivery, LogLine, Receipt, Report, Status
from router.provider import Check, Closed, Destination, Duration, Exposes, Plugin, Secret, ill, well, yaml_trouble

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from router.provider import Host

LIMIT, LARGEST_LOG = 1 << 20, 8 << 20
#: Bytes of a manifest, lines of a task's log, tasks of a job, and characters of a note.
LARGEST, LINES, TASKS, NOTE = 65_536, 20_000, 100, 500
#: Jobs asked about in one query, and pages of jobs that a look-up reads.
TOGETHER, PAGES = 20, 100
#: Seconds until too many questions are forgiven.
RESET = 30.0
#: Microseconds that a look-up goes back: longer than a router is down before somebody looks at what it left.
LOOK_BACK = 30 * 86_400_000_000

STATES = {
    **dict.fromkeys(("PENDING", "QUEUED"), Status.PENDING),
    "RUNNING": Status.RUNNING,
    "SUCCESS": Status.SUCCESS,
    "FAILED": Status.FAILED,
    "TIMEOUT": Status.TIMEOUT,
    "CANCELLED": Status.CANCELLED,
}
_OVER = ("SUCCESS", "FAILED", "SKIPPED")
_TAG = re.compile(r"[a-z0-9_.-]{1,100}")
_TASK = re.compile(r"[a-z0-9_-]{1,128}")
_OWNER = re.compile(r"~[a-z0-9_-]{1,64}")

_SUBMIT = """mutation ($manifest: String!, $tags: [String!], $note: String, $secrets: Boolean, $visibility: Visibility) {
  submit(manifest: $manifest, tags: $tags, note: $note, secrets: $secrets, execute: true, visibility: $visibility) {
    id owner { canonicalName }
  }
}"""
_JOBS = "query ($cursor: Cursor) { jobs(cursor: $cursor) { cursor results { id created note owner { canonicalName } } } }"
_JOB = "query ($id: Int!) { job(id: $id) { id status created updated tasks { name status updated } } }"
_CANCEL = "mutation ($id: Int!) { cancel(jobId: $id) { id } }"


def _url(text: str) -> str:
    if re.fullmatch(r"https?://[^\s/?#@]+", text) is None:
        raise ValueError("write the instance's address, like https://builds.sr.ht")
    return text


def _tags(tags: list[str]) -> list[str]:
    for tag in tags:
        if _TAG.fullmatch(tag) is None:
            raise ValueError("a tag has small letters, digits, dots, hyphens and underscores only")
    return tags


class Settings(Closed):
    """How to reach builds.sr.ht."""

    token: Secret = Field(description="A personal access token with builds.sr.ht/JOBS:RW and builds.sr.ht/LOGS:RO.")
    url: Annotated[str, AfterValidator(_url)] = "https://builds.sr.ht"
    settle: Duration = Field(15.0, description="How long the instance may need to show a job that it accepted.")


class Options(Closed):
    """A job. `manifest` is its YAML; `env` is added to its `environment`, where what the manifest says itself wins."""

    exposes: ClassVar[Exposes] = Exposes.SECRETS

    manifest: Annotated[str, Field(min_length=1, max_length=LARGEST)]
    env: _environment.Environment = Field(default_factory=dict)
    tags: Annotated[list[str], AfterValidator(_tags), Field(max_length=8)] = Field(default_factory=lambda: ["tangled"])
    note: str = ""
    secrets: bool = Field(default=False, description="Whether the job gets the secrets that its manifest names.")
    visibility: Annotated[str, Field(pattern=r"^(PUBLIC|UNLISTED|PRIVATE)$")] | None = None


class Sourcehut:
    """One account's token."""

    def __init__(self, settings: Settings, host: Host) -> None:
        self.settings = settings
        self.host = host
        self.settle = settings.settle

    def destination(self, _options: Options, /) -> Destination:
        return Destination(name=self.settings.url.partition("://")[2], credential="token")

    async def deliver(self, delivery: Delivery[Options], /) -> Receipt:
        options = delivery.options
        variables = {
            "manifest": _manifest(options.manifest, {**_environment.traced(delivery.trace), **options.env}),
            "tags": options.tags,
            "note": f"{line(options.note, NOTE)}\n\n{_mark(delivery.id)}".strip(),
            "secrets": options.secrets,
            "visibility": options.visibility,
        }
        answer = await self._query(_SUBMIT, variables)
        tree = answer.json()
        if answer.status == 200 and isinstance(tree, dict) and not tree.get("errors"):
            receipt = self._receipt(_data(tree, "submit"))
            if receipt is None:
                raise Ambiguous("The job was accepted, and the answer cannot be read.", response=answer.shown())
            return receipt
        raise _refused(answer)

    async def find(self, delivery: Delivery[Options], /) -> Receipt | None:
        cursor: Any = None
        oldest = self.host.clock.now() - LOOK_BACK
        for _ in range(PAGES):
            page = _data(await self._told(_JOBS, {"cursor": cursor}), "jobs")
            results = page.get("results") if isinstance(page, dict) else None
            if not isinstance(results, list):
                raise Transient("The look-up was answered without a list of jobs.")
            jobs = [job for job in results if isinstance(job, dict)]
            for job in jobs:
                if _mark(delivery.id) in str(job.get("note")) and (receipt := self._receipt(job)) is not None:
                    return receipt
            cursor = page.get("cursor")
            # Newest first: what comes after a page of old jobs is older still.
            if cursor is None or (jobs and all((_moment(job.get("created")) or oldest) < oldest for job in jobs)):
                return None
        raise Transient(f"The delivery's job is not among the newest {PAGES} pages of jobs.")

    async def poll(self, receipts: Sequence[tuple[str, Receipt]], /) -> Sequence[Report]:
        reports: list[Report] = []
        for first in range(0, len(receipts), TOGETHER):
            some = receipts[first : first + TOGETHER]
            wanted = "status updated tasks { name status }"
            parts = (f"j{number}: job(id: {int(one.id)}) {{ {wanted} }}" for number, (_, one) in enumerate(some))
            told = await self._told(f"query {{ {' '.join(parts)} }}", {})
            for number, (delivery, receipt) in enumerate(some):
                job = _data(told, f"j{number}")
                if isinstance(job, dict) and (report := _report(delivery, receipt, job, self.host.clock.now())) is not None:
                    reports.append(report)
        return reports

    async def cancel(self, receipt: Receipt, /) -> bool:
        answer = await self._lost_is_asked_again(_CANCEL, {"id": int(receipt.id)})
        tree = answer.json()
        if answer.status == 200 and isinstance(tree, dict):
            return isinstance(_data(tree, "cancel"), dict)
        raise _closed(answer) or Transient(f"The question was answered with {answer.status}.", response=answer.shown())

    async def logs(self, receipt: Receipt, /) -> Sequence[LogLine]:
        job = _data(await self._told(_JOB, {"id": int(receipt.id)}), "job")
        if not isinstance(job, dict):
            raise Transient("The instance does not know the job any more.")
        listed = job.get("tasks")
        tasks = [one for one in (listed if isinstance(listed, list) else ()) if isinstance(one, dict)][:TASKS]
        status, began = job.get("status"), _moment(job.get("created")) or 0
        lines: list[LogLine] = []
        if status not in ("PENDING", "QUEUED"):
            under_way = any(one.get("status") != "PENDING" for one in tasks)
            over = under_way or (status in STATES and STATES[str(status)].final)
            lines += _lines(0, "setup", await self._log(receipt.id), began, ended=over, system=True)
        for step, task in enumerate(tasks, 1):
            name, state = str(task.get("name")), task.get("status")
            if state == "PENDING" or _TASK.fullmatch(name) is None:
                continue
            at = _moment(task.get("updated")) or began
            lines += _lines(step, name, await self._log(receipt.id, name), at, ended=state in _OVER, system=False)
        return lines

    async def _log(self, job: str, task: str = "") -> str:
        """What it said so far; nothing where there is no log yet."""
        path = f"/query/log/{int(job)}/{task}/log" if task else f"/query/log/{int(job)}/log"
        try:
            answer = await self._ask("GET", path, None, LARGEST_LOG)
        except Ambiguous as lost:
            raise Transient(str(lost)) from None
        if answer.status == 404:
            return ""
        if answer.status != 200:
            raise _closed(answer) or Transient(f"The log was answered with {answer.status}.", response=answer.shown())
        return answer.body.decode("utf-8", "replace")

    def _receipt(self, job: Any) -> Receipt | None:
        number = job.get("id") if isinstance(job, dict) else None
        if not isinstance(number, int) or isinstance(number, bool):
            return None
        owner = job.get("owner")
        name = owner.get("canonicalName") if isinstance(owner, dict) else None
        page = f"{self.settings.url}/{name}/job/{number}" if isinstance(name, str) and _OWNER.fullmatch(name) else ""
        return Receipt(id=str(number), url=page, detail={})

    async def check(self) -> Sequence[Check]:
        """Whether the token may see its account's jobs."""
        try:
            await self._told("query { jobs { results { id } } }", {})
        except DeliveryError as error:
            return [ill("sourcehut token", str(error), "Make one at meta.sr.ht/oauth2 with builds.sr.ht/JOBS:RW and LOGS:RO.")]
        return [well("sourcehut token", "sees the account's jobs")]

    async def _told(self, query: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        """What a question is answered with. Raises Transient."""
        answer = await self._lost_is_asked_again(query, variables)
        tree = answer.json()
        if answer.status != 200 or not isinstance(tree, dict):
            raise _closed(answer) or Transient(f"The question was answered with {answer.status}.", response=answer.shown())
        return tree

    async def _lost_is_asked_again(self, query: str, variables: Mapping[str, Any]) -> Answer:
        try:
            return await self._query(query, variables)
        except Ambiguous as lost:
            raise Transient(str(lost)) from None

    async def _query(self, query: str, variables: Mapping[str, Any]) -> Answer:
        return await self._ask("POST", "/query", json.dumps({"query": query, "variables": variables}).encode(), LIMIT)

    async def _ask(self, method: str, path: str, body: bytes | None, limit: int) -> Answer:
        token = self.settings.token.reveal()
        url = f"{self.settings.url}{path}"
        return await ask(
            self.host, method, url, headers=bearer(token, body), body=body, limit=limit, to="SourceHut", hide=token
        )


def _mark(delivery: str) -> str:
    """How a job's note names the delivery."""
    return f"router delivery {delivery}"


def _manifest(text: str, env: Mapping[str, str]) -> str:
    """The manifest with these variables in its `environment`. Raises Permanent where it is no manifest."""
    import yaml  # noqa: PLC0415 - validate reads only the options

    try:
        if why := yaml_trouble(text):
            raise Permanent(f"The manifest is not read: {why}.")
        tree = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise Permanent(f"The manifest is no YAML: {line(str(error), 200)}") from None
    if not isinstance(tree, dict):
        raise Permanent("The manifest is no mapping: it begins with `image:`.")
    if not env:
        return text
    said = tree.get("environment")
    if said is not None and not isinstance(said, dict):
        raise Permanent("The manifest's `environment` is no mapping.")
    return yaml.safe_dump({**tree, "environment": {**env, **(said or {})}}, sort_keys=False, allow_unicode=True)


def _report(delivery: str, receipt: Receipt, job: Mapping[str, Any], now: int) -> Report | None:
    """None where its state is one that nobody knows."""
    status = STATES.get(str(job.get("status")))
    if status is None:
        return None
    tasks = job.get("tasks")
    failed = [str(one.get("name")) for one in tasks or () if isinstance(one, dict) and one.get("status") == "FAILED"]
    error = f"{line(failed[0], 100)}: failed" if failed and status is Status.FAILED else ""
    at = _moment(job.get("updated")) or now
    return Report(delivery=delivery, status=status, at=at, url=receipt.url, error=error)


def _lines(step: int, name: str, text: str, at: int, *, ended: bool, system: bool) -> Iterator[LogLine]:
    yield LogLine(step=step, part="start", text=name, at=at, system=system)
    said = text.split("\n")
    for number, one in enumerate(said[:-1] if not said[-1] or not ended else said):
        if number == LINES:
            yield LogLine(step=step, part="said", text=f"[what follows line {LINES} is left out]", at=at)
            break
        yield LogLine(step=step, part="said", text=one.rstrip("\r").rpartition("\r")[2], at=at)
    if ended:
        yield LogLine(step=step, part="end", text=name, at=at, system=system)


def _refused(answer: Answer) -> DeliveryError:
    """What any answer but success means for a job that was submitted."""
    status, shown = answer.status, answer.shown()
    if (closed := _closed(answer)) is not None:
        return closed
    tree = answer.json()
    errors = tree.get("errors") if isinstance(tree, dict) else None
    if isinstance(errors, list) and status < 500:
        said = next((one.get("message") for one in errors if isinstance(one, dict)), None)
        return Permanent(f"SourceHut refuses the job: {line(str(said), 300)}", response=shown)
    if 300 <= status < 500 and status != 408:
        return Permanent(f"SourceHut answered {status}.", response=shown)
    return Ambiguous(f"SourceHut answered {status}.", response=shown)


def _closed(answer: Answer) -> Transient | None:
    """The answers that concern all that the token asks for. They use up no attempt."""
    if answer.status == 429:
        wait = answer.wait("Retry-After")
        seconds = RESET if wait is None else max(1.0, wait)
        return RateLimited("SourceHut is asked too often.", response=answer.shown(), retry_after=seconds)
    if answer.status in (401, 403):
        sentence = f"SourceHut refuses the token ({answer.status}): it needs builds.sr.ht/JOBS:RW and builds.sr.ht/LOGS:RO."
        return Unauthorized(sentence, response=answer.shown())
    return None


def _data(tree: Any, name: str) -> Any:
    data = tree.get("data") if isinstance(tree, dict) else None
    return data.get(name) if isinstance(data, dict) else None


def _moment(text: Any) -> int | None:
    """Microseconds of RFC 3339."""
    try:
        return int(datetime.fromisoformat(text).timestamp() * 1_000_000)
    except (TypeError, ValueError):
        return None


def _sample(status: int) -> Any:
    """What SourceHut answers with a status, as far as it is read here."""
    if status == 200:
        return {"data": {"submit": {"id": 1, "owner": {"canonicalName": "~acme"}}, "jobs": {"cursor": None, "results": []}}}
    return {"errors": [{"message": "Not this time."}]}


plugin = Plugin(settings=Settings, options=Options, open=Sourcehut, sample=_sample)
