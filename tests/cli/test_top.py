"""`router top`: what it makes of what a router tells, and how that looks."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from rich.cells import cell_len

from router.cli.glance import WINDOW, Glance, Rates, Trouble
from router.cli.topview import Line, lines
from router.engine.store.sqlite import open_store

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Call  # type: ignore[import-not-found]

NOW = 1_795_435_200_000_000
SECOND = 1_000_000
STATUS: dict[str, Any] = {
    "version": "tangled-router/0.1.0",
    "ready": True,
    "started": NOW - 7200 * SECOND,
    "rules": 3,
    "paused_sources": [],
    "paused_rules": [],
}


def source(name: str, state: str = "up", **more: Any) -> dict[str, Any]:
    known = {"since": NOW - 60 * SECOND, "lag": 0.4, "heard": NOW - SECOND, "events": 7, "bad_frames": 0, "paused": None}
    return {"name": name, "state": state, **known, **more}


def told(number: int, status: str = "success", **more: Any) -> dict[str, Any]:
    row = {"rule": "ci/build", "workflow": "ci", "repo": "did:plc:hello", "updated": NOW - number * SECOND}
    return {**row, "status": status, **more}


def glance(**more: Any) -> Glance:
    given: dict[str, Any] = {
        "now": NOW,
        "status": STATUS,
        "sources": [source("knot-a")],
        "deliveries": {"done": 40, "ready": 2},
        "due": 12.0,
        "troubles": [],
        "statuses": [told(1)],
        "counters": {"events": 240.0, "delivered": 120.0, "failed": 12.0},
    }
    return Glance(**(given | more))


def drawn(seen: Glance, width: int = 80, height: int | None = None) -> list[Line]:
    return lines(seen, Rates().of(seen), width, height)


def test_a_frame() -> None:
    """All of it, at a glance."""
    assert [line.text for line in drawn(glance())] == [
        "2026-11-23T12:00:00Z  tangled-router/0.1.0, ready, up 2h, 3 rules",
        "a minute: 2.0 events, 1.0 delivered, 0.1 attempts that were not (in the last 2h)",
        "outbox:   40 done, 2 ready; the oldest has been due for 12s",
        "",
        "SOURCE  STATE  FOR  LAG  HEARD  EVENTS  BAD",
        "knot-a  up     60s   0s     1s       7    0",
        "",
        "AGO  STATUS   RULE      WORKFLOW  REPO",
        " 1s  success  ci/build  ci        did:plc:hello",
    ]


def test_what_is_wrong_comes_first_and_in_red() -> None:
    """Sources by how bad it is with them; what fails stands above what went well."""
    seen = glance(
        sources=[source("a"), source("z", "down"), source("p", paused=NOW)],
        troubles=[Trouble(what="z", sentence="refused")],
        status={**STATUS, "ready": False, "paused_rules": ["ci/build"]},
        deliveries={"dead": 1},
    )
    shown = drawn(seen)
    texts = [line.text for line in shown]
    names = [text.split()[0] for text in texts if text]
    assert "NOT READY" in texts[0]
    assert names[4:] == ["SOURCE", "z", "p", "a", "WHAT", "z", "AGO", "1s"]
    red = [line.text.split()[0] for line in shown if line.style.get("fg") == "red"]
    assert red == ["2026-11-23T12:00:00Z", "outbox:", "z", "z"]
    assert "paused:   ci/build" in texts


@pytest.mark.parametrize(("width", "height"), [(80, 24), (40, 12), (20, 5), (8, 1)])
def test_a_frame_fits_its_terminal(width: int, height: int) -> None:
    """However much there is to say, and how wide its characters are; nothing that a stranger wrote moves the cursor."""
    hostile = "\u4e2d\u6587\x1b[2J\u202e" * 30
    seen = glance(
        status={**STATUS, "paused_rules": [hostile]},
        sources=[source(f"knot-{number}{hostile}") for number in range(100)],
        troubles=[Trouble(what="x" * 200, sentence="why " * 100)] * 30,
        statuses=[told(number, workflow=hostile) for number in range(50)],
    )
    shown = drawn(seen, width, height)
    assert len(shown) <= height
    assert max(cell_len(line.text) for line in shown) <= width
    assert all(line.text.isprintable() for line in shown)
    if height == 24:
        parts = [line.text.split()[0] for line in shown[1:] if line.style.get("bold")]
        assert parts == ["SOURCE", "WHAT", "AGO"]
        assert sum("more" in line.text for line in shown) == 3


def test_rates_are_of_the_last_minute() -> None:
    """Of the first glance since the start; then of what was seen meanwhile, and of no more than a minute."""
    rates = Rates()
    assert rates.of(glance())[0] == 7200.0
    for number in range(1, 121):
        seen = glance(now=NOW + number * SECOND, counters={"events": 240.0 + number * 2})
        seconds, grown = rates.of(seen)
    assert seconds == pytest.approx(WINDOW / SECOND, abs=1.1)
    assert grown["events"] == pytest.approx(120.0)


def test_another_router_begins_anew() -> None:
    """Counters that fell were another's: no rate is below nothing, and none is a leap."""
    rates = Rates()
    rates.of(glance())
    later = NOW + 10 * SECOND
    restarted = glance(now=later, status={**STATUS, "started": later - 2 * SECOND}, counters={"events": 1.0})
    assert rates.of(restarted) == (2.0, {"events": 30.0})


def test_without_a_router_the_store_is_shown(call: Call, folder: Path) -> None:
    """With a line that says so, and nothing that only a router knows."""
    assert call("init", ".").code == 0
    assert call("top", "--once") == (3, "", "router: There is no store at router.db: `router run` makes it.\n")

    async def make() -> None:
        await (await open_store(folder / "router.db")).close()

    asyncio.run(make())
    done = call("top")
    first, second, *_ = done.out.splitlines()
    assert (done.code, first.partition("  ")[2]) == (0, "no router runs: this is what the store says")
    assert second == "outbox:   empty"
    assert "\x1b" not in done.out
    seen = json.loads(call("top", "--output", "json").out)
    assert (seen["status"], seen["deliveries"], seen["rates"]) == (None, {}, {"seconds": 0.0})
