"""Clients that are slow, many, or both, and the others, who are answered all the same."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import aiohttp
import pytest
from aiohttp import web

from router.web.door import Bounds, Door, listening, minded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

HALF_A_HEAD = b"POST / HTTP/1.1\r\nHost: x\r\nX-Slow: "
HALF_A_BODY = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345"
WHOLE = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
PATIENT = Bounds(head=60, body=60)


@asynccontextmanager
async def served(bounds: Bounds) -> AsyncIterator[tuple[Door, int, list[str]]]:
    """A server that says what it was sent, and a websocket that says nothing; the door, its port, and what it told."""
    told: list[str] = []

    async def echo(request: web.Request) -> web.Response:
        return web.Response(text=await request.text())

    async def quiet(request: web.Request) -> web.StreamResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        async for message in ws:
            await ws.send_str(message.data)
        return ws

    app = web.Application(client_max_size=1000, middlewares=[minded])
    app.add_routes([web.post("/", echo), web.get("/ws", quiet)])
    async with listening(app, "127.0.0.1", 0, told.append, bounds) as (door, address):
        yield door, int(address.rpartition(":")[2]), told


@dataclass
class Client:
    """One connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


async def connect(port: int, said: bytes = b"", address: str = "127.0.0.1") -> Client:
    client = Client(*await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0)))
    client.writer.write(said)
    return client


async def ended(client: Client) -> bytes:
    """What came until the server hung up."""
    try:
        return await client.reader.read()
    except ConnectionResetError:
        return b""
    finally:
        client.writer.close()


async def post(port: int) -> str:
    async with aiohttp.ClientSession() as http, http.post(f"http://127.0.0.1:{port}/", data="hello") as answer:
        return await answer.text()


@pytest.mark.fault("T-25")
@pytest.mark.parametrize("said", [b"", HALF_A_HEAD, WHOLE + HALF_A_HEAD], ids=["nothing", "half a head", "half of the next"])
async def test_a_request_that_does_not_come_is_not_waited_for(said: bytes) -> None:
    """Neither the first of a connection nor a later one."""
    async with served(Bounds(head=0.1, rest=0.3)) as (door, port, _):
        got = await ended(await connect(port, said))
        assert got.endswith(b"hello") == (said[:4] == b"POST" and b"hello" in said)
        assert len(door) == 0


@pytest.mark.fault("T-25")
async def test_the_next_request_has_to_come_in_time_too() -> None:
    """Once something of it has come, it has the time of a head, and not that of a rest."""
    async with served(Bounds(head=0.1, rest=60)) as (_, port, _told):
        client = await connect(port, WHOLE)
        assert (await client.reader.readuntil(b"hello")).startswith(b"HTTP/1.1 200 ")
        client.writer.write(HALF_A_HEAD)
        assert await ended(client) == b""


@pytest.mark.fault("T-25")
async def test_half_a_body_is_answered_and_closed() -> None:
    """With a status that says so."""
    async with served(Bounds(body=0.1)) as (door, port, _):
        got = await ended(await connect(port, HALF_A_BODY))
        assert got.startswith(b"HTTP/1.1 408 ")
        assert len(door) == 0


@pytest.mark.fault("T-25")
async def test_drops_do_not_extend_the_time() -> None:
    """A byte now and then is as good as none."""
    async with served(Bounds(head=0.2)) as (_, port, _told):
        client = await connect(port, HALF_A_HEAD)
        ending = asyncio.create_task(ended(client))
        while not ending.done():
            client.writer.write(b"x")
            await asyncio.sleep(0.01)
        assert await ending == b""


@pytest.mark.fault("T-25")
async def test_two_hundred_slow_clients_keep_nobody_out() -> None:
    """They fill all that there is: the oldest of them go, and a good request is answered."""
    async with served(Bounds(in_all=200, head=60, body=60)) as (door, port, told):
        slow = [await connect(port, HALF_A_HEAD) for _ in range(200)]
        while len(door) < 200:
            await asyncio.sleep(0)
        assert await post(port) == "hello"
        assert await ended(slow[0]) == b""
        assert len(told) == door.turned_away == 1
        assert told == ["There are too many connections (200 in all, 512 of one address): those that ask nothing are cut."]
        for one in slow:
            one.writer.close()


@pytest.mark.fault("T-25")
async def test_one_address_takes_no_others_room() -> None:
    """What is too much of one address is cut of that address."""
    async with served(Bounds(per_address=3, head=60)) as (door, port, _):
        other = await connect(port, HALF_A_HEAD, "127.0.0.2")
        mine = [await connect(port, HALF_A_HEAD) for _ in range(4)]
        assert await ended(mine[0]) == b""
        assert len(door) == 4
        other.writer.write(b"x\r\nContent-Length: 5\r\n\r\nhello")
        assert (await other.reader.readuntil(b"hello")).startswith(b"HTTP/1.1 200 ")
        for one in (other, *mine):
            one.writer.close()


@pytest.mark.fault("T-25", "T-38")
async def test_who_is_being_answered_is_not_cut() -> None:
    """A websocket is a request that is being answered, however quiet; where all are busy, it is the newcomer who has to go."""
    async with served(Bounds(in_all=2, head=0.1, rest=0.1)) as (door, port, _), aiohttp.ClientSession() as http:
        async with http.ws_connect(f"http://127.0.0.1:{port}/ws") as one, http.ws_connect(f"http://127.0.0.1:{port}/ws") as two:
            assert await ended(await connect(port, WHOLE)) == b""
            await asyncio.sleep(0.2)
            for ws in (one, two):
                await ws.send_str("still here")
                assert (await ws.receive()).data == "still here"
        while len(door):
            await asyncio.sleep(0)


async def test_what_is_too_large_is_refused() -> None:
    """The bound of the application counts, although the body is read before its route."""
    async with (
        served(PATIENT) as (_, port, _told),
        aiohttp.ClientSession() as http,
        http.post(f"http://127.0.0.1:{port}/", data="x" * 2000) as answer,
    ):
        assert answer.status == 413
