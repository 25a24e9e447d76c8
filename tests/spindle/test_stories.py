"""What people do in Tangled from registering on, with both generations' appviews looking: neither passes over anything, nor has
to ask twice."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from router.demo.knot import KnotRepo
from tests.spindle.appview import Appview
from tests.spindle.test_scenarios import OTHER, pull
from tests.spindle.today import Notice, Reader, Today
from tests.spindle.world import ALICE, BOB, CORE, EVE, FORK, HOST, NEW, OWNER, WORKFLOW, World

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

#: A build that says where it is, and goes on once there is a file `done`.
RULES = """\
rules:
  - name: build
    allow_untrusted: true
    when: {repo: did:plc:corerrrrrrrrrrrrrrrrrrrr, trust: [owner, collaborator], workflow: {exists: true}}
    each: workflows
    report: {workflow: "{{ workflow.name }}"}
    timeout: 60s
    do:
      - shell:
          argv: [/bin/sh, -c, 'echo begun "$SHA"; while [ ! -e done ]; do sleep 0.02; done; echo over; exit "$CODE"']
          env: {SHA: "{{ sha }}", CODE: "{{ (inputs | default({})).code | default('0') }}"}
"""
TRIGGER = "sh.tangled.ci.trigger"


@dataclass
class Story:
    """The world, and who looks at it."""

    world: World
    today: Today
    older: Appview

    async def status(self, wanted: str, pipeline: str = "", commit: str = "") -> Any:
        """The newest run, this one, or that of this commit, once its workflows have this status."""

        async def look() -> Any:
            found = [one for one in await self.today.index(CORE) if not pipeline or one["id"] == pipeline]
            found = [one for one in found if not commit or one["commit"] == commit]
            return found[0] if found and {one["status"] for one in found[0]["workflows"]} == {wanted} else None

        return await self.world.until(look)

    def hold(self, *, go: bool = False) -> None:
        """Builds wait, or go on."""
        done = self.world.folder / "done"
        done.touch() if go else done.unlink(missing_ok=True)

    async def end(self) -> None:
        """Nothing was passed over, and nothing had to be asked twice."""
        await self.older.follow(self.older.over())
        assert (self.today.dropped, self.older.dropped, self.today.retried) == ([], [], 0)


@pytest.fixture
async def story(tmp_path: Path) -> AsyncIterator[Story]:
    async with World(tmp_path, rules=RULES, more=f"providers: {{shell: {{workdir: {tmp_path}}}}}\n") as world:
        world.other.repos = (KnotRepo(CORE, ALICE, "core", collaborators=(BOB,)), KnotRepo(FORK, EVE, "fork"))
        await world.start()
        made = Story(world, Today(world.http, world.url, HOST, world.pds, ALICE), Appview(world.http, world.url))
        made.hold(go=True)
        yield made
        await made.end()


@pytest.mark.parity(1, 6, 9, 57, 61, 63)
@pytest.mark.acceptance("A-10", "P-01")
async def test_from_registering_to_the_log_of_a_build(story: Story) -> None:
    """The owner registers it and adds a member, who chooses it for a repo and pushes; the log is read while it is written, and
    once more when it is over."""
    world, today = story.world, story.today
    for user in (EVE, OWNER):
        today.user = user
        if user == EVE:
            with pytest.raises(Notice, match="somebody else's"):
                await today.verify()
        else:
            await today.verify()
            await story.older.verify(OWNER)
    today.user = ALICE
    world.choose(spindle=None)
    world.add_member(ALICE)
    world.choose()
    await world.until(world.knot.log.attended.is_set)
    assert await today.index(CORE) == []
    story.hold()
    world.push()
    run = await story.status("running")
    assert await today.badges(CORE, NEW, OTHER) == {NEW: {"ci.yml": "running"}}
    reader = Reader()
    async with today.dialled(run["id"], "ci.yml") as socket:
        while not reader.blocks or "begun" not in reader.blocks[0].text:
            assert reader.hear(await socket.receive(), "ci.yml")
        assert "over" not in reader.blocks[0].text
        story.hold(go=True)
        while reader.hear(await socket.receive(), "ci.yml"):
            continue
        assert socket.close_code == 1000
    assert [block.text for block in reader.blocks] == [f"begun {NEW}\nover\n"]
    assert reader.blocks[0].seconds is not None
    await story.status("success")
    assert await today.logs(CORE, run["id"], "ci.yml") == reader.blocks
    with pytest.raises(Notice, match="404"):
        await today.logs(CORE, run["id"], "other.yml")
    with pytest.raises(Notice, match="PipelineNotFound"):
        await today.page(CORE, "3mvhu2kwuyh22")
    await story.older.follow(1)
    assert story.older.seen[world.knot.host, run["id"], "ci.yml"] == ["pending", "running", "success"]
    async with world.http.ws_connect(f"{world.url}/logs/{world.knot.host}/{run['id']}/ci.yml") as log:
        told = [json.loads(message.data) async for message in log]
    assert [one["content"] for one in told if one["kind"] == "data"] == [f"begun {NEW}", "over"]


@pytest.mark.parity(34, 35, 36, 64)
async def test_pull_requests_of_friends_and_strangers(story: Story) -> None:
    """A collaborator's is built at once; a stranger's, of a branch or of a fork, once somebody who may push says so."""
    world, today = story.world, story.today
    await world.ours()
    pull(world, BOB, OTHER)
    opened = await story.status("success")
    assert opened["trigger"]["$type"] == f"{TRIGGER}#pullRequest"
    again = await today.retry(CORE, opened["id"])
    assert (await story.status("success", again))["commit"] == OTHER
    pull(world, EVE, "d4" * 20)
    waiting = await story.status("cancelled")
    assert "approval" in waiting["workflows"][0]["error"]
    today.user = EVE
    with pytest.raises(Notice, match="AccessControl"):
        await today.retry(CORE, waiting["id"])
    today.user = BOB
    await story.status("success", await today.retry(CORE, waiting["id"]))
    forked = "e5" * 20
    world.other.commits[forked] = {".tangled/workflows/ci.yml": WORKFLOW}
    pull(world, EVE, forked, repo=FORK)
    await story.status("cancelled")
    trigger = {"sourceBranch": "fix", "sourceRepo": FORK, "sourceSha": forked, "targetBranch": "main"}
    run = await today.run(CORE, {"$type": f"{TRIGGER}#pullRequest", **trigger})
    assert (await story.status("success", run))["sourceRepo"] == FORK
    assert len(await today.index(CORE, "pull_request")) == 6
    assert await today.index(CORE, "push") == []
    assert set((await today.badges(CORE, forked))[forked].values()) == {"success"}


@pytest.mark.parity(36, 62, 65)
async def test_by_hand_cancelled_and_once_more(story: Story) -> None:
    """With inputs; the button beside a workflow ends what it runs; a retry is a new run of the same commit."""
    world, today = story.world, story.today
    await world.ours()
    world.knot.commits[NEW] = {".tangled/workflows/ci.yml": WORKFLOW}
    inputs = [{"key": "code", "value": "3"}]
    manual = {"$type": f"{TRIGGER}#manual", "sha": NEW, "ref": "refs/heads/main", "inputs": inputs}
    failed = await story.status("failed", await today.run(CORE, manual, "ci.yml"))
    assert "3" in failed["workflows"][0]["error"]
    again = await story.status("failed", await today.retry(CORE, failed["id"], "ci.yml"))
    assert again["trigger"] == failed["trigger"]
    story.hold()
    world.push()
    run = await story.status("running")
    today.user = EVE
    with pytest.raises(Notice, match="AccessControl"):
        await today.cancel(CORE, run["id"], "ci.yml")
    today.user = BOB
    await today.cancel(CORE, run["id"], "ci.yml")
    assert (await story.status("cancelled", run["id"]))["workflows"][0]["error"] == "User canceled the workflow"
    await today.cancel(CORE, run["id"], "ci.yml")
    story.hold(go=True)
    await story.status("success", await today.retry(CORE, run["id"]))
    assert await today.badges(CORE, NEW) == {NEW: {"ci.yml": "success"}}  # of four runs of one commit the newest
    with pytest.raises(Notice, match="no workflows to run"):
        await today.retry(CORE, run["id"], "other.yml")


@pytest.mark.parity(7, 8, 10, 19)
async def test_a_repo_moves_and_a_member_leaves_while_it_builds(story: Story) -> None:
    """What was begun goes on and is shown to its end, with its log, wherever the repo lives by then and whoever owns it."""
    world, today = story.world, story.today
    rkey = world.add_member(ALICE)
    world.choose()
    await world.until(world.knot.log.attended.is_set)
    story.hold()
    world.push()
    first = await story.status("running")
    world.move(world.other)
    await world.until(lambda: world.other.log.attended.is_set() and not world.knot.log.attended.is_set())
    # On a branch of its own: of one ref, one follows the other.
    files = {".tangled/workflows/ci.yml": WORKFLOW.replace("[main]", "[main, next]")}
    world.push(world.other, OTHER, "refs/heads/next", files)
    second = await story.status("running", commit=OTHER)
    world.pds.delete(OWNER, "sh.tangled.spindle.member", rkey)
    await world.until(lambda: not world.other.log.attended.is_set())
    with pytest.raises(Notice, match="RepoNotFound"):
        await today.cancel(CORE, second["id"], "ci.yml")
    story.hold(go=True)
    for run in (first, second):
        await story.status("success", run["id"])
        (block,) = await today.logs(CORE, run["id"], "ci.yml")
        assert block.text == f"begun {run['commit']}\nover\n"
    await story.older.follow(2)


@pytest.mark.parity(15, 22, 76)
@pytest.mark.acceptance("P-08")
async def test_two_days_without_a_spindle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Longer than Jetstream looks back: pushes of both days are built when it is back, once each and in their order; a repo
    that was chosen meanwhile is found; whatever an appview has missed, it is told."""
    day = 86_400 * 10**9
    monkeypatch.setattr("router.spindle.knots.A_LITTLE_BEFORE", 3 * day)
    async with World(tmp_path) as world:
        now = time.time_ns()
        world.knot._ticks.last = now - 3 * day
        world.add_member(ALICE)
        world.choose()
        world.knot.emit({**world.pushed(), "created": now - 2 * day})
        await world.start()
        await world.statuses()
        older = Appview(world.http, world.url)
        await older.follow(1)
        await world.stop()
        world.pds.jetstream = None
        shas = [f"{number}f" * 20 for number in range(1, 4)]
        for number, sha in enumerate(shas):
            world.knot.emit({**world.pushed(sha=sha), "created": now - day + number})
        world.add_member(BOB)
        fork = {"knot": world.other.host, "spindle": HOST, "repoDid": FORK, "createdAt": "2026-01-01T00:00:00Z"}
        world.pds.put(BOB, "sh.tangled.repo", "fork", fork)
        await world.start()
        await world.until(world.other.log.attended.is_set)
        assert await world.statuses(4) == [{"ci.yml": "success"}] * 4
        assert [one["commit"] for one in await world.pipelines()] == [*shas[::-1], NEW]
        older.url = world.url
        await older.follow(4)
        assert older.dropped == []
