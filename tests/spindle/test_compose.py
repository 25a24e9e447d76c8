"""The run that a trigger and its plan are: every workflow that was asked for is run, or says why not."""

from __future__ import annotations

from typing import Any

import pytest

from router.core.model import Delivery, Event, Plan, State, Status, Subject, Trouble
from router.spindle import compose

REPO = {"did": "did:plc:repo", "owner": "did:plc:alice", "name": "core", "knot": "knot1.example.com", "default_branch": "main"}
NAMED = {"id": "3mvhu2kwuyh22", "uri": "at://x", "knot": "knot1.example.com", "key": "k"}
PUSH = {
    "trigger": "push",
    "ref": "refs/heads/main",
    "branch": "main",
    "sha": "1f" * 20,
    "old_sha": "2e" * 20,
    "repo": REPO,
    "pipeline": NAMED,
    "actor": "did:plc:alice",
}


def event(**fields: Any) -> Event:
    given = {name: value for name, value in {**PUSH, **fields}.items() if value is not None}
    return Event(
        origin="knot:knot1.example.com",
        id="sh.tangled.git.refUpdate/3aaaaaaaaaaa2",
        source="k",
        kind="knot",
        nsid="sh.tangled.git.refUpdate",
        time=1,
        record={},
        fields=given,
    )


def delivery(workflow: str, state: State = State.READY) -> Delivery[Any]:
    return Delivery(
        id=workflow or "none",
        rule="r",
        step="0",
        provider="toy",
        options={},
        event_origin="o",
        event_id="e",
        nsid="n",
        subject=Subject(workflow=workflow),
        state=state,
    )


def made(given: Event, plan: Plan, *, tells: bool = True) -> dict[str, tuple[Status | None, str]]:
    found = compose.pipeline(given, plan, lambda: "closest is `a/b`: branch must be `main`", 7, tells=tells)
    assert found is not None
    return {one.name: (one.status, one.error) for one in found.workflows}


def workflow(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "engine": "tack", "raw": "", **more}


def test_an_event_without_a_run_makes_none() -> None:
    """A plain router's push, and one that was told already."""
    assert compose.pipeline(event(pipeline=None), Plan(), lambda: "", 7, tells=True) is None


def test_what_rules_report_is_what_is_run() -> None:
    """Also where the repo has no workflow files at all: its CI is configured elsewhere. What only watches reports nothing."""
    plan = Plan(matched=("r",), deliveries=(delivery("ci"), delivery(""), delivery("quiet", State.SHADOW)))
    assert made(event(), plan) == {"ci": (None, "")}


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"fault": "Line 3: no mapping."}, "Line 3: no mapping."),
        ({"engine": "nixery"}, "`nixery`"),
        ({"provider": "tekton"}, "`tekton`"),
    ],
)
def test_a_workflow_file_that_nobody_runs_fails_with_the_reason(asked: dict[str, Any], said: str) -> None:
    """It was asked for, so that silence would be waited for."""
    files = [workflow("ci.yml", provider="buildkite"), workflow("lint.yml", **asked)]
    found = made(event(workflows=files), Plan(matched=("r",), deliveries=(delivery("ci.yml"),)))
    assert found["ci.yml"] == (None, "")
    assert found["lint.yml"][0] is Status.FAILED
    assert said in found["lint.yml"][1]


def test_a_push_that_no_rule_acts_on_says_so() -> None:
    """With the closest rule; not where a rule matched that does nothing on purpose, nor where nobody wants to hear it."""
    assert made(event(), Plan()) == {"router": (Status.CANCELLED, "closest is `a/b`: branch must be `main`")}
    assert made(event(), Plan(matched=("docs",))) == {}
    assert made(event(), Plan(), tells=False) == {}


def test_what_was_refused_says_why() -> None:
    """To whoever looks at the commit, with characters that are harmless."""
    assert made(event(refused="The owner is\x1b no member."), Plan())["router"][1] == "The owner is\\x1b no member."


def test_what_waits_for_approval_says_so() -> None:
    """The rule that would act tells it; nothing has failed."""
    waits = Plan(troubles=(Trouble(rule="r", sentence="waits for approval: press Run"),))
    files = [workflow("ci.yml", provider="buildkite")]
    assert made(event(approval="needed", workflows=files), waits) == {
        "ci.yml": (Status.CANCELLED, "waits for approval: press Run")
    }


def test_what_is_undecided_is_not_judged_yet() -> None:
    """It is planned again when what is missing is known."""
    doubt = Plan(troubles=(Trouble(rule="r", sentence="?", undecided=True),))
    assert made(event(workflows=[workflow("ci.yml")]), doubt) == {}


def test_both_generations_tell_of_one_run() -> None:
    """A push is known by its repo, ref and commits; one back to an older commit is another."""
    push = compose.key(event())
    assert push == compose.key(event(paths=["a"], workflows=[]))
    assert push != compose.key(event(old_sha="3d" * 20))
    assert push != compose.key(event(ref="refs/heads/dev"))


def test_a_pull_request_runs_again_when_it_is_opened_again() -> None:
    """The same round told twice is one run."""
    pull = {"trigger": "pull_request", "target_branch": "main", "branch": "fix", "action": "opened"}
    assert compose.key(event(**pull)) == compose.key(event(**{**pull, "action": "synchronize"}))
    assert compose.key(event(**pull)) != compose.key(event(**{**pull, "action": "reopened"}))


def test_the_record_is_that_of_the_older_lexicon() -> None:
    """Whatever told of the trigger; a new ref comes from nothing."""
    record = compose.record(event(old_sha=None, workflows=[workflow("ci.yml", clone={"skip": True})]))
    assert record["triggerMetadata"] == {
        "kind": "push",
        "repo": {
            "knot": "knot1.example.com",
            "did": "did:plc:alice",
            "repo": "core",
            "repoDid": "did:plc:repo",
            "defaultBranch": "main",
        },
        "push": {"ref": "refs/heads/main", "newSha": "1f" * 20, "oldSha": "0" * 40},
    }
    assert record["workflows"] == [{"name": "ci.yml", "engine": "tack", "clone": {"skip": True}, "raw": ""}]


@pytest.mark.parity(29)
def test_manual_and_pull_request_records() -> None:
    """Inputs and sources are told."""
    manual = compose.record(event(trigger="manual", inputs={"level": "3"}, source_repo="did:plc:fork"))["triggerMetadata"]
    assert manual["manual"] == {"sha": "1f" * 20, "ref": "refs/heads/main", "inputs": [{"key": "level", "value": "3"}]}
    assert manual["sourceRepo"] == "did:plc:fork"
    pull = compose.record(event(trigger="pull_request", branch="fix", target_branch="main", action="opened"))["triggerMetadata"]
    assert pull["pullRequest"] == {"sourceBranch": "fix", "targetBranch": "main", "sourceSha": "1f" * 20, "action": "opened"}
