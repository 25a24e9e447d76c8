"""Repositories that git keeps, on the knot: files of their commits, tags that are objects of their own, and a real clone."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from router.demo.git import Repository
from router.spindle.calls import Unavailable
from router.spindle.tags import commit_of
from router.testing import Peer, Reply, host
from tests.spindle.world import CORE, NEW, WORKFLOW, World

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

CLONES = f"""\
rules:
  - name: build
    when: {{repo: {CORE}, trigger: push, workflow: {{exists: true}}}}
    each: workflows
    report: {{workflow: "{{{{ workflow.name }}}}"}}
    timeout: 60s
    do:
      - shell:
          argv: [/bin/sh, -c, 'git clone -q "$URL" "$SHA" && cd "$SHA" && git checkout -q "$SHA" && cat greeting']
          cwd: FOLDER
          env: {{URL: "{{{{ repo.clone_url }}}}", SHA: "{{{{ sha }}}}"}}
"""


class Work:
    """A working copy, and the bare repository that it pushes to."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.bare = folder / "work", folder / "core.git"
        self.run("init", "-q", "--bare", "-b", "main", str(self.bare), at=folder)
        self.run("init", "-q", "-b", "main", str(self.folder), at=folder)

    def run(self, *args: str, at: Path | None = None) -> str:
        who = ("-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false", "-c", "tag.gpgsign=false")
        environ = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
        done = subprocess.run(
            ["git", *who, *args], cwd=at or self.folder, env=environ, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def commit(self, text: str, workflow: str) -> str:
        """Pushed to `main`; its sha."""
        (self.folder / ".tangled" / "workflows").mkdir(parents=True, exist_ok=True)
        (self.folder / ".tangled" / "workflows" / "ci.yml").write_text(workflow)
        (self.folder / "greeting").write_text(text)
        self.run("add", "-A")
        self.run("commit", "-q", "-m", "x")
        self.run("push", "-q", str(self.bare), "main")
        return self.run("rev-parse", "HEAD")

    def tag(self, name: str, *options: str) -> str:
        """Pushed; the sha that its reference has."""
        self.run("tag", *options, name)
        self.run("push", "-q", str(self.bare), name)
        return self.run("rev-parse", name)


@pytest.fixture
def work(tmp_path: Path) -> Work:
    return Work(tmp_path)


@pytest.fixture
async def world(tmp_path: Path, work: Work) -> AsyncIterator[World]:
    async with World(tmp_path, rules=CLONES.replace("FOLDER", str(tmp_path))) as made:
        made.knot.repositories[CORE] = Repository(work.bare)
        await made.start()
        await made.ours()
        yield made


def pushed(world: World, sha: str, ref: str = "refs/heads/main") -> None:
    """The knot tells of a commit that git has."""
    world.push(sha=sha, ref=ref)
    del world.knot.commits[sha]


@pytest.mark.parity(30, 42)
async def test_a_commit_is_cloned_and_run(world: World, work: Work) -> None:
    """Its workflow file comes over XRPC, its text by `git clone`; the one that was replaced is there as well."""
    first = work.commit("hello", WORKFLOW)
    work.commit("goodbye", WORKFLOW)
    pushed(world, first)
    assert await world.statuses() == [{"ci.yml": "success"}]
    (pipeline,) = await world.pipelines()
    async with world.http.ws_connect(f"{world.url}/logs/{world.knot.host}/{pipeline['id']}/ci.yml") as log:
        assert "hello" in "".join([message.data async for message in log])


@pytest.mark.parity(31)
async def test_a_tag_is_built_at_its_commit(world: World, work: Work) -> None:
    """The object that the knot names is none that could be checked out by a CI."""
    sha = work.commit("hello", WORKFLOW.replace("branch: [main]", "tag: ['v*']"))
    annotated, plain = work.tag("v1", "-a", "-m", "one"), work.tag("v2")
    assert (annotated != sha, plain) == (True, sha)
    pushed(world, annotated, "refs/tags/v1")
    assert await world.statuses() == [{"ci.yml": "success"}]
    (pipeline,) = await world.pipelines()
    assert pipeline["commit"] == sha
    pushed(world, annotated, "refs/tags/v1")
    other = work.commit("goodbye", WORKFLOW.replace("branch: [main]", "tag: ['v*']"))
    assert work.tag("v3") == other
    pushed(world, other, "refs/tags/v3")
    assert await world.statuses(2) == [{"ci.yml": "success"}, {"ci.yml": "success"}]


def told(*lines: str) -> Reply:
    """References as git writes them: each behind its length."""
    return Reply(200, "".join(f"{len(line) + 5:04x}{line}\n" for line in lines) + "0000")


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        (Reply(404, ""), NEW),
        (Reply(200, "<html>"), NEW),
        (told(f"{NEW} refs/tags/v1"), NEW),
        (told(f"{NEW} refs/heads/v1", f"{'c' * 40} refs/tags/v1^{{}}"), NEW),
        (told(f"{'b' * 40} refs/tags/v1", f"{'c' * 40} refs/tags/v1^{{}}"), NEW),
        (told(f"{NEW} refs/tags/v1\0agent", f"{'c' * 40} refs/tags/v1^{{}}"), "c" * 40),
        (told(f"{NEW} refs/tags/v1", f"{'x' * 40} refs/tags/v1^{{}}"), NEW),
        (told(f"{NEW} refs/tags/v1", "x" * (5 << 20)), NEW),
        (Reply(302, "", headers={"Location": "http://127.0.0.1/"}), NEW),
        (Reply(503, ""), None),
        (Reply(cut="before"), None),
    ],
)
async def test_what_knots_answer_about_tags(reply: Reply, found: str | None) -> None:
    """What cannot be read leaves the sha as it was; a knot that is down is asked later."""
    async with Peer(accepts=reply) as peer, host() as lent:
        if found is None:
            with pytest.raises(Unavailable):
                await commit_of(lent, peer.url, "v1", NEW)
        else:
            assert await commit_of(lent, peer.url, "v1", NEW) == found
