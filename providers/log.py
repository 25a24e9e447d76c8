"""Write a line to the router's log: for trying rules out, and for what only has to be known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from router.core.model import Delivery, LogLine, Receipt, Status
from router.provider import Closed, Plugin

if TYPE_CHECKING:
    from router.provider import Host


_EDGES: tuple[Literal["start"], Literal["end"]] = ("start", "end")


class Settings(Closed):
    """Nothing to set."""


class Options(Closed):
    """What to say."""

    message: str = Field(description="The line. Control characters are escaped.")
    level: Literal["debug", "info", "warning", "error"] = "info"


class Log:
    """Always succeeds."""

    def __init__(self, settings: Settings, host: Host) -> None:
        self.host = host

    async def deliver(self, delivery: Delivery[Options], /) -> Receipt:
        import structlog  # noqa: PLC0415 - validate reads only the options

        line = structlog.get_logger("router").bind(rule=delivery.rule, delivery=delivery.id)
        # The log's own processors escape what strangers wrote; it is a value here, never the event's name.
        getattr(line, delivery.options.level)("rule says", message=delivery.options.message)
        now = self.host.clock.now()
        said = [LogLine(step=0, part="said", text=text, at=now) for text in delivery.options.message.splitlines()]
        start, end = (LogLine(step=0, part=part, text="log", at=now) for part in _EDGES)
        self.host.scribe.write(delivery.id, [start, *said, end])
        return Receipt(id=delivery.id, status=Status.SUCCESS)


plugin = Plugin(settings=Settings, options=Options, open=Log, idempotent=True)
