"""The verbs that look into the store: `sources`, `events`, `deliveries`, and `explain --event-id`."""

from __future__ import annotations

import asyncio
import io
import json
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from router.core import envelope, plan, rules
from router.core.model import Outcome, Plan, State, changed
from router.core.problems import Problems
from router.engine.bell import Bell
from router.engine.log import LogObserver, configure
from router.engine.store.base import Arrival, SourceRow
from router.engine.store.sqlite import open_store
from router.health import Sources
from router.plugins import OptionModels
from router.testing import FakeClock
from router.web import opening
from router.web.listed import source_row
from router.web.unix import socket_path
from tests.web.parts import desk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Call  # type: ignore[import-not-found]

    from router.core.rulebook import Rulebook

NOW = 1_795_435_201_000_000
RULES = """\
rules:
  - name: good
    when: {trigger: push, branch: main}
    do: [{log: {message: "push to {{ branch }}"}}]
  - name: refused
    when: {trigger: push, branch: main}
    do: [{log: {message: again}}]
  - name: broken
    when: {trigger: push, branch: main}
    do: [{log: {message: "{{ record.missing }}"}}]
"""


@pytest.fixture(autouse=True)
def _heard(call: Call, folder: Path) -> None:
    """A project whose store has one push: a delivery that waits, one that was refused and is dead, one that never was fit."""
    assert call("init", ".").code == 0
    (folder / "rules/first.yaml").write_text(RULES)
    event = envelope.event_from(json.loads((folder / "events/push.json").read_text()))
    book = rules.load([rules.RuleText("first", "rules/first.yaml", RULES)], OptionModels(), Problems())

    async def fill() -> None:
        store = await open_store(folder / "router.db")
        arrivals = [
            Arrival(source="knot", cursor=7, event=event, plan=plan.plan(event, book, {}), keep=True),
            Arrival(source="old", cursor=3, bad="The frame is not JSON.", frame=b"{"),
        ]
        await store.accept(arrivals, NOW)
        for claim in await store.claim("a test", 10, 30.0, NOW, {}):
            dead = claim.delivery.rule == "first/refused"
            outcome = Outcome(state=State.DEAD, reason="refused") if dead else Outcome(state=State.READY, due=NOW)
            assert await store.settle(claim, outcome, NOW)
        await store.close()

    asyncio.run(fill())


def deliveries(call: Call, *args: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(call("deliveries", "list", "--output", "json", *args).out)
    return found


def the_refused_one(call: Call) -> str:
    (row,) = deliveries(call, "--rule", "first/refused")
    return str(row["id"])


def test_sources_are_listed_with_how_far_they_were_heard(call: Call) -> None:
    """Configured sources and those that only the store remembers, with cursor, events and bad frames."""
    code, out, err = call("sources")
    rows = [line.split() for line in out.splitlines()]
    assert (code, err) == (0, "")
    assert rows[1][:9] == ["knot", "knot", "unknown", "-", "7", "-", "-", "2026-11-23T12:00:01Z", "1"]
    assert rows[2][:5] == ["old", "-", "unknown", "-", "3"]
    assert rows[2][-5:] == ["The", "frame", "is", "not", "JSON."]
    found = json.loads(call("sources", "--output", "json").out)
    assert [(row["name"], row["kind"], row["cursor"], row["events"], row["bad_frames"]) for row in found] == [
        ("knot", "knot", 7, 1, 0),
        ("old", None, 3, 0, 1),
    ]


@pytest.mark.fault("T-10")
def test_a_running_router_tells_how_its_sources_stand(call: Call, folder: Path) -> None:
    """State, since when, lag, gaps, and what went wrong last; of sources that the spindle opened, too."""
    sources = Sources(FakeClock(NOW))
    sources.source("knot", "down", "knot.example: it did not answer in time.")
    sources.source("knot", "up", "Listening to knot.example.")
    sources.gap("knot", "What came first is missed.")
    sources.source("knot:dead.example", "quarantined", "dead.example: it did not answer in time; dialled once an hour.")
    event = envelope.event_from(json.loads((folder / "events/push.json").read_text()), source="knot")
    sources.planned(changed(event, time=NOW - 3_000_000), Plan(), fresh=True)
    with running(folder / "router.db", sources=sources):
        out = call("sources").out.splitlines()
        found = {row["name"]: row for row in json.loads(call("sources", "--output", "json").out)}
    (up,), (dead,) = ([line for line in out if line.startswith(name)] for name in ("knot  ", "knot:dead"))
    assert up.split()[2:4] == ["up", "2026-11-23T12:00:01Z"]
    assert up.endswith("What came first is missed.")
    assert dead.endswith("dialled once an hour.")
    assert (found["knot"]["lag"], found["knot"]["cursor"], found["knot"]["gaps"]) == (3.0, 7, 1)
    assert (found["knot"]["last_error"], found["knot"]["failed"]) == ("knot.example: it did not answer in time.", NOW)
    assert (found["knot:dead.example"]["state"], found["knot:dead.example"]["since"]) == ("quarantined", NOW)


def test_cursors_have_an_age_where_they_are_times() -> None:
    """In the count of their kind; a number of a line has none."""
    remembered = [SourceRow(name="x", cursor=cursor, updated=NOW) for cursor in ((NOW - 5_000_000) * 1000, NOW - 5_000_000, 7)]
    kinds = [("x", "knot"), ("x", "jetstream"), ("x", "replay"), ("knot:a.example", None), ("spindle:jetstream", None)]
    rows = [remembered[0], remembered[1], remembered[2], remembered[0], remembered[1]]
    ages = [source_row(name, kind, None, row, None, NOW)["cursor_age"] for (name, kind), row in zip(kinds, rows, strict=True)]
    assert ages == [5.0, 5.0, None, 5.0, 5.0]


def test_events_are_listed_and_shown(call: Call) -> None:
    """An event has a number by which it can be shown; what is shown can be read as an event again."""
    code, out, _ = call("events", "list")
    assert code == 0
    assert out.splitlines()[1].split()[:4] == ["1", "2026-11-23T12:00:01Z", "knot", "sh.tangled.git.refUpdate"]
    (row,) = json.loads(call("events", "list", "--output", "json").out)
    assert (row["number"], row["deliveries"], sorted(row["matched"])) == (1, 3, ["first/broken", "first/good", "first/refused"])
    shown = json.loads(call("events", "show", "1", "--output", "json").out)
    assert envelope.event_from(shown["event"]).fields["branch"] == "main"
    assert "ref: refs/heads/main" in call("events", "show", "1").out


def test_a_delivery_leads_to_its_event_and_the_event_to_its_deliveries(call: Call) -> None:
    """Any id in the log is enough to find everything."""
    whole = the_refused_one(call)
    shown = json.loads(call("events", "show", whole, "--output", "json").out)
    assert shown["number"] == 1
    assert {(one["rule"], one["state"]) for one in shown["led_to"]} == {
        *(("first/good", "ready"), ("first/refused", "dead"), ("first/broken", "dead"))
    }
    assert [one["reason"] for one in shown["led_to"] if one["id"] == whole] == ["refused"]
    assert json.loads(call("deliveries", "show", whole, "--output", "json").out)["event"] == 1


@pytest.mark.fault("T-31")
def test_more_deliveries_than_an_event_may_have_are_told(call: Call, folder: Path) -> None:
    """In the log, with the event, and when it is explained: what is cut off is not dropped in silence."""
    told = "more than 256 deliveries for one event: the rest is not made"
    text = 'rules: [{name: fan, when: {trigger: push}, each: "$.changedFiles", do: [{log: {message: "{{ item }}"}}]}]\n'
    (folder / "rules/first.yaml").write_text(text)
    book = rules.load([rules.RuleText("first", "rules/first.yaml", text)], OptionModels(), Problems())
    sent = json.loads((folder / "events/push.json").read_text())
    sent["event"]["changedFiles"] = [f"src/{number}.py" for number in range(300)]
    event = changed(envelope.event_from(sent), id="sh.tangled.git.refUpdate/3mvhu2kwuyh33")
    made = plan.plan(event, book, {})

    async def fill() -> None:
        store = await open_store(folder / "router.db")
        await store.accept([Arrival(source="knot", event=event, plan=made, keep=True)], NOW)
        await store.close()

    asyncio.run(fill())
    log = io.StringIO()
    configure("json", "warning", log)
    LogObserver().planned(event, made, fresh=True)
    structlog.reset_defaults()
    (line,) = [json.loads(one) for one in log.getvalue().splitlines()]
    assert (line["level"], line["rule"], line["reason"]) == ("warning", "first/fan", told)
    assert told in call("events", "show", "2").out
    shown = json.loads(call("events", "show", "2", "--output", "json").out)
    assert (len(shown["led_to"]), [one["sentence"] for one in shown["troubles"]]) == (256, [told])
    assert told in call("explain", "--event-id", "2", "rules").out


@pytest.mark.parametrize(
    ("quotas", "reason"),
    [("{}", ""), ("{all: {in_flight: 1}}", "over quota: everybody together has 1 under way, as many as may be at once")],
)
def test_a_delivery_says_what_quota_it_waits_for(call: Call, folder: Path, quotas: str, reason: str) -> None:
    """What else is under way is not in its row: the quotas of router.yaml say whether it is too much."""
    with (folder / "router.yaml").open("a") as file:
        file.write(f"quotas: {quotas}\n")

    async def take() -> None:
        store = await open_store(folder / "router.db")
        await store.retry([row["id"] for row in deliveries_here if row["rule"] != "first/broken"], NOW)
        assert len(await store.claim("a test", 1, 30.0, NOW, {})) == 1
        await store.close()

    deliveries_here = deliveries(call)
    asyncio.run(take())
    (waits,) = deliveries(call, "--state", "ready")
    assert waits["reason"] == reason
    assert json.loads(call("deliveries", "show", waits["id"], "--output", "json").out)["reason"] == reason


def test_events_can_be_filtered(call: Call) -> None:
    """A filter that nothing passes lists nothing, and exits with 0."""
    assert json.loads(call("events", "list", "--nsid", "x.y.z", "--output", "json").out) == []
    assert len(json.loads(call("events", "list", "--matched", "--output", "json").out)) == 1


@pytest.mark.parametrize("verb", [("events", "show", "99"), ("explain", "--event-id", "99")])
def test_an_event_that_is_not_there_is_a_sentence(call: Call, verb: tuple[str, ...]) -> None:
    """A wrong number exits with 2 and says how to find the right one."""
    assert call(*verb)[::2] == (2, "router: The store has no event 99: `router events list` shows which there are.\n")


def test_a_recorded_event_can_be_explained(call: Call) -> None:
    """`explain --event-id` takes the event from the store and the rules as they are now."""
    code, out, _ = call("explain", "--event-id", "1", "rules")
    assert code == 0
    assert out.startswith("sh.tangled.git.refUpdate from knot, main\n\nyes  good\n")


def test_deliveries_are_listed_and_filtered(call: Call) -> None:
    """Each filter leaves what it names."""
    assert {(row["rule"], row["state"]) for row in deliveries(call)} == {
        ("first/good", "ready"),
        ("first/refused", "dead"),
        ("first/broken", "dead"),
    }
    assert [row["rule"] for row in deliveries(call, "--rule", "first/good")] == ["first/good"]
    assert deliveries(call, "--repo", "did:plc:other") == []
    assert len(deliveries(call, "--limit", "1")) == 1
    assert call("deliveries", "list").out.splitlines()[0].split()[:4] == ["ID", "STATE", "RULE", "PROVIDER"]


def test_a_delivery_is_shown_by_the_beginning_of_its_id(call: Call) -> None:
    """Twelve characters, as the list shows them, are enough."""
    whole = the_refused_one(call)
    code, out, _ = call("deliveries", "show", whole[:12])
    assert code == 0
    assert f"id: {whole}\n" in out
    assert "state: dead\n" in out
    assert json.loads(call("deliveries", "show", whole, "--output", "json").out)["rule"] == "first/refused"
    assert call("deliveries", "show", "ffffffffffff").code == 2


def test_a_dead_delivery_can_be_retried_without_a_router(call: Call) -> None:
    """No router runs: the store is changed directly."""
    whole = the_refused_one(call)
    assert call("deliveries", "retry", whole[:12]) == (0, f"{whole}\n", "1 delivery to retry.\n")
    assert [row["state"] for row in deliveries(call, "--rule", "first/refused")] == ["ready"]


def test_what_cannot_be_changed_is_told(call: Call) -> None:
    """A delivery that could not be rendered has nothing to be made with: retrying it changes nothing, and exits with 1."""
    (row,) = deliveries(call, "--rule", "first/broken")
    code, out, err = call("deliveries", "retry", row["id"])
    assert (code, out) == (1, "")
    assert err.startswith(f"{row['id']} cannot be changed:")


def test_all_dead_deliveries_can_be_discarded(call: Call) -> None:
    """`--state dead --all` means every dead one, and says which it were."""
    dead = {row["id"] for row in deliveries(call, "--state", "dead")}
    done = call("deliveries", "discard", "--state", "dead", "--all", "--output", "json")
    assert (done.code, set(json.loads(done.out)["changed"])) == (0, dead)
    assert {row["id"] for row in deliveries(call, "--state", "discarded")} == dead
    assert deliveries(call, "--state", "dead") == []


@pytest.mark.parametrize("args", [(), ("--state", "dead"), ("--all",), ("abcdef012345", "--state", "dead", "--all")])
def test_what_is_meant_must_be_clear(call: Call, args: tuple[str, ...]) -> None:
    """Ids, or a state and --all: nothing else changes anything."""
    code, _, err = call("deliveries", "discard", *args)
    assert code == 2
    assert "Name deliveries by their IDs, or dead ones by --state dead with --all, --rule, --since and so on." in err


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        (("--rule", "first/refused"), True),
        (("--rule", "first/good"), False),
        (("--provider", "log"), True),
        (("--provider", "shell"), False),
        (("--since", "2026-11-23T00:00Z"), True),
        (("--since", "2026-11-25"), False),
        (("--since", "1h"), False),
        (("--repo", "did:plc:nobody"), False),
        (("--rule", "first/refused", "--provider", "log", "--since", "2026-11-23"), True),
    ],
)
def test_some_dead_deliveries_can_be_retried(call: Call, filters: tuple[str, ...], found: bool) -> None:  # noqa: FBT001
    """By rule, provider, repo and since when they are dead, or how long ago; nothing else changes."""
    refused = the_refused_one(call)
    done = call("deliveries", "retry", "--state", "dead", *filters, "--output", "json")
    assert (done.code, refused in json.loads(done.out)["changed"]) == (0, found)


def test_when_is_a_moment_or_a_duration(call: Call) -> None:
    """Anything else is said so."""
    code, _, err = call("deliveries", "retry", "--state", "dead", "--since", "yesterday")
    assert (code, "--since is a duration, like 2h, or a moment" in err) == (2, True)


def test_destinations_are_a_running_routers(call: Call) -> None:
    """Without one that is said."""
    code, _, err = call("deliveries", "destinations")
    assert (code != 0, "No router runs on the store" in err) == (True, True)


async def _answers(path: Path) -> bool:
    try:
        _, writer = await asyncio.open_unix_connection(path)
    except (FileNotFoundError, ConnectionRefusedError):
        return False
    writer.close()
    await writer.wait_closed()
    return True


@contextmanager
def running(store_path: Path, book: Rulebook | None = None, sources: Sources | None = None) -> Iterator[Bell]:
    """A router as far as the command line can tell: it holds the store's lock and serves the socket, in a thread."""
    bell, ready, stopping = Bell(), threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        store = await open_store(store_path)
        task = asyncio.ensure_future(opening.serve(desk(store, book, bell=bell, sources=sources), store_path))
        while not await _answers(socket_path(store_path)):
            await asyncio.sleep(0)
        ready.set()
        await stopping.wait()
        task.cancel()
        await asyncio.wait([task])
        await store.close()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        assert ready.wait(30)
        yield bell
    finally:
        loop.call_soon_threadsafe(stopping.set)
        thread.join(30)
        loop.close()


def test_a_running_router_is_asked_to_change_its_store(call: Call, folder: Path) -> None:
    """Beside a running router, its socket is used: one process writes, and it wakes up at once."""
    whole = the_refused_one(call)
    with running(folder / "router.db") as bell:
        before = bell.count
        assert call("deliveries", "retry", whole) == (0, f"{whole}\n", "1 delivery to retry.\n")
        assert bell.count > before
        assert [row["state"] for row in deliveries(call, "--rule", "first/refused")] == [State.READY]


@pytest.mark.parametrize("verb", [("events", "list"), ("deliveries", "list"), ("deliveries", "retry", "abcdef012345")])
def test_without_a_store_there_is_nothing_to_look_into(call: Call, folder: Path, verb: tuple[str, ...]) -> None:
    """A project that never ran has no store, and looking does not make one. It went wrong while running: 3."""
    (folder / "router.yaml").write_text("store: {path: other.db}\n")
    assert call(*verb) == (3, "", "router: There is no store at other.db: `router run` makes it.\n")
    assert not Path("other.db").exists()
