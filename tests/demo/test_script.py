"""The script's expectations are what the demo's rules decide, found without running anything."""

from __future__ import annotations

from importlib.resources import files

import pytest
from pydantic import BaseModel

from router.core import envelope, rules
from router.core.errors import BadFrame
from router.core.model import Event, State, changed
from router.core.plan import plan
from router.core.problems import Problems
from router.core.rulebook import Rulebook
from router.demo import script
from router.demo.cast import ALICE, HANDLES, HELLO
from router.demo.jetstream import Jetstream
from router.demo.knot import Knot
from router.demo.network import Network
from router.demo.script import Line


class Anything(BaseModel, extra="allow"):
    """Options that are always right: a provider's own are tried by running the demo."""


@pytest.fixture
def book() -> Rulebook:
    text = files("router.demo").joinpath("files/rules/demo.yaml").read_text(encoding="utf-8")
    problems = Problems()
    made = rules.load(
        [rules.RuleText("demo", "demo.yaml", text)], dict.fromkeys(("buildkite", "webhook", "log"), Anything), problems
    )
    assert problems.found == []
    return made


def sent(line: Line) -> str:
    """The frame as the server sends it, without the server."""
    if line.raw is not None:
        return line.raw
    assert line.frame is not None
    frame = script.filled(
        line.frame, {"$now": "2026-11-23T12:00:00Z", "$knot-a": "knot-a.example", "$knot-b": "knot-b.example"}
    )
    server = Jetstream("jetstream") if line.on == "jetstream" else Knot(line.on, older=line.on == "knot-b")
    server.emit(frame)
    text = server.log.entries[0].frame
    assert isinstance(text, str)
    return text


def heard(line: Line) -> Event:
    if line.on == "jetstream":
        heard = envelope.jetstream(sent(line), source="bluesky")
    else:
        heard = envelope.knot(sent(line), source=line.on, host=f"{line.on}.example")
    assert heard.event is not None
    fields = dict(heard.event.fields)
    if fields.get("repo", {}).get("did") == HELLO:
        # What the knot answers when it is asked whose repo this is.
        fields["repo"] = {**fields["repo"], "owner": ALICE, "name": "hello"}
    return changed(heard.event, fields=fields)


@pytest.mark.parametrize("line", script.read(), ids=lambda line: line.title)
def test_each_line_is_decided_as_expected(line: Line, book: Rulebook) -> None:
    """Its rules match and nothing is troubled, or it is no event where it says so."""
    if line.expect.bad:
        with pytest.raises(BadFrame):
            heard(line)
        return
    made = plan(heard(line), book, {handle: did for did, handle in HANDLES.items()})
    assert (made.matched, made.troubles) == (line.expect.rules, ())
    assert {delivery.state for delivery in made.deliveries} <= {State.READY}
    assert bool(made.deliveries) is (line.expect.rules not in ((), ("demo/docs-only",)))
    assert bool(made.entries) is (line.expect.status is not None)


def test_workflows_fan_out(book: Rulebook) -> None:
    """The older knot's pipeline becomes one build for each of its files."""
    (line,) = [line for line in script.read() if line.expect.rules == ("demo/workflows",)]
    made = plan(heard(line), book, {})
    assert [delivery.subject.workflow for delivery in made.deliveries] == ["ci.yml", "lint.yml"]


async def test_a_line_is_found_again_by_its_key() -> None:
    """What the network says of a line that it played is in the id of the event that the router makes of it."""
    network = Network()
    for line in script.read():
        if line.frame is None:
            continue
        key = network.say(line.on, line.frame)
        if line.on == "jetstream":
            heard = envelope.jetstream(network.jetstream.log.entries[-1].frame, source="bluesky")
        else:
            knot = network.knot_a if line.on == "knot-a" else network.knot_b
            heard = envelope.knot(knot.log.entries[-1].frame, source=line.on, host=knot.host)
        assert heard.event is not None
        assert key in heard.event.id
