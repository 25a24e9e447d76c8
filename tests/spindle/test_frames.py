"""Log lines on the wire are, byte for byte, what the stock spindle sends."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import cbor2
import pytest

from router.core.model import LogLine
from router.spindle import frames

WIRE = Path(__file__).parent.parent / "wire" / "spindle"
RECORDED = [json.loads(line) for line in (WIRE / "ci_logs_frames.ndjson").read_text().splitlines() if line]


def micros(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1_000_000)


def line(body: dict[str, Any]) -> LogLine:
    given: dict[str, Any] = {"step": body["step"], "at": micros(body["time"])}
    if "stream" in body:
        return LogLine(part="said", text=body["content"].removesuffix("\n"), stream=body["stream"], **given)
    return LogLine(
        part=body["status"], text=body["content"], command=body.get("command", ""), system=body["kind"] == "system", **given
    )


@pytest.mark.parametrize("recorded", [one for one in RECORDED if one["header"]["op"] == 1])
@pytest.mark.parity(63)
@pytest.mark.acceptance("A-10")
def test_frames_are_the_recorded_ones(recorded: dict[str, Any]) -> None:
    """Both maps, in canonical order."""
    assert frames.frame(recorded["body"]["workflow"], line(recorded["body"])).hex() == recorded["hex"]


def test_an_error_ends_the_stream() -> None:
    """A header that says so, and a body with the reason."""
    sent = frames.error("NotFound", "no")
    head = cbor2.dumps({"op": -1})
    assert sent.startswith(head)
    assert cbor2.loads(sent[len(head) :]) == {"error": "NotFound", "message": "no"}


@pytest.mark.parity(59)
def test_older_lines_are_the_recorded_ones() -> None:
    """Every key where the stock spindle has it, and none where it leaves it out."""
    for text in (WIRE / "both" / "logs_stream.ndjson").read_text().splitlines():
        said = json.loads(text)
        given: dict[str, Any] = {"step": said["step_id"], "at": micros(said["time"]), "text": said["content"]}
        if said["kind"] == "data":
            one = LogLine(part="said", stream=said["stream"], **given)
        else:
            system = said.get("step_kind", 0) == 0
            one = LogLine(part=said["step_status"], command=said.get("step_command", ""), system=system, **given)
        assert json.loads(frames.json_line(one)) == said


@pytest.mark.parity(59)
@pytest.mark.acceptance("A-10")
def test_a_failure_without_a_log_is_the_recorded_one() -> None:
    recorded = (WIRE / "both" / "logs_stream_failed_without_log.ndjson").read_text().splitlines()
    assert [json.loads(one) for one in frames.failure('unknown engine "nope"')] == [json.loads(one) for one in recorded]
