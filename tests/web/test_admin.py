"""The running router's admin API on its Unix socket."""

from __future__ import annotations

import asyncio
import stat
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import aiohttp
import pytest

from router.core import rules
from router.core.model import State
from router.core.problems import Problems
from router.observe import Silent
from router.web import opening, unix
from router.web.shapes import MOST, NAMED
from tests.web.parts import desk

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from router.engine.store.base import Store

NOW = 1_795_435_201_000_000
RETRY, DISCARD = "/api/v1/deliveries/retry", "/api/v1/deliveries/discard"
JSON = {"Content-Type": "application/json"}
RULES = "rules: [{name: build, when: {trigger: push}, do: []}]  # caf\u00e9\n"
BOOK = rules.load([rules.RuleText("ci", "rules/ci.yaml", RULES)], {}, Problems())


class Outbox:
    """A store that knows three deliveries, two of them dead."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []

    async def retry(self, ids: Sequence[str], now: int) -> Sequence[str]:
        self.calls.append(("retry", *ids, now))
        return [one for one in ids if one != "done"]

    async def discard(self, ids: Sequence[str], reason: str, now: int) -> Sequence[str]:
        self.calls.append(("discard", *ids, reason, now))
        return ids

    async def chosen(
        self, state: State, *, rule: str = "", provider: str = "", repo: str = "", since: int = 0, limit: int
    ) -> Sequence[str]:
        assert (state, provider, repo, limit) == (State.DEAD, "", "", MOST)
        return [one for one in ("dead-1", "dead-2") if (rule or one) == one and not (since and one == "dead-1")]


class Rings:
    """A bell that counts."""

    def __init__(self) -> None:
        self.count = 0

    def ring(self) -> None:
        self.count += 1


class Stopped:
    """A clock."""

    def now(self) -> int:
        return NOW


class Served:
    """A server, what it works on, and a client."""

    def __init__(self, store: Path) -> None:
        self.path = unix.socket_path(store)
        self.outbox = Outbox()
        self.bell = Rings()
        self.store = store

    async def post(self, path: str, **sent: Any) -> tuple[int, Any]:
        return await self.ask("POST", path, **sent)

    async def ask(self, method: str, path: str, **sent: Any) -> tuple[int, Any]:
        with unix.address(self.path) as name:
            async with (
                aiohttp.ClientSession(connector=aiohttp.UnixConnector(name)) as http,
                http.request(method, f"http://router{path}", **sent) as answer,
            ):
                return answer.status, await (answer.json() if answer.content_type == "application/json" else answer.text())


@asynccontextmanager
async def serving(store: Path) -> AsyncIterator[Served]:
    made = Served(store)
    given = desk(cast("Store", made.outbox), BOOK, bell=made.bell, clock=Stopped())
    serve = opening.serve(given, store)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(serve)
        while not (made.path.exists() and await _answers(made)):
            await asyncio.sleep(0)
        yield made
        task.cancel()


async def _answers(served: Served) -> bool:
    try:
        await served.post("/")
    except aiohttp.ClientConnectorError:
        return False
    return True


async def test_retrying_changes_the_store_and_wakes_the_router(tmp_path: Path) -> None:
    """The ids that changed are answered, and the bell rings so that they are claimed at once."""
    async with serving(tmp_path / "router.db") as served:
        assert await served.post(RETRY, json={"ids": ["a", "done"]}) == (200, {"changed": ["a"]})
        assert served.outbox.calls == [("retry", "a", "done", NOW)]
        assert served.bell.count == 1


async def test_all_dead_ones_can_be_meant(tmp_path: Path) -> None:
    """A state stands for every delivery in it, and a discarded one says who did it."""
    async with serving(tmp_path / "router.db") as served:
        assert await served.post(DISCARD, json={"state": "dead"}) == (200, {"changed": ["dead-1", "dead-2"]})
        assert served.outbox.calls == [("discard", "dead-1", "dead-2", "discarded by the operator", NOW)]


async def test_some_dead_ones_can_be_meant(tmp_path: Path) -> None:
    """Those of a rule, a provider, a repo, or since a moment; what is none of these is refused."""
    async with serving(tmp_path / "router.db") as served:
        assert await served.post(RETRY, json={"state": "dead", "rule": "dead-1"}) == (200, {"changed": ["dead-1"]})
        assert await served.post(RETRY, json={"state": "dead", "since": NOW}) == (200, {"changed": ["dead-2"]})
        for wrong in ({"rule": 7}, {"since": "yesterday"}, {"since": 10**30}):
            assert (await served.post(RETRY, json={"state": "dead", **wrong}))[0] == 400


@pytest.mark.parametrize(
    "body",
    [
        *({}, [], {"ids": "a"}, {"ids": [1]}, {"state": "done"}, {"ids": ["x"] * (NAMED + 1)}, {"ids": None}),
        *({"ids": ["a"], "state": "dead"}, {"ids": ["a"], "rule": "ci/build"}, {"rule": "ci/build"}, {"all": True}),
    ],
)
@pytest.mark.threat("S-22")
async def test_a_request_that_means_nothing_changes_nothing(tmp_path: Path, body: Any) -> None:
    """Anything but ids or the state dead is refused with what to send."""
    async with serving(tmp_path / "router.db") as served:
        status, told = await served.post(RETRY, json=body)
        assert (status, list(told)) == (400, ["error"])
        assert served.outbox.calls == []


async def test_a_body_that_is_no_json_is_refused(tmp_path: Path) -> None:
    """A broken client gets a sentence."""
    async with serving(tmp_path / "router.db") as served:
        assert await served.post(RETRY, data=b"ids=a", headers=JSON) == (400, {"error": "The body is not JSON."})
        assert (await served.post(RETRY, data=b'{"ids": []}'))[0] == 415


async def test_the_loaded_rules_are_told(tmp_path: Path) -> None:
    """The files that decide now, each with its name and its text as it was when it was loaded."""
    async with serving(tmp_path / "router.db") as served:
        told = {"rulesets": [{"name": "ci", "file": "rules/ci.yaml", "text": RULES}]}
        assert await served.ask("GET", "/api/v1/rulesets") == (200, told)


@pytest.mark.threat("S-22")
async def test_only_the_owner_can_connect(tmp_path: Path) -> None:
    """The socket is the only check there is, so nobody else may write to it."""
    async with serving(tmp_path / "router.db") as served:
        assert stat.S_IMODE(served.path.stat().st_mode) == 0o600


async def test_a_dead_routers_socket_is_replaced_and_ours_removed(tmp_path: Path) -> None:
    """What a killed router left does not stop the next one, and a clean stop leaves nothing."""
    store = tmp_path / "router.db"
    unix.socket_path(store).touch()
    async with serving(store) as served:
        assert (await served.post(RETRY, json={"ids": []}))[0] == 200
    assert not unix.socket_path(store).exists()


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="the way around needs /proc")
async def test_a_long_path_is_no_obstacle(tmp_path: Path) -> None:
    """A store in a deep folder is served too, though a socket's name holds about a hundred bytes."""
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    async with serving(deep / "router.db") as served:
        assert (await served.post(RETRY, json={"ids": []}))[0] == 200


async def test_a_socket_that_cannot_be_made_is_told_and_ends_nothing(tmp_path: Path) -> None:
    """A folder stands where it should be, or the file system has no sockets: events are heard and delivered all the same."""
    store = tmp_path / "router.db"
    unix.socket_path(store).mkdir()
    told: list[str] = []

    class Observer(Silent):
        def fault(self, what: str, sentence: str, error: BaseException | None = None) -> None:
            told.append(sentence)

    await opening.serve(desk(cast("Store", Outbox()), observer=Observer()), store)
    assert told[0].startswith(f"Nobody can change deliveries while the router runs: {unix.socket_path(store)}: ")


async def test_what_answers_is_imported_with_the_first_question(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The question waits for it. A router that nobody asks does without."""
    imported: list[str] = []

    def load(name: str) -> object:
        imported.append(name)
        return import_module(name)

    monkeypatch.setattr(opening, "import_module", load)
    served = Served(tmp_path / "router.db")
    async with asyncio.TaskGroup() as group:
        task = group.create_task(opening.serve(desk(cast("Store", served.outbox), BOOK, clock=Stopped()), served.store))
        while not served.path.exists():
            await asyncio.sleep(0)
        for _ in range(10):
            await asyncio.sleep(0)
        assert not imported
        assert (await served.post(RETRY, json={"ids": ["a"]}))[0] == 200
        assert imported == ["router.web.admin"]
        task.cancel()
    assert not served.path.exists()


async def test_what_cannot_be_imported_any_more_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package is another than the one that runs, or is gone."""
    told: list[str] = []

    class Observer(Silent):
        def fault(self, what: str, sentence: str, error: BaseException | None = None) -> None:
            told.append(sentence)

    def load(name: str) -> object:
        raise ImportError(f"no {name}")

    monkeypatch.setattr(opening, "import_module", load)
    served = Served(tmp_path / "router.db")
    task = asyncio.create_task(opening.serve(desk(cast("Store", Outbox()), observer=Observer()), served.store))
    while not served.path.exists():
        await asyncio.sleep(0)
    with pytest.raises(aiohttp.ClientError):
        await served.post(RETRY, json={"ids": ["a"]})
    await task
    assert told == ["What answers on the socket cannot be loaded (ImportError: no router.web.admin): restart the router."]
