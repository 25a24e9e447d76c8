"""Whatever answered 2xx is committed: each answer is held against what another connection reads of the file at that moment.

Commits are slow here, so an answer that does not wait for one comes before it.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from router.engine.store import connection
from router.engine.store.sqlite import SqliteStore
from router.web.unix import address, socket_path
from tests import canaries
from tests.spindle import test_building
from tests.spindle.test_building import FILES, of
from tests.spindle.world import ALICE, CORE, NEW, RULES, World

if TYPE_CHECKING:
    from pathlib import Path

    from router.demo.ci import Ci

ci, world, secrets_of_the_operator = test_building.ci, test_building.world, test_building.secrets_of_the_operator
RETRY, DISCARD = "/api/v1/deliveries/retry", "/api/v1/deliveries/discard"
#: Seconds that a commit takes.
SLOW = 0.15


@pytest.fixture
def stores(monkeypatch: pytest.MonkeyPatch) -> list[SqliteStore]:
    """Those that were opened."""
    opened: list[SqliteStore] = []
    init = SqliteStore.__init__

    def opening(store: SqliteStore, *given: Any, **named: Any) -> None:
        init(store, *given, **named)
        opened.append(store)

    monkeypatch.setattr(SqliteStore, "__init__", opening)
    return opened


@pytest.fixture(autouse=True)
def slow_commits(monkeypatch: pytest.MonkeyPatch, stores: list[SqliteStore]) -> None:
    opening = connection.open_writing

    def opened(path: str, busy: float = connection.BUSY) -> sqlite3.Connection:
        made, writes = opening(path, busy), False

        def slow(statement: str) -> None:
            nonlocal writes
            if statement.startswith("BEGIN"):
                writes = statement == "BEGIN IMMEDIATE"
            elif statement == "COMMIT" and writes:
                time.sleep(SLOW)

        made.set_trace_callback(slow)
        return made

    monkeypatch.setattr(connection, "open_writing", opened)


def stored(world: World, query: str, *values: Any) -> list[Any]:
    """What is in the file now."""
    with closing(sqlite3.connect(world.folder / "router.db")) as db:
        return [value for (value,) in db.execute(query, values)]


async def test_secrets(world: World) -> None:
    """Added, and removed."""
    await world.ours()
    secret = {"repo": CORE, "key": "DEPLOY_KEY", "value": "canary"}
    assert (await world.call(ALICE, "sh.tangled.repo.addSecret", secret))[0] == 200
    assert stored(world, "SELECT key FROM secrets") == ["DEPLOY_KEY"]
    assert (await world.call(ALICE, "sh.tangled.repo.removeSecret", secret))[0] == 200
    assert stored(world, "SELECT key FROM secrets") == []


async def test_a_run_that_was_asked_for_and_cancelled(world: World, ci: Ci) -> None:
    """With its deliveries; and who asked for its end."""
    await world.ours()
    world.knot.commits[NEW] = FILES
    trigger = {"$type": "sh.tangled.ci.trigger#manual", "sha": NEW, "ref": "refs/heads/main"}
    status, answer = await world.call(ALICE, "sh.tangled.ci.triggerPipeline", {"repo": CORE, "trigger": trigger})
    assert status == 200, answer
    name = answer["pipeline"].rpartition("/")[2]
    assert stored(world, "SELECT workflow FROM deliveries WHERE pipeline = ?", name) == ["ci.yml"]
    await world.until(lambda: ci.builds)
    await of(world, "pending")
    assert (await world.call(ALICE, "sh.tangled.ci.cancelPipeline", {"repo": CORE, "pipeline": name}))[0] == 200
    assert stored(world, "SELECT cancel_at > 0 OR status = 'cancelled' FROM deliveries") == [1]


async def test_what_a_ci_tells(world: World, ci: Ci) -> None:
    """By a webhook, which may never be sent again."""
    await world.ours()
    world.push(files=FILES)
    await world.until(lambda: ci.builds)
    await of(world, "pending")
    (build,) = ci.builds
    build.cancel(ci.clock())
    body = {"event": "build.finished", "build": build.shape(ci.url), "pipeline": {"slug": "core"}}
    headers = {"X-Buildkite-Token": canaries.HEARD, "X-Buildkite-Event": "build.finished"}
    async with world.http.post(f"{world.url}/webhooks/buildkite", json=body, headers=headers) as response:
        assert response.status == 200
    assert stored(world, "SELECT status FROM deliveries") == ["cancelled"]


async def test_what_an_operator_changes(tmp_path: Path) -> None:
    """Through the admin socket."""
    waits = RULES.replace("    do:", "    debounce: {key: x, for: 10m}\n    do:")
    async with World(tmp_path, rules=waits) as world:
        await world.start()
        await world.ours()
        world.push()
        await world.until(lambda: stored(world, "SELECT state FROM deliveries") == ["ready"])
        await operate(world)


async def operate(world: World) -> None:
    """Discard a delivery that waits, and take that back."""
    [name] = stored(world, "SELECT id FROM deliveries")
    with address(socket_path(world.folder / "router.db")) as where:
        async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(where)) as admin:
            async with admin.post(f"http://router{DISCARD}", json={"ids": [name]}) as response:
                assert (response.status, await response.json()) == (200, {"changed": [name]})
            assert stored(world, "SELECT state FROM deliveries") == ["discarded"]
            async with admin.post(f"http://router{RETRY}", json={"ids": [name]}) as response:
                assert (response.status, await response.json()) == (200, {"changed": [name]})
    assert stored(world, "SELECT asked OR state != 'discarded' FROM deliveries") == [1]


@pytest.mark.fault("T-27")
async def test_a_full_disk_is_said_so_by_the_edge(
    world: World, ci: Ci, stores: list[SqliteStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What asks for something new gets a 503 before anything is done, as does readiness; questions, health and what a CI tells
    are answered as ever."""
    await world.ours()
    world.push(files=FILES)
    await world.until(lambda: ci.builds)
    await of(world, "pending")
    monkeypatch.setattr(SqliteStore, "full", True)
    secret = {"repo": CORE, "key": "DEPLOY_KEY", "value": "canary"}
    answers = {}
    for path in ("readyz", "healthz"):
        async with world.http.get(f"{world.url}/{path}") as response:
            answers[path] = response.status, await response.text()
    assert answers == {
        "readyz": (503, "The disk is full: nothing new is heard until there is room again.\n"),
        "healthz": (200, "ok\n"),
    }
    async with world.http.post(f"{world.url}/xrpc/sh.tangled.repo.addSecret", json=secret) as response:
        assert (response.status, (await response.json())["error"]) == (503, "ServiceUnavailable")
    assert (await world.get("sh.tangled.owner"))[0] == 200
    (build,) = ci.builds
    build.cancel(ci.clock())
    body = {"event": "build.finished", "build": build.shape(ci.url), "pipeline": {"slug": "core"}}
    headers = {"X-Buildkite-Token": canaries.HEARD, "X-Buildkite-Event": "build.finished"}
    async with world.http.post(f"{world.url}/webhooks/buildkite", json=body, headers=headers) as response:
        assert response.status == 200
    await of(world, "cancelled")
    monkeypatch.setattr(SqliteStore, "full", False)
    for store in stores:
        await store.regain()
    assert (await world.call(ALICE, "sh.tangled.repo.addSecret", secret))[0] == 200
    async with world.http.get(f"{world.url}/readyz") as response:
        assert response.status == 200
