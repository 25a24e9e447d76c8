"""Where traces go: OpenTelemetry's own exporter, set up by OpenTelemetry's own variables.

A router that is told of no endpoint imports nothing of it. It is an extra: `pip install 'tangled-router[otel]'`.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from router.host import Clock
    from router.observe import Observer
    from router.tracing import Tracing

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
SPEAKS = "http/protobuf"
#: Seconds that a router which stops gives to the last spans.
LINGER = 3.0
#: Seconds until it is told again that spans cannot be sent.
AGAIN = 600.0


def wanted(environ: Mapping[str, str]) -> str:
    """The variable that asks for traces; empty where none does."""
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true" or environ.get("OTEL_TRACES_EXPORTER") == "none":
        return ""
    return next((name for name in ENDPOINTS if environ.get(name, "").strip()), "")


@asynccontextmanager
async def tracing(environ: Mapping[str, str], clock: Clock, observer: Observer) -> AsyncIterator[Tracing | None]:
    """An observer that traces, for as long as this is open; None where no traces are wanted, or none can be made."""
    made = None
    if name := wanted(environ):
        try:
            made = _opened(environ, clock)
        except ImportError:
            observer.fault("tracing", f"{name} is set, and OpenTelemetry is missing: pip install 'tangled-router[otel]'.")
        except Exception as error:  # noqa: BLE001 - a variable that OpenTelemetry cannot read is no reason to stand still
            observer.fault("tracing", f"No traces: OpenTelemetry cannot be set up as its variables say. {error}")
    if made is None:
        yield None
        return
    protocol = next((environ[one] for one in _PROTOCOLS if environ.get(one)), SPEAKS)
    if protocol != SPEAKS:
        observer.fault("tracing", f"Traces are sent as {SPEAKS}: {protocol} is not spoken. The endpoint is asked all the same.")
    complaints = _Complaints(clock, observer.fault)
    try:
        yield made
    finally:
        await _finished(made.provider.shutdown)
        complaints.close()


def _opened(environ: Mapping[str, str], clock: Clock) -> Tracing:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - an extra
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - as above
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - as above
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - as above

    from router.http import product  # noqa: PLC0415 - as above
    from router.tracing import Given, Tracing  # noqa: PLC0415 - it imports what is an extra

    ids = Given()
    about = {"service.version": product().rpartition("/")[2]}
    if not environ.get("OTEL_SERVICE_NAME") and "service.name=" not in environ.get("OTEL_RESOURCE_ATTRIBUTES", ""):
        about["service.name"] = "tangled-router"
    provider = TracerProvider(resource=Resource.create(about), id_generator=ids, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Tracing(provider, ids, clock)


async def _finished(shutdown: Callable[[], object]) -> None:
    """Send what is left, on a thread that nobody waits for longer than that: the collector may be down."""
    loop, over = asyncio.get_running_loop(), asyncio.Event()

    def close() -> None:
        shutdown()
        with suppress(RuntimeError):  # nobody waits any more: the loop is closed
            loop.call_soon_threadsafe(over.set)

    threading.Thread(target=close, name="last spans", daemon=True).start()
    with suppress(TimeoutError):
        async with asyncio.timeout(LINGER):
            await over.wait()


class _Complaints(logging.Handler):
    """What OpenTelemetry logs, from threads of its own, becomes a fault now and then: it would be a line every few seconds."""

    def __init__(self, clock: Clock, tell: Callable[[str, str], None]) -> None:
        super().__init__(logging.WARNING)
        self.clock = clock
        self.tell = tell
        self.loop = asyncio.get_running_loop()
        self._next = 0
        self._logger = logging.getLogger("opentelemetry")
        self._propagated = self._logger.propagate
        self._logger.propagate = False
        self._logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        # That an exporter tries again is no news yet; that spans are dropped is.
        if record.levelno < logging.ERROR and "exporter" in record.name:
            return
        sentence = f"Spans cannot be sent: {record.getMessage()}"
        with suppress(RuntimeError):  # the loop is closed: the router has stopped
            self.loop.call_soon_threadsafe(self._complain, sentence)

    def _complain(self, sentence: str) -> None:
        if (now := self.clock.now()) >= self._next:
            self._next = now + int(AGAIN * 1e6)
            self.tell("tracing", sentence)

    def close(self) -> None:
        self._logger.removeHandler(self)
        self._logger.propagate = self._propagated
        super().close()
