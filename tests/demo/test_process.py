"""The network as a process of its own, as the end-to-end tests drive it."""

from __future__ import annotations

import base64
import json
import sys
from asyncio.subprocess import PIPE, Process, create_subprocess_exec
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from router.demo.commands import Commands
from router.demo.network import Network
from tests.demo.conftest import frames, push


class Remote:
    """The process, and what it said first."""

    def __init__(self, process: Process, hello: dict[str, Any]) -> None:
        self.process = process
        self.addresses = hello

    async def ask(self, **command: Any) -> dict[str, Any]:
        return await self.say(json.dumps(command))

    async def say(self, text: str) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(text.encode() + b"\n")
        answer: dict[str, Any] = json.loads(await self.process.stdout.readline())
        return answer


@pytest.fixture
async def remote() -> AsyncIterator[Remote]:
    process = await create_subprocess_exec(
        *(sys.executable, "-m", "router.demo", "--print-addresses"), stdin=PIPE, stdout=PIPE, limit=10_000_000
    )
    assert process.stdin is not None
    assert process.stdout is not None
    yield Remote(process, json.loads(await process.stdout.readline()))
    process.stdin.close()
    assert await process.wait() == 0


async def test_a_push_is_emitted_on_command(remote: Remote, http: aiohttp.ClientSession) -> None:
    """The frame reaches who listens, and the answer names a text in its id."""
    async with http.ws_connect(remote.addresses["knot-a"] + "/events") as ws:
        answer = await remote.ask(do="emit", on="knot-a", frame=push())
        await remote.ask(do="raw", on="knot-a", text="{")
        await remote.ask(do="raw", on="knot-a", base64=base64.b64encode(b"\xff").decode())
        (frame,) = await frames(ws, 1)
        assert answer == {"ok": True, "key": frame["rkey"]}
        assert [(await ws.receive()).data for _ in range(2)] == ["{", b"\xff"]
        assert (await remote.ask(do="listeners", on="knot-a"))["listeners"] == 1
        assert await remote.ask(do="cut", on="knot-a") == {"ok": True}
        assert (await ws.receive()).type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)


async def test_builds_and_faults_on_command(remote: Remote, http: aiohttp.ClientSession) -> None:
    """A refusal, a build, its end, and every request, are seen from outside."""
    url = remote.addresses["ci"] + "/v2/organizations/demo/pipelines/hello/builds"
    headers = {"Authorization": f"Bearer {remote.addresses['environment']['DEMO_CI_TOKEN']}"}
    assert await remote.ask(do="ci", fail_next=[503]) == {"ok": True}
    assert await remote.ask(do="fails", commit="abc") == {"ok": True}
    for expected in (503, 201):
        async with http.post(url, json={"commit": "abc", "branch": "main"}, headers=headers) as answer:
            assert answer.status == expected
    assert [build["state"] for build in (await remote.ask(do="builds"))["builds"]] == ["scheduled"]
    await remote.ask(do="advance")
    assert [build["state"] for build in (await remote.ask(do="advance"))["builds"]] == ["failed"]
    assert [seen["status"] for seen in (await remote.ask(do="requests", on="ci"))["requests"]] == [503, 201]
    assert await remote.ask(do="received") == {"ok": True, "received": []}


async def test_a_server_goes_and_comes_back(remote: Remote, http: aiohttp.ClientSession) -> None:
    """Under the same address."""
    url = remote.addresses["knot-b"]
    assert await remote.ask(do="down", on="knot-b") == {"ok": True}
    with pytest.raises(aiohttp.ClientConnectorError):
        await http.get(url)
    assert await remote.ask(do="up", on="knot-b") == {"ok": True}
    async with http.get(url) as answer:
        assert answer.status == 404


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("{", "Expecting"),
        ("[]", "`do` is one of"),
        ('{"do":"dance"}', "`do` is one of"),
        ('{"do":"emit","frame":{}}', "lacks 'on'"),
        ('{"do":"emit","on":"knot-a","frame":{}}', "lacks a key"),
        ('{"do":"cut","on":"nobody"}', "There is no server"),
        ('{"do":"ci","mood":1}', "There is no fault"),
        ('{"do":"raw","on":"knot-a","base64":"*"}', "not base64"),
    ],
)
async def test_a_wrong_command_is_answered_with_a_sentence(command: str, said: str) -> None:
    """And the network is as it was."""
    async with Network() as network:
        answer = json.loads(await Commands(network).answer(command))
        assert answer["ok"] is False
        assert said in answer["error"]
        assert all(server.is_up for server in network.servers.values())


async def test_a_wrong_command_does_not_end_the_process(remote: Remote) -> None:
    """The next one is heard."""
    assert (await remote.say("{"))["ok"] is False
    assert (await remote.ask(do="builds"))["ok"] is True
