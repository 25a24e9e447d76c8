"""The run that a trigger and its plan are: which workflows it has, and which of them nobody runs, and why.

A check that never comes is worse than one that fails: a push that no rule acts on, or that had to be refused, is told as a
workflow that is over, with the reason for people.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.core.match import WAITS
from router.core.model import Pipeline, State, Status, Workflow
from router.core.problems import printable
from router.core.wire import PIPELINE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from router.core.model import Event, Micros, Plan, Tree

#: The workflow that tells of a push which has none of its own.
OURS = "router"
#: Workflows of one run, and characters of an error: what Tangled shows.
MOST, LONGEST = 50, 500
NOTHING = "0" * 40
#: Actions that end a pull request.
OVER = ("closed", "merged")
KINDS = ("push", "pull_request", "manual")


def pipeline(event: Event, plan: Plan, closest: Callable[[], str], now: Micros, *, tells: bool) -> Pipeline | None:
    """None of an event that is no trigger. One without workflows is not shown, and keeps its key taken all the same.

    `closest` says why no rule acts; `tells` is whether that is told of a push without workflow files.
    """
    fields = event.fields
    named = fields.get("pipeline")
    if not isinstance(named, dict):
        return None
    covered = {
        delivery.subject.workflow: None
        for delivery in plan.deliveries
        if delivery.subject.workflow and delivery.state in (State.READY, State.DEAD)
    }
    workflows = [Workflow(name=name) for name in covered]
    if not any(trouble.undecided for trouble in plan.troubles):
        workflows += _uncovered(event, plan, covered, closest, now, tells=tells)
    repo = fields.get("repo") or {}
    owner, name = str(repo.get("owner", "")), str(repo.get("name", ""))
    return Pipeline(
        id=str(named["id"]),
        key=str(named["key"]),
        knot=str(named["knot"]),
        repo=str(repo.get("did") or f"{owner}/{name}"),
        owner=owner,
        name=name,
        kind=str(fields.get("trigger", "")),
        sha=str(fields.get("sha", "")),
        record=record(event),
        source_repo=str(fields.get("source_repo") or ""),
        actor=str(fields.get("actor") or ""),
        workflows=tuple(workflows[:MOST]),
        names=((event.origin.removeprefix("knot:"), event.id.rpartition("/")[2]),) if event.nsid == PIPELINE else (),
    )


def key(event: Event) -> str:
    """What makes two triggers one. A push that both generations tell of is one, and one back to an older commit is another; a
    pull request runs again when it is opened again; whoever asks for a run gets one."""
    fields = event.fields
    repo = fields.get("repo") or {}
    whose = repo.get("did") or f"{repo.get('owner')}/{repo.get('name')}"
    kind = fields.get("trigger")
    if event.kind == "xrpc":
        what = event.id
    elif kind == "push":
        what = f"{fields.get('ref')}|{fields.get('old_sha') or ''}|{fields.get('sha')}"
    else:
        again = event.id if fields.get("action") in ("reopened", *OVER) else ""
        what = f"{fields.get('branch')}|{fields.get('target_branch')}|{fields.get('sha')}|{again}"
    return f"{whose}|{kind}|{what}"


def _uncovered(
    event: Event, plan: Plan, covered: Mapping[str, None], closest: Callable[[], str], now: Micros, *, tells: bool
) -> Iterator[Workflow]:
    """What nobody runs."""
    refused = str(event.fields.get("refused") or "")
    waits = event.fields.get("approval") == "needed"
    declared = [one for one in event.fields.get("workflows") or () if one["name"] not in covered]
    reason = refused or (_waiting(plan) if waits else "")
    status = Status.CANCELLED if reason else Status.FAILED
    for one in declared:
        yield _over(one["name"], status, reason or _why_not(one, closest), now)
    # Whose workflow files are for something else, and whose pull request is over, looks for no check.
    expected = not event.fields.get("quiet") and event.fields.get("action") not in OVER
    if not declared and not covered and not plan.matched and tells and expected:
        yield _over(OURS, Status.CANCELLED, reason or closest(), now)


def _over(name: str, status: Status, why: str, now: Micros) -> Workflow:
    return Workflow(name=name, status=status, at=now, error=printable(why)[:LONGEST])


def _waiting(plan: Plan) -> str:
    said = next((trouble.sentence for trouble in plan.troubles), "")
    return said or WAITS


def _why_not(workflow: Mapping[str, Tree], closest: Callable[[], str]) -> str:
    """Why a workflow file is not run: the file itself may be the reason."""
    if workflow.get("fault"):
        return str(workflow["fault"])
    provider = workflow.get("provider")
    if provider is None:
        asked = workflow.get("engine")
        engine = f" Its engine is `{asked}`." if asked else ""
        return f"This spindle runs workflows that say by whom, in a block `router:` or `tack:`, and this one does not.{engine}"
    return f"No rule of this spindle starts `{provider}` for it. {closest()}"


def record(event: Event) -> dict[str, Tree]:
    """The trigger in the shape of `sh.tangled.pipeline`, whatever told of it."""
    fields = event.fields
    repo = fields.get("repo") or {}
    kind = fields.get("trigger")
    about = {
        "knot": fields["pipeline"]["knot"],
        "did": repo.get("owner", ""),
        "repo": repo.get("name"),
        "repoDid": repo.get("did"),
        "defaultBranch": repo.get("default_branch", ""),
    }
    metadata: dict[str, Tree] = {"kind": kind, "repo": _present(about)}
    sha = fields.get("sha", "")
    if kind == "push":
        metadata["push"] = {"ref": fields.get("ref", ""), "newSha": sha, "oldSha": fields.get("old_sha") or NOTHING}
    elif kind == "pull_request":
        asked = {
            "sourceBranch": fields.get("branch", ""),
            "targetBranch": fields.get("target_branch", ""),
            "sourceSha": sha,
            "action": fields.get("action"),
            "pull": fields.get("pull"),
        }
        metadata["pullRequest"] = _present(asked)
    else:
        inputs = [{"key": name, "value": value} for name, value in (fields.get("inputs") or {}).items()]
        metadata["manual"] = _present({"sha": sha, "ref": fields.get("ref"), "inputs": inputs or None})
    if fields.get("source_repo"):
        metadata["sourceRepo"] = fields["source_repo"]
    return {"$type": PIPELINE, "triggerMetadata": metadata, "workflows": list(map(_workflow, _files(event)))}


def _files(event: Event) -> list[Mapping[str, Tree]]:
    return list(event.fields.get("workflows") or ())[:MOST]


def _workflow(one: Mapping[str, Tree]) -> dict[str, Tree]:
    clone = one.get("clone") or {"skip": False, "depth": 0, "submodules": True, "tags": True}
    return {"name": one["name"], "engine": one.get("engine", ""), "clone": clone, "raw": one.get("raw", "")}


def _present(values: Mapping[str, Tree]) -> dict[str, Tree]:
    return {name: value for name, value in values.items() if value is not None}
