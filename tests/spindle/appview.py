"""An appview of the older generation, as strict as the real one: what that drops, this refuses to pass over in silence.

It verifies who runs a spindle, follows `/events` with a cursor, and keeps a status only of a run that it knows (from the
spindle, or from a knot that announced it: `learn`), by an AT-URI that it can read. It orders statuses by `createdAt`.
"""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.spindle import schemas

if TYPE_CHECKING:
    import aiohttp

_URI = re.compile(r"at://did:web:([^/]+)/sh\.tangled\.pipeline/([234567abcdefghij][234567a-z]{12})")
_FINAL = {"failed", "timeout", "cancelled", "success"}
_TID = re.compile(r"[234567abcdefghij][234567abcdefghijklmnopqrstuvwxyz]{12}")


@dataclass
class Appview:
    """`dropped` says what was dropped, and why; `seen` are statuses by run and workflow, in their order."""

    http: aiohttp.ClientSession
    url: str
    cursor: int = 0
    runs: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    seen: dict[tuple[str, str, str], list[str]] = field(default_factory=dict)
    dropped: list[str] = field(default_factory=list)
    _latest: dict[tuple[str, str, str], str] = field(default_factory=dict)
    _rkeys: set[str] = field(default_factory=set)

    async def verify(self, owner: str) -> None:
        """Registration: the spindle must say that it is this account's."""
        async with self.http.get(f"{self.url}/xrpc/sh.tangled.owner", allow_redirects=False) as response:
            assert response.status == 200
            assert (await response.json())["owner"] == owner

    async def follow(self, until: int) -> None:
        """Read until so many runs have come to an end."""
        async with self.http.ws_connect(f"{self.url}/events?cursor={self.cursor}") as stream, asyncio.timeout(20):
            while self.over() < until:
                self.hear(json.loads((await stream.receive()).data))

    def learn(self, knot: str, rkey: str, *workflows: str) -> None:
        """A knot has announced a run, under a name of its own."""
        self.runs[knot, rkey] = set(workflows)

    def over(self) -> int:
        return sum(statuses[-1] in _FINAL for statuses in self.seen.values())

    def hear(self, frame: Any) -> None:
        assert set(frame) == {"rkey", "nsid", "event", "created"}
        assert frame["created"] > self.cursor
        self.cursor = frame["created"]
        assert _TID.fullmatch(frame["rkey"])
        schemas.check(schemas.record(frame["nsid"]), frame["event"])
        if frame["nsid"] == "sh.tangled.pipeline":
            self._run(frame)
        else:
            self._status(frame)

    def _run(self, frame: Any) -> None:
        metadata = frame["event"]["triggerMetadata"]
        knot = metadata["repo"]["knot"]
        part = {"push": "push", "pull_request": "pullRequest", "manual": "manual"}[metadata["kind"]]
        if part not in metadata or not metadata["repo"].get("did"):
            self.dropped.append(f"run {frame['rkey']}: its trigger cannot be read")
            return
        self.runs[knot, frame["rkey"]] = {one["name"] for one in frame["event"]["workflows"]}

    def _status(self, frame: Any) -> None:
        event = frame["event"]
        uri = _URI.fullmatch(event["pipeline"])
        if frame["rkey"] in self._rkeys:
            self.dropped.append(f"status {frame['rkey']}: its rkey was seen before")
        elif uri is None:
            self.dropped.append(f"status {frame['rkey']}: {event['pipeline']} is no AT-URI of a run")
        elif (uri[1], uri[2]) not in self.runs:
            self.dropped.append(f"status {frame['rkey']}: the run {uri[2]} of {uri[1]} is unknown")
        else:
            self._rkeys.add(frame["rkey"])
            self._keep((uri[1], uri[2], event["workflow"]), event)

    def _keep(self, name: tuple[str, str, str], event: Any) -> None:
        known = self.seen.setdefault(name, [])
        assert event["createdAt"] > self._latest.get(name, ""), "two statuses of one moment have no order"
        self._latest[name] = event["createdAt"]
        if known and known[-1] in _FINAL:
            assert event["status"] == known[-1], f"{name} left its end"
        elif not known or known[-1] != event["status"]:
            known.append(event["status"])
