"""Traces: what spans there are, that they are one trace whatever happens in between, and where they go."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased
from opentelemetry.trace import StatusCode

from router import app, otlp
from router.core.errors import Transient
from router.core.model import Entry, Heard, Plan, Receipt, Status, changed
from router.demo.server import Server
from router.engine.store.sqlite import open_store
from router.observe import Silent, several
from router.testing import FakeClock
from router.tracing import MOST, Given, Tracing, span_of, trace_of
from tests.engine.way.parts import START, Engine, Listed, LookingToy, Told, assemble, push
from tests.test_app import Told as Waiting
from tests.test_app import project

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from pathlib import Path

    from opentelemetry.sdk.trace import ReadableSpan

    from router.engine.store.base import Store

EVENT = push()
TRACE = trace_of(EVENT.origin, EVENT.id)


class Traced:
    """An engine whose spans are kept."""

    def __init__(self, store: Store, time: FakeClock, **sampling: Any) -> None:
        self.exporter, ids = InMemorySpanExporter(), Given()
        provider = TracerProvider(id_generator=ids, shutdown_on_exit=False, **sampling)
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracing = Tracing(provider, ids, time)
        self.told = Told()
        self.toy = LookingToy()
        self.engine: Engine = assemble(store, time, cast("Told", several(self.tracing, self.told)), self.toy)
        self.engine.dispatch.trace = self.tracing.traceparent

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self.exporter.get_finished_spans())

    def named(self, name: str) -> ReadableSpan:
        (found,) = (span for span in self.spans if span.name == name)
        return found


@pytest.fixture
def time() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    made = await open_store(":memory:")
    yield made
    await made.close()


def ids(span: ReadableSpan) -> tuple[int, int, int | None]:
    assert span.context is not None
    return span.context.trace_id, span.context.span_id, span.parent.span_id if span.parent is not None else None


async def test_one_trace_from_the_frame_to_the_status(store: Store, time: FakeClock) -> None:
    """The event, below it the attempts, and below the one that made it its statuses; the other side is told where it is."""
    traced = Traced(store, time)
    traced.toy.answers = deque([Transient("busy"), Receipt(id="x", url="https://ci/1")])
    await traced.engine.hear(EVENT)
    await traced.engine.work()
    time.forward(10)
    await traced.engine.work()
    (row,) = await store.deliveries()
    entry = Entry(delivery=row.id, workflow="ci", status=Status.SUCCESS, at=time.now() + 5_000_000)
    traced.tracing.reported(entry)
    root, first, second = span_of(TRACE), span_of(TRACE, row.id, 1), span_of(TRACE, row.id, 2)
    found = [(span.name, *ids(span)) for span in traced.spans]
    assert [(name, trace, parent) for name, trace, _, parent in found] == [
        ("event sh.tangled.git.refUpdate", TRACE, None),
        ("status pending", TRACE, root),
        ("deliver toy", TRACE, root),
        ("deliver toy", TRACE, root),
        ("status success", TRACE, second),
    ]
    assert len({span for _, _, span, _ in found}) == 5
    assert [made.trace for made in traced.toy.made] == [f"00-{TRACE:032x}-{one:016x}-01" for one in (first, second)]
    failed, made = (span for span in traced.spans if span.name == "deliver toy")
    assert (failed.status.status_code, failed.status.description) == (StatusCode.ERROR, "busy")
    assert made.status.status_code is StatusCode.UNSET
    assert made.attributes is not None
    assert (made.attributes["router.attempt"], made.attributes["url.full"]) == (2, "https://ci/1")
    over = traced.named("status success")
    assert (over.start_time, over.end_time) == (time.now() * 1000, entry.at * 1000)


async def test_an_event_says_what_rules_made_of_it(store: Store, time: FakeClock) -> None:
    """From when it was heard to when it was stored, with the rules that matched, and each delivery that was planned."""
    traced = Traced(store, time)
    traced.tracing.heard(EVENT)
    begun = time.now()
    time.forward(2)
    await traced.engine.hear(EVENT)
    span = traced.named("event sh.tangled.git.refUpdate")
    assert span.attributes is not None
    assert span.attributes["router.rules"] == ("test/build",)
    assert (span.start_time or 0) >= begun * 1000
    assert span.end_time == time.now() * 1000
    (planned,) = span.events
    assert planned.attributes is not None
    assert (planned.name, planned.attributes["router.provider"], planned.attributes["state"]) == ("planned", "toy", "ready")


async def test_what_no_rule_is_about_and_what_is_known_makes_no_span(store: Store, time: FakeClock) -> None:
    """A whole network passes by, and is heard again after each start."""
    traced = Traced(store, time)
    await traced.engine.hear(EVENT, push(2, "elsewhere"))
    many = len(traced.spans)
    await traced.engine.hear(EVENT, first=3)
    assert len(traced.spans) == many == 2  # the event and its `pending`
    assert not traced.tracing._heard


async def test_a_router_that_was_started_again_goes_on_in_the_trace(store: Store, time: FakeClock) -> None:
    """It knows the delivery's trace by what is in the store anyway: attempts and statuses, and what the other side is told."""
    before = Traced(store, time)
    await before.engine.hear(EVENT)
    after = Traced(store, time)
    await after.engine.work()
    (row,) = await store.deliveries()
    attempt = span_of(TRACE, row.id, 1)
    assert ids(after.named("deliver toy")) == (TRACE, attempt, span_of(TRACE))
    last = Traced(store, time)
    looking = asyncio.create_task(last.tracing.run(store))
    last.tracing.reported(Entry(delivery=row.id, workflow="ci", status=Status.FAILED, at=time.now() + 1, error="exit 1"))
    last.tracing.reported(Entry(delivery="f" * 32, workflow="ci", status=Status.FAILED, at=START))
    while last.tracing._unknown or not last.spans:
        await asyncio.sleep(0)
    looking.cancel()
    (status,) = last.spans
    assert (ids(status)[0], ids(status)[2]) == (TRACE, attempt)
    assert status.status.status_code is StatusCode.ERROR


async def test_what_is_not_sampled_is_said_so_and_not_sent(store: Store, time: FakeClock) -> None:
    """The other side is told the decision, so that half a trace is nowhere."""
    traced = Traced(store, time, sampler=ParentBased(ALWAYS_OFF))
    await traced.engine.hear(EVENT)
    await traced.engine.work()
    assert traced.spans == []
    assert traced.toy.made[0].trace.endswith("-00")


async def test_an_event_that_waits_has_its_own_span_when_it_is_decided(store: Store, time: FakeClock) -> None:
    """There is one span of the event, whenever what it waited for is known."""
    traced = Traced(store, time)
    rules = 'rules: [{name: a, when: {trigger: push, owner: "@bob.example"}, do: [toy: {}]}]'
    traced.engine = assemble(store, time, cast("Told", several(traced.tracing, traced.told)), traced.toy, rules)
    await traced.engine.hear(EVENT)
    assert [span.name for span in traced.spans] == ["event waits"]
    traced.engine.directory.identities["bob.example"] = EVENT.record["ownerDid"]
    await traced.engine.intake.plan_again()
    assert [span.name for span in traced.spans][1:] == ["event sh.tangled.git.refUpdate"]
    assert ids(traced.spans[0])[2] == ids(traced.spans[1])[1]


async def test_strangers_words_are_short_and_whole_characters(store: Store, time: FakeClock) -> None:
    """Half a character would make the exporter drop the batch that it is in."""
    traced = Traced(store, time)
    traced.tracing.planned(changed(EVENT, id="\ud800" + "x" * 5000), Plan(matched=("a/b",)), fresh=True)
    assert len(traced.spans) == 1
    for span in traced.spans:
        for value in (span.attributes or {}).values():
            if isinstance(value, str):
                assert len(value) <= 1000
                value.encode()


async def test_what_is_remembered_is_bounded(store: Store, time: FakeClock) -> None:
    """A router that runs for a year remembers no year."""
    traced = Traced(store, time)
    for number in range(MOST + 10):
        traced.tracing.heard(push(number))
    assert len(traced.tracing._heard) == MOST


def test_who_is_silent_is_not_called(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some calls are made for every event of a network, and only who traces wants them."""

    def called(_observer: Silent, _event: object) -> None:
        pytest.fail("it was called")

    monkeypatch.setattr(Silent, "heard", called)
    several(Told(), Silent()).heard(EVENT)


# Where they go


class Collector(Server):
    """An OTLP/HTTP collector on loopback."""

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        self.spans: list[Any] = []
        self.resources: list[dict[str, str]] = []
        self.headers: list[Any] = []
        self.status = 200
        self.asked = asyncio.Event()
        return [web.post("/v1/traces", self._take)]

    async def _take(self, request: web.Request) -> web.Response:
        told = ExportTraceServiceRequest.FromString(await request.read())
        self.headers.append(request.headers)
        for one in told.resource_spans:
            self.resources.append({pair.key: pair.value.string_value for pair in one.resource.attributes})
            self.spans += [span for scope in one.scope_spans for span in scope.spans]
        self.asked.set()
        return web.Response(status=self.status)


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    async with Collector("collector") as server:
        yield server


@asynccontextmanager
async def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: Waiting) -> AsyncIterator[None]:
    """A router that hears one push, delivers it, and is stopped."""
    made, book = project(tmp_path)
    opened = {"listed": Listed([Heard(event=EVENT, cursor=1)])}
    monkeypatch.setattr("router.listening.Listening.opened", lambda _listening, _configured: opened)
    stop = asyncio.Event()
    task = asyncio.create_task(app.run(made, book, told, stop=stop))
    await told.until(lambda: told.outcomes)
    yield
    stop.set()
    await task


async def test_a_running_router_sends_its_traces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, collector: Collector) -> None:
    """To a real collector, all that there are when it stops: one trace, of a service with a name and a version."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-team=core")
    told = Waiting()
    async with running(tmp_path, monkeypatch, told):
        pass
    assert told.faults == []
    assert {int.from_bytes(span.trace_id) for span in collector.spans} == {TRACE}
    assert [span.name for span in collector.spans] == ["event sh.tangled.git.refUpdate", "deliver log", "status success"]
    assert collector.spans[1].parent_span_id == collector.spans[0].span_id
    assert collector.resources[0]["service.name"] == "tangled-router"
    assert collector.resources[0]["service.version"]
    assert collector.headers[0]["x-team"] == "core"


async def test_a_collector_that_refuses_is_told_of_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    """Deliveries go on, the log has a line of the router's own and none of a library's."""
    collector.status = 400
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", f"{collector.url}/v1/traces")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "1")
    told = Waiting()
    async with running(tmp_path, monkeypatch, told):
        await told.until(lambda: told.faults)
    (fault,) = told.faults
    assert fault.startswith("Spans cannot be sent: Failed to export")
    assert "400" in fault
    assert not [record for record in caplog.records if record.name.startswith("opentelemetry")]
    assert logging.getLogger("opentelemetry").handlers == []


async def test_a_collector_that_hangs_keeps_nobody_from_stopping(monkeypatch: pytest.MonkeyPatch) -> None:
    """A router that stops gives the last spans a moment, and no more."""
    monkeypatch.setattr(otlp, "LINGER", 0.01)
    hung, begun = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def shutdown() -> None:
        loop.call_soon_threadsafe(begun.set)
        asyncio.run_coroutine_threadsafe(hung.wait(), loop).result(30)

    await otlp._finished(shutdown)
    await begun.wait()
    hung.set()


async def test_without_the_extra_it_is_said_what_is_missing(monkeypatch: pytest.MonkeyPatch, time: FakeClock) -> None:
    """One line, with the command that mends it; the router runs."""
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    told = Told()
    async with otlp.tracing({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}, time, told) as made:
        assert made is None
    assert told.faults == [
        "OTEL_EXPORTER_OTLP_ENDPOINT is set, and OpenTelemetry is missing: pip install 'tangled-router[otel]'."
    ]


async def test_variables_that_cannot_be_read_stop_nothing(monkeypatch: pytest.MonkeyPatch, time: FakeClock) -> None:
    """What is not spoken is said as well."""
    told = Told()
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "-1")
    async with otlp.tracing(environ, time, told) as made:
        assert made is None
    monkeypatch.delenv("OTEL_BSP_MAX_QUEUE_SIZE")
    async with otlp.tracing(environ, time, told) as made:
        assert made is not None
    first, second = told.faults
    assert first.startswith("No traces: OpenTelemetry cannot be set up as its variables say.")
    assert second.startswith("Traces are sent as http/protobuf: grpc is not spoken.")


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({}, ""),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": " "}, ""),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c"}, "OTEL_EXPORTER_OTLP_ENDPOINT"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c"}, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_SDK_DISABLED": "TRUE"}, ""),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_TRACES_EXPORTER": "none"}, ""),
    ],
)
def test_only_who_asks_is_traced(environ: dict[str, str], name: str) -> None:
    """By OpenTelemetry's own variables."""
    assert otlp.wanted(environ) == name


def test_nobody_else_pays_for_it() -> None:
    """A router that is told of no endpoint imports nothing of OpenTelemetry."""
    code = "import router.app, sys; print([name for name in sys.modules if name.startswith('opentelemetry')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=50)
    assert done.stdout.strip() == "[]"
