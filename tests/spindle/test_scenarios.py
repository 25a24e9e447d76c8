"""The whole of it, over real sockets: what people do in Tangled, and what Tangled shows them."""

from __future__ import annotations

import asyncio
import gzip
import json
from typing import TYPE_CHECKING, Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from router.cli import main
from router.core.errors import StoreError
from router.demo.knot import KnotRepo
from router.demo.pds import Account
from router.demo.wire import rfc3339
from router.engine.store.sqlite import SqliteStore
from router.spindle.reconcile import Reconcile
from tests.spindle.world import ALICE, BOB, CORE, EVE, FORK, HOST, NEW, OWNER, WORKFLOW, World

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

OTHER = "a1" * 20


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with World(tmp_path) as made:
        await made.start()
        yield made


@pytest.mark.parity(1, 2, 3, 4)
async def test_an_appview_can_verify_who_runs_it(world: World) -> None:
    """Registration asks for the owner; PDSs that proxy read the document; people read a sentence."""
    assert await world.get("sh.tangled.owner") == (200, {"owner": OWNER})
    async with world.http.get(f"{world.url}/.well-known/did.json") as response:
        document = await response.json()
    assert document["id"] == f"did:web:{HOST}"
    assert document["service"][0]["id"] == "#tangled_spindle"
    async with world.http.get(world.url) as response:
        assert "spindle" in await response.text()


@pytest.mark.fault("T-20")
async def test_what_jetstream_missed_is_listed_at_once(world: World) -> None:
    """A gap is told, and the records of everybody are listed anew without waiting for their time."""
    await world.ours()
    world.push()
    await world.statuses()
    world.pds.jetstream = None
    world.choose(world.other, rkey="unheard", repoDid=FORK)
    world.jetstream.emit_raw('{"kind":"info","name":"OutdatedCursor"}')
    await world.until(world.other.log.attended.is_set)
    assert [source for source, _ in world.told.gaps] == ["spindle:jetstream"]


@pytest.mark.parity(5, 6, 9, 18, 30, 61)
@pytest.mark.acceptance("P-06", "P-15")
async def test_a_push_is_built_and_shown(world: World) -> None:
    """A member chooses us by an update of their repo's record, pushes, and sees the workflow succeed."""
    world.choose(spindle=None)
    await world.ours()
    world.push()
    (statuses,) = await world.statuses()
    assert statuses == {"ci.yml": "success"}
    (pipeline,) = await world.pipelines()
    assert pipeline["repo"] == CORE
    assert pipeline["commit"] == NEW
    assert pipeline["trigger"]["$type"] == "sh.tangled.ci.trigger#push"
    assert await world.get("sh.tangled.ci.getPipeline", pipeline=pipeline["id"]) == (200, pipeline)


@pytest.mark.parity(15)
@pytest.mark.acceptance("P-08")
async def test_what_was_chosen_before_we_ran_is_found(tmp_path: Path) -> None:
    """Jetstream has forgotten it; the servers of the owner and of members list it."""
    async with World(tmp_path) as world:
        world.pds.jetstream = None
        world.add_member(ALICE)
        world.choose()
        await world.start()
        await world.until(world.knot.log.attended.is_set)
        world.push()
        assert await world.statuses() == [{"ci.yml": "success"}]


@pytest.mark.parity(7, 8, 19)
@pytest.mark.acceptance("A-01", "P-07")
async def test_a_knot_is_left_with_its_last_repo(world: World) -> None:
    """The repo moves to another knot: the first line is closed, the second opened, and what the first says does not count."""
    await world.ours()
    world.move(world.other)
    await world.until(lambda: world.other.log.attended.is_set() and not world.knot.log.attended.is_set())
    world.push(world.knot, OTHER)
    world.push(world.other)
    assert await world.statuses() == [{"ci.yml": "success"}]
    world.pds.delete(ALICE, "sh.tangled.repo", "core")
    await world.until(lambda: not world.other.log.attended.is_set())


@pytest.mark.parity(39)
@pytest.mark.acceptance("A-01")
@pytest.mark.threat("S-15")
async def test_a_stranger_gets_nothing(world: World) -> None:
    """Whoever names us and is no member opens no line, and a knot speaks only of the repos that name it."""
    world.choose(world.other, owner=EVE)
    await world.ours()
    assert not world.other.log.attended.is_set()
    world.push()
    await world.statuses()


@pytest.mark.parity(10)
@pytest.mark.acceptance("P-07")
@pytest.mark.threat("S-15")
async def test_a_member_who_is_removed_builds_no_more(world: World) -> None:
    """What was begun goes on to be shown; the next push sets nothing off, because the knot is left."""
    rkey = world.add_member(ALICE)
    world.choose()
    await world.until(world.knot.log.attended.is_set)
    world.push()
    await world.statuses()
    world.pds.delete(OWNER, "sh.tangled.spindle.member", rkey)
    await world.until(lambda: not world.knot.log.attended.is_set())
    world.push(sha=OTHER)
    assert await world.statuses() == [{"ci.yml": "success"}]


@pytest.mark.parity(22, 76)
@pytest.mark.acceptance("A-02")
async def test_pushes_of_two_days_are_built_when_we_are_back(tmp_path: Path) -> None:
    """The knot's stream is followed from where we left it; nothing is built twice."""
    async with World(tmp_path) as world:
        await world.start()
        await world.ours()
        world.push()
        await world.statuses()
        await world.stop()
        world.push(sha=OTHER, ref="refs/heads/main")
        await world.start()
        assert await world.statuses(2) == [{"ci.yml": "success"}] * 2


@pytest.mark.parity(19, 21)
@pytest.mark.acceptance("P-02")
async def test_a_knot_that_is_heard_again_is_heard_from_now_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The repo leaves, and comes back after a month of pushes: none of them is built, the next one is."""
    monkeypatch.setattr("router.spindle.knots.A_LITTLE_BEFORE", 0)
    await world.ours()
    world.push()
    await world.statuses()
    world.choose(spindle=None)
    await world.until(lambda: not world.knot.log.attended.is_set())
    for number in range(3):
        world.push(sha=f"{number}c" * 20)
    world.choose()
    await world.until(world.knot.log.attended.is_set)
    world.push(sha=OTHER)

    async def commits() -> list[str]:
        found = [one["commit"] for one in await world.pipelines()]
        return found if OTHER in found else []

    assert await world.until(commits) == [OTHER, NEW]


@pytest.mark.parity(10, 39)
async def test_a_member_who_was_removed_while_we_were_away_builds_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Jetstream tells nothing of it; the knot has kept their pushes, and the owner's server says who is a member, later."""
    async with World(tmp_path) as world:
        await world.start()
        rkey = world.add_member(ALICE)
        world.choose()
        await world.until(world.knot.log.attended.is_set)
        world.push()
        await world.statuses()
        await world.stop()
        world.pds.jetstream = None
        world.pds.delete(OWNER, "sh.tangled.spindle.member", rkey)
        world.push(sha=OTHER)
        once = Reconcile.once

        def pushes() -> list[Any]:
            """The push as it is held, and as it is complete."""
            return [plan for event, plan, _ in world.told.plans if event.nsid == "sh.tangled.git.refUpdate"]

        async def slowly(reconcile: Reconcile) -> None:
            await world.until(pushes)
            await once(reconcile)

        monkeypatch.setattr(Reconcile, "once", slowly)
        await world.start()
        await world.until(lambda: len(pushes()) == 2)
        assert [one["workflows"][0]["status"] for one in await world.pipelines()] == ["cancelled", "success"]


@pytest.mark.parity(32, 33)
@pytest.mark.acceptance("A-03")
async def test_what_asks_for_no_build_gets_none(world: World) -> None:
    """skip-ci, a ref that is deleted, a branch that no workflow is for; then one that is."""
    await world.ours()
    world.push(sha="b1" * 20, pushOptions=["skip-ci"])
    world.push(sha="0" * 40)
    world.push(sha=OTHER, ref="refs/heads/main")
    assert await world.statuses() == [{"ci.yml": "success"}]


@pytest.mark.parity(31)
async def test_a_push_that_nobody_builds_says_why(world: World) -> None:
    """Nobody stares at a check that never comes."""
    await world.ours()
    world.push(files={})
    (pipeline,) = await world.until(world.pipelines)
    (workflow,) = pipeline["workflows"]
    assert (workflow["name"], workflow["status"]) == ("router", "cancelled")
    assert "team/build" in workflow["error"]


async def test_a_workflow_of_another_engine_says_why(world: World) -> None:
    """A file that names nobody of ours fails with the reason; the other one runs."""
    await world.ours()
    files = {
        ".tangled/workflows/a.yml": "engine: nixery\n",
        ".tangled/workflows/b.yml": WORKFLOW,
        ".tangled/workflows/c.yml": ":[",
    }
    world.push(files=files)
    (statuses,) = await world.statuses()
    assert statuses == {"a.yml": "failed", "b.yml": "success", "c.yml": "failed"}


def announced(world: World, knot: Any, rkey: str) -> None:
    """What a knot of the older generation, or a dual one, compiles of the same push."""
    trigger = {
        "kind": "push",
        "repo": {"knot": knot.host, "did": ALICE, "repo": "core", "repoDid": CORE, "defaultBranch": ""},
        "push": {"ref": "refs/heads/main", "newSha": NEW, "oldSha": "0" * 40},
    }
    workflows = [
        {"name": "ci.yml", "engine": "tack", "clone": {"skip": False, "depth": 0, "submodules": False}, "raw": WORKFLOW}
    ]
    event = {"$type": "", "triggerMetadata": trigger, "workflows": workflows}
    knot.emit({"nsid": "sh.tangled.pipeline", "rkey": rkey, "event": event})


async def events(world: World, cursor: int = 0) -> list[Any]:
    """What `/events` says at once."""
    frames: list[Any] = []
    async with world.http.ws_connect(f"{world.url}/events?cursor={cursor}") as ws:
        while True:
            try:
                frames.append(json.loads((await asyncio.wait_for(ws.receive(), 0.3)).data))
            except TimeoutError:
                return frames


@pytest.mark.parity(23, 57)
@pytest.mark.acceptance("A-02", "P-03")
async def test_a_knot_of_both_generations_makes_one_run(world: World) -> None:
    """Shown once in today's appview, and announced to older ones under the knot's own name too."""
    await world.ours()
    world.push()
    announced(world, world.knot, "3mvhu2kwuyh22")
    await world.statuses()

    async def named() -> bool:
        return any(f"{world.knot.host}/sh.tangled.pipeline/3mvhu2kwuyh22" in str(frame) for frame in await events(world))

    await world.until(named)
    assert await world.statuses() == [{"ci.yml": "success"}]


@pytest.mark.parity(27, 57, 59, 60)
async def test_an_older_knots_pipeline_is_run_under_its_name(world: World) -> None:
    """Its appview knows the run by the knot and the rkey: statuses in order, and logs that are closed at the end."""
    await world.ours()
    announced(world, world.knot, "3mvhu2kwuyh22")
    await world.statuses()
    frames = await events(world)
    assert frames[0]["nsid"] == "sh.tangled.pipeline"
    told = [frame["event"] for frame in frames if frame["nsid"] == "sh.tangled.pipeline.status"]
    assert [one["status"] for one in told] == ["pending", "success"]
    assert {one["pipeline"] for one in told} == {f"at://did:web:{world.knot.host}/sh.tangled.pipeline/3mvhu2kwuyh22"}
    assert [frame["created"] for frame in frames] == sorted({frame["created"] for frame in frames})
    assert await events(world, frames[-2]["created"]) == frames[-1:]
    async with world.http.ws_connect(f"{world.url}/logs/{world.knot.host}/3mvhu2kwuyh22/ci.yml") as ws:
        while not (message := await ws.receive()).type.name.startswith("CLOS"):
            assert json.loads(message.data)["kind"] in ("control", "data")
        assert ws.close_code == 1000


def pull(world: World, author: str, sha: str, **source: Any) -> None:
    """A pull request, whose only round is at this commit."""
    world.knot.commits[sha] = {".tangled/workflows/ci.yml": WORKFLOW}
    patch = f"From {sha} Mon Sep 17 00:00:00 2001\nFrom: A <a@example.com>\nSubject: [PATCH] x\n\n---\n".encode()
    blob = world.pds.upload(author, gzip.compress(patch))
    record = {
        "title": "x",
        "createdAt": rfc3339(),
        "target": {"repo": CORE, "branch": "main"},
        "source": {"branch": "fix", **source},
        "rounds": [{"createdAt": rfc3339(), "patchBlob": blob}],
    }
    world.pds.create(author, "sh.tangled.repo.pull", record)


@pytest.mark.parity(13, 34)
async def test_a_pull_request_of_a_collaborator_is_built(world: World) -> None:
    """At the commit that its patch ends with."""
    await world.ours()
    pull(world, ALICE, OTHER)
    (statuses,) = await world.statuses()
    assert statuses == {"ci.yml": "success"}
    (pipeline,) = await world.pipelines(kinds="pull_request")
    assert pipeline["trigger"] == {
        "$type": "sh.tangled.ci.trigger#pullRequest",
        "action": "opened",
        "pull": pipeline["trigger"]["pull"],
        "sourceBranch": "fix",
        "sourceSha": OTHER,
        "targetBranch": "main",
    }


@pytest.mark.parity(35)
@pytest.mark.threat("S-14")
async def test_a_strangers_pull_request_waits(world: World) -> None:
    """It says so; somebody who may push starts it, and then it runs."""
    await world.ours()
    pull(world, EVE, OTHER)
    (pipeline,) = await world.until(world.pipelines)
    (workflow,) = pipeline["workflows"]
    assert workflow["status"] == "cancelled"
    assert "approval" in workflow["error"]
    trigger = {**pipeline["trigger"], "$type": "sh.tangled.ci.trigger#pullRequest"}
    body = {"repo": CORE, "trigger": trigger, "workflows": ["ci.yml"]}
    assert (await world.call(EVE, "sh.tangled.ci.triggerPipeline", body))[1]["error"] == "AccessControl"
    status, _ = await world.call(BOB, "sh.tangled.ci.triggerPipeline", body)
    assert status == 200
    assert await world.statuses(2) == [{"ci.yml": "success"}, {"ci.yml": "cancelled"}]


@pytest.mark.parity(36, 38, 64)
async def test_a_run_by_hand(world: World) -> None:
    """Whatever `when` says; only the workflows that are named; a retry is the same call."""
    await world.ours()
    world.knot.commits[OTHER] = {
        f".tangled/workflows/{name}": "when: []\n" + WORKFLOW.partition("\n")[2] for name in ("a.yml", "b.yml")
    }
    trigger = {
        "$type": "sh.tangled.ci.trigger#manual",
        "sha": OTHER,
        "ref": "refs/heads/dev",
        "inputs": [{"key": "k", "value": "v"}],
    }
    status, answer = await world.call(
        ALICE, "sh.tangled.ci.triggerPipeline", {"repo": CORE, "trigger": trigger, "workflows": ["b.yml"]}
    )
    assert status == 200, answer
    assert answer["pipeline"].startswith(f"at://did:web:{world.knot.host}/sh.tangled.pipeline/")
    assert await world.statuses() == [{"b.yml": "success"}]
    (pipeline,) = await world.pipelines()
    assert pipeline["trigger"]["inputs"] == trigger["inputs"]
    nothing = {"repo": CORE, "trigger": trigger, "workflows": ["none.yml"]}
    assert await world.call(ALICE, "sh.tangled.ci.triggerPipeline", nothing) == (
        400,
        {"error": "Generic", "message": "no workflows to run"},
    )


@pytest.mark.parity(71, 72)
@pytest.mark.acceptance("A-08", "P-14")
@pytest.mark.threat("S-17")
async def test_only_fresh_tokens_of_the_right_key_count(world: World) -> None:
    """Once, for this method, for this spindle, in time; a key that was exchanged is looked up again."""
    await world.ours()
    body = {"repo": CORE, "pipeline": "3mvhu2kwuyh22"}
    method = "sh.tangled.ci.cancelPipeline"

    async def error(**claims: Any) -> str:
        status, answer = await world.call(ALICE, method, body, **claims)
        assert status in (400, 403)
        return str(answer["error"])

    assert await error(jti="one") == "Generic"
    assert await error(jti="one") == "Auth"
    assert await error(lxm="sh.tangled.ci.triggerPipeline") == "Auth"
    assert await error(aud="did:web:other.example.com") == "Auth"
    assert await error(aud=f"did:web:{HOST}#tangled_spindle") == "Generic"
    assert await error(exp=1) == "Auth"
    world.pds.accounts[ALICE] = Account(ALICE, ec.generate_private_key(ec.SECP256R1()), world.pds.accounts[ALICE].records)
    world.publish()
    assert await error() == "Generic"


@pytest.mark.parity(63)
async def test_logs_are_framed_for_todays_appview(world: World) -> None:
    """Pairs of CBOR maps, for each workflow; errors come before the upgrade."""
    await world.ours()
    world.push(files={".tangled/workflows/a.yml": "engine: nixery\n"})
    await world.statuses()
    (pipeline,) = await world.pipelines()
    async with world.http.ws_connect(f"{world.url}/xrpc/sh.tangled.ci.subscribePipelineLogs?pipeline={pipeline['id']}") as ws:
        first, second = [(await ws.receive()).data for _ in range(2)]
        assert (await ws.receive()).type.name.startswith("CLOS")
        assert ws.close_code == 1000
    assert first.startswith(cbor2.dumps({"t": "#control", "op": 1}, canonical=True))
    assert b"nixery" in second
    status, answer = await world.get("sh.tangled.ci.subscribePipelineLogs", pipeline="nonsense")
    assert (status, answer["error"]) == (400, "BadRequest")


@pytest.mark.parity(66)
async def test_the_definition_of_a_commit_has_a_hash(world: World) -> None:
    """So that an appview can warn where a pull request changes it."""
    await world.ours()
    world.knot.commits[OTHER] = {".tangled/workflows/ci.yml": WORKFLOW}
    status, answer = await world.get("sh.tangled.ci.describeWorkflowDefinition", repo=CORE, sha=OTHER)
    assert status == 200
    assert answer["workflows"] == ["ci.yml"]
    assert answer["hash"].startswith("sha256:")


@pytest.mark.parity(17)
@pytest.mark.threat("S-16")
async def test_a_repo_did_cannot_be_stolen(world: World) -> None:
    """Eve is a member too, and claims Alice's repo: its knot says whose it is."""
    world.add_member(EVE)
    world.choose(owner=EVE)
    await world.until(world.knot.log.attended.is_set)
    world.push()
    (pipeline,) = await world.until(world.pipelines)
    assert "is no repo of" in pipeline["workflows"][0]["error"]
    assert FORK not in str(pipeline)


@pytest.mark.parity(77)
async def test_probes_are_told_how_it_is(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether the store answers: without it nothing else counts."""
    async with world.http.get(f"{world.url}/healthz") as response:
        assert (response.status, await response.text()) == (200, "ok\n")

    async def broken(_store: SqliteStore) -> int:
        raise StoreError("no")

    monkeypatch.setattr(SqliteStore, "last_announced", broken)
    async with world.http.get(f"{world.url}/healthz") as response:
        assert response.status == 503


@pytest.mark.parity(71)
async def test_somebody_of_did_web(world: World) -> None:
    """Their document comes from the host that they are called by: they own a repo, and sign tokens with the key in it."""
    who = world.directory.web_did
    world.pds.accounts[who] = Account(who)
    world.publish()
    world.add_member(who)
    world.knot.repos = (KnotRepo(CORE, who, "core"),)
    world.choose(owner=who)
    await world.until(world.knot.log.attended.is_set)
    world.push(ownerDid=who, committerDid=who)
    assert await world.statuses() == [{"ci.yml": "success"}]
    trigger = {"$type": "sh.tangled.ci.trigger#manual", "sha": NEW, "ref": "refs/heads/main"}
    status, _ = await world.call(who, "sh.tangled.ci.triggerPipeline", {"repo": CORE, "trigger": trigger})
    assert status == 200
    assert await world.statuses(2) == [{"ci.yml": "success"}] * 2


async def test_explain_says_why_nobody_was_to_act(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of what was refused, and of what waits for approval: the same words that Tangled shows."""
    await world.ours()
    world.push(pushOptions=["skip-ci"])
    pull(world, EVE, OTHER)
    await world.until(world.pipelines)
    world.push(sha="e5" * 20)
    await world.statuses(2)
    await world.stop()
    monkeypatch.chdir(world.folder)
    codes = [await asyncio.to_thread(main, ["explain", "--event-id", number]) for number in ("1", "2")]
    assert codes == [0, 0]
    told = capsys.readouterr().out
    assert "The push asks for no CI (skip-ci)." in told
    assert "waits for approval" in told
