"""What appviews make of us: nothing that we tell is dropped, and what is wrong would be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.spindle.appview import Appview
from tests.spindle.test_scenarios import announced, pull
from tests.spindle.world import ALICE, EVE, OWNER, World

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with World(tmp_path) as made:
        await made.start()
        yield made


@pytest.mark.parity(1, 57, 68)
@pytest.mark.acceptance("P-12")
async def test_the_older_appview_keeps_everything(world: World) -> None:
    """Pushes, a run that the knot announced under a name of its own, what waits and what nobody builds; across a restart."""
    view = Appview(world.http, world.url)
    await view.verify(OWNER)
    await world.ours()
    world.push()
    announced(world, world.knot, "3mvhu2kwuyh22")
    view.learn(world.knot.host, "3mvhu2kwuyh22", "ci.yml")
    world.push(sha="b2" * 20, files={".tangled/workflows/a.yml": "engine: nixery\n"})
    pull(world, ALICE, "c3" * 20)
    pull(world, EVE, "d4" * 20)
    await world.statuses(4)
    await view.follow(5)  # the announced one is known by two names
    assert view.dropped == []
    ends = sorted(statuses[-1] for statuses in view.seen.values())
    assert ends == ["cancelled", "failed", "success", "success", "success"]
    await world.stop()
    await world.start()
    view.url = world.url
    world.push(sha="e5" * 20)
    await view.follow(view.over() + 1)
    assert view.dropped == []


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ({"pipeline": "at://did:web:k.example.com/sh.tangled.pipeline/3mvhu2kwuyh22"}, "is unknown"),
        ({"pipeline": "at://did:web:k.example.com/sh.tangled.pipeline/x"}, "no AT-URI"),
    ],
)
async def test_it_drops_what_the_real_one_drops(world: World, event: dict[str, Any], said: str) -> None:
    """A status before its run, and one of nothing."""
    view = Appview(world.http, world.url)
    status = {"workflow": "ci.yml", "status": "running", "createdAt": "2026-11-23T12:00:00Z", **event}
    view.hear({"rkey": "3mvhu3hkfvv22", "nsid": "sh.tangled.pipeline.status", "event": status, "created": 1})
    assert len(view.dropped) == 1
    assert said in view.dropped[0]
