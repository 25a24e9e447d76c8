"""`/events` and `/logs` of things as they are: backlogs that are drained, cursors of other clocks, logs of nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from router.engine.bell import Bell
from router.engine.store.base import Announcement
from router.spindle import events
from tests.spindle.world import World

if TYPE_CHECKING:
    from pathlib import Path

SECOND = 10**9
START = 1_795_435_200 * SECOND
RUNS = [
    Announcement(created=START + number * SECOND, nsid="sh.tangled.pipeline.status", rkey=f"r{number}", event={})
    for number in range(250)
]


class Line:
    """Takes what is sent, up to so much, and leaves."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.heard: list[str] = []

    async def send(self, message: str) -> None:
        if len(self.heard) == self.most:
            raise ConnectionError("it has left")
        self.heard.append(json.loads(message)["rkey"])


class Desk:
    """A store with 250 announcements."""

    def __init__(self) -> None:
        self.store = self
        self.bell = Bell()

    async def announcements(self, after: int, limit: int) -> list[Announcement]:
        return [one for one in RUNS if one.created > after][:limit]

    async def last_announced(self) -> int:
        return RUNS[-1].created


async def heard(cursor: int) -> list[str]:
    """What a reader with this cursor is told of all that there is."""
    desk: Any = Desk()
    begin = await events._begin(desk, cursor)
    line: Any = Line(len([one for one in RUNS if one.created > begin]) - 1)
    with pytest.raises(ConnectionError):
        await events._tell(desk, line, begin)
    return list(line.heard)


@pytest.mark.parity(57)
@pytest.mark.parametrize(
    ("cursor", "first"),
    [
        (0, 0),
        (START - 1, 0),
        (START + 10 * SECOND, 11),  # the cursor of an announcement: what comes after it
        (START + 100 * SECOND + 1, 41),  # somebody's clock: from a minute before
        (START + 10_000 * SECOND, 190),  # one that runs ahead: the last minute
    ],
)
@pytest.mark.acceptance("A-09")
async def test_a_reader_is_told_everything_from_its_cursor_on(cursor: int, first: int) -> None:
    """In order and without a gap, however many pages that are."""
    assert await heard(cursor) == [one.rkey for one in RUNS[first:-1]]


async def test_too_much_at_once_is_told_in_two_visits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader is asked to come back, by the code that today's readers know."""
    monkeypatch.setattr(events, "MOST", 2)
    line: Any = Line(1000)
    desk: Any = Desk()
    assert await events._tell(desk, line, 0) == (1013, "drain cap reached, reconnect to continue")
    assert line.heard == [one.rkey for one in RUNS[:200]]


@pytest.mark.parity(60)
@pytest.mark.acceptance("A-10")
async def test_the_log_of_nothing_is_closed_at_once(tmp_path: Path) -> None:
    """Of a run, or a workflow, that nobody knows: the socket is opened and closed, as the stock spindle does."""
    async with World(tmp_path) as world:
        await world.start()
        await world.ours()
        world.push()
        await world.statuses()
        (pipeline,) = await world.pipelines()
        for path in (f"{world.knot.host}/{pipeline['id']}/other.yml", "knot.example.com/3mvhu2kwuyh22/ci.yml"):
            async with world.http.ws_connect(f"{world.url}/logs/{path}") as socket:
                assert [message async for message in socket] == []
                assert socket.close_code == 1000
        async with world.http.get(f"{world.url}/logs/{world.knot.host}/{pipeline['id']}/") as response:
            assert response.status == 400
