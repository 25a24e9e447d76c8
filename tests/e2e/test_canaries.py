"""A canary in every secret of a router that works, fails and is asked everything: none is in what it wrote or answered."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest

from router.demo.ci import Ci
from router.testing import Peer, Reply
from tests import canaries
from tests.e2e.processes import ROUTER
from tests.e2e.test_spindle_kills import Process, answers
from tests.spindle.test_scenarios import pull
from tests.spindle.world import ALICE, CORE, EVE, WORKFLOW, World

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.e2e, pytest.mark.faults]

RULES = """\
rules:
  - name: build
    when: {trigger: [push, pull_request], trust: [owner, member, collaborator], workflow: {exists: true}}
    each: workflows
    report: {workflow: "{{ workflow.name }}"}
    do:
      - buildkite: {org: demo, pipeline: core, commit: "{{ sha }}", branch: "{{ branch }}", env: {REPO: "{{ repo.did }}"}}
        secrets: [DEPLOY_KEY]
        retry: {attempts: 3, base: 50ms}
  - name: shell
    when: {trigger: push, repo: did:plc:corerrrrrrrrrrrrrrrrrrrr}
    report: {workflow: shell}
    do:
      - shell: {script: 'env; echo "key: $DEPLOY_KEY"; echo "$DEPLOY_KEY" >&2; exit 3'}
        secrets: [DEPLOY_KEY]
  - name: told
    when: {trigger: push, trust: [owner, member, collaborator]}
    do:
      - webhook: {url: "%(peer)s/hook", json: {sha: "{{ sha }}"}, secret: main}
        retry: {attempts: 2, base: 50ms}
  - name: refused
    when: {trigger: push, trust: [owner, member, collaborator]}
    report: {workflow: refused}
    do:
      - webhook: {url: "%(peer)s/refused", text: "{{ branch }}", secret: main}
  - name: job
    when: {trigger: push, trust: [owner, member, collaborator]}
    report: {workflow: job}
    do:
      - sourcehut: {manifest: "image: alpine/edge\\ntasks: [{build: make}]", note: "{{ sha }}"}
        retry: {attempts: 2, base: 50ms}
"""
OTHER = "7" * 40
VARIABLES = {
    "TEST_TOKEN": canaries.TOKEN,
    "TEST_WEBHOOK": canaries.WEBHOOK,
    "TEST_HEARD": canaries.HEARD,
    "TEST_KEY": canaries.KEY,
    "TEST_SOURCEHUT": canaries.SOURCEHUT,
    **canaries.ENVIRONMENT,
}
VERBS = (
    *(("deliveries", "list"), ("config",), ("doctor",), ("explain", "--event-id", "1"), ("routes",), ("providers",)),
    *(
        (*one, "--output", "json")
        for one in (("events", "list"), ("sources",), ("roster",), ("approvals",), ("config",), ("doctor",))
    ),
)


class Canaries(Process):
    """The process with secrets in all its settings."""

    def __init__(self, world: World, ci: Ci, sourcehut: Peer) -> None:
        super().__init__(world, ci)
        world.more = (
            f"providers:\n  buildkite: {{token: {{env: TEST_TOKEN}}, url: {ci.url}/v2, settle: 200ms,"
            " webhook_secrets: [{env: TEST_HEARD}]}\n"
            "  webhook: {secrets: {main: {env: TEST_WEBHOOK}}}\n"
            f"  sourcehut: {{token: {{env: TEST_SOURCEHUT}}, url: {sourcehut.url}, settle: 200ms}}\n"
            f"  shell: {{workdir: {world.folder}}}\n"
            "delivery: {poll: 100ms}\nlog: {format: json, level: debug}\n"
        )
        world.settings = ", secrets_key: {env: TEST_KEY}"
        self.file = world.write()


async def verb(world: World, *arguments: str) -> bytes:
    """What a verb says, with the secrets in its environment."""
    process = await asyncio.create_subprocess_exec(
        *(str(ROUTER), *arguments),
        cwd=world.folder,
        env={"PATH": "/usr/bin:/bin", "HOME": str(world.folder), **VARIABLES},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    return (await process.communicate())[0]


async def everything_asked(world: World) -> list[tuple[str, bytes]]:
    """Every answer of the spindle, and all that verbs print."""
    said: list[tuple[str, bytes]] = []
    pipelines = await world.pipelines()
    paths = [
        "/",
        "/healthz",
        "/.well-known/did.json",
        "/xrpc/sh.tangled.owner",
        f"/xrpc/sh.tangled.ci.queryPipelines?repo={CORE}",
    ]
    paths += [f"/xrpc/sh.tangled.ci.getPipeline?pipeline={one['id']}" for one in pipelines]
    for path in paths:
        async with world.http.get(world.url + path) as response:
            said.append((path, await response.read() + str(response.headers).encode()))
    sockets = ["/events?cursor=0"]
    sockets += [f"/logs/{world.knot.host}/{one['id']}/{workflow['name']}" for one in pipelines for workflow in one["workflows"]]
    said += [(path, await heard(world, path)) for path in sockets]
    rows = json.loads(await verb_json(world, "deliveries", "list"))
    return said + await said_by(world, *(("deliveries", "show", row["id"], "--output", "json") for row in rows), *VERBS)


async def said_by(world: World, *verbs: tuple[str, ...]) -> list[tuple[str, bytes]]:
    """What these verbs say, a few at a time."""
    turn = asyncio.Semaphore(3)

    async def one(arguments: tuple[str, ...]) -> tuple[str, bytes]:
        async with turn:
            return " ".join(arguments), await verb(world, *arguments)

    return list(await asyncio.gather(*map(one, verbs)))


async def verb_json(world: World, *arguments: str) -> bytes:
    process = await asyncio.create_subprocess_exec(
        *(str(ROUTER), *arguments, "--output", "json"), cwd=world.folder, stdout=asyncio.subprocess.PIPE
    )
    return (await process.communicate())[0]


async def heard(world: World, path: str) -> bytes:
    """What a stream says until it is silent."""
    said = b""
    async with world.http.ws_connect(world.url + path) as ws:
        try:
            while not (message := await ws.receive(1.0)).type.name.startswith(("CLOS", "ERR")):
                said += message.data.encode() if isinstance(message.data, str) else bytes(message.data)
        except TimeoutError:
            pass
    return said


@pytest.mark.timeout(240)
@pytest.mark.threat("S-18")
async def test_no_secret_is_seen_again(tmp_path: Path) -> None:
    """A push that is built, a command that prints all it has and fails, a receiver that fails and repeats what it was sent, a
    CI that says no, webhooks with the wrong proof and the right one, a stranger; then everything is asked for."""
    async with (
        Ci("ci", token=canaries.TOKEN) as ci,
        Peer() as peer,
        Peer("builds.sr.ht") as sourcehut,
        World(tmp_path, rules="rules: []\n") as world,
    ):
        peer.accepts = sourcehut.accepts = Reply(400, echo=True)
        peer.replies.extend([Reply(500, echo=True)] * 3)
        world.rules = RULES % {"peer": peer.url}
        router = Canaries(world, ci, sourcehut)
        try:
            await router.start(**VARIABLES)
            await world.ours()
            await world.until(lambda: answers(world))
            secret = {"repo": CORE, "key": "DEPLOY_KEY", "value": canaries.REPO}
            assert (await world.call(ALICE, "sh.tangled.repo.addSecret", secret))[0] == 200
            world.push(files={".tangled/workflows/ci.yml": WORKFLOW})
            await world.until(lambda: ci.builds)
            assert canaries.REPO in str(ci.builds[0])
            ci.advance()
            ci.advance()
            ci.faults.answers.extend([500, 503])
            world.push(sha=OTHER, files={".tangled/workflows/ci.yml": WORKFLOW})
            pull(world, EVE, "8" * 40)
            for headers in ({"X-Buildkite-Token": "wrong"}, {"X-Buildkite-Token": canaries.HEARD}):
                async with world.http.post(f"{world.url}/webhooks/buildkite", json={"event": "ping"}, headers=headers):
                    pass

            async def over() -> bool:
                rows = json.loads(await verb_json(world, "deliveries", "list"))
                # A receiver that refuses is tried again for a day, and those behind it wait.
                waits = [row for row in rows if row["state"] == "ready" and row["provider"] != "webhook"]
                return len(rows) >= 10 and not waits and not [row for row in rows if row["state"] in ("claimed", "verify")]

            await world.until(over)
            said = await everything_asked(world)
            await router.end()
            said += await said_by(world, ("deliveries", "list"), ("doctor",))
        finally:
            await router.end(9)
            router.log.close()
    assert len(peer.requests) >= 4
    assert [(what, canaries.seen(text)) for what, text in said if canaries.seen(text)] == []
    assert canaries.seen_in([tmp_path]) == []
    assert (tmp_path / "log").stat().st_size > 1000
    printed = next(text for what, text in said if what.startswith("deliveries show") and b"key: " in text)
    assert b"key: ***" in printed
    # The one token that only its requests bear: the instance repeated it, and what is kept of that has none.
    assert sourcehut.requests
    assert [text for what, text in said if what.startswith("deliveries show") and b"Authorization: Bearer [secret]" in text]


@pytest.mark.threat("S-18")
def test_a_canary_that_is_written_is_found(tmp_path: Path) -> None:
    """The control of all this: in each form, in any file, over the edges of what is read at once."""
    for number, (name, value) in enumerate(canaries.ALL.items()):
        for form in canaries.forms(value):
            file = tmp_path / str(number)
            file.write_bytes(b"x" * ((1 << 20) - 5) + form + b"y" * 10)
            assert f"{file}: {name}" in canaries.seen_in([tmp_path])
            file.unlink()
