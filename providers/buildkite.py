"""Create a build on Buildkite, find it again by its delivery, and follow it to its end.

Facts: https://buildkite.com/docs/apis/rest-api/builds. Creating a build has no idempotency key, so the delivery's id travels in
the build's meta-data, and what may have happened is looked up by it (`find`) before anything is sent again.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal
from urllib.parse import urlencode

from pydantic import AfterValidator, Field

from providers import _builds, _environment, _joblogs, _webhooks
from providers._jobcache import Jobs, Said
from providers._requests import Answer, ask, bearer, line
from router.core.errors import Ambiguous, DeliveryError, Permanent, RateLimited, Transient, Unauthorized
from router.core.model import Delivery, LogLine, Receipt, Report
from router.provider import (
    Bounded,
    Check,
    Closed,
    Destination,
    Doubled,
    Duration,
    Exposes,
    Limit,
    News,
    Plainly,
    Plugin,
    Secret,
    doubtful,
    ill,
    well,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from router.provider import Host

#: The meta-data key that holds the delivery's id.
DELIVERY = "router:delivery"
LIMIT = 1 << 20
#: Scopes of a token that makes builds, finds them again and shows their logs.
NEEDED = ("read_builds", "write_builds", "read_build_logs")
#: Characters of a build's message: Buildkite shows a line.
MESSAGE = 1000
#: The same after 429 without a word of when: its window is a minute.
RESET = 30.0
#: Seconds for which a webhook waits for what it does not say itself: Buildkite waits for its answer.
ANSWER_WITHIN = 4.0
#: Builds asked about at once, and builds on a page of a list: the most that Buildkite has.
LANES, PAGE = 4, 100
#: Microseconds that a look-up goes back: longer than a router is down before somebody looks at what it left.
LOOK_BACK = 30 * 86_400_000_000
#: Pages of one organization's builds that an audit reads.
AUDITED = 5
#: Buildkite's limits by the headers that tell when they are over.
HEADERS = (("RateLimit-Remaining", "RateLimit-Reset"), ("RateLimit-User-Remaining", "RateLimit-User-Reset"))
#: Of a list of builds: as many as there may be on a page, and no more of each than is read.
_ALL = {"per_page": PAGE, "exclude_jobs": "true", "exclude_pipeline": "true"}

_SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,254}")
_COMMIT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/~^-]{0,254}")
#: Pipelines that are nothing else, and usual branches.
_PIPELINE, _BRANCH = rf"{_SLUG.pattern}(/{_SLUG.pattern})?", r"[A-Za-z0-9][A-Za-z0-9._/-]{0,254}"


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


def _branch(text: str) -> str:
    if re.search(r"^-|[\x00-\x20\x7f]", text):
        raise ValueError("a branch begins with no hyphen and has neither spaces nor control characters")
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
    per_org: int = Field(200, ge=2, le=10_000, description="Requests in a minute that an organization allows.")
    per_token: int = Field(50, ge=2, le=10_000, description="Requests in a minute that the token's user has.")
    reserve: int = Field(10, ge=0, le=1000, description="How many of these are kept for look-ups.")
    webhook_secrets: list[Secret] = Field(
        default_factory=list, description="The secrets of its webhooks; several while one is exchanged for another."
    )
    webhook_mode: Literal["token", "signature", "any"] = Field(
        "any", description="How webhooks prove themselves; `signature` keeps those who see one from sending it again."
    )


class Author(Closed):
    """Whom a build is shown as the work of."""

    name: str
    email: str


class Options(Closed):
    """A build. `pipeline` may be `org/slug`."""

    exposes: ClassVar[Exposes] = Exposes.SECRETS
    takes_secrets: ClassVar[bool] = True

    org: Annotated[str, AfterValidator(_slug), Plainly(_SLUG.pattern), Bounded("the organization")] | None = None
    pipeline: Annotated[str, AfterValidator(_pipeline), Plainly(_PIPELINE), Bounded("the pipeline")]
    commit: Annotated[str, AfterValidator(_commit), Plainly(_COMMIT.pattern)]
    branch: Annotated[str, AfterValidator(_branch), Plainly(_BRANCH), Field(min_length=1, max_length=1000)]
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
        self._jobs = Jobs()

    def destination(self, options: Options, /) -> Destination:
        first, slash, _ = options.pipeline.partition("/")
        org = first if slash else options.org or self.settings.org or "-"
        return Destination(name=org, credential="token", limits=self._limits(org))

    async def deliver(self, delivery: Delivery[Options], /) -> Receipt:
        org, slug = self._pipeline(delivery.options)
        body = json.dumps(_build(delivery)).encode()
        answer = await self._ask("POST", f"/organizations/{org}/pipelines/{slug}/builds", body, trace=delivery.trace)
        if answer.status == 201:
            receipt = _builds.receipt(answer.json(), org, slug)
            if receipt is None:
                raise Ambiguous("Buildkite accepted the build, and its answer cannot be read.", response=answer.shown())
            return receipt
        raise _refused(answer, self._limits(org))

    async def find(self, delivery: Delivery[Options], /) -> Receipt | None:
        org, slug = self._pipeline(delivery.options)
        # Lists that nothing narrows are refused when they are long. No delivery waits for its look-up for so long.
        began = _time(self.host.clock.now() - LOOK_BACK)
        filters = {f"meta_data[{DELIVERY}]": delivery.id, "created_from": began, **_ALL}
        answer = await self._found(org, slug, filters)
        narrowed = answer.status == 400
        if narrowed:
            answer = await self._found(org, slug, {**filters, "branch": delivery.options.branch})
        builds = answer.json() if answer.status == 200 else None
        if not isinstance(builds, list):
            raise _not_told(answer, self._limits(org))
        mine = [build for build in builds if isinstance(build, dict) and _delivery_of(build) == delivery.id]
        if not mine and len(builds) < PAGE and not narrowed:
            return None
        # The oldest is the first that was made: a later one, if there ever is one, is the one too many. That there is none of
        # its branch proves nothing: Buildkite may spell it in another way.
        receipt = _builds.receipt(mine[-1], org, slug) if mine else None
        if receipt is None:
            raise Transient("The look-up was answered with builds that tell nothing of this delivery's.")
        return receipt

    async def _found(self, org: str, slug: str, filters: Mapping[str, Any]) -> Answer:
        try:
            return await self._ask("GET", f"/organizations/{org}/pipelines/{slug}/builds?{urlencode(filters)}")
        except Ambiguous as lost:
            raise Transient(str(lost)) from None

    async def poll(self, receipts: Sequence[tuple[str, Receipt]], /) -> Sequence[Report]:
        import asyncio  # noqa: PLC0415 - validate reads only the options

        reports: list[Report] = []
        for first in range(0, len(receipts), LANES):
            # What is left of the limits is for new builds and for look-ups; webhooks tell meanwhile, and the next poll.
            lanes = [one for one in receipts[first : first + LANES] if self.host.meter.spend(self._limits(_org(one[1])))]
            answers = await asyncio.gather(*(self._look(receipt, spent=True) for _, receipt in lanes))
            for (delivery, _), answer in zip(lanes, answers, strict=True):
                build = answer.json() if answer is not None and answer.status == 200 else None
                if isinstance(build, dict) and (report := _builds.report(delivery, build, self.host.clock.now())) is not None:
                    reports.append(report)
            refused = [answer for answer in answers if answer is not None and answer.status == 429]
            if refused:
                _closed(refused[0], self._limits(_org(lanes[0][1])), self.host)
                break  # the rest would only be refused, and use up what new builds need
        return reports

    async def cancel(self, receipt: Receipt, /) -> bool:
        answer = await self._told("PUT", f"{_path(receipt)}/cancel", b"{}")
        if answer.status == 200:
            return True
        if answer.status in (404, 422):
            return False
        raise _not_told(answer, self._limits(_org(receipt)))

    async def audit(self, receipts: Sequence[Receipt], since: int, /) -> Sequence[Doubled]:
        builds: list[dict[str, Any]] = []
        for org in sorted({_org(receipt) for receipt in receipts}):
            builds += await self._since(org, since)
        by_delivery: dict[str, list[dict[str, Any]]] = {}
        for build in builds:
            # A rebuild bears the meta-data of what it was rebuilt from: a person asked for it.
            if isinstance(name := _delivery_of(build), str) and not build.get("rebuilt_from"):
                by_delivery.setdefault(name, []).append(build)
        return [double for name, made in by_delivery.items() for double in _doubles(name, made)]

    async def _since(self, org: str, since: int) -> list[dict[str, Any]]:
        """An organization's builds from that moment on, newest first, as far as there is leave to ask."""
        began = _time(since)
        builds: list[dict[str, Any]] = []
        for page in range(1, AUDITED + 1):
            if not self.host.meter.spend(self._limits(org)):
                break
            query = urlencode({"created_from": began, "page": page, **_ALL})
            answer = await self._told("GET", f"/organizations/{org}/builds?{query}", spent=True)
            listed = answer.json() if answer.status == 200 else None
            if not isinstance(listed, list):
                raise _not_told(answer, self._limits(org))
            builds += [build for build in listed if isinstance(build, dict)]
            if len(listed) < PAGE:
                break
        return builds

    async def logs(self, receipt: Receipt, /) -> Sequence[LogLine]:
        answer = await self._told("GET", f"{_path(receipt)}?exclude_pipeline=true&include_retried_jobs=true")
        build = answer.json() if answer.status == 200 else None
        if not isinstance(build, dict):
            raise _not_told(answer, self._limits(_org(receipt)))
        jobs = _joblogs.jobs(build)
        speak = [job for job in jobs if _joblogs.has_log(job)]
        over = (report := _builds.report("", build, 0)) is not None and report.status.final
        for wanted in self._jobs.wanted(receipt.id, speak, over=over):
            await self._hear(receipt, next(one for one in speak if one["id"] == wanted))
        lines: list[LogLine] = []
        for job in jobs:
            said = self._jobs.said(receipt.id, job["id"])
            if said is not None or job.get("type") == "manual":
                room = max(0, _joblogs.LINES - len(lines))
                step = self._jobs.step(receipt.id, job["id"])
                lines += _joblogs.lines(step, job, said.text if said else "", over=said is None or said.over, most=room)
        return lines

    async def _hear(self, receipt: Receipt, job: Mapping[str, Any]) -> None:
        """A job's log as far as it is there. One that is too large, or gone, is not asked for again."""
        log = await self._told("GET", f"{_path(receipt)}/jobs/{job['id']}/log", limit=_joblogs.LARGEST)
        if log.status == 429:
            raise _not_told(log, self._limits(_org(receipt)))
        answer = log.json() if log.status == 200 else None
        text = answer.get("content") if isinstance(answer, dict) else None
        over = _joblogs.is_over(job)
        if isinstance(text, str):
            self._jobs.keep(receipt.id, job["id"], Said(text, over))
        elif over or not log.complete:
            self._jobs.keep(receipt.id, job["id"], Said("[its log is too large, or cannot be read]", over=True))

    def is_of(self, options: Any, receipt: Receipt, /) -> bool:
        if not isinstance(options, dict) or not isinstance(options.get("pipeline"), str):
            return False
        first, slash, rest = options["pipeline"].partition("/")
        place = (first, rest) if slash else (options.get("org") or self.settings.org, first)
        return place == (receipt.detail.get("org"), receipt.detail.get("pipeline"))

    async def receive(self, headers: Mapping[str, str], body: bytes, /) -> Sequence[News]:
        secrets = [secret.reveal() for secret in self.settings.webhook_secrets]
        now = self.host.clock.now()
        signature = _webhooks.proved(headers, body, secrets, self.settings.webhook_mode, now // 1_000_000)
        if signature and not await self.host.scribe.once("buildkite", signature, 2 * _webhooks.TOLERANCE):
            return ()
        news = _webhooks.news(body, now)
        return () if news is None else (await self._complete(news),)

    async def _complete(self, news: News) -> News:
        """A webhook's build has no jobs, so why it failed is asked for; where there is no answer it has failed all the same."""
        import asyncio  # noqa: PLC0415 - validate reads only the options

        if not news.report.status.final or news.report.status not in _webhooks.FAILED:
            return news
        answer = None
        with suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_WITHIN):
                answer = await self._look(news.receipt)
        build = answer.json() if answer is not None and answer.status == 200 else None
        report = _builds.report(news.report.delivery, build, self.host.clock.now()) if isinstance(build, dict) else None
        return replace(news, report=report) if report is not None and report.status.final else news

    def _limits(self, org: str) -> tuple[Limit, Limit]:
        """What Buildkite counts of a request: for the organization, and for the user whose token it is."""
        settings = self.settings
        return (
            Limit(name=f"buildkite/{org}", rate=settings.per_org, reserve=settings.reserve),
            Limit(name="buildkite token", rate=settings.per_token, reserve=settings.reserve),
        )

    async def _told(
        self, method: str, path: str, body: bytes | None = None, limit: int = LIMIT, *, spent: bool = False
    ) -> Answer:
        """An answer about something that is there already: one that was lost is asked for again."""
        if not spent:
            self.host.meter.count(self._limits(path.split("/")[2]))
        try:
            return await self._ask(method, path, body, limit)
        except Ambiguous as lost:
            raise Transient(str(lost)) from None

    async def _look(self, receipt: Receipt, *, spent: bool = False) -> Answer | None:
        """Buildkite's answer about a build; None where there was none."""
        if not spent:
            self.host.meter.count(self._limits(_org(receipt)))
        try:
            return await self._ask("GET", f"{_path(receipt)}?exclude_pipeline=true")
        except (Ambiguous, Transient):
            return None

    def _pipeline(self, options: Options) -> tuple[str, str]:
        first, slash, rest = options.pipeline.partition("/")
        org = first if slash else options.org or self.settings.org
        if org is None:
            raise Permanent("No organization: say `org` in the step, or in router.yaml under providers, buildkite.")
        return org, rest if slash else first

    async def check(self) -> Sequence[Check]:
        """What the token may do (buildkite.com/docs/apis/rest-api/access-token), and whether it sees the organization."""
        answer = await self._ask("GET", "/access-token")
        if answer.status in (401, 403):
            return [ill("buildkite token", "Buildkite refuses it.", "Make one at buildkite.com/user/api-access-tokens.")]
        tree = answer.json()
        scopes = tree.get("scopes") if isinstance(tree, dict) else None
        if answer.status != 200 or not isinstance(scopes, list):
            return [doubtful("buildkite token", f"Buildkite answered {answer.status} and no scopes.", "Try again later.")]
        lacking = [scope for scope in NEEDED if scope not in scopes]
        if lacking:
            return [ill("buildkite token", f"It lacks {' and '.join(lacking)}.", "Give it these scopes, or make another.")]
        found = [well("buildkite token", f"has {', '.join(NEEDED)}")]
        if self.settings.org is not None:
            seen = (await self._ask("GET", f"/organizations/{self.settings.org}")).status == 200
            what = "buildkite organization"
            advice = "Check `providers.buildkite.org`, and which organizations the token was made for."
            found.append(
                well(what, self.settings.org) if seen else ill(what, f"The token does not see {self.settings.org}.", advice)
            )
        return found

    async def _ask(self, method: str, path: str, body: bytes | None = None, limit: int = LIMIT, *, trace: str = "") -> Answer:
        token = self.settings.token.reveal()
        url = f"{self.settings.url}{path}"
        headers = bearer(token, body) | ({"traceparent": trace} if trace else {})
        return await ask(self.host, method, url, headers=headers, body=body, limit=limit, to="Buildkite", hide=token)


def _org(receipt: Receipt) -> str:
    return str(receipt.detail["org"])


def _path(receipt: Receipt) -> str:
    detail = receipt.detail
    return f"/organizations/{detail['org']}/pipelines/{detail['pipeline']}/builds/{detail['number']}"


def _build(delivery: Delivery[Options]) -> dict[str, Any]:
    """The body of a create-build request. What the router needs in the meta-data wins over what a rule says."""
    options = delivery.options
    body = options.model_dump(exclude={"org", "pipeline", "message"}, exclude_none=True)
    if delivery.revealed or delivery.trace:
        body["env"] = {**_environment.traced(delivery.trace), **options.env, **delivery.revealed}
    message = line(options.message or "", MESSAGE)
    if message:
        body["message"] = message
    body["meta_data"] = {**options.meta_data, DELIVERY: delivery.id, "router:attempt": str(delivery.attempt)}
    if delivery.trace:
        body["meta_data"]["router:traceparent"] = delivery.trace
    return body


def _refused(answer: Answer, limits: Sequence[Limit]) -> DeliveryError:
    """What any answer but success means for a build that was asked for."""
    status, shown = answer.status, answer.shown()
    if (closed := _closed(answer, limits)) is not None:
        return closed
    if 300 <= status < 400:
        return Permanent(f"Buildkite answered {status}: redirects are not followed. Mend `url` in router.yaml.", response=shown)
    if 400 <= status < 500 and status != 408:
        return Permanent(f"Buildkite answered {status}: {_message(answer)}", response=shown)
    return Ambiguous(f"Buildkite answered {status}.", response=shown)


def _not_told(answer: Answer, limits: Sequence[Limit]) -> Transient:
    """A look-up without a list of builds proves nothing."""
    return _closed(answer, limits) or Transient(f"The look-up was answered with {answer.status}.", response=answer.shown())


def _closed(answer: Answer, limits: Sequence[Limit], host: Host | None = None) -> Transient | None:
    """The answers that concern all that the token asks for: too much, or not allowed. They use up no attempt."""
    if answer.status == 429:
        # Of the organization's limit and the user's, those that are used up; where no header says, both may be.
        told = [
            (limit, answer.wait(reset)) for limit, (left, reset) in zip(limits, HEADERS, strict=True) if _none(answer, left)
        ]
        waits = [answer.wait("Retry-After", *(reset for _, reset in HEADERS)), *(wait for _, wait in told)]
        seconds = max((max(1.0, wait) for wait in waits if wait is not None), default=RESET)
        if host is not None:
            host.meter.drain([limit for limit, _ in told] or limits, seconds)
        names = [limit.name for limit, _ in told]
        return RateLimited("Buildkite is asked too often.", response=answer.shown(), retry_after=seconds, limits=names)
    if answer.status in (401, 403):
        sentence = f"Buildkite refuses the token ({answer.status}): it needs write_builds and read_builds, here."
        return Unauthorized(sentence, response=answer.shown(), here=answer.status == 403)
    return None


def _time(micros: int) -> str:
    return datetime.fromtimestamp(micros // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _none(answer: Answer, header: str) -> bool:
    return answer.headers.get(header, "").strip() == "0"


def _doubles(delivery: str, builds: Sequence[Mapping[str, Any]]) -> list[Doubled]:
    """The first of a delivery's builds, with each of the others."""
    places = ((build, _webhooks.place(build)) for build in builds)
    made = [(build, _builds.receipt(build, *place)) for build, place in places if place is not None]
    sorted_ = sorted(
        (
            (_builds.moment(build.get("created_at")) or 0, receipt.detail["number"], receipt)
            for build, receipt in made
            if receipt
        ),
        key=lambda one: one[:2],
    )
    return [Doubled(delivery=delivery, first=sorted_[0][2], extra=extra) for _, _, extra in sorted_[1:]]


def _message(answer: Answer) -> str:
    tree = answer.json()
    if not isinstance(tree, dict) or not isinstance(tree.get("message"), str):
        return "without saying why."
    errors = tree.get("errors")
    return line(tree["message"] + (f" ({json.dumps(errors)})" if errors else ""), 300)


def _delivery_of(build: Mapping[str, Any]) -> Any:
    meta = build.get("meta_data")
    return meta.get(DELIVERY) if isinstance(meta, dict) else None


def _sample(status: int) -> Any:
    """What Buildkite answers with a status, as far as it is read here."""
    if status == 201:
        return {
            "id": "00000000-0000-4000-8000-000000000000",
            "number": 1,
            "web_url": "https://buildkite.com/acme/core/builds/1",
        }
    return [] if status == 200 else {"message": "Not this time."}


plugin = Plugin(settings=Settings, options=Options, open=Buildkite, sample=_sample)
