"""A POST that is made without aiohttp's client is the one that the client would have made."""

from __future__ import annotations

import asyncio
import gc
import weakref
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from router import posting as module
from router.egress import Egress, EgressRefused
from router.http import open_outside, open_session
from router.posting import posting

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Seen: yes\r\n\r\nhi"
PATIENCE = aiohttp.ClientTimeout(total=None, connect=5, sock_connect=5, sock_read=5)


class Raw:
    """A server that says `answer`, byte for byte, to whatever comes: `asked` has that, `connections` counts."""

    def __init__(self) -> None:
        self.answer = OK
        self.asked: list[bytes] = []
        self.connections = 0
        #: Whether the end of an answer is that of its connection.
        self.ends = False
        self.heard, self.closed = asyncio.Event(), asyncio.Event()
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?a=b%20c"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                size = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
                self.asked.append(head + await reader.readexactly(size))
                self.heard.set()
                writer.write(self.answer)
                await writer.drain()
                if self.ends:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            self.closed.set()
        finally:
            writer.close()


@pytest.fixture
async def raw() -> AsyncIterator[Raw]:
    made = Raw()
    async with await asyncio.start_server(made.serve, "127.0.0.1", 0) as server:
        made.port = server.sockets[0].getsockname()[1]
        yield made


@asynccontextmanager
async def sent(
    session: aiohttp.ClientSession, url: str, headers: Mapping[str, str], body: bytes = b"{}", method: str = "POST"
) -> AsyncIterator[Any]:
    made = posting(session, method, url, headers, body, PATIENCE)
    assert made is not None
    async with made as answer:
        yield answer


def lines(request: bytes) -> tuple[bytes, list[bytes], bytes]:
    """The request line, the headers in any order, and the body."""
    head, _, body = request.partition(b"\r\n\r\n")
    first, *headers = head.split(b"\r\n")
    return first, sorted(headers), body


@pytest.mark.parametrize("method", ["POST", "PATCH"])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": "application/json", "webhook-id": "d1"},
        {"content-type": "text/plain", "user-agent": "mine/1", "accept": "text/plain", "X-Two": "2"},
    ],
)
@pytest.mark.parametrize("body", [b'{"a": 1}', b"", b"x" * 300_000])
async def test_the_request_is_the_one_that_the_session_makes(
    raw: Raw, method: str, headers: dict[str, str], body: bytes
) -> None:
    async with open_session() as session:
        async with sent(session, raw.url, headers, body, method) as answer:
            told = answer.status, dict(answer.headers), await answer.content.read()
        async with session.request(method, raw.url, headers=headers, data=body) as answer:
            assert told == (answer.status, dict(answer.headers), await answer.content.read())
    ours, theirs = map(lines, raw.asked)
    assert ours == theirs


async def test_a_connection_is_used_again_and_shared_with_the_session(raw: Raw) -> None:
    async with open_session() as session:
        for _ in range(3):
            async with sent(session, raw.url, {}) as answer:
                assert await answer.content.read() == b"hi"
        async with session.post(raw.url, data=b"{}") as answer:
            assert await answer.read() == b"hi"
    assert (raw.connections, len(raw.asked)) == (1, 4)


async def test_one_whose_answer_is_not_read_to_its_end_is_closed(raw: Raw) -> None:
    raw.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nhi"
    async with open_session() as session:
        async with sent(session, raw.url, {}) as answer:
            assert answer.status == 200
        await asyncio.wait_for(raw.closed.wait(), 10)
        async with sent(session, raw.url, {}):
            pass
    assert raw.connections == 2


async def test_one_that_the_server_ends_is_not_used_again(raw: Raw) -> None:
    raw.answer = OK.replace(b"X-Seen: yes", b"Connection: close")
    async with open_session() as session:
        for _ in range(2):
            async with sent(session, raw.url, {}) as answer:
                assert await answer.content.read() == b"hi"
    assert raw.connections == 2


async def test_an_answer_may_end_with_its_connection(raw: Raw) -> None:
    raw.answer, raw.ends = b"HTTP/1.1 200 OK\r\n\r\nhi", True
    async with open_session() as session, sent(session, raw.url, {}) as answer:
        assert await answer.content.read() == b"hi"


async def test_where_no_connection_is_kept_the_server_is_told(raw: Raw) -> None:
    async with open_session(aiohttp.TCPConnector(force_close=True)) as session:
        async with sent(session, raw.url, {}):
            pass
        await session.post(raw.url, data=b"{}")
    ours, theirs = map(lines, raw.asked)
    assert b"Connection: close" in ours[1]
    assert ours[1] == theirs[1]


async def test_what_goes_before_an_answer_is_passed_over(raw: Raw) -> None:
    raw.answer = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK
    async with open_session() as session, sent(session, raw.url, {}) as answer:
        assert (answer.status, answer.headers["X-Seen"]) == (200, "yes")


@pytest.mark.parametrize("answer", [b"HTTP/1.1 200 OK\r\nX-\xff\x00: a\r\n\r\n", b"hello\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n"])
async def test_what_is_no_answer_is_an_error_as_the_sessions_is(raw: Raw, answer: bytes) -> None:
    raw.answer = answer
    async with open_session() as session:
        with pytest.raises(aiohttp.ClientError) as ours:
            async with sent(session, raw.url, {}):
                pass
        with pytest.raises(aiohttp.ClientError) as theirs:
            await session.post(raw.url, data=b"{}")
    assert type(ours.value) is type(theirs.value)


async def test_no_header_breaks_out_of_its_line(raw: Raw) -> None:
    async with open_session() as session:
        with pytest.raises(ValueError, match="header"):
            async with sent(session, raw.url, {"X-A": "b\r\nX-C: d"}):
                pass
        async with sent(session, raw.url, {}):
            pass
    assert [request for request in raw.asked if b"X-C" in request] == []


async def test_who_is_cancelled_leaves_no_connection(raw: Raw) -> None:
    raw.answer = b""
    async with open_session() as session:

        async def ask() -> None:
            async with sent(session, raw.url, {}):
                pass

        task = asyncio.create_task(ask())
        await asyncio.wait_for(raw.heard.wait(), 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(raw.closed.wait(), 10)


async def test_strangers_lead_nowhere_but_outside(raw: Raw) -> None:
    async with open_outside(Egress()) as session:
        with pytest.raises(EgressRefused):
            async with sent(session, raw.url, {}):
                pass
    assert not raw.connections


@pytest.mark.parametrize(
    ("method", "url", "body"),
    [
        ("GET", "http://127.0.0.1/", b"{}"),
        ("PUT", "http://127.0.0.1/", b"{}"),
        ("HEAD", "http://127.0.0.1/", b"{}"),
        ("POST", "http://127.0.0.1/", None),
        ("POST", "ws://127.0.0.1/", b"{}"),
        ("POST", "http://", b"{}"),
        ("POST", "http://127.0.0.1:99999/", b"{}"),
        ("POST", "http://a@127.0.0.1/", b"{}"),
        ("POST", "http://:b@127.0.0.1/", b"{}"),
        ("POST", "http://127.0.0.1/" + "a" * module.LONGEST, b"{}"),
    ],
)
async def test_whatever_is_made_another_way_is_left_to_the_session(method: str, url: str, body: bytes | None) -> None:
    async with open_session() as session:
        assert posting(session, method, url, {}, body, PATIENCE) is None


async def test_only_sessions_of_ours_are_known() -> None:
    """Another may have cookies, proxies or what comes between."""
    async with aiohttp.ClientSession() as session:
        assert posting(session, "POST", "http://127.0.0.1/", {}, b"", PATIENCE) is None


async def test_what_is_remembered_is_bounded_and_forgotten_with_its_session() -> None:
    session = open_session()
    for number in range(module.MOST + 10):
        assert posting(session, "POST", f"http://127.0.0.1/{number}", {}, b"", PATIENCE) is not None
    assert 0 < len(module._lines[session].asked) <= module.MOST
    await session.close()
    with pytest.raises((RuntimeError, aiohttp.ClientError)):
        async with sent(session, "http://127.0.0.1:9/", {}):
            pass
    seen = weakref.ref(session)
    del session
    gc.collect()
    assert seen() is None
