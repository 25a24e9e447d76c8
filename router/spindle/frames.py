"""Log lines on the wire: JSON lines for the older generation, DAG-CBOR frames for today's.

Facts: AT Protocol event streams. A frame is two maps, header and body, one behind the other; keys are in canonical order, the
shorter first. Times are RFC 3339, in whole seconds today and to the nanosecond before.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import cbor2

from router.spindle.shapes import moment

if TYPE_CHECKING:
    from router.core.model import LogLine, Tree

#: The time of a line that has none.
NEVER = "0001-01-01T00:00:00Z"


def frame(workflow: str, line: LogLine) -> bytes:
    """One line of today's stream."""
    body: dict[str, Tree] = {"time": moment(line.at), "workflow": workflow, "step": line.step}
    if line.part == "said":
        return _maps({"op": 1, "t": "#data"}, {**body, "content": line.text + "\n", "stream": line.stream})
    body |= {"content": line.text, "status": line.part, "kind": "system" if line.system else "user"}
    return _maps({"op": 1, "t": "#control"}, body | ({"command": line.command} if line.command else {}))


def error(name: str, message: str) -> bytes:
    """The last frame of a stream that cannot go on."""
    return _maps({"op": -1}, {"error": name, "message": message})


def _maps(*maps: Tree) -> bytes:
    return b"".join(cbor2.dumps(one, canonical=True) for one in maps)


def json_line(line: LogLine) -> str:
    """One line of the older stream."""
    made: dict[str, Tree] = {
        "kind": "data" if line.part == "said" else "control",
        "content": line.text,
        "time": _nanos(line.at),
        "step_id": line.step,
    }
    if line.part == "said":
        made["stream"] = line.stream
    else:
        made["step_status"] = line.part
        # Zero is a system step, and is left out.
        made |= {} if line.system else {"step_kind": 1}
        made |= {"step_command": line.command} if line.command else {}
    return json.dumps(made, ensure_ascii=False, separators=(",", ":"))


def failure(message: str) -> list[str]:
    """What a workflow that failed without a log says."""
    lines: list[dict[str, Tree]] = [
        {"kind": "control", "content": "", "time": NEVER, "step_id": 0, "step_kind": 1},
        {"kind": "data", "content": message, "time": NEVER, "step_id": 0},
    ]
    return [json.dumps(line, ensure_ascii=False, separators=(",", ":")) for line in lines]


def _nanos(at: int) -> str:
    if at <= 0:
        return NEVER
    seconds, rest = divmod(at, 1_000_000)
    fraction = f".{rest:06}".rstrip("0").rstrip(".")
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}{fraction}Z"
