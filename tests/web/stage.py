"""Routers as the page may find them: one that has just begun, one at work, and one where everything fails. What strangers
wrote is as bad as it can be."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from router.core import rules, tid
from router.core.model import (
    Delivery,
    Entry,
    Event,
    LogLine,
    Outcome,
    Pipeline,
    Plan,
    Receipt,
    State,
    Status,
    Subject,
    Trouble,
    Workflow,
)
from router.core.problems import Problems
from router.engine.store.base import Arrival
from router.engine.store.sqlite import open_store
from router.health import Sources
from router.recent import STEP, Recent
from tests.web.parts import desk

if TYPE_CHECKING:
    from collections.abc import Sequence

    from router.engine.store.base import Store
    from router.web.desk import Desk

SECOND = 1_000_000
NOW = 1_795_435_201_000_000
HELLO = "did:plc:hellohellohellohello2222"
ALICE = "did:plc:aliceaaaaaaaaaaaaaaaaaaa"
MARKUP = "<script>document.title='stolen'</script><img src=x onerror=\"document.title='stolen'\">"
#: A branch that somebody named to do harm: markup, marks that turn text round, a terminal's colours, and long.
HOSTILE = f"{MARKUP}\u202egnp.\u2066\x1b[31mred\x07\u0000" + "x" * 200
CRAFTY = "javascript:document.title='stolen'"
RULES = """\
strategy: all
rules:
  - name: build
    description: Builds whatever is pushed
    when: {trigger: push, branch: "**"}
    report: {workflow: ci}
    do:
      - toy: {commit: "{{ sha }}"}
  - name: docs
    when:
      trigger: push
      any:
        - paths: {every: ["docs/**"]}
        - not: {branch: main}
    do: []
  - name: nightly
    mode: shadow
    when: {trigger: pull_request}
    do: []
"""


class Toy(BaseModel):
    """What the toy provider takes."""

    commit: str = ""


BOOK = rules.load([rules.RuleText("ci", "rules/ci.yaml", RULES)], {"toy": Toy}, Problems())


class Stopped:
    """A clock that a test turns. Nobody waits long for it."""

    def __init__(self, at: int = NOW) -> None:
        self.at = at

    def now(self) -> int:
        return self.at

    def steady(self) -> float:
        return self.at / 1e6

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(min(seconds, 0.05))


def name(number: int) -> str:
    """Of a delivery."""
    return hashlib.sha256(str(number).encode()).hexdigest()


def push(number: int, branch: str = "main", **more: Any) -> Event:
    fields = {
        "repo": {"did": HELLO, "name": "hello"},
        "actor": ALICE,
        "ref": f"refs/heads/{branch}",
        "branch": branch,
        "sha": f"{number:040x}",
        "trigger": "push",
        "paths": ["src/app.py"],
    }
    given: dict[str, Any] = {"record": {"ref": f"refs/heads/{branch}", "newSha": f"{number:040x}"}, "fields": fields}
    return Event(
        origin="knot:knot.example.com",
        id=f"push-{number}",
        source="knot",
        kind="knot",
        nsid="sh.tangled.git.refUpdate",
        **({"time": NOW - number * 60 * SECOND} | given | more),
    )


def delivery(number: int, branch: str = "main", rule: str = "ci/build", workflow: str = "ci") -> Delivery[Any]:
    subject = Subject(repo=HELLO, knot="knot.example.com", ref=f"refs/heads/{branch}", sha=f"{number:040x}", workflow=workflow)
    return Delivery(
        id=name(number),
        rule=rule,
        step="toy",
        provider="toy",
        options={"commit": f"{number:040x}", "message": f"Built {branch}"},
        event_origin="knot:knot.example.com",
        event_id=f"push-{number}",
        nsid="sh.tangled.git.refUpdate",
        subject=subject,
    )


async def heard(store: Store, number: int, branch: str = "main", pipeline: Pipeline | None = None, *, mark: str = "") -> None:
    """A push, and the delivery that it led to; with `mark` one that waits for approval, and led to nothing."""
    event = push(number, branch)
    plan = Plan(matched=("ci/build",), deliveries=(delivery(number, branch),), wanted=True)
    plan = Plan(matched=plan.matched, deliveries=plan.deliveries, entries=_pending(plan.deliveries), wanted=True)
    if mark:
        event = push(number, branch, fields={**event.fields, "approval": mark})
        plan = Plan(wanted=True)
    arrival = Arrival(source="knot", cursor=number * 1000, event=event, plan=plan, keep=True, pipeline=pipeline)
    await store.accept([arrival], NOW - number * 60 * SECOND)


def _pending(deliveries: Sequence[Delivery[Any]]) -> tuple[Entry, ...]:
    return tuple(Entry(delivery=one.id, workflow="ci", status=Status.PENDING, at=NOW - 3600 * SECOND) for one in deliveries)


async def settle(store: Store, outcome: Outcome, at: int = NOW) -> str:
    """The next delivery that is due comes to this."""
    (claim,) = await store.claim("me", 1, 60.0, at, {})
    assert await store.settle(claim, outcome, at)
    return claim.delivery.id


def run(number: int, repo: str = "hello", branch: str = "main", *workflows: Workflow) -> Pipeline:
    return Pipeline(
        id=tid.make(NOW - number * 60 * SECOND, 9),
        key=f"key of {number}",
        knot="knot.example.com",
        repo=HELLO,
        owner=ALICE,
        name=repo,
        kind="push",
        sha=f"{number:040x}",
        actor=ALICE,
        record={"triggerMetadata": {"kind": "push", "push": {"ref": f"refs/heads/{branch}"}}, "workflows": []},
        workflows=workflows or (Workflow(name="ci"),),
    )


def sources(clock: Stopped, *, failing: bool) -> Sources:
    made = Sources(clock)
    made.source("knot", "up")
    if failing:
        made.source("knot", "down", "knot.example.com does not answer: it is asked again in 30 s.")
        made.gap("knot", "It has forgotten what was before 10:00.")
    return made


async def empty(clock: Stopped | None = None) -> Desk:
    """Nothing is configured, and nothing happened."""
    clock = clock or Stopped()
    return desk(await open_store(":memory:"), clock=clock, started=NOW - 5 * SECOND)


async def busy(clock: Stopped | None = None) -> Desk:
    """Events, deliveries that went well, a pipeline with a log, one that is being made; one push with a hostile branch."""
    clock = clock or Stopped()
    store = await open_store(":memory:")
    for number in range(12, 2, -1):
        await heard(store, number, "main" if number % 3 else f"feature/number-{number}")
        receipt = Receipt(id=f"{number}", url=f"https://ci.example/builds/{number}", status=Status.SUCCESS)
        done = [Entry(delivery=name(number), workflow="ci", status=Status.SUCCESS, at=NOW - number * 60 * SECOND + SECOND)]
        await settle(store, Outcome(state=State.DONE, receipt=receipt, entries=done, response="201 Created"))
    await heard(store, 2, HOSTILE, run(2, MARKUP, HOSTILE))
    made = await settle(store, Outcome(state=State.DONE, receipt=Receipt(id="2", url=CRAFTY), response=f"200 OK\n{MARKUP}"))
    await store.write_log(made, 0, 0, log(), NOW)
    await store.tell([Entry(delivery=made, workflow="ci", status=Status.RUNNING, at=NOW - 60 * SECOND, url=CRAFTY)], NOW)
    await heard(store, 1, "main", run(1, "hello", "main"))
    told = Entry(
        delivery=await settle(store, Outcome(state=State.DONE, receipt=Receipt(id="1", url="https://ci.example/builds/1"))),
        workflow="ci",
        status=Status.SUCCESS,
        at=NOW,
        url="https://ci.example/builds/1",
    )
    await store.tell([told], NOW)
    await heard(store, 14, HOSTILE, mark="needed")
    await heard(store, 13, "from-a-fork", mark="needed")
    recent = Recent(clock)
    _hour(recent, clock, failing=False)
    return desk(store, BOOK, clock=clock, sources=sources(clock, failing=False), recent=recent, started=NOW - 7200 * SECOND)


async def failing(clock: Stopped | None = None) -> Desk:
    """The source is down, deliveries are dead or wait for their next attempt, an event cannot be decided."""
    clock = clock or Stopped()
    store = await open_store(":memory:")
    for number in range(6, 0, -1):
        await heard(store, number, HOSTILE if number == 3 else "main")
    for number in range(6, 2, -1):
        reason = f"ci.example answered 422: {MARKUP}" if number == 3 else "ci.example answered 401: the token is refused."
        await settle(store, Outcome(state=State.DEAD, reason=reason, response=f"HTTP 422\n\x1b[31m{MARKUP}"))
    waits = Outcome(state=State.READY, due=NOW + 90 * SECOND, reason="ci.example answered 503.", response="503")
    await settle(store, waits)
    trouble = Trouble(rule="ci/docs", sentence="@alice.example does not resolve.", undecided=True)
    undecided = Arrival(source="knot", event=push(7), plan=Plan(troubles=(trouble,), wanted=True), keep=True)
    bad = Arrival(source="knot", bad=f"It is not JSON: {MARKUP}", frame=b"{")
    await store.accept([undecided, bad], NOW)
    recent = Recent(clock)
    _hour(recent, clock, failing=True)
    made = desk(store, BOOK, clock=clock, sources=sources(clock, failing=True), recent=recent, started=NOW - 90_000 * SECOND)
    await made.pauses.pause("rule", "ci/docs")
    return made


def log() -> list[LogLine]:
    """Colours, a hyperlink and a title of a terminal, markup, a progress bar, and a second step."""
    said = [
        "\x1b[32m✓\x1b[0m \x1b[1mtests/test_app.py\x1b[0m  \x1b[38;5;208m12 passed\x1b[0m",
        "\x1b[31;1mFAILED\x1b[0m tests/test_web.py::test_page \x1b[48;2;200;0;0mwrong\x1b[0m",
        "\x1b]0;title\x07\x1b]8;;https://evil.example\x1b\\link\x1b]8;;\x1b\\ \x1b[2J\x1b[5;5Hgone",
        f"{MARKUP} \u202eturned",
        "10%\r50%\r100% done",
        "y" * 400,
    ]
    first = [LogLine(step=0, part="start", text="Test", command="make test", at=NOW)]
    first += [LogLine(step=0, part="said", text=text, stream="stderr" if "FAILED" in text else "stdout") for text in said]
    second = [LogLine(step=1, part="start", text=MARKUP), LogLine(step=1, part="said", text="[cancelled]", system=True)]
    return [*first, LogLine(step=0, part="end"), *second]


def _hour(recent: Recent, clock: Stopped, *, failing: bool) -> None:
    """Something in most minutes of the last hour."""
    now = clock.at
    for minute in range(59, -1, -1):
        clock.at = now - minute * STEP
        for _ in range((minute * 7) % 11):
            recent.planned(push(0, time=clock.at - (minute % 5) * 300_000), Plan(), fresh=True)
        for count in range((minute * 5) % 7):
            outcome = Outcome(state=State.DEAD if failing and count % 2 else State.DONE)
            recent.attempted(delivery(0), outcome)
            recent.took(delivery(0), 0.2 + (minute % 9) / 10)
    clock.at = now


STATES = {"empty": empty, "busy": busy, "failing": failing}
