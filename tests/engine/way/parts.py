"""The way of an event through the engine, over a store in memory, with a clock that is told the time and a provider that is
told what to do."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict

from router.core import rules
from router.core.fields import named_fields
from router.core.model import Event, Heard, Plan, Receipt
from router.core.problems import Problems
from router.engine.bell import Bell
from router.engine.directory import Directory
from router.engine.dispatch import Dispatch, Guest
from router.engine.intake import Intake
from router.host import Host
from router.observe import Silent
from router.provider import Plugin
from router.sources.base import everything
from router.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from router.core.model import Delivery, Entry, Outcome, Passed, Report, Tree
    from router.core.rulebook import Rulebook
    from router.engine.store.base import Store
    from router.sources.base import Wants

START = 1_795_435_200_000_000
ALICE = "did:plc:aliceaaaaaaaaaaaaaaaaaaa"
HELLO = "did:plc:hellohellohellohello2222"
SHA = "6e13e68d383190280012b07f7a62f830da739b41"


class Told(Silent):
    """Remembers every call, and lets a test wait for one."""

    def __init__(self) -> None:
        self.plans: list[tuple[Event, Plan, bool]] = []
        self.passed_over: list[Passed] = []
        self.outcomes: list[Outcome] = []
        self.entries: list[Entry] = []
        self.faults: list[str] = []
        self.circuits: list[tuple[str, str]] = []
        self.bad: list[str] = []
        self.gaps: list[tuple[str, str]] = []
        self.states: list[tuple[str, str]] = []
        self.news = asyncio.Event()

    def source(self, name: str, state: str, sentence: str = "") -> None:
        self.states.append((name, state))
        self.news.set()

    def bad_frame(self, source: str, sentence: str) -> None:
        self.bad.append(sentence)
        self.news.set()

    def gap(self, source: str, sentence: str) -> None:
        self.gaps.append((source, sentence))
        self.news.set()

    def planned(self, event: Event, plan: Plan, fresh: bool) -> None:  # noqa: FBT001 - the observer's signature
        self.plans.append((event, plan, fresh))
        self.news.set()

    def unmatched(self, events: Sequence[Event]) -> None:
        self.plans += [(event, Plan(), True) for event in events]
        self.news.set()

    def passed(self, source: str, passed: Passed) -> None:
        self.passed_over.append(passed)
        self.news.set()

    def attempted(self, delivery: Delivery[Tree], outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        self.news.set()

    def reported(self, entry: Entry) -> None:
        self.entries.append(entry)
        self.news.set()

    def circuit(self, name: str, sentence: str) -> None:
        self.circuits.append((name, sentence))
        self.news.set()

    def fault(self, what: str, sentence: str, error: BaseException | None = None) -> None:
        self.faults.append(sentence)
        self.news.set()


class Options(BaseModel):
    """What a step of the toy provider says."""

    takes_secrets: ClassVar[bool] = True
    model_config = ConfigDict(extra="forbid")
    sha: str = ""


@dataclass
class Toy:
    """Does what it is told: each answer is a Receipt or an error; without one, a Receipt. `happened` is what `find` sees."""

    answers: deque[Receipt | Exception] = field(default_factory=deque)
    looks: deque[Receipt | Exception | None] = field(default_factory=deque)
    made: list[Delivery[Options]] = field(default_factory=list)
    found: int = 0
    reports: list[Report] | Exception = field(default_factory=list)
    hang: bool = False
    settle: float = 15.0

    async def deliver(self, delivery: Delivery[Options], /) -> Receipt:
        self.made.append(delivery)
        if self.hang:
            await asyncio.Event().wait()
        answer = self.answers.popleft() if self.answers else Receipt(id=f"build-{len(self.made)}")
        if isinstance(answer, Exception):
            raise answer
        return answer


class LookingToy(Toy):
    """A toy that can look up and be asked about what goes on."""

    async def find(self, delivery: Delivery[Options], /) -> Receipt | None:
        self.found += 1
        look = self.looks.popleft() if self.looks else None
        if isinstance(look, Exception):
            raise look
        return look

    async def poll(self, receipts: Sequence[tuple[str, Receipt]], /) -> Sequence[Report]:
        if isinstance(self.reports, Exception):
            raise self.reports
        return self.reports


class Listed:
    """A source that says what it is given, and ends."""

    finite = True

    def __init__(self, heard: Sequence[Heard], name: str = "listed") -> None:
        self.heard = heard
        self.name = name
        self.asked: list[int | None] = []

    async def hear(self, cursor: int | None, wants: Wants = everything) -> AsyncIterator[Sequence[Heard]]:
        self.asked.append(cursor)
        for one in self.heard:
            yield [one]


def book(text: str) -> Rulebook:
    """Rules from YAML, whose provider is `toy`."""
    problems = Problems()
    made = rules.load([rules.RuleText("test", "test.yaml", text)], {"toy": Options}, problems)
    assert not problems.found, [str(problem) for problem in problems.found]
    return made


def push(number: int = 1, branch: str = "main", *, named: bool = True, **more: Any) -> Event:
    """A push as a knot of today says it; `named` where the repo's name is known already."""
    record = {
        "ref": f"refs/heads/{branch}",
        "newSha": SHA,
        "oldSha": "",
        "repo": HELLO,
        "ownerDid": ALICE,
        "committerDid": ALICE,
    }
    record |= more
    nsid = "sh.tangled.git.refUpdate"
    fields = named_fields(nsid, "knot", record, host="knot.example")
    if named:
        fields["repo"] |= {"name": "hello"}
    return Event(
        origin="knot:knot.example",
        id=f"{nsid}/{number}",
        source="my-knot",
        kind="knot",
        nsid=nsid,
        time=START,
        record=record,
        fields=fields,
    )


RULES = """
rules:
  - name: build
    when: {trigger: push, branch: main}
    report: {workflow: ci}
    retry: {attempts: 3, base: 10s, factor: 2}
    do:
      - toy: {sha: "{{ sha }}"}
"""


@dataclass
class Engine:
    """The parts, put together as the app does."""

    store: Store
    time: FakeClock
    told: Told
    bell: Bell
    directory: Directory
    intake: Intake
    toy: Toy
    dispatch: Dispatch

    async def hear(self, *events: Event, first: int = 1) -> None:
        heard = [Heard(event=event, cursor=first + number) for number, event in enumerate(events)]
        await self.intake.listen(Listed(heard))

    async def work(self) -> None:
        """Deliver what is due now, and no more."""
        while claims := await self.store.claim("me", 8, 30.0, self.time.now(), {}):
            await asyncio.gather(*(self.dispatch.deliver(claim) for claim in claims))

    async def states(self) -> list[str]:
        return [str(row.state) for row in reversed(await self.store.deliveries())]


def assemble(
    store: Store, time: FakeClock, told: Told, toy: Toy, text: str = RULES, *, idempotent: bool = False, http: Any = None
) -> Engine:
    bell = Bell()
    host = Host(http, time, random.Random(7))
    directory = Directory(store, host, told, "https://resolver.invalid", {"alice.example": ALICE})
    plugin: Plugin[Any, Any] = Plugin(settings=Options, options=Options, open=lambda *_: toy, idempotent=idempotent)
    guests = {"toy": Guest("toy", plugin, toy)}
    return Engine(
        store=store,
        time=time,
        told=told,
        bell=bell,
        directory=directory,
        intake=Intake(store, book(text), directory, told, time, bell),
        toy=toy,
        dispatch=Dispatch(store, guests, host, bell, told, owner="me"),
    )
