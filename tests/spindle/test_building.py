"""Builds of repos that chose us, from the push to their end: on a CI, on this machine, cancelled, told of, with secrets."""

from __future__ import annotations

import asyncio
import io
import json
from typing import TYPE_CHECKING, Any

import cbor2
import pytest

from router.demo.ci import Ci
from tests import canaries
from tests.spindle import schemas
from tests.spindle.test_scenarios import OTHER
from tests.spindle.world import ALICE, CORE, EVE, WORKFLOW, World

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

BUILDKITE = """\
rules:
  - name: build
    when: {trigger: [push, pull_request, manual], trust: [owner, member, collaborator], workflow: {exists: true}}
    each: workflows
    where: {$.provider: buildkite}
    report: {workflow: "{{ workflow.name }}"}
    do:
      - buildkite:
          {org: demo, pipeline: core, commit: "{{ sha }}", branch: "{{ branch }}", env: {REPO: "{{ repo.did }}"}}
        secrets: [DEPLOY_KEY]
"""
SHELL = """\
rules:
  - name: build
    when: {repo: did:plc:corerrrrrrrrrrrrrrrrrrrr, trigger: [push, manual], workflow: {exists: true}}
    each: workflows
    report: {workflow: "{{ workflow.name }}"}
    timeout: 60s
    do:
      - shell: {argv: [/bin/sh, -c, 'echo begun; echo "$DEPLOY_KEY"; while [ ! -e done ]; do sleep 0.05; done; echo over']}
        secrets: [DEPLOY_KEY]
"""
NEVER = """\
rules:
  - name: never
    when: {repo: did:plc:corerrrrrrrrrrrrrrrrrrrr, trigger: push, branch: none}
    do: [log: {message: x}]
"""
FILE = WORKFLOW.replace("{fake: {}}", "{buildkite: {pipeline: core}}")
FILES = {".tangled/workflows/ci.yml": FILE}
KEY = ", secrets_key: {env: TEST_SECRETS_KEY}"


@pytest.fixture(autouse=True)
def secrets_of_the_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_SECRETS_KEY", canaries.KEY)
    monkeypatch.setenv("TEST_BUILDKITE_TOKEN", canaries.TOKEN)
    monkeypatch.setenv("TEST_WEBHOOK_SECRET", canaries.HEARD)


@pytest.fixture
async def ci() -> AsyncIterator[Ci]:
    async with Ci("ci", token=canaries.TOKEN) as made:
        yield made


@pytest.fixture
async def world(tmp_path: Path, ci: Ci) -> AsyncIterator[World]:
    provider = (
        f"providers: {{buildkite: {{token: {{env: TEST_BUILDKITE_TOKEN}}, url: {ci.url}/v2,"
        " webhook_secrets: [{env: TEST_WEBHOOK_SECRET}], per_org: 10000, per_token: 10000}}\ndelivery: {poll: 50ms}\n"
    )
    async with World(tmp_path, rules=BUILDKITE, settings=KEY, more=provider) as made:
        await made.start()
        yield made


@pytest.fixture
async def machine(tmp_path: Path) -> AsyncIterator[World]:
    """Whose builds are commands, and end when there is a file `done`."""
    async with World(tmp_path, rules=SHELL, settings=KEY, more=f"providers: {{shell: {{workdir: {tmp_path}}}}}\n") as made:
        await made.start()
        yield made


async def of(world: World, status: str) -> Any:
    """The only pipeline, once its workflow has this status."""

    async def look() -> Any:
        found = await world.pipelines()
        return found[0] if found and found[0]["workflows"][0]["status"] == status else None

    return await world.until(look)


@pytest.mark.parity(41, 43, 49, 70)
@pytest.mark.acceptance("A-05")
async def test_a_push_is_built_by_buildkite(world: World, ci: Ci) -> None:
    """Once, with the commit, what the rule says, and the secrets that it names; its end is found by asking."""
    await world.ours()
    secret = {"repo": CORE, "key": "DEPLOY_KEY", "value": canaries.REPO}
    assert (await world.call(ALICE, "sh.tangled.repo.addSecret", secret))[0] == 200
    world.push(files=FILES)
    await world.until(lambda: ci.builds)
    (build,) = ci.builds
    assert (build.pipeline, build.asked.branch) == ("core", "main")
    assert build.asked.env == {"REPO": CORE, "DEPLOY_KEY": canaries.REPO}
    ci.advance()
    pipeline = await of(world, "running")
    ci.advance()
    assert (await of(world, "success"))["id"] == pipeline["id"]
    assert len(ci.builds) == 1
    stored = b"".join(path.read_bytes() for path in world.folder.glob("router.db*") if path.is_file())
    assert canaries.REPO.encode() not in stored


@pytest.mark.parity(65)
@pytest.mark.acceptance("A-07")
async def test_cancelling_in_tangled_cancels_in_buildkite(world: World, ci: Ci) -> None:
    """By who may push, and nobody else; what is over stays as it is."""
    await world.ours()
    world.push(files=FILES)
    await world.until(lambda: ci.builds)
    ci.advance()
    pipeline = await of(world, "running")
    body = {"repo": CORE, "pipeline": pipeline["id"]}
    assert (await world.call(EVE, "sh.tangled.ci.cancelPipeline", body))[1]["error"] == "AccessControl"
    assert (await world.call(ALICE, "sh.tangled.ci.cancelPipeline", body))[0] == 200
    await of(world, "cancelled")
    assert [build.state for build in ci.builds] == ["canceled"]
    assert (await world.call(ALICE, "sh.tangled.ci.cancelPipeline", body))[0] == 200
    assert (await world.pipelines())[0]["workflows"][0]["status"] == "cancelled"


@pytest.mark.parity(45, 51, 68)
@pytest.mark.acceptance("A-05")
async def test_webhooks_tell_faster(world: World, ci: Ci) -> None:
    """A build that is cancelled there, told by its webhook; a late one changes nothing; without the token none counts."""
    await world.ours()
    world.push(files=FILES)
    await world.until(lambda: ci.builds)
    (build,) = ci.builds

    async def webhook(event: str, token: str = canaries.HEARD) -> int:
        body = {"event": event, "build": build.shape(ci.url), "pipeline": {"slug": "core"}}
        headers = {"X-Buildkite-Token": token, "X-Buildkite-Event": event}
        async with world.http.post(f"{world.url}/webhooks/buildkite", json=body, headers=headers) as response:
            return response.status

    build.step(ci.clock())
    assert await webhook("build.running", "guess") == 401
    assert await webhook("build.running") == 200
    await of(world, "running")
    build.cancel(ci.clock())
    assert await webhook("build.finished") == 200
    await of(world, "cancelled")
    build.state = "running"
    late = build.shape(ci.url)
    build.state = "canceled"
    async with world.http.post(
        f"{world.url}/webhooks/buildkite",
        json={"event": "build.running", "build": late, "pipeline": {"slug": "core"}},
        headers={"X-Buildkite-Token": canaries.HEARD, "X-Buildkite-Event": "build.running"},
    ) as response:
        assert response.status == 200
    assert len(await world.pipelines()) == 1
    await of(world, "cancelled")


@pytest.mark.parity(47, 48)
@pytest.mark.acceptance("A-05")
async def test_a_webhook_may_come_before_our_receipt(world: World, ci: Ci) -> None:
    """Buildkite tells of the build while it still answers who asked for it; builds of others bear no delivery of ours, or one
    that is nobody's; and what comes twice is the same."""
    await world.ours()
    await ci.disturb(hold=True)
    world.push(files=FILES)
    await world.until(lambda: ci.builds)
    (build,) = ci.builds
    build.step(ci.clock())
    body: dict[str, Any] = {"event": "build.running", "build": build.shape(ci.url), "pipeline": {"slug": "core"}}
    headers = {"X-Buildkite-Token": canaries.HEARD, "X-Buildkite-Event": "build.running"}

    async def told(**more: Any) -> None:
        sent = {**body, "build": {**body["build"], **more}}
        async with world.http.post(f"{world.url}/webhooks/buildkite", json=sent, headers=headers) as response:
            assert response.status == 200

    await told(meta_data={}, state="failed")
    await told(meta_data={"router:delivery": "f" * 32}, state="failed")
    await told(id="forged", url=body["build"]["url"].replace("/core/", "/other/"), state="failed")
    await told()
    await told()
    await of(world, "running")
    await ci.disturb(hold=False)
    build.step(ci.clock())
    await of(world, "success")
    await told()
    await of(world, "success")
    assert len(ci.builds) == 1


@pytest.mark.parity(42, 59, 60, 63)
@pytest.mark.acceptance("A-10")
async def test_a_command_is_seen_while_it_runs(machine: World) -> None:
    """Without any CI: its lines are streamed as they come, without its secrets, and the stream ends with the workflow."""
    await machine.ours()
    secret = {"repo": CORE, "key": "DEPLOY_KEY", "value": canaries.REPO}
    assert (await machine.call(ALICE, "sh.tangled.repo.addSecret", secret))[0] == 200
    machine.push()
    pipeline = await machine.until(lambda: started(machine))
    rkey = pipeline["id"]
    older = f"{machine.url}/logs/{machine.knot.host}/{rkey}/ci.yml"
    today = f"{machine.url}/xrpc/sh.tangled.ci.subscribePipelineLogs?pipeline={rkey}"
    async with machine.http.ws_connect(older) as lines, machine.http.ws_connect(today) as frames:
        texts: list[str] = []
        while "begun" not in "".join(texts):
            texts.append((await lines.receive()).data)
        assert canaries.REPO not in "".join(texts)
        (machine.folder / "done").touch()
        while (message := await lines.receive()).type.name == "TEXT":
            texts.append(message.data)
        assert lines.close_code == 1000
        assert "over" in "".join(texts)
        assert all(json.loads(one)["kind"] in ("data", "control") for one in texts)
        told = b""
        while (message := await frames.receive()).type.name == "BINARY":
            told += message.data
        assert frames.close_code == 1000
        assert b"begun" in told
        assert b"***" in told
        assert canaries.REPO.encode() not in told
        assert cbor2.loads(told)
    await of(machine, "success")


async def started(machine: World) -> Any:
    found = await machine.pipelines()
    return found[0] if found else None


@pytest.mark.parity(65)
async def test_a_command_is_cancelled(machine: World) -> None:
    """Its process group ends; nothing says success later."""
    await machine.ours()
    machine.push()
    pipeline = await machine.until(lambda: started(machine))
    assert (await machine.call(ALICE, "sh.tangled.ci.cancelPipeline", {"repo": CORE, "pipeline": pipeline["id"]}))[0] == 200
    assert "cancel" in (await of(machine, "cancelled"))["workflows"][0].get("error", "cancel")


@pytest.mark.parity(57, 58, 69)
@pytest.mark.acceptance("A-09", "P-12")
async def test_the_older_stream_tells_a_run_before_its_statuses(machine: World) -> None:
    """Pipeline first, statuses in order, cursors that grow; from a cursor on, nothing that was before it; again after a while,
    for an appview that knew the run too late."""
    (machine.folder / "done").touch()
    await machine.ours()
    machine.push()
    await of(machine, "success")
    frames: list[Any] = []
    async with machine.http.ws_connect(f"{machine.url}/events") as stream, asyncio.timeout(20):
        while [one["event"].get("status") for one in frames].count("success") < 2:
            frames.append(json.loads((await stream.receive()).data))
    for frame in frames:
        schemas.check(schemas.record(frame["nsid"]), frame["event"])
    assert frames[0]["nsid"] == "sh.tangled.pipeline"
    assert {one["nsid"] for one in frames[1:]} == {"sh.tangled.pipeline.status"}
    assert [one["event"]["status"] for one in frames[1:]][-2:] == ["success", "success"]
    cursors = [one["created"] for one in frames]
    assert cursors == sorted(set(cursors))
    moments = [one["event"]["createdAt"] for one in frames[1:]]
    assert moments == sorted(set(moments))
    async with machine.http.ws_connect(f"{machine.url}/events?cursor={cursors[-2]}") as stream:
        assert json.loads((await stream.receive()).data) == frames[-1]
    async with machine.http.ws_connect(f"{machine.url}/events?cursor={cursors[-1] * 2}") as stream:
        machine.push(sha="c3" * 20)
        again = [json.loads((await stream.receive()).data) for _ in frames]
        assert again == frames  # of the last minute: whoever's clock runs ahead has missed what came meanwhile
        assert json.loads((await stream.receive()).data)["created"] > cursors[-1]
    async with machine.http.ws_connect(f"{machine.url}/events?cursor={cursors[-2] + 1}") as stream:
        assert json.loads((await stream.receive()).data) == frames[0]


@pytest.mark.parity(70)
async def test_secrets_have_names_and_no_values(world: World) -> None:
    """Only those who may push name, give and take them; a name is given once."""
    await world.ours()
    secret = {"repo": CORE, "key": "DEPLOY_KEY", "value": canaries.REPO}
    status, answer = await world.call(EVE, "sh.tangled.repo.addSecret", secret)
    assert (status, answer["error"]) == (401, "AccessControl")
    assert (await world.call(ALICE, "sh.tangled.repo.addSecret", secret))[0] == 200
    assert (await world.call(ALICE, "sh.tangled.repo.addSecret", secret))[0] == 500
    assert (await world.call(ALICE, "sh.tangled.repo.addSecret", secret | {"key": "no-name"}))[0] == 400
    token = world.pds.mint(ALICE, aud="did:web:spindle.example.com", lxm="sh.tangled.repo.listSecrets")
    method = f"{world.url}/xrpc/sh.tangled.repo.listSecrets?repo={CORE}"
    async with world.http.get(method, headers={"Authorization": f"Bearer {token}"}) as response:
        listed = await response.json()
    schemas.check(schemas.output("sh.tangled.repo.listSecrets"), listed)
    assert [one["key"] for one in listed["secrets"]] == ["DEPLOY_KEY"]
    assert canaries.REPO not in str(listed)
    gone = {"repo": CORE, "key": "DEPLOY_KEY"}
    assert (await world.call(ALICE, "sh.tangled.repo.removeSecret", gone))[0] == 200
    assert (await world.call(ALICE, "sh.tangled.repo.removeSecret", gone))[0] == 500


@pytest.mark.parity(28)
async def test_an_older_knots_pull_request_is_built(world: World, ci: Ci) -> None:
    """What it compiled is what is run: from a branch of the repo itself, so by somebody who may push."""
    await world.ours()
    repo = {"knot": world.knot.host, "did": ALICE, "repo": "core", "repoDid": CORE, "defaultBranch": "main"}
    asked = {"sourceBranch": "fix", "targetBranch": "main", "sourceSha": OTHER, "action": "opened"}
    workflow = {"name": "ci.yml", "engine": "tack", "raw": FILE, "clone": {"skip": False, "depth": 1, "submodules": False}}
    world.knot.emit(
        {
            "nsid": "sh.tangled.pipeline",
            "event": {
                "$type": "",
                "triggerMetadata": {"kind": "pull_request", "repo": repo, "pullRequest": asked},
                "workflows": [workflow],
            },
        }
    )
    await world.until(lambda: ci.builds)
    (build,) = ci.builds
    assert (build.asked.commit, build.asked.branch) == (OTHER, "fix")
    (pipeline,) = await world.pipelines()
    assert pipeline["trigger"]["$type"] == "sh.tangled.ci.trigger#pullRequest"


@pytest.mark.parity(67)
@pytest.mark.parametrize("method", ["sh.tangled.pipeline.cancelPipeline", "sh.tangled.ci.pipeline.cancelPipeline"])
async def test_cancelling_had_other_names(world: World, ci: Ci, method: str) -> None:
    """A workflow of a run that its AT-URI names."""
    await world.ours()
    world.push(files=FILES)
    await world.until(lambda: ci.builds)
    pipeline = await of(world, "pending")
    uri = f"at://did:web:{world.knot.host}/sh.tangled.pipeline/{pipeline['id']}"
    body = {"repo": f"at://{ALICE}/sh.tangled.repo/core", "pipeline": uri, "workflow": "ci.yml"}
    assert (await world.call(ALICE, method, body))[0] == 200
    await of(world, "cancelled")


@pytest.mark.parity(74)
async def test_a_body_that_is_too_large_is_refused(world: World) -> None:
    """Whoever sends it, and unread."""
    for path in ("xrpc/sh.tangled.ci.triggerPipeline", "webhooks/buildkite"):
        async with world.http.post(f"{world.url}/{path}", data=io.BytesIO(b"x" * (16 << 20))) as response:
            assert response.status in (401, 403, 413)


@pytest.mark.parametrize(
    ("method", "params", "status", "error"),
    [
        ("sh.tangled.ci.queryPipelines", {}, 400, "Generic"),
        ("sh.tangled.ci.queryPipelines", {"repo": CORE, "kinds": "schedule"}, 400, "Generic"),
        ("sh.tangled.ci.getPipeline", {"pipeline": "3mvhu2kwuyh22"}, 400, "PipelineNotFound"),
        ("sh.tangled.ci.getPipeline", {}, 400, "PipelineNotFound"),
        ("sh.tangled.ci.describeWorkflowDefinition", {"repo": CORE, "sha": "x"}, 400, "InvalidRequest"),
        ("sh.tangled.ci.describeWorkflowDefinition", {"repo": EVE, "sha": "a" * 40}, 400, "RepoNotFound"),
        ("sh.tangled.repo.listSecrets", {"repo": CORE}, 403, "Auth"),
    ],
)
async def test_what_cannot_be_answered_says_why(
    world: World, method: str, params: dict[str, str], status: int, error: str
) -> None:
    """With the codes that Tangled's clients look at."""
    await world.ours()
    code, answer = await world.get(method, **params)
    assert (code, answer["error"]) == (status, error)


async def test_pipelines_are_listed_in_pages(machine: World) -> None:
    """Newest first, with a cursor to the next; by kind, and by commit."""
    (machine.folder / "done").touch()
    await machine.ours()
    shas = [f"{number}d" * 20 for number in range(3)]
    for sha in shas:
        machine.push(sha=sha)
    await machine.statuses(3)
    status, first = await machine.get("sh.tangled.ci.queryPipelines", repo=CORE, limit="2")
    assert (status, first["total"], len(first["pipelines"])) == (200, 3, 2)
    _, second = await machine.get("sh.tangled.ci.queryPipelines", repo=CORE, limit="2", cursor=first["cursor"])
    seen = [one["commit"] for one in (*first["pipelines"], *second["pipelines"])]
    assert seen == shas[::-1]
    assert [one["commit"] for one in await machine.pipelines(commits=shas[1])] == [shas[1]]
    assert await machine.pipelines(kinds="manual") == []


@pytest.mark.parity(51)
async def test_a_rebuild_is_a_run_of_its_own(world: World, ci: Ci) -> None:
    """Somebody builds it once more in Buildkite: a new run of the same commit, told to its end; the first stays as it ended."""
    await world.ours()
    world.push(files=FILES)
    await world.until(lambda: ci.builds)
    (build,) = ci.builds
    build.step(ci.clock())
    build.cancel(ci.clock())
    first = await of(world, "cancelled")
    before = build.shape(ci.url)
    again = {
        **before,
        "id": "00000000-0000-4000-8000-00000000000a",
        "number": 99,
        "rebuilt_from": {"id": before["id"], "number": 1},
    }
    headers = {"X-Buildkite-Token": canaries.HEARD, "X-Buildkite-Event": "build.running"}

    async def told(state: str) -> None:
        sent = {"event": "build.x", "pipeline": {"slug": "core"}, "build": {**again, "state": state, "finished_at": None}}
        async with world.http.post(f"{world.url}/webhooks/buildkite", json=sent, headers=headers) as response:
            assert response.status == 200

    for state, status in (("running", "running"), ("running", "running"), ("passed", "success")):
        await told(state)

        async def shown(status: str = status) -> Any:
            found = await world.pipelines()
            return found if [one["workflows"][0]["status"] for one in found] == [status, "cancelled"] else None

        newest, oldest = await world.until(shown)
    assert oldest == first
    assert (newest["commit"], newest["trigger"]) == (first["commit"], first["trigger"])


@pytest.mark.parity(31)
@pytest.mark.parametrize("quiet", [f", silent: [{CORE}]", ", unmatched: silent", "", "rules"])
async def test_who_wants_no_word_gets_none(tmp_path: Path, quiet: str) -> None:
    """A push that nobody builds is not told of where the operator says so: of a repo, of all, or in its ruleset."""
    text = f"unmatched: silent\n{NEVER}" if quiet == "rules" else NEVER
    async with World(tmp_path, rules=text, settings=quiet if quiet != "rules" else "") as world:
        await world.start()
        await world.ours()
        world.push(files={})
        await world.until(lambda: [plan for event, plan, _ in world.told.plans if event.fields.get("pipeline")])
        assert len(await world.pipelines()) == (0 if quiet else 1)
