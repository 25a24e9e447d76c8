"""A router as a spindle, in this process, and the network around it on loopback: accounts, knots, a Jetstream, a directory."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import aiohttp

from router import app, config, library, plugins
from router.core import rules
from router.core.problems import Problems
from router.demo.directory import Directory, Identity
from router.demo.jetstream import Jetstream
from router.demo.knot import Knot, KnotRepo
from router.demo.pds import Account, Pds
from router.demo.wire import rfc3339
from tests.engine.way.parts import Told as Observed
from tests.spindle import schemas

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

OWNER, ALICE, BOB, EVE = (f"did:plc:{name:a<24}" for name in ("owner", "alice", "bob", "eve"))
CORE, FORK = (f"did:plc:{name:r<24}" for name in ("core", "fork"))
HOST = "spindle.example.com"
OLD, NEW = "0" * 40, "6e13e68d383190280012b07f7a62f830da739b41"
RULES = """\
rules:
  - name: build
    when: {trigger: [push, pull_request, manual], branch: {exists: true}, workflow: {exists: true}}
    each: workflows
    where: {$.provider: fake}
    report: {workflow: "{{ workflow.name }}"}
    do: [log: {message: "{{ trigger }} {{ workflow.name }} {{ sha }}"}]
"""
WORKFLOW = "when: [{event: [push, pull_request], branch: [main]}]\nengine: tack\ntack: {fake: {}}\n"


class Told(Observed):
    """Keeps the sentences of sources, and lets a test wait."""

    def __init__(self) -> None:
        super().__init__()
        self.sentences: dict[str, str] = {}

    def source(self, name: str, state: str, sentence: str = "") -> None:
        self.sentences[f"{name} {state}"] = sentence
        super().source(name, state, sentence)


@dataclass
class World:
    """An async context manager; `start` and `stop` the router inside it as often as you like, over one store."""

    folder: Path
    rules: str = RULES
    settings: str = ""
    more: str = ""
    listen: str = "127.0.0.1:0"
    url: str = ""
    jetstream: Jetstream = field(default_factory=lambda: Jetstream("jetstream"))
    knot: Knot = field(default_factory=lambda: Knot("knot"))
    other: Knot = field(default_factory=lambda: Knot("other"))
    old: Knot = field(default_factory=lambda: Knot("old", older=True))
    directory: Directory = field(default_factory=lambda: Directory("directory"))
    pds: Pds = field(default_factory=lambda: Pds("pds"))
    told: Told = field(default_factory=Told)
    #: Seconds for what takes a moment, and never comes where something is broken.
    patience: float = 45.0
    _home: Knot | None = None
    _running: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._stack = AsyncExitStack()
        for server in (self.jetstream, self.knot, self.other, self.old, self.directory, self.pds):
            await self._stack.enter_async_context(server)
        self.http = await self._stack.enter_async_context(aiohttp.ClientSession())
        self.pds.jetstream = self.jetstream
        self.pds.accounts = {did: Account(did) for did in (OWNER, ALICE, BOB, EVE)}
        self.publish()
        for knot in (self.knot, self.other):
            knot.repos = (KnotRepo(CORE, ALICE, "core", collaborators=(BOB,)),)
        self.old.repos = (KnotRepo("did:plc:" + "o" * 24, ALICE, "legacy"),)
        return self

    def publish(self) -> None:
        """The directory says what everybody's keys and servers are now."""
        people = [Identity(did, pds=self.pds.url, key=one.multikey) for did, one in self.pds.accounts.items()]
        self.directory.identities = (*people, Identity(FORK, knot=self.other.url), Identity(CORE, knot=self.home.url))

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()
        await self._stack.aclose()

    def write(self) -> Path:
        """The configuration and the rules; the file's path."""
        file = self.folder / "router.yaml"
        file.write_text(
            f"store: {{path: {self.folder / 'router.db'}}}\nrules: [./rules]\negress: {{allow: [127.0.0.0/8]}}\n"
            f'spindle: {{hostname: {HOST}, owner: "{OWNER}", listen: "{self.listen}", dev: true,'
            f' jetstream: ["{self.jetstream.ws_url}"], plc: "{self.directory.url}"{self.settings}}}\n{self.more}'
        )
        (self.folder / "rules").mkdir(exist_ok=True)
        (self.folder / "rules" / "team.yaml").write_text(self.rules)
        return file

    async def start(self) -> None:
        file = self.write()
        made, problems = config.load(file, environ={}), Problems()
        book = rules.load(library.rule_texts(made.rules, problems), plugins.OptionModels(), problems)
        assert not problems.errors, [str(problem) for problem in problems.errors]
        self.told, self._stop = Told(), asyncio.Event()
        self._running = asyncio.create_task(app.run(made, book, self.told, stop=self._stop))
        await self.until(lambda: "spindle up" in self.told.sentences)
        await self.until(self.jetstream.log.attended.is_set)
        self.url = "http://" + self.told.sentences["spindle up"].rpartition(" ")[2].rstrip(".")

    async def stop(self) -> None:
        if self._running is not None:
            self._stop.set()
            await self._running
            self._running = None

    async def until(self, condition: Callable[[], Any]) -> Any:
        """The first true value."""
        async with asyncio.timeout(self.patience):
            while True:
                if self._running is not None and self._running.done():
                    await self._running
                value = condition()
                if asyncio.iscoroutine(value):
                    value = await value
                if value:
                    return value
                await asyncio.sleep(0.01)

    # --- what people do

    def add_member(self, subject: str) -> str:
        record = {"subject": subject, "instance": HOST, "createdAt": rfc3339()}
        return self.pds.create(OWNER, "sh.tangled.spindle.member", record)

    def choose(
        self, knot: Knot | None = None, spindle: str | None = HOST, owner: str = ALICE, rkey: str = "core", **more: Any
    ) -> None:
        record = {"knot": (knot or self.knot).host, "createdAt": rfc3339(), "repoDid": CORE, **more}
        self.pds.put(owner, "sh.tangled.repo", rkey, record | ({"spindle": spindle} if spindle else {}))

    def move(self, knot: Knot) -> None:
        """Alice's repo lives on another knot from now on: its document says so, and then its record."""
        self._home = knot
        self.publish()
        self.choose(knot)

    @property
    def home(self) -> Knot:
        """The knot that the repo's DID document names."""
        return self._home or self.knot

    async def ours(self) -> None:
        """Alice is a member, and her repo has chosen us."""
        self.add_member(ALICE)
        self.choose()
        await self.until(self.knot.log.attended.is_set)

    def push(
        self,
        knot: Knot | None = None,
        sha: str = NEW,
        ref: str = "refs/heads/main",
        files: dict[str, str] | None = None,
        **more: Any,
    ) -> Any:
        return (knot or self.knot).emit(self.pushed(knot, sha, ref, files, **more))

    def pushed(
        self,
        knot: Knot | None = None,
        sha: str = NEW,
        ref: str = "refs/heads/main",
        files: dict[str, str] | None = None,
        **more: Any,
    ) -> Any:
        """The commit is on the knot; what the knot tells of it."""
        where = knot or self.knot
        where.commits[sha] = {".tangled/workflows/ci.yml": WORKFLOW} if files is None else files
        event = {
            "$type": "",
            "ref": ref,
            "newSha": sha,
            "oldSha": OLD,
            "committerDid": ALICE,
            "repo": CORE,
            "ownerDid": ALICE,
            "meta": None,
        }
        return {"nsid": "sh.tangled.git.refUpdate", "event": {**event, "changedFiles": ["src/a.py"], **more}}

    # --- what peers ask

    async def get(self, method: str, **params: Any) -> tuple[int, Any]:
        async with self.http.get(f"{self.url}/xrpc/{method}", params=params) as response:
            return await _judged(method, response)

    async def call(self, who: str, method: str, body: Any, **claims: Any) -> tuple[int, Any]:
        token = self.pds.mint(who, **{"aud": f"did:web:{HOST}", "lxm": method, **claims})
        headers = {"Authorization": f"Bearer {token}"}
        async with self.http.post(f"{self.url}/xrpc/{method}", json=body, headers=headers) as response:
            return await _judged(method, response)

    async def pipelines(self, **params: Any) -> list[Any]:
        status, answer = await self.get("sh.tangled.ci.queryPipelines", repo=CORE, **params)
        assert status == 200, answer
        listed: list[Any] = answer["pipelines"]
        return listed

    async def statuses(self, count: int = 1) -> list[dict[str, str]]:
        """What each of so many pipelines, newest first, has come to; waits until they are there and over."""

        async def over() -> list[dict[str, str]]:
            found = [{one["name"]: one["status"] for one in pipeline["workflows"]} for pipeline in await self.pipelines()]
            done = all(status not in ("pending", "running") for each in found for status in each.values())
            return found if len(found) == count and done else []

        found: list[dict[str, str]] = await self.until(over)
        return found


async def _judged(method: str, response: aiohttp.ClientResponse) -> tuple[int, Any]:
    """The answer, which must be one that Tangled's lexicons describe."""
    text = await response.text()
    answer = json.loads(text) if text.startswith("{") else text
    if response.status == 200 and schemas.answers(method):
        schemas.check(schemas.output(method), answer)
    elif response.status != 200:
        assert set(answer) == {"error", "message"}
    return response.status, answer
