"""The log provider: a line, escaped, and never a failure."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import pytest
import structlog
from pydantic import ValidationError

from providers import log
from router.core.model import Receipt, Status
from router.engine.log import configure
from router.host import Host
from router.testing import delivery


@pytest.fixture(autouse=True)
def reset() -> Iterator[None]:
    yield
    structlog.reset_defaults()


async def say(lent: Host, **options: str) -> Receipt:
    made = log.Options.model_validate(options)
    return await log.Log(log.Settings(), lent).deliver(delivery(made, id="d1", rule="team/rule"))


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error"])
async def test_a_line_says_who_asked_for_it(lent: Host, level: str) -> None:
    """The message is a value beside the rule and the delivery, at the level of the step."""
    out = io.StringIO()
    configure("json", "debug", out)
    receipt = await say(lent, message="push to main", level=level)
    line = json.loads(out.getvalue())
    assert (receipt.id, receipt.status) == ("d1", Status.SUCCESS)
    assert (line["message"], line["level"], line["rule"], line["delivery"]) == ("push to main", level, "team/rule", "d1")


@pytest.mark.parametrize("kind", ["json", "console"])
@pytest.mark.parametrize("message", ['forged\n{"event": "x"}\r\x1b[2J\x9b31m\u202e\u2028\0', "forged\x1b[2J\x9b31m\u202e\0"])
async def test_what_a_stranger_wrote_is_escaped(lent: Host, kind: str, message: str) -> None:
    """No second line, no colour, no text that runs the other way, in either form of the log."""
    out = io.StringIO()
    configure(kind, "info", out)
    await say(lent, message=message)
    text = out.getvalue()
    assert text.count("\n") == 1
    assert text.rstrip("\n").isprintable()
    assert "forged" in text


async def test_below_the_logs_level_nothing_is_said(lent: Host) -> None:
    """A debug line of a rule is no louder than the router's own, and is done all the same."""
    out = io.StringIO()
    configure("json", "info", out)
    assert (await say(lent, message="x", level="debug")).status is Status.SUCCESS
    assert out.getvalue() == ""


@pytest.mark.parametrize("options", [{}, {"message": "x", "level": "loud"}, {"message": "x", "event": "y"}])
def test_other_options_are_mistakes(options: dict[str, str]) -> None:
    """A message is needed, and the levels are four."""
    with pytest.raises(ValidationError):
        log.Options.model_validate(options)
