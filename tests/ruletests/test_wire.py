"""Connections in memory: aiohttp's client meets scripted answers as it would meet a server's."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager, nullcontext
from typing import TYPE_CHECKING

import aiohttp
import pytest

from router.core.problems import Place
from router.http import RedirectRefused, open_session
from router.ruletests.answers import Answer
from router.ruletests.script import Script
from router.ruletests.wire import Wire
from router.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

URL = "https://ci.example/builds"
PLACE = Place("x.test.yaml")


def status(code: int, **more: str) -> Answer:
    return Answer(place=PLACE, status=code, headers=more)


def word(word: str) -> Answer:
    return Answer(place=PLACE, word=word)


@asynccontextmanager
async def wired(*answers: Answer) -> AsyncIterator[tuple[aiohttp.ClientSession, Script]]:
    """A session as the router's, whose requests get these answers."""
    wire = Wire(FakeClock())
    wire.script = Script("ci", answers, lambda code: {"status": code})
    async with open_session(wire) as session:
        yield session, wire.script


async def test_an_answer_is_given_as_it_is_scripted() -> None:
    """Status, headers and body arrive; a body that is not there is the sample, a time that is not there the test's."""
    written = Answer(place=PLACE, status=422, headers={"X-Why": "so", "Date": "then"}, body=b"no")
    async with wired(status(201), written) as (session, _):
        async with session.post(URL, json={}) as response:
            assert (response.status, await response.json()) == (201, {"status": 201})
            assert response.headers["Date"] == "Mon, 23 Nov 2026 12:00:00 GMT"
        async with session.post(URL) as response:
            assert (response.status, await response.text()) == (422, "no")
            assert (response.headers["X-Why"], response.headers["Date"]) == ("so", "then")


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "POST"])
async def test_a_lost_answer_is_one_answer(method: str) -> None:
    """The connection breaks after the request, and aiohttp does not send it again, not even what it may."""
    async with wired(word("lost"), status(200)) as (session, script):
        with pytest.raises(aiohttp.ClientConnectionError) as lost:
            await session.request(method, URL)
        assert not isinstance(lost.value, aiohttp.ClientConnectorError)
        assert script.told == ["lost"]


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_refused_connection_is_one_answer(method: str) -> None:
    """Nothing was sent, and the error is the one that says so."""
    async with wired(word("refused"), status(200)) as (session, script):
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.request(method, URL)
        assert script.told == ["refused"]


async def test_without_an_answer_there_is_nobody() -> None:
    """A request too many is refused and remembered."""
    async with wired() as (session, script):
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get(URL)
        assert script.amiss == ["ci asked once more, and `answers` has 0"]


async def test_before_the_first_attempt_there_is_nobody() -> None:
    """What a provider sends when it is opened gets no delivery's answer."""
    async with open_session(Wire(FakeClock())) as session:
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get(URL)


@pytest.mark.parametrize("answer", [Answer(place=PLACE, status=200, body=b"y" * 3_000_000), word("lost")])
async def test_a_request_is_read_to_its_end_first(answer: Answer) -> None:
    """A body that comes in pieces is sent whole before it is answered, or lost; an answer may be as large."""
    sent = 0

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(64):
            await asyncio.sleep(0)
            yield b"x" * 65536
            sent += 1

    got = b""
    async with wired(answer) as (session, _):
        with nullcontext() if answer.status else pytest.raises(aiohttp.ClientConnectionError):
            response = await session.post(URL, data=pieces())
            assert sent == 64
            got = await response.read()
    assert (sent, got) == (64, answer.body or b"")


async def test_a_redirect_is_refused_as_in_production() -> None:
    """The session is the router's own."""
    async with wired(status(302, Location="https://elsewhere.example/"), status(200)) as (session, script):
        with pytest.raises(RedirectRefused):
            await session.get(URL)
        assert script.told == ["302"]


async def test_nothing_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The far end is a server, and stays silent about answers that were scripted to break."""
    caplog.set_level(logging.INFO)
    async with wired(word("lost"), status(500)) as (session, _):
        with pytest.raises(aiohttp.ClientConnectionError):
            await session.post(URL)
        await session.post(URL)
    assert caplog.records == []
