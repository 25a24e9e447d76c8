"""Configuration and rules, read again while the router runs: all of it or nothing, and nobody else notices."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import threading
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from router import app, loaded, reload, watch
from router.core.differences import Kind
from router.core.model import Heard, Receipt
from router.demo.server import Server
from router.engine import directory, heap
from router.engine.store.sqlite import open_store
from router.host import Host, SystemClock
from router.http import open_session
from tests.engine.way.parts import ALICE, Listed, Toy, push
from tests.engine.way.parts import Told as Observed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    from router.core.model import Delivery, Event
    from router.core.problems import Problem
    from router.reload import Reload, Result

NEVER = 'never: {schedule: {at: "9000-01-01T00:00:00Z"}}'
RULES = """\
rules:
  - name: any
    when: {branch: "**"}
    do: [log: {message: heard}]
"""
TRUSTING = RULES.replace("    do:", "    allow_untrusted: true\n    do:")


class Told(Observed):
    """Lets a test wait for what is told."""

    def __init__(self) -> None:
        super().__init__()
        self.reloads: list[tuple[bool, str, Sequence[Problem]]] = []

    def reloaded(self, ok: bool, sentence: str, found: Sequence[Problem] = (), kept: Sequence[str] = ()) -> None:  # noqa: FBT001
        self.reloads.append((ok, sentence, found))
        self.news.set()

    async def until(self, condition: Callable[[], object]) -> None:
        while not condition():
            self.news.clear()
            await self.news.wait()


@dataclass
class Running:
    """A router in this process, and the folder that it was read from."""

    folder: Path
    router: app.Router
    told: Told
    asked: asyncio.Event

    @property
    def reload(self) -> Reload:
        assert self.router.reload is not None
        return self.router.reload

    def write(self, *, rules: str | None = None, settings: str = "", sources: str = NEVER) -> None:
        write(self.folder, rules=rules, settings=settings, sources=sources)

    async def again(self, **changes: str) -> Result:
        self.write(**changes)
        return await self.reload.again()

    async def hear(self, *events: Event) -> None:
        await self.router.intake.listen(Listed([Heard(event=event, cursor=1) for event in events]))

    async def deliveries(self) -> set[tuple[str, str]]:
        """Rule and event of every delivery."""
        return {(row.rule, row.event_id) for row in await self.router.store.deliveries()}

    def task(self, source: str) -> asyncio.Task[None]:
        return self.router.listening._tasks[source]


def write(folder: Path, *, rules: str | None = None, settings: str = "", sources: str = NEVER) -> None:
    (folder / "router.yaml").write_text(
        f"store: {{path: {folder / 'router.db'}}}\nreload: {{watch: false}}\nsources: {{{sources}}}\n{settings}"
    )
    (folder / "rules").mkdir(exist_ok=True)
    if rules is not None:
        (folder / "rules" / "test.yaml").write_text(rules)


@asynccontextmanager
async def started(folder: Path) -> AsyncIterator[Running]:
    read = loaded.read(folder / "router.yaml")
    told, asked, stop = Told(), asyncio.Event(), asyncio.Event()
    store = await open_store(read.config.store_path)
    async with open_session() as http:
        router = app.Router(read.config, read.rulebook, told, store, Host(http, SystemClock()))
        router.reloads(read, asked)
        task = asyncio.create_task(router.run(stop, drain=False))
        await told.until(lambda: ("never", "up") in told.states)
        yield Running(folder, router, told, asked)
        stop.set()
        await task
    await store.close()


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    write(tmp_path, rules=RULES)
    async with started(tmp_path) as made:
        yield made


async def test_changed_rules_decide_the_next_event_and_repeat_none(running: Running) -> None:
    """After a reload the new rules decide; what an event led to before is not made again, although the rule's text is another,
    and is not taken back, although the rule is gone."""
    await running.hear(push(1))
    result = await running.again(rules=RULES.replace("heard", "heard again").replace("any", "other"))
    assert result.ok
    assert result.changed == ("rules test changed",)
    await running.hear(push(1), push(2))
    assert await running.deliveries() == {("test/any", push(1).id), ("test/other", push(2).id)}


async def test_what_is_wrong_is_refused_whole_with_its_place(running: Running) -> None:
    """A broken rule file leaves everything as it was, the good settings beside it included, and says where it is broken."""
    before, config = running.router.intake.rulebook, running.router.config
    result = await running.again(rules=RULES + "  - name: [\n", settings="delivery: {concurrency: 3}\n")
    assert not result.ok
    assert (running.router.intake.rulebook, running.router.config) == (before, config)
    assert running.router.dispatch.concurrency == 16
    (problem,) = result.found
    assert str(problem).startswith(f"{running.folder / 'rules' / 'test.yaml'}:6:1: R001")
    assert running.told.reloads == [(False, result.sentence, result.found)]
    assert result.digest == running.reload.running.digest


async def test_wrong_settings_refuse_good_rules(running: Running) -> None:
    """Rules and settings are one thing: the rules may need what the settings say."""
    before = running.router.intake.rulebook
    result = await running.again(rules=RULES.replace("any", "other"), settings="delivery: {concurrency: none}\n")
    assert not result.ok
    assert running.router.intake.rulebook is before
    assert [problem.place.line for problem in result.found] == [4]


async def test_a_provider_without_its_settings_refuses_the_rules_that_use_it(running: Running) -> None:
    """What would not start is not put in force."""
    before = running.router.intake.rulebook
    result = await running.again(
        rules=TRUSTING.replace("log: {message: heard}", 'buildkite: {pipeline: p, commit: "{{ sha }}", branch: main}')
    )
    assert not result.ok
    assert "The provider `buildkite` is used by a rule and needs settings" in result.sentence
    assert running.router.intake.rulebook is before


async def test_a_bug_refuses_and_is_told(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever goes wrong while reading, the old goes on."""

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(loaded, "read", broken)
    result = await running.reload.again()
    assert not result.ok
    assert "ZeroDivisionError" in result.sentence
    assert running.told.faults
    await running.hear(push(1))
    assert len(await running.deliveries()) == 1


async def test_sources_start_and_stop_and_the_others_do_not_notice(running: Running) -> None:
    """An added source starts, a changed one starts again at its cursor, a removed one ends; the one that stays is the same."""
    stays = running.task("never")
    later = 'later: {schedule: {at: "8000-01-01T00:00:00Z"}}'
    assert (await running.again(sources=f"{NEVER}, {later}")).changed == ("source later added",)
    await running.told.until(lambda: ("later", "up") in running.told.states)
    first = running.task("later")
    cursor = await running.router.store.cursor("later")
    assert cursor is not None
    assert (await running.again(sources=f"{NEVER}, {later.replace('8000', '8001')}")).changed == ("source later changed",)
    assert first.cancelled()
    await running.told.until(lambda: running.told.states.count(("later", "up")) == 2)
    assert await running.router.store.cursor("later") == cursor
    second = running.task("later")
    assert (await running.again()).changed == ("source later removed",)
    assert second.cancelled()
    assert "later" not in running.router.listening.configured
    assert running.task("never") is stays
    assert running.told.states.count(("never", "up")) == 1


class Held(Toy):
    """Delivers when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.let = asyncio.Event()

    async def deliver(self, delivery: Delivery[Any], /) -> Receipt:
        self.made.append(delivery)
        await self.let.wait()
        return Receipt(id="by the old one")


async def test_a_provider_is_opened_again_and_what_is_under_way_keeps_the_old_one(tmp_path: Path) -> None:
    """Changed settings count for the next delivery; the one in a provider's hands ends there, with the plan that it has."""
    write(tmp_path, rules=TRUSTING.replace("log: {message: heard}", 'shell: {argv: ["true"]}'))
    async with started(tmp_path) as running:
        held, router = Held(), running.router
        router.guests["shell"] = replace(router.guests["shell"], provider=held)
        log = router.guests["log"]
        await running.hear(push(1))
        await running.told.until(lambda: running.told.plans)
        while not held.made:
            await asyncio.sleep(0)
        result = await running.again(settings="providers: {shell: {grace: 1s}}\n")
        assert result.changed == ("provider shell changed",)
        assert router.guests["shell"].provider is not held
        assert router.guests["log"] is log
        held.let.set()
        await running.told.until(lambda: running.told.outcomes)
        (outcome,) = running.told.outcomes
        assert outcome.receipt == Receipt(id="by the old one")


async def test_what_needs_a_restart_says_so_and_stays(running: Running) -> None:
    """The store and the spindle are what they are until the router starts again; the rest of the change counts."""
    spindle = f"spindle: {{hostname: spindle.example, owner: {ALICE}}}\n"
    (running.folder / "router.yaml").write_text(
        f"store: {{path: other.db, keep: 2d}}\nsources: {{{NEVER}}}\ndelivery: {{concurrency: 3, lease: 7s}}\n{spindle}"
    )
    result = await running.reload.again()
    assert result.ok
    assert [sentence.split()[0] for sentence in result.kept] == ["store.path", "spindle"]
    config = running.router.config
    assert (config.store_path, config.spindle) == (running.folder / "router.db", None)
    assert (running.router.retention.keep, running.router.dispatch.concurrency, running.router.dispatch.lease) == (172800, 3, 7)
    assert (await running.reload.again()).kept == result.kept


async def test_new_rules_are_tried_on_recorded_events_and_deliver_nothing(running: Running) -> None:
    """The result says what would have been different about the last events; nothing of it happens."""
    await running.hear(push(1), push(2, "topic"))
    before = await running.deliveries()
    tried = (await running.again(rules=RULES.replace('"**"', "main").replace("heard", "seen"))).tried
    assert tried is not None
    assert (tried.events, tried.differing) == (2, 2)
    assert [tried.counted(kind) for kind in (Kind.REMOVED, Kind.CHANGED, Kind.ADDED)] == [1, 1, 0]
    assert await running.deliveries() == before


async def test_reading_keeps_nobody_waiting(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Events are heard and decided, by the rules as they were, while thousands of new ones are being read."""
    reading, heard, read = threading.Event(), threading.Event(), loaded.read

    def slow(*given: Any) -> loaded.Loaded:
        made = read(*given)
        reading.set()
        assert heard.wait(30)
        return made

    monkeypatch.setattr(loaded, "read", slow)
    asking = asyncio.create_task(running.again(rules=RULES.replace("any", "other")))
    while not reading.is_set():
        await asyncio.sleep(0)
    await running.hear(push(1))
    heard.set()
    assert (await asking).ok
    assert await running.deliveries() == {("test/any", push(1).id)}


@pytest.mark.parametrize("rules", [RULES.replace("any", "other"), "rules: ["])
async def test_a_thread_that_builds_gives_way_more_often_than_others(
    running: Running, monkeypatch: pytest.MonkeyPatch, rules: str
) -> None:
    """While new rules are read and tried, and not after that, whether or not they come into force."""
    turn, thresholds = sys.getswitchinterval(), gc.get_threshold()
    seen: list[tuple[float, int, int]] = []

    def watched(work: Callable[..., Any], *given: Any) -> Any:
        _, middle, old = gc.get_threshold()
        seen.append((sys.getswitchinterval(), middle, old))
        return work(*given)

    for module, name in ((loaded, "read"), (reload, "_try")):
        monkeypatch.setattr(module, name, partial(watched, getattr(module, name)))
    result = await running.again(rules=rules)
    assert len(seen) == (2 if result.ok else 1)
    assert all(short == pytest.approx(heap.TURN) for short, _, _ in seen)
    assert all(middle < thresholds[1] and old > thresholds[2] for _, middle, old in seen)
    assert (sys.getswitchinterval(), gc.get_threshold()) == (turn, thresholds)


class Resolver(Server):
    """Knows alice."""

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/xrpc/com.atproto.identity.resolveHandle", self._resolve)]

    async def _resolve(self, request: web.Request) -> web.Response:
        assert request.query["handle"] == "alice.example"
        return web.json_response({"did": ALICE})


async def test_handles_of_new_rules_are_asked_for_and_what_waited_is_planned(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rule that names somebody new has them resolved at once, by the resolver that the new settings name; an event that came
    before the answer is planned again."""
    monkeypatch.setattr(directory, "AGAIN", 3600.0)
    asks = RULES.replace('branch: "**"', 'owner: "@alice.example"')
    assert (await running.again(rules=asks, settings='identity: {resolver: "http://127.0.0.1:9"}\n')).ok
    await running.hear(push(1))
    assert not await running.deliveries()
    async with Resolver("resolver") as served:
        assert (await running.again(settings=f'identity: {{resolver: "{served.url}"}}\n')).changed == ("identity",)
        await running.told.until(lambda: running.told.outcomes)
    assert await running.deliveries() == {("test/any", push(1).id)}


async def test_it_is_read_when_asked(running: Running) -> None:
    """As by SIGHUP."""
    running.write(rules=RULES.replace("any", "other"))
    running.asked.set()
    await running.told.until(lambda: running.told.reloads)
    assert [rule.id for rule in running.router.intake.rulebook.rules] == ["test/other"]


@asynccontextmanager
async def watching(running: Running) -> AsyncIterator[None]:
    config = running.reload.running.config
    running.reload.running = replace(
        running.reload.running, config=replace(config, reload=config.reload.model_copy(update={"watch": True}))
    )
    task = asyncio.create_task(watch.Watch(running.reload, running.told).run())
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def watched(folder: Path) -> None:
    text = (folder / "router.yaml").read_text().replace("reload: {watch: false}\n", "")
    (folder / "router.yaml").write_text(text)


def put(file: Path, text: str) -> None:
    """At once, as editors do: a file that is being written may be read half."""
    half = file.with_name(".half")
    half.write_text(text)
    half.replace(file)


async def test_a_file_that_changes_is_read(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one in a folder that is new; and what is written again with the same text is no change."""
    monkeypatch.setattr(watch, "EVERY", 0.02)
    monkeypatch.setattr(watch, "SETTLE", 0.01)
    watched(running.folder)
    async with watching(running):
        await running.told.until(lambda: running.told.reloads)  # the setting itself
        put(running.folder / "rules" / "test.yaml", RULES.replace("any", "other"))
        await running.told.until(lambda: len(running.told.reloads) == 2)
        put(running.folder / "rules" / "test.yaml", RULES.replace("any", "other"))
        (running.folder / "rules" / "more").mkdir()
        put(running.folder / "rules" / "more" / "new.yaml", RULES)
        await running.told.until(lambda: len(running.told.reloads) == 3)
        put(running.folder / "rules" / "more" / "new.yaml", RULES.replace("any", "last"))
        await running.told.until(lambda: len(running.told.reloads) == 4)
    assert [rule.id for rule in running.router.intake.rulebook.rules] == ["more/new/last", "test/other"]
    assert all(ok for ok, _, _ in running.told.reloads)


def test_links_are_watched_where_they_are_and_where_they_lead(tmp_path: Path) -> None:
    """The folder of the link sees it swapped, that of the file sees it written."""
    real = tmp_path / "real"
    real.mkdir()
    write(real, rules=RULES)
    mounted = tmp_path / "mounted"
    mounted.mkdir()
    for name in ("router.yaml", "rules"):
        (mounted / name).symlink_to(real / name)
    found = watch.folders(loaded.read(mounted / "router.yaml"))
    assert set(found) == {mounted, real, real / "rules"}


def test_a_file_is_known_by_what_the_system_says_of_it(tmp_path: Path) -> None:
    """Written over, renamed over, or behind a link that leads elsewhere: each is another stamp. The store has none."""
    one, other = tmp_path / "one.yaml", tmp_path / "other"
    one.write_text("rules: []")
    (tmp_path / "router.db").write_text("")
    other.mkdir()
    (other / "two.yaml").write_text("rules: []")
    (tmp_path / "gone.yaml").symlink_to(tmp_path / "nowhere")
    seen = [watch.stamps([tmp_path, tmp_path / "missing"])]
    assert set(seen[0]) == {str(one), str(other)}
    one.write_text("rules: [ ]")
    seen.append(watch.stamps([tmp_path]))
    one.unlink()
    one.symlink_to(other / "two.yaml")
    seen.append(watch.stamps([tmp_path]))
    assert len({stamps[str(one)] for stamps in seen}) == 3


def test_a_file_that_is_written_over_with_its_old_time_is_seen(tmp_path: Path) -> None:
    """As `cp -p` does where all files bear one time: neither its size, nor its time, nor itself is another."""
    one = tmp_path / "one.yaml"
    one.write_text("branch: main")
    before, seen = one.stat(), watch.stamps([tmp_path])
    while watch.stamps([tmp_path]) == seen and one.stat().st_ctime_ns == before.st_ctime_ns:
        # The system's clock for files may not have moved since.
        one.write_text("branch: prod")
        os.utime(one, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = one.stat()
    assert (after.st_size, after.st_mtime_ns, after.st_ino) == (before.st_size, before.st_mtime_ns, before.st_ino)
    assert watch.stamps([tmp_path]) != seen


async def test_what_cannot_be_looked_at_is_told(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the router goes on, and tries again."""

    def broken(_: object) -> list[Path]:
        raise PermissionError("Permission denied")

    monkeypatch.setattr(watch, "folders", broken)
    async with watching(running):
        await running.told.until(lambda: running.told.faults)
    assert "Files cannot be watched (Permission denied)" in running.told.faults[0]


async def test_what_the_system_does_not_tell_is_found_by_a_second_look(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is written twice within what a file system counts as one moment bears one stamp."""
    stamped = iter([{"a": 1}, {"a": 2}])
    monkeypatch.setattr(watch, "EVERY", 0.01)
    monkeypatch.setattr(watch, "SETTLE", 0.01)
    monkeypatch.setattr(watch, "stamps", lambda _: next(stamped, {"a": 2}))
    looks: list[int] = []

    async def look() -> None:
        looks.append(1)
        running.told.news.set()

    monkeypatch.setattr(running.reload, "look", look)
    async with watching(running):
        await running.told.until(lambda: len(looks) == 3)
