"""The network as a whole, and its script."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import yaml

from router.demo import project, script
from router.demo.cast import ALICE, HANDLES, HELLO
from router.demo.network import Network
from tests.demo.conftest import frames, push


@pytest.fixture
async def network() -> AsyncIterator[Network]:
    async with Network() as made:
        yield made


async def at_once(_: float) -> None:
    """A sleep that takes no time and lets others run."""
    await asyncio.sleep(0)


async def test_everybody_listens_on_a_port_of_their_own(network: Network, http: aiohttp.ClientSession) -> None:
    """Six servers, six addresses, and each answers there."""
    assert set(network.addresses) == {"jetstream", "knot-a", "knot-b", "directory", "ci", "sink"}
    assert len(set(network.addresses.values())) == 6
    for url in network.addresses.values():
        async with http.get(url.replace("ws://", "http://")) as answer:
            assert answer.status in (401, 404)


async def test_the_secrets_are_new_each_time() -> None:
    """Nothing that is written down opens the demo's CI."""
    assert not set(Network().environment.values()) & set(Network().environment.values())


async def test_the_cast_is_known_to_the_directory_and_the_knots(network: Network, http: aiohttp.ClientSession) -> None:
    """A handle resolves, and the repo's document leads to the knot that describes it."""
    url = network.addresses["directory"]
    async with http.get(f"{url}/xrpc/com.atproto.identity.resolveHandle", params={"handle": HANDLES[ALICE]}) as answer:
        assert await answer.json() == {"did": ALICE}
    async with http.get(f"{url}/{HELLO}") as answer:
        knot = (await answer.json(content_type=None))["service"][0]["serviceEndpoint"]
    async with http.get(f"{knot}/xrpc/sh.tangled.repo.describeRepo", params={"repoDid": HELLO}) as answer:
        assert (await answer.json())["ownerDid"] == ALICE


async def test_the_script_is_told_to_who_listens(network: Network, http: aiohttp.ClientSession) -> None:
    """Each line reaches its stream in order, stamped and filled in, and the malformed one is malformed."""
    lines = script.read()
    on = {name: [line for line in lines if line.on == name] for name in ("jetstream", "knot-a", "knot-b")}
    paths = {"jetstream": "/subscribe", "knot-a": "/events", "knot-b": "/events"}
    streams = {name: await http.ws_connect(network.addresses[name] + path) for name, path in paths.items()}
    await network.attended()
    played = [one async for one in network.play(lines, sleep=at_once)]
    assert [one.line for one in played] == lines
    got = {name: [await ws.receive_str() for _ in on[name]] for name, ws in streams.items()}
    for ws in streams.values():
        await ws.close()
    for name, texts in got.items():
        for line, text in zip(on[name], texts, strict=True):
            if line.raw is not None:
                assert text == line.raw
                with pytest.raises(ValueError, match="Unterminated"):
                    json.loads(text)
                continue
            assert '"$now"' not in text
            assert '"$knot' not in text
            key = next(one.key for one in played if one.line is line)
            assert key in text
    assert network.knot_a.host in got["jetstream"][0]
    assert network.knot_b.host in got["knot-b"][1]


def test_the_script_has_a_line_of_each_kind() -> None:
    """Builds that pass and fail, a push that builds nothing on purpose, garbage, a tag, workflows, a pull request."""
    lines = script.read()
    assert 20 <= sum(line.after for line in lines) <= 30
    assert [line.expect.bad for line in lines].count(True) == 1
    assert {line.expect.status for line in lines} == {None, "success", "failed"}
    rules = {rule for line in lines for rule in line.expect.rules or ()}
    assert rules == {f"demo/{name}" for name in ("docs-only", "build-hello", "build-site", "tags", "workflows", "pulls")}
    assert {line.on for line in lines} == {"jetstream", "knot-a", "knot-b"}


async def test_speed_shortens_the_waits(network: Network) -> None:
    """Twice the speed waits half as long, between the same lines."""
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    lines = script.read()
    assert [one async for one in network.play(lines, speed=2.0, sleep=sleep)]
    assert waits == [line.after / 2 for line in lines]


async def test_a_line_that_breaks_makes_its_build_fail(network: Network) -> None:
    """The CI knows the commit before the push is heard."""
    (line,) = [line for line in script.read() if line.breaks]
    async for _ in network.play([line], sleep=at_once):
        assert network.ci.failing == {line.breaks}


@pytest.mark.parametrize(
    ("on", "frame", "said"),
    [
        ("ci", push(), "has no stream"),
        ("knot-a", {"event": {}}, "lacks a key"),
        ("jetstream", {"did": ALICE, "kind": "commit"}, "lacks a key"),
    ],
)
async def test_a_frame_that_no_server_would_send_is_refused(
    network: Network, on: str, frame: dict[str, object], said: str
) -> None:
    """A test that builds a wrong frame is told so, and nothing is sent."""
    with pytest.raises(ValueError, match=said):
        network.say(on, frame)
    assert not network.knot_a.log.entries
    assert not network.jetstream.log.entries


async def test_the_project_is_written_for_the_network(network: Network, tmp_path: Path) -> None:
    """router.yaml names every address, no placeholder is left, and the rules name the sink."""
    config = yaml.safe_load(project.write(tmp_path, network.addresses).read_text(encoding="utf-8"))
    assert config["sources"]["bluesky"]["jetstream"]["hosts"] == [network.addresses["jetstream"]]
    assert config["sources"]["knot-b"]["knot"]["host"] == network.addresses["knot-b"]
    assert config["providers"]["buildkite"]["url"] == network.addresses["ci"] + "/v2"
    assert config["providers"]["buildkite"]["token"]["env"] in network.environment
    assert config["providers"]["webhook"]["secrets"]["sink"]["env"] in network.environment
    rules = (tmp_path / "rules" / "demo.yaml").read_text(encoding="utf-8")
    assert network.addresses["sink"] in rules
    assert ".invalid" not in rules


async def test_it_stops_with_listeners_and_leaves_nothing(http: aiohttp.ClientSession) -> None:
    """Listeners are cut, ports are free, and no task is left behind."""
    before = asyncio.all_tasks()
    async with Network() as network:
        ws = await http.ws_connect(network.addresses["knot-a"] + "/events")
        network.say("knot-a", push())
        await frames(ws, 1)
    assert (await ws.receive()).type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
    assert {task for task in asyncio.all_tasks() - before if "router.demo" in repr(task)} == set()
    with pytest.raises(aiohttp.ClientConnectorError):
        await http.get(network.addresses["ci"])
