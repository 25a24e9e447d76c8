"""Today's appview, as strict as the real one: it keeps no runs, and asks the spindle for all that it shows.

What the real one does is written here as it does it: how long it waits and what it asks again, which rows it passes over, which
run of a commit it takes for its badge, what it sends to run something once more, and how it reads logs. What it would show
nothing for fails here, with the reason.
"""

from __future__ import annotations

import asyncio
import io
import json
import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import aiohttp
import cbor2

from tests.spindle import schemas

if TYPE_CHECKING:
    from router.demo.pds import Pds

CI = "sh.tangled.ci"
TID = re.compile(r"[234567abcdefghij][234567abcdefghijklmnopqrstuvwxyz]{12}")
URI = re.compile(r"at://(did:[a-z]+:[a-zA-Z0-9._:%-]+)/(sh\.tangled\.pipeline)/([a-zA-Z0-9_~.:-]{1,512})")
STATUSES = {"pending", "running", "failed", "timeout", "cancelled", "success"}
#: Seconds for a question, for the question that verifies a spindle, and to be connected for that.
QUESTION, VERIFY, CONNECT = 30.0, 10.0, 5.0
#: How often a question is asked again after a 5xx or a broken connection. Each time is one too many.
AGAIN = 3
#: Seconds between its pings of a log, and that may pass without an answer from the first on.
PING_EVERY, DEADLINE = 30.0, 60.0


class Notice(AssertionError):
    """What it shows to its user instead of what they asked for."""


@dataclass
class Block:
    """A step of a log, as the page shows it."""

    title: str
    command: str = ""
    kind: str = ""
    text: str = ""
    seconds: float | None = None


@dataclass
class Today:
    """`user` is logged in; `url` is the spindle that the repo's record names. `retried` counts what had to be asked again."""

    http: aiohttp.ClientSession
    url: str
    host: str
    pds: Pds
    user: str
    dropped: list[str] = field(default_factory=list)
    retried: int = 0

    async def verify(self) -> None:
        """Registration: the spindle must say that it is this account's."""
        timeout = aiohttp.ClientTimeout(total=VERIFY, sock_connect=CONNECT)
        async with self.http.get(f"{self.url}/xrpc/sh.tangled.owner", timeout=timeout, allow_redirects=False) as response:
            if response.status == 404:
                raise Notice("XRPC queries are unsupported")
            answer = await response.json()
        schemas.check(schemas.output("sh.tangled.owner"), answer)
        if answer["owner"] != self.user:
            raise Notice("it is somebody else's")

    # --- pages

    async def index(self, repo: str, *kinds: str) -> list[Any]:
        """The repo's pipelines, newest first."""
        answer = await self._ask("queryPipelines", [("repo", repo), ("limit", "30"), *(("kinds", kind) for kind in kinds)])
        return self._rows(repo, answer)

    async def badges(self, repo: str, *commits: str) -> dict[str, dict[str, str]]:
        """The statuses beside commits: of several runs of one, the last in the answer's order."""
        answer = await self._ask("queryPipelines", [("repo", repo), *(("commits", sha) for sha in commits)])
        found = {one["commit"]: one for one in self._rows(repo, answer)}
        assert set(found) <= set(commits), "it answered with commits that nobody asked about"
        return {sha: {each["name"]: each["status"] for each in one["workflows"]} for sha, one in found.items()}

    async def page(self, repo: str, pipeline: str) -> Any:
        """One run."""
        answer = await self._ask("getPipeline", [("pipeline", pipeline)])
        rows = self._rows(repo, {"pipelines": [answer]})
        if not rows:
            raise Notice("404")
        return rows[0]

    def _rows(self, repo: str, answer: Any) -> list[Any]:
        """Those that it can show."""
        kept = []
        for one in answer["pipelines"] or ():
            why = _unshown(repo, one)
            if why:
                self.dropped.append(f"{one.get('id')}: {why}")
            else:
                kept.append(one)
        newest = [datetime.fromisoformat(one["createdAt"]) for one in kept]
        assert newest == sorted(newest, reverse=True), "the newest is not the first"
        return kept

    async def _ask(self, method: str, query: list[tuple[str, str]]) -> Any:
        url = f"{self.url}/xrpc/{CI}.{method}"
        for _ in range(AGAIN + 1):
            async with self.http.get(url, params=query, timeout=aiohttp.ClientTimeout(total=QUESTION)) as response:
                if response.status >= 500:
                    self.retried += 1
                    continue
                answer = json.loads(await response.text())
                if response.status != 200:
                    raise Notice(answer["error"])
                schemas.check(schemas.output(f"{CI}.{method}"), answer)
                return answer
        raise Notice("it does not answer")

    # --- what its user does

    async def cancel(self, repo: str, pipeline: str, workflow: str) -> None:
        """A button beside one workflow."""
        await self._call("cancelPipeline", {"repo": repo, "pipeline": pipeline, "workflows": [workflow]})

    async def retry(self, repo: str, pipeline: str, *names: str) -> str:
        """Run a pipeline, or some of its workflows, once more; the new run's TID."""
        before = await self.page(repo, pipeline)
        said = before["trigger"]
        if said["$type"] == f"{CI}.trigger#pullRequest":
            wanted = ("targetBranch", "sourceSha", "sourceBranch", "sourceRepo", "pull")
            trigger = {"$type": said["$type"], **{name: said[name] for name in wanted if name in said}}
        else:
            trigger = {"$type": f"{CI}.trigger#manual", "sha": before["commit"]}
            trigger |= {name: said[name] for name in ("ref", "inputs") if name in said and said["$type"].endswith("#manual")}
            trigger |= {"sourceRepo": before["sourceRepo"]} if before.get("sourceRepo") else {}
        return await self.run(repo, trigger, *(names or [one["name"] for one in before["workflows"]]))

    async def run(self, repo: str, trigger: dict[str, Any], *workflows: str) -> str:
        """Ask for a run; its TID."""
        body = {"repo": repo, "trigger": trigger} | ({"workflows": list(workflows)} if workflows else {})
        answer = await self._call("triggerPipeline", body)
        schemas.check(schemas.output(f"{CI}.triggerPipeline"), answer)
        found = URI.fullmatch(answer["pipeline"])
        if found is None or TID.fullmatch(found[3]) is None:
            raise Notice(f"{answer['pipeline']} is no run")
        return found[3]

    async def _call(self, method: str, body: Any) -> Any:
        """With a token that the user's server signs for this call alone; never a second time."""
        token = await self._token(f"{CI}.{method}")
        timeout = aiohttp.ClientTimeout(total=QUESTION)
        headers = {"Authorization": f"Bearer {token}"}
        async with self.http.post(f"{self.url}/xrpc/{CI}.{method}", json=body, headers=headers, timeout=timeout) as response:
            text = await response.text()
        if response.status != 200:
            raise Notice(f"{json.loads(text)['error']}: {json.loads(text)['message']}")
        return json.loads(text) if text else None

    async def _token(self, method: str) -> str:
        query = {"aud": f"did:web:{self.host.replace(':', '%3A')}", "lxm": method}
        session = {"Authorization": f"Bearer {self.pds.session(self.user)}"}
        url = f"{self.pds.url}/xrpc/com.atproto.server.getServiceAuth"
        async with self.http.get(url, params=query, headers=session) as response:
            assert response.status == 200, await response.text()
            return str((await response.json())["token"])

    # --- logs

    async def logs(self, repo: str, pipeline: str, workflow: str) -> list[Block]:
        """The log of one workflow until the spindle closes it, as blocks."""
        reader = Reader()
        if workflow not in [one["name"] for one in (await self.page(repo, pipeline))["workflows"]]:
            raise Notice("404")
        async with self.dialled(pipeline, workflow) as socket:
            while reader.hear(await asyncio.wait_for(socket.receive(), DEADLINE), workflow):
                continue
            assert socket.close_code == 1000, f"closed with {socket.close_code}"
        return reader.blocks

    def dialled(self, pipeline: str, workflow: str) -> Any:
        """The socket of one workflow's log. Nothing is sent but pings, which must be answered."""
        query = f"pipeline={pipeline}&workflows={workflow}"
        return self.http.ws_connect(f"{self.url}/xrpc/{CI}.subscribePipelineLogs?{query}", heartbeat=PING_EVERY)


@dataclass
class Reader:
    """Frames as blocks."""

    blocks: list[Block] = field(default_factory=list)
    _open: dict[int, tuple[Block, datetime]] = field(default_factory=dict)

    def hear(self, message: aiohttp.WSMessage, workflow: str) -> bool:
        """Whether there may be more."""
        if message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSING):
            return False
        assert message.type == aiohttp.WSMsgType.BINARY, "a text frame is an error"
        stream = io.BytesIO(message.data)
        header, body = cbor2.load(stream), cbor2.load(stream)
        assert stream.read() == b"", "a frame is two maps"
        if header["op"] == -1:
            raise Notice(f"{body['error']}: {body['message']}")
        assert header["op"] == 1
        assert body["workflow"] == workflow, "it was not asked for"
        schemas.check(schemas.record(f"{CI}.subscribePipelineLogs{header['t']}"), body)
        {"#control": self._control, "#data": self._said}[header["t"]](body)
        return True

    def _control(self, body: Any) -> None:
        at = datetime.fromisoformat(body["time"])
        if body.get("status") == "start":
            block = Block(body["content"], body.get("command", ""), body.get("kind", ""))
            self._open[body["step"]] = block, at
            self.blocks.append(block)
        elif body.get("status") == "end":
            block, began = self._open.pop(body["step"])  # without a start it could not say how long it took
            block.seconds = (at - began).total_seconds()

    def _said(self, body: Any) -> None:
        assert body["content"].endswith("\n")
        self._open[body["step"]][0].text += body["content"]


def _unshown(repo: str, one: Any) -> str:
    """Why it passes over a row."""
    if one.get("repo") != repo:
        return f"it is of {one.get('repo')}"
    if TID.fullmatch(one["id"]) is None:
        return "its id is no TID"
    if not one["workflows"] or any(each["status"] not in STATUSES for each in one["workflows"]):
        return "its workflows have no status"
    if re.fullmatch(r"[0-9a-f]{40}", one["commit"]) is None:
        return "its commit is none"
    return ""
