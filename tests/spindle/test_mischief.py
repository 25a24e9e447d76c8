"""Who may set off what, against those who try: strangers, members with another's names, knots that speak of others' repos."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from router.cli import main
from router.demo.jetstream import Jetstream
from router.demo.knot import KnotRepo
from tests.spindle.test_scenarios import OTHER, announced, pull
from tests.spindle.world import ALICE, BOB, CORE, EVE, FORK, NEW, WORKFLOW, World

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

CI = "sh.tangled.ci"
KEY = ", secrets_key: {env: TEST_SECRETS_KEY}"
FILE = ".tangled/workflows/ci.yml"


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setenv("TEST_SECRETS_KEY", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
    async with World(tmp_path, settings=KEY) as made:
        await made.start()
        yield made


def account(jetstream: Jetstream, did: str, **said: Any) -> None:
    """The network's word about an account."""
    jetstream.emit({"did": did, "kind": "account", "account": {"did": did, "time": "2026-11-30T00:00:00Z", **said}})


@pytest.mark.parity(17, 39)
@pytest.mark.parametrize("first", [ALICE, EVE])
async def test_a_member_who_claims_anothers_repo_gets_nothing_of_it(world: World, first: str) -> None:
    """Neither its runs nor its secrets, whoever claimed it first; and it is built as before."""
    world.add_member(EVE)
    for owner in (first, ALICE if first == EVE else EVE):
        world.choose(owner=owner)
    await world.ours()
    secret = {"repo": CORE, "key": "DEPLOY_KEY", "value": "canary"}
    for repo in (CORE, f"at://{EVE}/sh.tangled.repo/core"):
        status, answer = await world.call(EVE, "sh.tangled.repo.addSecret", secret | {"repo": repo})
        assert (status, answer["error"]) in ((401, "AccessControl"), (400, "RepoNotFound"))
    assert (await world.call(ALICE, "sh.tangled.repo.addSecret", secret))[0] == 200
    world.push()
    assert await world.statuses() == [{"ci.yml": "success"}]
    (pipeline,) = await world.pipelines()
    body = {"repo": CORE, "pipeline": pipeline["id"]}
    assert (await world.call(EVE, f"{CI}.cancelPipeline", body))[1]["error"] == "AccessControl"
    assert (await world.call(ALICE, f"{CI}.cancelPipeline", body))[0] == 200


@pytest.mark.parity(17, 39)
@pytest.mark.acceptance("A-04")
async def test_a_knot_that_speaks_of_anothers_repo_is_not_shown(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Eve has a knot that forges a push of Alice's repo: no run, not even one that says so beside the real one."""
    await world.ours()
    world.add_member(EVE)
    world.pds.put(EVE, "sh.tangled.repo", "core", {"knot": world.other.host, "spindle": "spindle.example.com", "repoDid": CORE})
    await world.until(world.other.log.attended.is_set)
    world.push(world.other, NEW, oldSha=OTHER)
    await world.until(lambda: [plan for _, plan, _ in world.told.plans if "is no repo of" in str(plan.troubles)])
    assert await world.pipelines() == []
    world.push()
    assert await world.statuses() == [{"ci.yml": "success"}]
    await world.stop()
    monkeypatch.chdir(world.folder)
    codes = [await asyncio.to_thread(main, ["explain", "--event-id", number]) for number in "12"]
    assert codes == [0, 0]
    assert "is no repo of" in capsys.readouterr().out
    assert await asyncio.to_thread(main, ["roster"]) == 0
    assert "refused in the last 24 h: 1 times" in capsys.readouterr().out


@pytest.mark.parity(31)
@pytest.mark.acceptance("A-03")
async def test_what_workflow_files_are_not_for_makes_no_run(world: World) -> None:
    """Another branch, other paths: whoever wrote the file said so, and looks for no check."""
    await world.ours()
    paths = "when: [{event: push, branch: main, paths: ['docs/**']}]\nengine: tack\ntack: {fake: {}}\n"
    world.push(sha="a2" * 20, ref="refs/heads/dev")
    world.push(sha="a3" * 20, files={FILE: paths})
    world.push(sha="a4" * 20, ref="refs/notes/x")
    world.push(sha=OTHER)
    assert await world.statuses() == [{"ci.yml": "success"}]
    assert (await world.pipelines())[0]["commit"] == OTHER


@pytest.mark.parity(35, 37)
async def test_a_forks_pipeline_of_an_older_knot_waits(world: World) -> None:
    """What is in a fork was let in by nobody, whichever generation tells of it."""
    await world.ours()
    trigger = {
        "kind": "pull_request",
        "repo": {"knot": world.knot.host, "did": ALICE, "repo": "core", "repoDid": CORE, "defaultBranch": "main"},
        "pullRequest": {"sourceBranch": "fix", "targetBranch": "main", "sourceSha": OTHER, "action": "opened"},
        "sourceRepo": FORK,
    }
    workflow = {"name": "ci.yml", "engine": "tack", "clone": {"skip": False, "depth": 0, "submodules": False}, "raw": WORKFLOW}
    event = {"$type": "", "triggerMetadata": trigger, "workflows": [workflow]}
    world.knot.emit({"nsid": "sh.tangled.pipeline", "event": event})
    (pipeline,) = await world.until(world.pipelines)
    (shown,) = pipeline["workflows"]
    assert (shown["status"], "approval" in shown["error"]) == ("cancelled", True)
    assert pipeline["sourceRepo"] == FORK


def status_of(world: World, actor: str, pull: str, status: str) -> None:
    record = {"pull": pull, "status": f"sh.tangled.repo.pull.status.{status}"}
    world.pds.create(actor, "sh.tangled.repo.pull.status", record)


@pytest.mark.parity(34)
async def test_who_may_close_a_pull_request(world: World) -> None:
    """Its author and those who may push: a workflow that is for merges runs. Others' words are refused, and a pull request that
    is over asks for no check."""
    await world.ours()
    pull(world, BOB, OTHER)
    merged = "when: [{event: pull_request, branch: main, types: [merged]}]\nengine: tack\ntack: {fake: {}}\n"
    await world.statuses()
    (opened,) = await world.pipelines()
    world.knot.commits[OTHER] = {FILE: merged}
    for actor, said in ((EVE, "merged"), (ALICE, "closed"), (ALICE, "merged")):
        status_of(world, actor, opened["trigger"]["pull"], said)
    assert await world.statuses(2) == [{"ci.yml": "success"}] * 2
    (newest, _) = await world.pipelines()
    assert newest["trigger"]["action"] == "merged"
    pull(world, EVE, "d4" * 20)
    await world.statuses(3)
    (waiting, *_) = await world.pipelines()
    status_of(world, EVE, waiting["trigger"]["pull"], "closed")
    world.push()
    assert len(await world.statuses(4)) == 4


@pytest.mark.parity(12, 36)
async def test_who_may_push_by_the_knots_word_is_trusted_at_once(world: World) -> None:
    """The knot has let somebody in a moment ago and tells whoever asks: their run by hand and their pull request are built."""
    await world.ours()
    world.knot.repos = (KnotRepo(CORE, ALICE, "core", collaborators=(BOB, EVE)),)
    world.knot.commits[NEW] = {FILE: WORKFLOW}
    trigger = {"$type": f"{CI}.trigger#manual", "sha": NEW, "ref": "refs/heads/main"}
    assert (await world.call(EVE, f"{CI}.triggerPipeline", {"repo": CORE, "trigger": trigger}))[0] == 200
    assert await world.statuses() == [{"ci.yml": "success"}]
    pull(world, EVE, OTHER)
    assert await world.statuses(2) == [{"ci.yml": "success"}] * 2


@pytest.mark.parity(16)
async def test_a_deactivated_owner_builds_nothing_until_they_are_back(world: World) -> None:
    """Their knot is left, and heard again when they return; what their server says counts where the network told nothing."""
    await world.ours()
    world.pds.accounts[ALICE].away = "RepoDeactivated"
    account(world.jetstream, ALICE, active=False, status="deactivated")
    await world.until(lambda: not world.knot.log.attended.is_set())
    assert (await world.call(ALICE, f"{CI}.cancelPipeline", {"repo": CORE, "pipeline": "3mvhu2kwuyh22"}))[1][
        "error"
    ] == "RepoNotFound"
    world.pds.accounts[ALICE].away = ""
    account(world.jetstream, ALICE, active=True)
    await world.until(world.knot.log.attended.is_set)
    world.push()
    assert await world.statuses() == [{"ci.yml": "success"}]
    await world.stop()
    world.pds.accounts[ALICE].away = "RepoDeactivated"
    # That they were back is not said again.
    world.jetstream.look_back = 0.0
    await world.start()
    await world.until(lambda: not world.knot.log.attended.is_set())
    world.pds.accounts[ALICE].away = ""
    await world.stop()
    await world.start()
    await world.until(world.knot.log.attended.is_set)


async def test_workflows_that_cannot_be_read_cancel_nothing(world: World) -> None:
    """A list of something else is a mistake of the caller's, not a wish to cancel everything."""
    await world.ours()
    announced(world, world.knot, "3mvhu2kwuyh22")
    await world.statuses()
    body = {"repo": CORE, "pipeline": "3mvhu2kwuyh22", "workflows": [1]}
    status, answer = await world.call(ALICE, f"{CI}.cancelPipeline", body)
    assert (status, json.dumps(answer)) == (
        400,
        json.dumps({"error": "Generic", "message": "workflows must be a list of names"}),
    )


@pytest.mark.parity(61)
async def test_names_and_numbers_stay_within_the_lexicons(world: World) -> None:
    """A file whose name Tangled does not show is told of under a part of it, with the reason; the others run."""
    await world.ours()
    long = f".tangled/workflows/{'x' * 60}.yml"
    world.push(files={long: WORKFLOW, FILE: WORKFLOW})
    (statuses,) = await world.statuses()
    assert statuses == {"ci.yml": "success", f"{'x' * 39}…": "failed"}


@pytest.mark.parity(66, 74)
async def test_nobody_makes_us_read_any_number_of_commits(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks for too many at once is told so; nothing of it is a fault of ours, which would be asked again."""
    monkeypatch.setattr("router.spindle.xrpc.DESCRIBING", 0)
    await world.ours()
    status, answer = await world.get(f"{CI}.describeWorkflowDefinition", repo=CORE, sha=OTHER)
    assert (status, answer["error"]) == (429, "RateLimitExceeded")


@pytest.mark.parity(65)
@pytest.mark.acceptance("A-07")
async def test_what_is_no_run_of_the_repo_is_not_cancelled(world: World) -> None:
    """Of another repo, whoever may push to both; unknown; no TID."""
    await world.ours()
    world.push()
    await world.statuses()
    (pipeline,) = await world.pipelines()
    world.other.repos = (KnotRepo(FORK, ALICE, "fork"),)
    world.choose(world.other, rkey="fork", repoDid=FORK)
    await world.until(world.other.log.attended.is_set)
    for name, error in ((pipeline["id"], "AccessControl"), ("3mvhu2kwuyh22", "Generic"), ("nonsense", "Generic")):
        status, answer = await world.call(ALICE, f"{CI}.cancelPipeline", {"repo": FORK, "pipeline": name})
        assert (status, answer["error"]) == (400, error)
    assert await world.pipelines() == [pipeline]
