"""A client, and the demo's servers, each on its own port for one test."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from router.demo.jetstream import Jetstream
from router.demo.knot import Knot, KnotRepo

ALICE = "did:plc:aliceaaaaaaaaaaaaaaaaaaa"
HELLO = "did:plc:hellohellohellohello2222"


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def knot() -> AsyncIterator[Knot]:
    async with Knot("knot", repos=(KnotRepo(HELLO, ALICE, "hello"),)) as server:
        yield server


@pytest.fixture
async def older() -> AsyncIterator[Knot]:
    async with Knot("older", repos=(KnotRepo(HELLO, ALICE, "hello"),), older=True) as server:
        yield server


@pytest.fixture
async def jetstream() -> AsyncIterator[Jetstream]:
    async with Jetstream("jetstream") as server:
        yield server


async def frames(ws: aiohttp.ClientWebSocketResponse, count: int) -> list[Any]:
    """The next so many frames, which must be JSON."""
    return [json.loads(await ws.receive_str()) for _ in range(count)]


def push(ref: str = "refs/heads/main") -> dict[str, Any]:
    return {"nsid": "sh.tangled.git.refUpdate", "event": {"$type": "", "ref": ref}}


def commit(collection: str = "sh.tangled.repo", did: str = ALICE, **more: Any) -> dict[str, Any]:
    record = {"$type": collection, "knot": "knot.example.com"}
    body = {"operation": "create", "collection": collection, "rkey": "hello", "record": record, "cid": "bafy"}
    return {"did": did, "kind": "commit", "commit": body, **more}


def account(kind: str, did: str = ALICE) -> dict[str, Any]:
    return {"did": did, "kind": kind, kind: {"did": did, "seq": 1, "time": "2026-09-14T10:00:02.950Z"}}
