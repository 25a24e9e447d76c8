"""Which knots are listened to."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from router.host import Host
from router.sources.pace import Pace
from router.spindle import knots
from router.spindle.knots import Knots
from tests.engine.way.parts import Told

if TYPE_CHECKING:
    from router.sources.base import Source

ALICE, EVE = "did:plc:alice", "did:plc:eve"


class Roster:
    """Repos by owner and knot; nobody objects, except to those of strangers."""

    def __init__(self) -> None:
        self.watchers: list[Any] = []
        self.repos: list[SimpleNamespace] = []

    def has(self, owner: str, *hosts: str) -> None:
        self.repos += [SimpleNamespace(owner=owner, knot=host) for host in hosts]

    @property
    def knots(self) -> frozenset[str]:
        return frozenset(repo.knot for repo in self.repos if not self.objection(repo))

    def objection(self, repo: SimpleNamespace) -> str:
        return "" if repo.owner in (ALICE, EVE) else "a stranger"

    def knot_url(self, knot: str) -> str:
        return f"https://{knot}"


class Listening:
    """An intake whose sources listen for ever, with a store that has nothing to forget."""

    store: Any = SimpleNamespace(forget_cursor=lambda _name: asyncio.sleep(0))

    def __init__(self) -> None:
        self.sources: list[Any] = []

    async def listen(self, source: Source) -> None:
        self.sources.append(source)
        await asyncio.Event().wait()


@pytest.fixture
def roster() -> Roster:
    return Roster()


def opened(roster: Roster, told: Told, intake: Any = None, pace: Pace | None = None) -> Knots:
    host = Host(http=cast("Any", None))
    return Knots(
        cast("Any", roster), intake or cast("Any", Listening()), host, told, ["mine.example"], lambda _: None, pace or Pace()
    )


@pytest.mark.fault("T-37")
async def test_nobody_can_push_out_anothers_knot(roster: Roster, monkeypatch: pytest.MonkeyPatch) -> None:
    """An account that names a thousand knots gets its share, and those that are heard already stay."""
    monkeypatch.setattr(knots, "MOST", 4)
    monkeypatch.setattr(knots, "OF_ONE_OWNER", 3)
    told = Told()
    lines = opened(roster, told)
    roster.has(ALICE, "z1.example", "z2.example", "mine.example")
    await lines.look()
    assert lines.lines == {"z1.example", "z2.example"}
    roster.has(EVE, *(f"a{number}.example" for number in range(10)))
    roster.has("did:plc:mallory", "m.example")
    await lines.look()
    assert lines.lines == {"z1.example", "z2.example", "a0.example", "a1.example"}
    assert told.faults == ["8 of 12 knots are not listened to: at most 4 in all, 3 of one account."]
    monkeypatch.setattr(knots, "MOST", 40)
    await lines.look()
    assert lines.lines == {"z1.example", "z2.example", "a0.example", "a1.example", "a2.example"}
    assert len(told.faults) == 1
    roster.repos.clear()
    await lines.look()
    assert not lines.lines
    assert ("knot:z1.example", "ended") in told.states


@pytest.mark.fault("T-15")
async def test_each_is_kept_to_the_pace_of_the_spindle(roster: Roster) -> None:
    """What router.yaml says of all of them; and they are called as strangers are."""
    intake = Listening()
    lines = opened(roster, Told(), intake, Pace(messages=7))
    roster.has(ALICE, "z1.example", "z2.example")
    await lines.look()
    while len(intake.sources) < 2:
        await asyncio.sleep(0)
    assert [(one.settings.pace.messages, one.outside) for one in intake.sources] == [(7, True)] * 2
    roster.repos.clear()
    await lines.look()
