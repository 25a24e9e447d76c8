"""The Jetstream: what it refuses, what it filters, and where it begins."""

from __future__ import annotations

import time
from typing import Any

import aiohttp
import pytest

from router.demo.jetstream import Jetstream
from tests.demo.conftest import ALICE, account, commit, frames

BOB = "did:plc:bobbbbbbbbbbbbbbbbbbbbbb"
PULL = "sh.tangled.repo.pull"


@pytest.mark.parametrize(
    "query",
    [
        "wantedCollections=nonsense",
        "wantedCollections=sh.tangled.",
        "wantedDids=alice.example",
        "cursor=-1",
        "cursor=soon",
        "cursor=1.5",
        "&".join(f"wantedCollections=sh.tangled.c{number}" for number in range(101)),
        "compress=true",
    ],
)
async def test_bad_queries_are_refused_before_the_upgrade(
    jetstream: Jetstream, http: aiohttp.ClientSession, query: str
) -> None:
    """A wrong collection, DID or cursor is a 400, never a stream of something else."""
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await http.ws_connect(f"{jetstream.url}/subscribe?{query}")
    assert refused.value.status == 400


async def test_the_same_collection_a_hundred_and_one_times_is_one(jetstream: Jetstream, http: aiohttp.ClientSession) -> None:
    """The limit counts after duplicates are taken away."""
    async with http.ws_connect(f"{jetstream.url}/subscribe?" + "&".join(["wantedCollections=sh.tangled.repo"] * 101)):
        pass


async def test_without_a_cursor_it_is_live(jetstream: Jetstream, http: aiohttp.ClientSession) -> None:
    """What was said before the connection is not sent."""
    jetstream.emit(commit(rkey="before"))
    async with http.ws_connect(f"{jetstream.url}/subscribe") as ws:
        await jetstream.log.attended.wait()
        sent = jetstream.emit(commit())
        assert await frames(ws, 1) == [sent]


async def test_replay_is_inclusive(jetstream: Jetstream, http: aiohttp.ClientSession) -> None:
    """The event at the cursor comes again, by time and by sequence number."""
    jetstream.emit(commit())
    second = jetstream.emit(commit())
    third = jetstream.emit(commit())
    for cursor in (second["time_us"], second["cursor"]):
        async with http.ws_connect(f"{jetstream.url}/subscribe?cursor={cursor}") as ws:
            assert await frames(ws, 2) == [second, third]


async def test_a_cursor_beyond_the_look_back_is_clamped_without_a_word(
    jetstream: Jetstream, http: aiohttp.ClientSession
) -> None:
    """A client that was away for too long gets the oldest event that is kept, and no error."""
    old = int((time.time() - 40 * 3600) * 1e6)
    jetstream.emit(commit(time_us=old))
    kept = jetstream.emit(commit())
    async with http.ws_connect(f"{jetstream.url}/subscribe?cursor={old}") as ws:
        assert await frames(ws, 1) == [kept]


async def test_a_cursor_in_the_future_is_live(jetstream: Jetstream, http: aiohttp.ClientSession) -> None:
    """It is no error either."""
    jetstream.emit(commit())
    async with http.ws_connect(f"{jetstream.url}/subscribe?cursor={int(time.time() * 1e6) + 10**12}") as ws:
        await jetstream.log.attended.wait()
        sent = jetstream.emit(commit())
        assert await frames(ws, 1) == [sent]


async def test_collections_and_prefixes_filter_commits(jetstream: Jetstream, http: aiohttp.ClientSession) -> None:
    """Only wanted collections pass, a prefix wants everything under it and nothing beside it."""
    for collection in ("sh.tangled.repo", "sh.tangledx.repo", PULL, "app.bsky.feed.post"):
        jetstream.emit(commit(collection))
    start = jetstream.log.entries[0].time_us
    for wanted, expected in (("sh.tangled.*", ["sh.tangled.repo", PULL]), ("sh.tangled.repo", ["sh.tangled.repo"])):
        end = jetstream.emit(account("identity"))
        async with http.ws_connect(f"{jetstream.url}/subscribe?cursor={start}&wantedCollections={wanted}") as ws:
            got: list[Any] = []
            while not got or got[-1] != end:
                got += await frames(ws, 1)
        assert [frame["commit"]["collection"] for frame in got if frame["kind"] == "commit"] == expected


async def test_identity_and_account_events_pass_the_collections_but_not_the_dids(
    jetstream: Jetstream, http: aiohttp.ClientSession
) -> None:
    """They are sent whatever the collections are, of wanted accounts only."""
    start = jetstream.emit(account("identity", BOB))["time_us"]
    wanted = [jetstream.emit(account("identity")), jetstream.emit(account("account"))]
    url = f"{jetstream.url}/subscribe?cursor={start}&wantedCollections={PULL}&wantedDids={ALICE}"
    async with http.ws_connect(url) as ws:
        assert await frames(ws, 2) == wanted


async def test_large_events_are_skipped(jetstream: Jetstream, http: aiohttp.ClientSession) -> None:
    """An event above `maxMessageSizeBytes` never comes, and the next one does."""
    start = jetstream.emit(commit() | {"did": "did:web:" + "a" * 2000})["time_us"]
    small = jetstream.emit(commit())
    async with http.ws_connect(f"{jetstream.url}/subscribe?cursor={start}&maxMessageSizeBytes=1000") as ws:
        assert await frames(ws, 1) == [small]


async def test_an_options_update_replaces_the_filter(jetstream: Jetstream, http: aiohttp.ClientSession) -> None:
    """With `requireHello` nothing is sent before it, and what it asks for counts."""
    start = jetstream.emit(commit())["time_us"]
    pull = jetstream.emit(commit(PULL))
    async with http.ws_connect(f"{jetstream.url}/subscribe?cursor={start}&requireHello=true") as ws:
        await ws.send_json({"type": "something else"})
        await ws.send_json({"type": "options_update", "payload": {"wantedCollections": [PULL]}})
        assert await frames(ws, 1) == [pull]


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("{", 1007),
        ('{"type":"options_update","payload":{"wantedDids":["alice"]}}', 1008),
        ('{"type":"options_update"}', 1008),
    ],
)
async def test_bad_messages_end_the_stream(jetstream: Jetstream, http: aiohttp.ClientSession, message: str, code: int) -> None:
    """Broken JSON and invalid options have a close code each."""
    async with http.ws_connect(f"{jetstream.url}/subscribe") as ws:
        await ws.send_str(message)
        closed = await ws.receive()
        assert (closed.type, closed.data) == (aiohttp.WSMsgType.CLOSE, code)


async def test_the_key_order_and_the_sequence_number_of_todays_servers(
    jetstream: Jetstream, http: aiohttp.ClientSession
) -> None:
    """`cursor` stands after `time_us`; a commit has a fresh `rev`, and a client has to live with keys it does not know."""
    sent = jetstream.emit(commit())
    async with http.ws_connect(f"{jetstream.url}/subscribe?cursor={sent['time_us']}") as ws:
        (frame,) = await frames(ws, 1)
    assert list(frame) == ["did", "time_us", "cursor", "kind", "commit"]
    assert len(frame["commit"]["rev"]) == 13


async def test_it_pings(jetstream: Jetstream, http: aiohttp.ClientSession) -> None:
    """The client can tell a quiet stream from a dead one."""
    jetstream.ping_every = 0.01
    async with http.ws_connect(f"{jetstream.url}/subscribe", autoping=False) as ws:
        assert (await ws.receive()).type is aiohttp.WSMsgType.PING


async def test_warming_up_is_a_503(jetstream: Jetstream, http: aiohttp.ClientSession) -> None:
    """A starting server asks to be tried again."""
    jetstream.warming = True
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await http.ws_connect(f"{jetstream.url}/subscribe")
    assert refused.value.status == 503


async def test_time_does_not_run_backwards(jetstream: Jetstream) -> None:
    """Two events may share a time, and none may be earlier than the last."""
    sent = jetstream.emit(commit())
    jetstream.emit(commit(time_us=sent["time_us"]))
    with pytest.raises(ValueError, match="time_us must be at least"):
        jetstream.emit(commit(time_us=sent["time_us"] - 1))
