"""Sources against the servers of the demo, which do what real ones do: backlogs, cuts and hosts that go away."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import pytest

from router.demo.jetstream import Jetstream
from router.demo.knot import Knot
from router.sources import jetstream, knot
from tests.sources.each import one_by_one

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from router.core.model import Heard
    from router.host import Host
    from tests.sources.conftest import FakeClock, Remembering

PUSH = {"nsid": "sh.tangled.git.refUpdate", "event": {"ref": "refs/heads/main", "newSha": "a" * 40}}


@pytest.fixture(autouse=True)
def today(clock: FakeClock) -> None:
    """The demo's servers live in the present."""
    clock.time = time.time_ns() // 1000


def post(rkey: str) -> dict[str, Any]:
    commit = {"operation": "create", "collection": "sh.tangled.repo", "rkey": rkey, "record": {"knot": "knot.example"}}
    return {"did": "did:plc:bcf5hva3le7u4qexk2iyiajl", "kind": "commit", "commit": commit}


async def events(heard: AsyncIterator[Heard], count: int) -> set[str]:
    """The record keys of the next events, until there are so many different ones."""
    keys: set[str] = set()
    while len(keys) < count:
        event = (await anext(heard)).event
        if event is not None:
            keys.add(event.id.partition("@")[0].rpartition("/")[2])
    return keys


@pytest.mark.parametrize("older", [False, True])
async def test_a_backlog_is_heard_whole(host: Host, seen: Remembering, monkeypatch: pytest.MonkeyPatch, *, older: bool) -> None:
    """More events than one page, from a knot that stops after each: all come, and those that follow live."""
    monkeypatch.setattr(knot, "PATIENCE", 0.01)
    async with Knot("knot", older=older, drain_cap=1) as server:
        sent = {server.emit(PUSH)["rkey"] for _ in range(300)}
        source = knot.kind.open("k", knot.Settings(host=server.url, since="beginning"), host, seen)
        async with aclosing(one_by_one(source.hear(None))) as heard:
            assert await events(heard, 300) == sent
            last = server.emit(PUSH)["rkey"]
            assert await events(heard, 1) == {last}


@pytest.mark.parametrize("older", [False, True])
async def test_a_knot_that_goes_away_is_heard_again(host: Host, seen: Remembering, *, older: bool) -> None:
    """What happened while the connection was down is heard after it, beside frames that are none."""
    async with Knot("knot", older=older) as server:
        first = server.emit(PUSH)["rkey"]
        source = knot.kind.open("k", knot.Settings(host=server.url, since="beginning"), host, seen)
        async with aclosing(one_by_one(source.hear(None))) as heard:
            assert await events(heard, 1) == {first}
            await server.down()
            server.emit_raw(b"\x00")
            server.emit_raw("nonsense")
            second = server.emit(PUSH)["rkey"]
            await server.up()
            assert second in await events(heard, 2)


async def test_a_jetstream_that_goes_away_is_replaced(host: Host, seen: Remembering) -> None:
    """The next host of the list goes on where the first one stopped."""
    async with Jetstream("a") as first, Jetstream("b") as second:
        settings: dict[str, Any] = {"hosts": [first.url, second.url], "failover_after": 2}
        source = jetstream.kind.open("j", jetstream.Settings(**settings), host, seen)
        async with aclosing(one_by_one(source.hear(None))) as heard:
            assert (await anext(heard)).event is None
            listening = asyncio.create_task(events(heard, 1))
            await seen.until("up")
            second.emit(post("both"))
            first.emit(post("both"))
            assert await listening == {"both"}
            await first.down()
            second.emit(post("later"))
            assert await events(heard, 2) == {"both", "later"}
