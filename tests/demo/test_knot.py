"""The knot's stream, in both generations, and its XRPC answers."""

from __future__ import annotations

import json
from typing import Any

import aiohttp
import pytest

from router.demo.knot import Knot
from tests.demo.conftest import ALICE, HELLO, frames, push

DESCRIBE = "/xrpc/sh.tangled.repo.describeRepo"
BRANCH = "/xrpc/sh.tangled.repo.getDefaultBranch"


def refs(found: list[Any]) -> list[str]:
    return [frame["event"]["ref"] for frame in found]


@pytest.mark.parametrize("cursor", ["", "?cursor=0", "?cursor=latest", "?cursor=99999999999999999999", "?cursor=1_0"])
async def test_todays_knot_replays_everything_without_a_usable_cursor(
    knot: Knot, http: aiohttp.ClientSession, cursor: str
) -> None:
    """No cursor, 0 and garbage all mean the whole history, which is the trap for a client's first contact."""
    knot.emit(push("refs/heads/one"))
    knot.emit(push("refs/heads/two"))
    async with http.ws_connect(f"{knot.url}/events{cursor}") as ws:
        assert refs(await frames(ws, 2)) == ["refs/heads/one", "refs/heads/two"]


async def test_a_cursor_is_exclusive(knot: Knot, http: aiohttp.ClientSession) -> None:
    """The event at the cursor is not sent again, and what happens later is."""
    first = knot.emit(push("refs/heads/one"))
    async with http.ws_connect(f"{knot.url}/events?cursor={first['created']}") as ws:
        await knot.log.attended.wait()
        knot.emit(push("refs/heads/two"))
        assert refs(await frames(ws, 1)) == ["refs/heads/two"]


async def test_a_knot_may_say_again_what_was_heard(knot: Knot, http: aiohttp.ClientSession) -> None:
    """So many events before the cursor, or all that there are."""
    knot.emit(push("refs/heads/one"))
    second = knot.emit(push("refs/heads/two"))
    for knot.rewind, heard in ((1, ["refs/heads/two"]), (9, ["refs/heads/one", "refs/heads/two"])):
        async with http.ws_connect(f"{knot.url}/events?cursor={second['created']}") as ws:
            assert refs(await frames(ws, len(heard))) == heard


async def test_todays_envelope(knot: Knot, http: aiohttp.ClientSession) -> None:
    """The keys are in the Go struct's order, `created` is beyond 2^53 and increases, and Go's escapes are in the text."""
    knot.emit(push("refs/heads/a<b&c"))
    knot.emit(push())
    async with http.ws_connect(f"{knot.url}/events") as ws:
        text = await ws.receive_str()
        second = json.loads(await ws.receive_str())
    first = json.loads(text)
    assert list(first) == ["rkey", "nsid", "event", "created"]
    assert text.endswith(f'"event":{{"$type":"","ref":"refs/heads/a\\u003cb\\u0026c"}},"created":{first["created"]}}}')
    assert 1 << 53 < first["created"] < second["created"]
    assert len(first["rkey"]) == 13
    assert first["rkey"] < second["rkey"]


async def test_the_older_envelope(older: Knot, http: aiohttp.ClientSession) -> None:
    """There is no `created`, and the keys are sorted at every level."""
    start = older.emit(push())
    older.emit({"nsid": "b", "event": {"z": {"y": 1, "x": 2}, "a": 1}, "rkey": "3n2y3ep2g222e"})
    async with http.ws_connect(f"{older.url}/events?cursor={start['created']}") as ws:
        assert await ws.receive_str() == '{"event":{"a":1,"z":{"x":2,"y":1}},"nsid":"b","rkey":"3n2y3ep2g222e"}'


@pytest.mark.parametrize("cursor", ["", "?cursor=0", "?cursor=latest"])
async def test_the_older_knot_is_live_only_without_a_cursor(older: Knot, http: aiohttp.ClientSession, cursor: str) -> None:
    """What happened before the connection is lost to a client without a cursor."""
    older.emit(push("refs/heads/before"))
    async with http.ws_connect(f"{older.url}/events{cursor}") as ws:
        await older.log.attended.wait()
        older.emit(push("refs/heads/after"))
        assert refs(await frames(ws, 1)) == ["refs/heads/after"]


async def test_the_older_knot_sends_one_batch_for_each_notification(older: Knot, http: aiohttp.ClientSession) -> None:
    """A backlog of more than a hundred comes only as further events happen."""
    first = older.emit(push("refs/heads/0"))
    for number in range(1, 152):
        older.emit(push(f"refs/heads/{number}"))
    older.ping_every = 0.01
    async with http.ws_connect(f"{older.url}/events?cursor={first['created']}", autoping=False) as ws:
        assert refs(await frames(ws, 100))[-1] == "refs/heads/100"
        assert (await ws.receive()).type is aiohttp.WSMsgType.PING
        older.ping_every = 60.0
        older.emit(push("refs/heads/152"))
        while (message := await ws.receive()).type is aiohttp.WSMsgType.PING:
            pass
        assert refs([json.loads(message.data)]) == ["refs/heads/101"]
        assert refs(await frames(ws, 51))[-1] == "refs/heads/152"


async def test_todays_knot_drains_until_a_short_batch(knot: Knot, http: aiohttp.ClientSession) -> None:
    """A backlog of several batches comes at once, and then the stream is live."""
    for number in range(250):
        knot.emit(push(f"refs/heads/{number}"))
    async with http.ws_connect(f"{knot.url}/events") as ws:
        assert refs(await frames(ws, 250))[-1] == "refs/heads/249"
        knot.emit(push("refs/heads/live"))
        assert refs(await frames(ws, 1)) == ["refs/heads/live"]


async def test_the_drain_cap_closes_with_1013(knot: Knot, http: aiohttp.ClientSession) -> None:
    """A client that is too far behind is told to reconnect and go on from its cursor."""
    knot.drain_cap = 1
    for number in range(101):
        knot.emit(push(f"refs/heads/{number}"))
    async with http.ws_connect(f"{knot.url}/events") as ws:
        cursor = (await frames(ws, 100))[-1]["created"]
        closed = await ws.receive()
        assert (closed.type, closed.data, closed.extra) == (
            aiohttp.WSMsgType.CLOSE,
            1013,
            "drain cap reached, reconnect to continue",
        )
    async with http.ws_connect(f"{knot.url}/events?cursor={cursor}") as ws:
        assert refs(await frames(ws, 1)) == ["refs/heads/100"]


async def test_a_foreign_origin_is_refused(knot: Knot, http: aiohttp.ClientSession) -> None:
    """gorilla/websocket answers 403 to an Origin that is not the host, and takes its own."""
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await http.ws_connect(f"{knot.url}/events", origin="https://tangled.org")
    assert refused.value.status == 403
    async with http.ws_connect(f"{knot.url}/events", origin=knot.url):
        pass


async def test_garbage_is_sent_as_it_is_and_in_its_place(knot: Knot, http: aiohttp.ClientSession) -> None:
    """Broken text and binary frames reach the client, live or replayed, between the events around them."""
    knot.emit(push("refs/heads/one"))
    knot.emit_raw('{"rkey":')
    knot.emit_raw(b"\xff\x00")
    knot.emit(push("refs/heads/two"))
    async with http.ws_connect(f"{knot.url}/events") as ws:
        got = [await ws.receive() for _ in range(4)]
    assert [message.type.name for message in got] == ["TEXT", "TEXT", "BINARY", "TEXT"]
    assert (got[1].data, got[2].data) == ('{"rkey":', b"\xff\x00")


async def test_a_quiet_knot_pings(knot: Knot, http: aiohttp.ClientSession) -> None:
    """Without an event for a while the client gets a ping control frame."""
    knot.ping_every = 0.01
    async with http.ws_connect(f"{knot.url}/events", autoping=False) as ws:
        assert (await ws.receive()).type is aiohttp.WSMsgType.PING


async def test_what_clients_send_is_ignored(knot: Knot, http: aiohttp.ClientSession) -> None:
    """Data frames of a client do not end its stream."""
    async with http.ws_connect(f"{knot.url}/events") as ws:
        await ws.send_str('{"type":"ping"}')
        await knot.log.attended.wait()
        knot.emit(push())
        assert len(await frames(ws, 1)) == 1


async def test_a_cut_connection_ends_without_a_close_frame(knot: Knot, http: aiohttp.ClientSession) -> None:
    """The client sees an abnormal end, and may come back at once."""
    async with http.ws_connect(f"{knot.url}/events") as ws:
        await knot.log.attended.wait()
        knot.cut()
        assert (await ws.receive()).type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
        assert ws.close_code in (None, 1006)
    async with http.ws_connect(f"{knot.url}/events"):
        pass


async def test_a_knot_comes_back_on_the_same_port_with_its_history(knot: Knot, http: aiohttp.ClientSession) -> None:
    """While it is down connections are refused; afterwards nothing is forgotten."""
    knot.emit(push("refs/heads/before"))
    url = knot.url
    async with http.ws_connect(f"{url}/events") as ws:
        await frames(ws, 1)
        await knot.down()
        assert (await ws.receive()).type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
    with pytest.raises(aiohttp.ClientConnectorError):
        await http.ws_connect(f"{url}/events")
    await knot.up()
    assert knot.url == url
    async with http.ws_connect(f"{url}/events") as ws:
        assert refs(await frames(ws, 1)) == ["refs/heads/before"]


async def test_a_created_that_does_not_increase_is_refused(knot: Knot) -> None:
    """No knot numbers two events alike, so neither can a test."""
    sent = knot.emit(push())
    with pytest.raises(ValueError, match="created must be greater"):
        knot.emit(push() | {"created": sent["created"]})


async def test_describe_repo(knot: Knot, http: aiohttp.ClientSession) -> None:
    """The owner and the name of a hosted repo, and the errors of its lexicon for others."""
    async with http.get(f"{knot.url}{DESCRIBE}", params={"repoDid": HELLO}) as answer:
        assert (answer.status, await answer.json()) == (200, {"repoDid": HELLO, "ownerDid": ALICE, "rkey": "hello"})
    async with http.get(f"{knot.url}{DESCRIBE}", params={"repoDid": ALICE}) as answer:
        assert (answer.status, (await answer.json())["error"]) == (400, "RepoNotFound")
    async with http.get(f"{knot.url}{DESCRIBE}") as answer:
        assert (answer.status, (await answer.json())["error"]) == (400, "InvalidRequest")


async def test_the_default_branch_is_asked_for_in_the_generations_own_words(
    knot: Knot, older: Knot, http: aiohttp.ClientSession
) -> None:
    """Today's knot knows the repo by its DID, the older one by owner and name, and neither by the other's."""
    for server, right, wrong in ((knot, HELLO, f"{ALICE}/hello"), (older, f"{ALICE}/hello", HELLO)):
        async with http.get(f"{server.url}{BRANCH}", params={"repo": right}) as answer:
            assert (answer.status, (await answer.json())["name"]) == (200, "main")
        async with http.get(f"{server.url}{BRANCH}", params={"repo": wrong}) as answer:
            assert (answer.status, (await answer.json())["error"]) == (400, "RepoNotFound")
