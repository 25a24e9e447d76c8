"""Pull requests of strangers wait, until the operator lets them run: once, and trusted no more than before."""

from __future__ import annotations

import asyncio
import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from router.cli import main
from router.engine.store.sqlite import open_store
from tests.spindle.test_scenarios import pull
from tests.spindle.world import BOB, EVE, FORK, NEW, World

if TYPE_CHECKING:
    from pathlib import Path

OTHER = "7" * 40


@pytest.fixture
async def world(tmp_path: Path) -> Any:
    async with World(tmp_path) as made:
        await made.start()
        yield made


async def run(world: World, capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, Any]:
    """The code and the JSON of a verb, beside the running router."""
    capsys.readouterr()
    code = await asyncio.to_thread(main, [*args, "--config", str(world.folder / "router.yaml"), "--output", "json"])
    said = capsys.readouterr().out
    # The router in this process logs to the same place.
    lines = [line for line in said.splitlines() if re.search(r"\[(debug|info|warning|error) ", line) is None]
    return code, json.loads("\n".join(lines) or "null")


async def waiting(world: World, capsys: pytest.CaptureFixture[str], count: int = 1) -> list[Any]:
    async def listed() -> tuple[list[Any], ...]:
        found: list[Any] = (await run(world, capsys, "approvals"))[1]
        return (found,) if len(found) == count else ()

    (found,) = await world.until(listed)
    return list(found)


@pytest.mark.threat("S-14")
@pytest.mark.parity(35)
async def test_what_is_approved_runs_once(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """It is listed, approved, and not listed any more; approving it again runs nothing, now and after a restart."""
    await world.ours()
    pull(world, EVE, OTHER)
    (one,) = await waiting(world, capsys)
    assert (one["actor"], one["trust"], one["sha"]) == (EVE, "unknown", OTHER)
    number = str(one["number"])
    assert await run(world, capsys, "approve", number) == (0, {"changed": [number], "refused": {}})
    assert await world.statuses(2) == [{"ci.yml": "success"}, {"ci.yml": "cancelled"}]
    assert await waiting(world, capsys, 0) == []
    for _ in range(2):
        assert await run(world, capsys, "approve", number) == (
            1,
            {"changed": [], "refused": {number: "It was approved before."}},
        )
        assert len(await world.pipelines()) == 2
        await world.stop()
        await world.start()
    store = await open_store(world.folder / "router.db", read_only=True)
    (fact,) = (await store.facts("approval")).values()
    (made,) = [row for row in await store.events(matched=True) if row.event.id.endswith("#approved")]
    await store.close()
    assert fact["decision"] == "approved"
    assert fact["by"].startswith("operator")
    assert made.event.fields["trust"] == "unknown"
    assert made.deliveries == 1


@pytest.mark.threat("S-14")
async def test_many_at_a_time_make_one_run(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """However many approve it at the same moment."""
    await world.ours()
    pull(world, EVE, OTHER)
    number = str((await waiting(world, capsys))[0]["number"])
    arguments = ["approve", number, "--config", str(world.folder / "router.yaml"), "--output", "json"]
    codes = await asyncio.gather(*(asyncio.to_thread(main, arguments) for _ in range(5)))
    assert 0 in codes
    assert await world.statuses(2) == [{"ci.yml": "success"}, {"ci.yml": "cancelled"}]
    assert len(await world.pipelines()) == 2


@pytest.mark.threat("S-14")
async def test_what_is_denied_never_runs(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """And is not listed any more."""
    await world.ours()
    pull(world, EVE, OTHER)
    number = str((await waiting(world, capsys))[0]["number"])
    assert await run(world, capsys, "approve", "--deny", number) == (0, {"changed": [number], "refused": {}})
    assert await waiting(world, capsys, 0) == []
    assert len(await world.pipelines()) == 1


@pytest.mark.threat("S-14")
async def test_a_fork_brings_its_own_workflows(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """They are asked for when it is approved; while its knot is away it goes on waiting."""
    await world.ours()
    pull(world, BOB, OTHER, repo=FORK)
    number = str((await waiting(world, capsys))[0]["number"])
    code, said = await run(world, capsys, "approve", number)
    assert (code, list(said["refused"])) == (1, [number])
    world.other.repos = (*world.other.repos, type(world.other.repos[0])(FORK, BOB, "fork"))
    world.other.commits[OTHER] = world.knot.commits[OTHER]
    assert (await run(world, capsys, "approve", number))[0] == 0
    assert (await world.statuses(2))[0] == {"ci.yml": "success"}


async def test_what_does_not_wait_is_not_approved(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """A push, or what is not there: a sentence, and nothing happens."""
    await world.ours()
    world.push(sha=NEW)
    await world.statuses()
    code, said = await run(world, capsys, "approve", "1", "999")
    assert code == 1
    assert "waits for no approval" in said["refused"]["1"]
    assert "There is no event 999" in said["refused"]["999"]


async def test_without_a_router_nothing_is_approved(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Only a running one has rules and peers."""
    await world.ours()
    await world.stop()
    assert (await run(world, capsys, "approve", "1"))[0] == 3


@pytest.mark.threat("S-14")
async def test_a_rule_may_say_that_strangers_need_no_approval(tmp_path: Path) -> None:
    """`allow_untrusted: true` is meant for that."""
    rules = World(tmp_path).rules.replace("    each: workflows", "    allow_untrusted: true\n    each: workflows")
    async with World(tmp_path, rules=rules) as world:
        await world.start()
        await world.ours()
        pull(world, EVE, OTHER)
        assert await world.statuses() == [{"ci.yml": "success"}]


@pytest.mark.threat("S-14")
@pytest.mark.parametrize("bound", ["trust: [owner, member, collaborator], ", ""])
async def test_an_approved_one_passes_where_a_collaborators_would(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], bound: str
) -> None:
    """Rules that name trust, as those that start builds have to, and those that do not."""
    rules = World(tmp_path).rules.replace("when: {", "when: {" + bound)
    async with World(tmp_path, rules=rules) as world:
        await world.start()
        await world.ours()
        pull(world, EVE, OTHER)
        number = str((await waiting(world, capsys))[0]["number"])
        assert (await run(world, capsys, "approve", number))[0] == 0
        assert (await world.statuses(2))[0] == {"ci.yml": "success"}
