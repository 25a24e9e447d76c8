"""What was recorded of real servers and clients: their requests are taken, and our answers are theirs, name by name."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from router.demo.knot import KnotRepo
from router.identity.documents import Documents, Unresolved
from router.spindle.files import Files
from router.spindle.permits import Permits
from router.spindle.roster import Repo
from router.spindle.verify import Verifier
from router.testing import Peer, Reply, host
from tests.spindle.appview import Appview
from tests.spindle.world import ALICE, BOB, CORE, EVE, FORK, HOST, OWNER, WORKFLOW, World

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from router.spindle.roster import Roster

WIRE = Path(__file__).parent.parent / "wire" / "spindle"
CI, REPO = "sh.tangled.ci", "sh.tangled.repo"
#: Names of the recordings, as this world calls them.
NAMES = {
    "at://did:plc:aliceaaaaaaaaaaaaaaaaaaa/sh.tangled.repo/demo": f"at://{ALICE}/sh.tangled.repo/core",
    "at://did:plc:bcf5hva3le7u4qexk2iyiajl/sh.tangled.repo/3mvfdkqum2222": f"at://{ALICE}/sh.tangled.repo/core",
    "did:plc:repodiddemo2222222222222": CORE,
    "did:plc:5nbfzjybiycs65opjs7yjya6": CORE,
    "did:plc:aliceaaaaaaaaaaaaaaaaaaa": ALICE,
    "did:plc:bcf5hva3le7u4qexk2iyiajl": ALICE,
    "did:plc:bobbbbbbbbbbbbbbbbbbbbbb": BOB,
    "did:plc:cyhfin4sdhc4ehs3jt76qda6": BOB,
    "did:plc:forkdiddemo2222222222222": FORK,
    "did:plc:jeqlr67mcacb2sqpjory7ai2": FORK,
    "did:plc:dc3sq67tvfcsrrjcjzbrnooa": OWNER,
    "ci.example.com": HOST,
    "ci.example.org": HOST,
}


def recorded(name: str, **more: str) -> Any:
    """A recording, in the names of this world."""
    text = (WIRE / f"{name}.json").read_text(encoding="utf-8")
    for theirs, ours in {**NAMES, **more}.items():
        text = text.replace(theirs, ours)
    return json.loads(text)


def outline(tree: Any) -> Any:
    """Names and kinds, without the values."""
    if isinstance(tree, dict):
        return {name: outline(value) for name, value in sorted(tree.items())}
    return [outline(one) for one in tree] if isinstance(tree, list) else type(tree).__name__


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setenv("TEST_SECRETS_KEY", base64.b64encode(bytes(range(32))).decode())
    async with World(tmp_path, settings=", secrets_key: {env: TEST_SECRETS_KEY}") as made:
        made.other.repos = (KnotRepo(FORK, BOB, "fork"),)
        await made.start()
        await made.ours()
        yield made


@pytest.mark.parametrize(
    "name",
    [
        "ci_trigger_request",
        "ci_trigger_request_retry_of_push",
        "ci_trigger_request_fork_pull",
        "ci_trigger_request_intermediate_2026",
        "both/ci_trigger_pipeline_request_manual",
        "both/ci_trigger_pipeline_request_pull_request",
    ],
)
@pytest.mark.parity(36, 37, 64)
async def test_recorded_triggers_run(world: World, name: str) -> None:
    """Of every shape that clients ever sent; the answer is the recorded one's."""
    body = recorded(name)
    trigger = body.get("trigger", body)
    sha = trigger.get("sourceSha") or trigger["sha"]
    files = {f".tangled/workflows/{each}": WORKFLOW.replace("main", "*") for each in ("ci.yml", "lint.yml")}
    (world.other if trigger.get("sourceRepo") else world.knot).commits[sha] = files
    if "ref" not in trigger and "pull" not in trigger:
        world.push(sha=sha, files=files)  # which is built once more, of the same branch
        await world.statuses(1)
    status, answer = await world.call(BOB, f"{CI}.triggerPipeline", body)
    assert (status, outline(answer)) == (200, outline(recorded("ci_trigger_response"))), answer
    (statuses, *_) = await world.statuses(1 if "ref" in trigger or "pull" in trigger else 2)
    assert sorted(statuses) == sorted(body.get("workflows") or ["ci.yml", "lint.yml"])
    (pipeline, *_) = await world.pipelines()
    assert answer["pipeline"].endswith(pipeline["id"])
    assert pipeline["commit"] == sha


@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("ci_cancel_request", f"{CI}.cancelPipeline"),
        ("ci_cancel_request_whole", f"{CI}.cancelPipeline"),
        ("both/ci_cancel_pipeline_request", f"{CI}.cancelPipeline"),
        ("both/pipeline_cancel_pipeline_request_legacy", "sh.tangled.pipeline.cancelPipeline"),
    ],
)
@pytest.mark.parity(65, 67)
async def test_recorded_cancels_are_taken(world: World, name: str, method: str) -> None:
    """With an answer that says nothing; a run that is over stays as it was."""
    world.push()
    await world.statuses()
    (pipeline,) = await world.pipelines()
    known = {"3n2y3eq3yb22e": pipeline["id"], "3mvhu2kwuyh22": pipeline["id"], "knot1.example.com": world.knot.host}
    assert await world.call(BOB, method, recorded(name, **known)) == (200, "")
    assert await world.pipelines() == [pipeline]


@pytest.mark.parametrize("folder", ["", "both/"])
@pytest.mark.parity(70)
async def test_recorded_secrets_are_kept(world: World, folder: str) -> None:
    """Added, listed without their values, and taken away."""
    body = recorded(f"{folder}secrets_add_request")
    assert await world.call(ALICE, f"{REPO}.addSecret", body) == (200, "")
    token = world.pds.mint(ALICE, aud=f"did:web:{HOST}", lxm=f"{REPO}.listSecrets")
    headers = {"Authorization": f"Bearer {token}"}
    async with world.http.get(
        f"{world.url}/xrpc/{REPO}.listSecrets", params={"repo": body["repo"]}, headers=headers
    ) as response:
        listed, expected = await response.json(), recorded(f"{folder}secrets_list_response")
    assert [one | {"createdAt": ""} for one in listed["secrets"]] == [one | {"createdAt": ""} for one in expected["secrets"]]
    gone = recorded("secrets_remove_request") | {"repo": body["repo"], "key": body["key"]}
    assert await world.call(ALICE, f"{REPO}.removeSecret", gone) == (200, "")


@pytest.mark.parity(61, 71)
async def test_refusals_are_the_recorded_ones(world: World) -> None:
    """By name and status; where clients read the sentence, by that as well."""
    body = recorded("ci_trigger_request")
    method = f"{CI}.triggerPipeline"
    world.knot.commits[body["trigger"]["sha"]] = {}
    assert await world.call(BOB, method, body) == (400, recorded("xrpc_error_no_workflows_400"))
    assert await world.call(BOB, method, body | {"repo": EVE}) == (400, recorded("xrpc_error_repo_not_found_400"))
    status, answer = await world.call(EVE, method, body)
    assert (status, answer["error"]) == (400, recorded("xrpc_error_access_control_400")["error"])
    assert answer == recorded("both/xrpc_error_access_control", **{BOB: EVE, "did:plc:cyhfin4sdhc4ehs3jt76qda6": EVE})
    for name in ("xrpc_error_auth_403", "both/xrpc_error_auth"):
        status, answer = await world.call(BOB, method, body, aud="did:web:elsewhere.example.com")
        assert (status, answer["error"]) == (403, recorded(name)["error"])
    status, answer = await world.get(f"{CI}.getPipeline", pipeline="3n2y3eq3yb22e")
    assert (status, answer["error"]) == (400, recorded("ci_get_pipeline_error_lexicon")["error"])


@pytest.mark.parity(1, 2)
async def test_who_it_is_is_said_as_recorded(world: World) -> None:
    """Whoever resolves `did:web` reads our service as it reads the stock one's."""
    async with world.http.get(f"{world.url}/.well-known/did.json") as response:
        said = await response.text()
    for name in ("did_web_document", "both/did_web_document"):
        assert json.loads(said.replace("http://", "https://")) == recorded(name)
    for name in ("owner_response", "both/owner_response"):
        assert outline((await world.get("sh.tangled.owner"))[1]) == outline(recorded(name))


@pytest.mark.parity(61)
async def test_runs_are_shown_as_recorded(world: World) -> None:
    """The same names at every depth."""
    world.push()
    await world.statuses()
    (pipeline,) = await world.pipelines()
    expected = {outline_of(one) for one in recorded("both/ci_query_pipelines_response")["pipelines"]}
    expected |= {outline_of(one) for one in recorded("ci_query_pipelines_response")["pipelines"]}
    expected |= {outline_of(recorded(name)) for name in ("ci_get_pipeline_response", "both/ci_get_pipeline_response")}
    assert outline_of(pipeline) in expected
    empty = (await world.get(f"{CI}.queryPipelines", repo=FORK))[1]
    assert empty == recorded("ci_query_pipelines_response_empty") == recorded("both/ci_query_pipelines_response_empty")


def outline_of(pipeline: Any) -> str:
    """A run's, as a text that a set can hold, without what only some workflows have."""
    workflows = [{name: one[name] for name in ("id", "name", "status")} for one in pipeline["workflows"][:1]]
    trigger = {name: value for name, value in pipeline["trigger"].items() if name != "changedFiles"}
    return json.dumps(outline(pipeline | {"workflows": workflows, "trigger": trigger}))


@pytest.mark.parity(57)
async def test_recorded_events_are_ours(world: World) -> None:
    """An appview that takes the recorded stream takes ours, frame for frame."""
    lines = [json.loads(line) for line in (WIRE / "both" / "spindle_events_sequence_v2.ndjson").read_text().splitlines()]
    theirs = Appview(world.http, world.url)
    for line in lines:
        theirs.hear(line)
    assert (theirs.over(), theirs.dropped) == (1, [])
    world.push()
    async with world.http.ws_connect(f"{world.url}/events") as stream:
        run, pending = [json.loads((await stream.receive()).data) for _ in range(2)]
    assert outline(pending) == outline(lines[1])
    for name in ("both/spindle_status_v2", "spindle_events_status"):
        assert outline(pending) == outline(recorded(name))
    assert set(run["event"]) == set(lines[0]["event"])
    assert outline(run["event"]["workflows"][0]["clone"]) == outline(lines[0]["event"]["workflows"][0]["clone"])
    assert set(run["event"]["triggerMetadata"]["repo"]) >= set(lines[0]["event"]["triggerMetadata"]["repo"])


async def test_recorded_documents_are_read() -> None:
    """Of a spindle, which is nobody's account."""
    async with Peer() as peer, host() as lent:
        place = peer.url.removeprefix("http://")
        document = recorded("did_web_document", **{HOST: place.replace(":", "%3A")})
        peer.accepts = Reply(200, json.dumps(document))
        found = await Documents(lent, "http://127.0.0.1:1", dev=True).document(document["id"])
    assert (found.did, found.key, found.pds, found.knots) == (document["id"], None, "", ())
    assert found.services["tangled_spindle"][0] == "TangledSpindle"


async def test_recorded_answers_of_knots_are_read() -> None:
    """Files, default branch, who may push, and whose repo it is."""
    names = ("tree_workflows", "get_default_branch", "blob", "blob")
    repo = Repo(did=CORE, owner=ALICE, rkey="demo", name="demo", knot="knot.example.com")
    async with Peer() as peer, host() as lent:
        peer.replies.extend(Reply(200, json.dumps(recorded(f"knot_{name}_response"))) for name in names)
        found = await Files(lent).fetch(peer.url, (CORE, ALICE, "demo"), "6e13e68d383190280012b07f7a62f830da739b41")
        assert found.default_branch == "main"
        assert [name for name, _ in found.files] == ["ci.yml", "lint.yml"]
        assert "make test" in found.files[0][1]
        peer.accepts = Reply(200, json.dumps(recorded("knot_list_collaborators_response")))
        permits = Permits(cast("Roster", Known(peer.url)), lent)
        assert await permits.may(BOB, repo)
        assert not await permits.may(EVE, repo)
        peer.accepts = Reply(200, json.dumps(recorded("knot_describe_repo_response")))
        verifier = Verifier(lent, Documents(lent, "http://127.0.0.1:1"))
        with pytest.raises(Unresolved):
            await verifier.objection(repo, peer.url)
        assert "no repo of" in await verifier.objection(replace(repo, owner=EVE), peer.url)


@dataclass
class Known:
    """A roster that knows one knot and objects to nothing."""

    url: str

    def knot_url(self, _knot: str) -> str:
        return self.url

    async def verdict(self, _repo: Repo, _knot: str) -> str:
        return ""
