"""Knots that send what they should not, through the way in and into a store: bounded, counted, and invisible to the others."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import threading
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.resolver import AsyncResolver

from router.core import tid
from router.engine.hushed import MOST, TOLD, Hushed
from router.engine.store.arrivals import RING, RINGS
from router.engine.store.base import Arrival
from router.host import Host
from router.http import open_session
from router.sources.knot import Knot, Settings
from router.testing import FakeClock
from tests.engine.way.parts import ALICE, HELLO, SHA, Engine, Told

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from router.engine.store.base import Store

    Serve = Callable[..., Awaitable[str]]

GOOD = {
    "ref": "refs/heads/main",
    "newSha": SHA,
    "oldSha": "",
    "repo": HELLO,
    "ownerDid": ALICE,
    "committerDid": ALICE,
}
BAD: list[str | bytes] = [
    "",
    "garbage",
    "[" * 100_000,
    "[]",
    '{"nsid": 1, "rkey": [], "event": null}',
    '{"created": 1e999}',
    "\ufeff{}",
    b"\x00\xff binary",
    '{"nsid": "a.b.c", "rkey": "../..", "event": {}, "created": 7}',
    json.dumps({"nsid": "a.b.c", "rkey": "x", "event": {"x": "\ud800"}, "created": 8}),
]


def frame(number: int, now: int, *, older: bool = False) -> str:
    """A push of this number, just before now."""
    at = now - 1_000_000 + number
    made: dict[str, Any] = {"rkey": tid.make(at, 1), "nsid": "sh.tangled.git.refUpdate", "event": GOOD}
    return json.dumps(made if older else made | {"created": at * 1000})


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Serves these messages on a websocket, and then nothing; returns the address."""
    async with AsyncExitStack() as stack:

        async def start(*visits: Sequence[str | bytes], heard: asyncio.Event | None = None) -> str:
            left = list(visits)

            async def answer(request: web.BaseRequest) -> web.StreamResponse:
                if request.path != "/events":
                    named = {"repoDid": HELLO, "ownerDid": ALICE, "rkey": "hello"}
                    return web.json_response(named)
                ws = web.WebSocketResponse(compress=False)
                await ws.prepare(request)
                with suppress(ConnectionError):
                    for message in left.pop(0) if left else ():
                        await (ws.send_str(message) if isinstance(message, str) else ws.send_bytes(message))
                        if heard is not None:
                            heard.set()
                    if left:
                        await ws.close(code=1013)
                    async for _ in ws:
                        pass
                return ws

            runner = web.ServerRunner(web.Server(answer), shutdown_timeout=0.1)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            return f"http://127.0.0.1:{runner.addresses[0][1]}"

        yield start


@pytest.fixture
async def host(time: FakeClock) -> AsyncIterator[Host]:
    async with open_session() as http:
        yield Host(http=http, clock=time, rng=random.Random(7))


async def until(told: Told, true: Callable[[], bool]) -> None:
    async with asyncio.timeout(50):
        while not true():
            told.news.clear()
            await told.news.wait()


@pytest.fixture
async def listen(engine: Engine, host: Host) -> AsyncIterator[Callable[..., Knot]]:
    """Begins to listen to a knot, as the app does."""
    tasks: list[asyncio.Task[None]] = []

    def start(url: str, name: str = "knot") -> Knot:
        source = Knot(name, Settings(host=url, since="beginning"), host, engine.intake.observer)
        engine.directory.knots[source.knot] = url
        engine.directory.host = host
        tasks.append(asyncio.create_task(engine.intake.listen(source)))
        return source

    yield start
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.fault("T-12")
async def test_after_ten_thousand_bad_frames_a_good_one_is_built(
    engine: Engine, told: Told, serve: Serve, listen: Callable[..., Knot]
) -> None:
    """On one connection. All are counted, a hundred are kept, a few are told, and the cursor stands behind the last."""
    engine.intake.observer = Hushed(told, engine.time)
    bad = [BAD[number % len(BAD)] for number in range(10_000)]
    good = frame(1, engine.time.now())
    listen(await serve([*bad, good]))
    await until(told, lambda: bool(told.plans))
    (row,) = await engine.store.sources()
    assert (row.bad_frames, row.events) == (10_000, 1)
    assert len(await engine.store.bad_frames("knot", limit=1_000)) == RING
    assert len(await engine.store.deliveries()) == 1
    assert row.cursor == json.loads(good)["created"]
    assert len(told.bad) <= TOLD + 1


@pytest.mark.fault("T-12")
async def test_what_is_kept_of_bad_frames_is_bounded_in_all(store: Store) -> None:
    """A hundred of each source would be a hundred thousand of a thousand knots."""
    for number in range(0, 2 * RINGS, RING):
        bad = Arrival(source=f"knot:{number}", bad="It is not JSON.", frame=b"{")
        await store.accept([bad] * RING, 1)
    kept = [len(await store.bad_frames(f"knot:{number}", limit=1000)) for number in range(0, 2 * RINGS, RING)]
    assert kept == [0] * (RINGS // RING) + [RING] * (RINGS // RING)


@pytest.mark.fault("T-12")
def test_bad_frames_are_told_now_and_then(told: Told) -> None:
    """Ten at once and one a minute, which says how many it stands for; of each source, of no more than there is room for."""
    clock = FakeClock()
    hushed = Hushed(told, clock)
    for _ in range(500):
        hushed.bad_frame("a", "no")
    clock.forward(60)
    hushed.bad_frame("a", "no")
    hushed.bad_frame("b", "other")
    assert told.bad == [*["no"] * TOLD, f"no ({500 - TOLD} more since the last that was told)", "other"]
    for number in range(2 * MOST):
        hushed.bad_frame(f"knot:{number}", "no")
    assert len(hushed._told) == MOST
    hushed.source("a", "up")
    assert told.states == [("a", "up")]


@pytest.mark.fault("T-15")
async def test_a_flood_lets_others_through(engine: Engine, told: Told, serve: Serve, listen: Callable[..., Knot]) -> None:
    """Another knot's push, sent while the flood runs, is planned long before the flood is over."""
    flowing = asyncio.Event()
    flood = [frame(number, engine.time.now()) for number in range(20_000)]
    listen(await serve(flood, heard=flowing), "flood")
    await flowing.wait()
    listen(await serve([frame(30_000, engine.time.now())]), "other")
    await until(told, lambda: any(event.source == "other" for event, *_ in told.plans))
    assert len(told.plans) < len(flood)


@pytest.mark.fault("T-18")
@pytest.mark.parametrize("older", [False, True])
async def test_duplicates_in_any_order_are_built_once(
    engine: Engine, told: Told, serve: Serve, listen: Callable[..., Knot], *, older: bool
) -> None:
    """Each push three times, shuffled over three connections, leads to one delivery."""
    seed = random.randrange(1 << 32)
    print("seed", seed)
    chance = random.Random(seed)
    sent = [frame(number, engine.time.now(), older=older) for number in range(40)] * 3
    chance.shuffle(sent)
    listen(await serve(sent[:50], sent[50:70], sent[70:]))
    await until(told, lambda: len(told.plans) >= 120)
    assert len(await engine.store.deliveries(limit=1000)) == 40
    assert sum(fresh for *_, fresh in told.plans) == 40


@pytest.mark.fault("T-10", "T-11")
async def test_a_dns_that_hangs_delays_nobody(engine: Engine, told: Told, serve: Serve, time: FakeClock) -> None:
    """Fifty knots whose names are asked of a server that never answers: a push is heard, stored and delivered meanwhile, and no
    thread waits for a name."""
    asked = 0
    loop = asyncio.get_running_loop()
    all_asked = asyncio.Event()

    class Deaf(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: Any) -> None:
            nonlocal asked
            asked += 1
            if asked >= 50:
                all_asked.set()

    transport, _ = await loop.create_datagram_endpoint(Deaf, ("127.0.0.1", 0), family=socket.AF_INET)
    port = transport.get_extra_info("sockname")[1]
    resolver = AsyncResolver(nameservers=["127.0.0.1"], udp_port=port, timeout=20.0, tries=1)
    tasks = []
    async with open_session(aiohttp.TCPConnector(limit=0, resolver=resolver)) as http, open_session() as good:
        for number in range(50):
            knot = Knot(f"k{number}", Settings(host=f"k{number}.example"), Host(http=http, clock=time), told)
            tasks.append(asyncio.create_task(engine.intake.listen(knot)))
        await all_asked.wait()
        url = await serve([frame(1, time.now())])
        here = Knot("here", Settings(host=url, since="beginning"), Host(http=good, clock=time), told)
        engine.directory.knots[here.knot], engine.directory.host = url, Host(http=good, clock=time)
        tasks.append(asyncio.create_task(engine.intake.listen(here)))
        await until(told, lambda: bool(told.plans))
        await engine.work()
        assert await engine.states() == ["done"]
        waiting = {name for name, _ in told.states} - {"here"}
        assert {state for name, state in told.states if name in waiting} == {"connecting"}
        assert len(waiting) == 50
        assert not [one.name for one in threading.enumerate() if one.name.startswith("asyncio")]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    await resolver.close()
    transport.close()
