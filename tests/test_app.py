"""The composition root: that its parts start, wait and stop as they must, whatever one of them meets."""

from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from router import app, config, library, limits, plugins
from router.core import rules
from router.core.model import Heard
from router.core.problems import Problems
from router.demo.server import Server
from router.engine.store.sqlite import open_store
from router.host import Host, SystemClock
from router.http import open_session
from router.web import opening
from tests.engine.way.parts import Listed, Toy, push
from tests.engine.way.parts import Told as Observed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from router.config import Config
    from router.core.rulebook import Rulebook

RULES = """\
rules:
  - name: any
    when: {branch: "**"}
    do: [log: {message: heard}]
"""


class Told(Observed):
    """Lets a test wait for what is told."""

    async def until(self, condition: Callable[[], object]) -> None:
        while not condition():
            self.news.clear()
            await self.news.wait()


@pytest.fixture
def told() -> Told:
    return Told()


def project(folder: Path, text: str = "", rule_text: str = RULES) -> tuple[Config, Rulebook]:
    """A router in a folder that hears nothing but a time that never comes."""
    file = folder / "router.yaml"
    never = 'sources: {never: {schedule: {at: "9000-01-01T00:00:00Z"}}}\n'
    file.write_text(f"store: {{path: {folder / 'router.db'}}}\nrules: [./rules]\n{never}{text}")
    (folder / "rules").mkdir()
    (folder / "rules" / "test.yaml").write_text(rule_text)
    made, problems = config.load(file, environ={}), Problems()
    book = rules.load(library.rule_texts(made.rules, problems), plugins.OptionModels(), problems)
    assert not problems.found, [str(problem) for problem in problems.found]
    return made, book


class Hanging(Server):
    """A resolver that takes requests and never answers."""

    def routes(self) -> list[web.RouteDef]:
        self.asked = asyncio.Event()
        return [web.get("/xrpc/com.atproto.identity.resolveHandle", self._hang)]

    async def _hang(self, _: web.Request) -> web.Response:
        self.asked.set()
        await asyncio.Event().wait()
        return web.Response()


def asking(handles: int) -> str:
    names = ", ".join(f'"@h{number}.example"' for number in range(handles))
    return RULES.replace('branch: "**"', f'branch: "**", owner: [{names}]')


async def test_a_resolver_that_hangs_keeps_nobody_from_stopping(tmp_path: Path, told: Told) -> None:
    """A thousand handles take it ten minutes to time out: a stop is not heard then, but now."""
    async with Hanging("resolver") as served:
        made, book = project(tmp_path, f'identity: {{resolver: "{served.url}"}}\n', asking(1000))
        stop = asyncio.Event()
        running = asyncio.create_task(app.run(made, book, told, stop=stop))
        await served.asked.wait()
        stop.set()
        await running


async def test_a_resolver_that_hangs_keeps_nobody_from_listening(
    tmp_path: Path, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Handles are waited for a moment; what is heard without them is undecided, and planned again."""
    monkeypatch.setattr(app, "RESOLVE_WITHIN", 0.01)
    async with Hanging("resolver") as served:
        made, book = project(tmp_path, f'identity: {{resolver: "{served.url}"}}\n', asking(1000))
        stop = asyncio.Event()
        running = asyncio.create_task(app.run(made, book, told, stop=stop))
        await told.until(lambda: ("never", "up") in told.states)
        stop.set()
        await running


@asynccontextmanager
async def parts(folder: Path, told: Told) -> AsyncIterator[Any]:
    """The router before it runs, over a store in memory."""
    made, book = project(folder)
    store = await open_store(":memory:")
    async with open_session() as http:
        try:
            yield app.Router(made, book, told, store, Host(http, SystemClock()))
        finally:
            await store.close()


async def test_what_is_learned_while_planning_is_planned_with(tmp_path: Path, told: Told) -> None:
    """A handle that becomes known while events are planned again has them planned once more, not ten minutes later."""
    async with parts(tmp_path, told) as router:
        planned, twice = [0], asyncio.Event()

        async def plan_again() -> None:
            planned[0] += 1
            if planned[0] == 1:
                router.learned.set()
            else:
                twice.set()

        router.intake.plan_again = plan_again
        planning = asyncio.create_task(router._plan_again())
        await twice.wait()
        planning.cancel()


class Failure(Exception):
    pass


async def test_when_a_part_fails_no_delivery_goes_on(tmp_path: Path, told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """An attempt that outlived its session would fail by no fault of its own, and be a dead letter: its lease has it."""
    toy = Toy(hang=True)

    async def fails(*_: object) -> None:
        while not toy.made:
            await asyncio.sleep(0)
        raise Failure

    monkeypatch.setattr(opening, "serve", fails)
    async with parts(tmp_path, told) as router:
        router.guests["log"] = replace(router.guests["log"], provider=toy)
        heard = {"listed": Listed([Heard(event=push(), cursor=1)])}
        monkeypatch.setattr(router.listening, "opened", lambda _configured: heard)
        with pytest.raises(ExceptionGroup) as caught:
            await router.run(asyncio.Event(), drain=False)
        assert caught.value.subgroup(Failure) is not None
        assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("deliver ")]
        assert await router.store.counts() == {"claimed": 1}


@pytest.mark.fault("T-37", "T-39")
async def test_what_the_system_does_not_let_us_have_is_told(
    tmp_path: Path, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the start, and before anything fails for it; and while it runs, a thread looks at the loop."""
    wanted: list[int] = []

    def too_few(files: int) -> str:
        wanted.append(files)
        return "too few files"

    monkeypatch.setattr(limits, "open_files", too_few)
    made, book = project(tmp_path)
    stop = asyncio.Event()
    running = asyncio.create_task(app.run(made, book, told, stop=stop))
    await told.until(lambda: ("never", "up") in told.states)
    assert "too few files" in told.faults
    assert wanted == [limits.OWN + 1]
    assert "pulse" in {thread.name for thread in threading.enumerate()}
    stop.set()
    await running
