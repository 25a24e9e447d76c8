"""What events look like, for those nsids that are known: the members of their records, and the named fields that they have.

A compact form of Tangled's lexicons and of what knots send beside them. It is the union of all generations: a name that any
server ever sends is here, and what is not here is a name that no event has. Of any other nsid nothing is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from router.core.members import WORKFLOW
from router.core.rulebook import OWN_STATUS
from router.core.shapes import ANYTHING, VALUE, values

if TYPE_CHECKING:
    from collections.abc import Mapping

    from router.core.shapes import Shape


@dataclass(frozen=True, slots=True)
class Lexicon:
    """What the events of one nsid may have. `triggers` are the values of their field `trigger`."""

    record: Shape
    fields: dict[str, Shape]
    triggers: tuple[str, ...] = ()

    @property
    def named(self) -> frozenset[str]:
        """The names of the fields that rules may ask for."""
        return frozenset(self.fields) | ({"workflow"} if "workflows" in self.fields else frozenset())


def _record(names: str, **members: Shape) -> Shape:
    return {**values(names), **members, "$type": VALUE}


def _fields(names: str, repo: str = "", **members: Shape) -> dict[str, Shape]:
    """Named fields; `repo` are the members of the one of that name, whose owner is a field, too."""
    made = {**values(names), **members}
    if repo:
        made["repo"] = values(repo)
    return made | (values("owner") if "owner" in repo.split() else {})


_CLONE: Shape = values("skip depth submodules tags")
#: The item of `each: workflows`.
WORKFLOW_ITEM: Shape = {name: {"clone": _CLONE, "options": ANYTHING}.get(name, VALUE) for name in WORKFLOW}
_BLOB: Shape = {**values("$type mimeType size"), "ref": values("$link")}
_PUSHED = "ref newSha oldSha"
_ACCOUNT = "operation actor trust"
#: Named fields that an event of any nsid may have: they say where it is from.
ALL = frozenset(("nsid", "source", "knot", *_ACCOUNT.split()))
_REF = "ref branch tag sha old_sha"
_REPO = "did owner name knot clone_url"
_BUILT = f"{_REPO} default_branch"
#: What a spindle adds to a trigger before rules see it (see `router.spindle.complete`).
_RUN: dict[str, Shape] = {
    "workflows": [WORKFLOW_ITEM],
    "pipeline": values("id uri knot key"),
    **values("trust action source_repo approval"),
    "inputs": ANYTHING,
}

KNOWN: Mapping[str, Lexicon] = {
    "sh.tangled.git.refUpdate": Lexicon(
        record=_record(
            # `repo` is the repo's own DID; before it, there were the owner's as `repoDid`, and `repoName`.
            f"{_PUSHED} committerDid repo ownerDid repoDid repoName",
            changedFiles=[VALUE],
            pushOptions=[VALUE],
            meta={
                "isDefaultRef": VALUE,
                "commitCount": {"byEmail": [values("email count")]},
                "langBreakdown": {"inputs": [values("lang size")]},
            },
        ),
        fields=_fields(f"trigger operation knot actor {_REF}", _BUILT, paths=[VALUE], **_RUN),
        triggers=("push",),
    ),
    "sh.tangled.pipeline": Lexicon(
        record=_record(
            "",
            triggerMetadata={
                **values("kind sourceRepo"),
                "repo": values("knot did repoDid repo defaultBranch"),
                "push": values(_PUSHED),
                "pullRequest": values("action sourceBranch targetBranch sourceSha pull"),
                "manual": {**values("sha ref"), "inputs": [values("key value")]},
            },
            workflows=[{**values("name engine raw"), "clone": _CLONE}],
        ),
        fields=_fields(f"trigger knot actor target_branch pull {_REF}", _BUILT, **_RUN),
        triggers=("push", "pull_request", "manual"),
    ),
    # Of a spindle, and our own: those have the named fields of the event that they came of.
    OWN_STATUS: Lexicon(
        record=_record(
            "pipeline workflow status createdAt error exitCode delivery rule trigger url previous outdated defaultBranch"
        ),
        fields=_fields(
            f"status knot actor trust target_branch pull {_REF}",
            _BUILT,
            pipeline=values("id uri knot key"),
            source_repo=VALUE,
            paths=[VALUE],
            workflows=[values("name")],
        ),
    ),
    "sh.tangled.repo": Lexicon(
        record=_record(
            "name knot spindle description website source repoDid createdAt",
            topics=[VALUE],
            labels=[VALUE],
        ),
        fields=_fields(_ACCOUNT, _REPO),
    ),
    "sh.tangled.repo.pull": Lexicon(
        record=_record(
            # `patch` is of 2025, as is the commit in `source`; today both are in the blobs of the rounds.
            "title body createdAt dependentOn patch",
            target=values("repo branch"),
            source=values("repo branch sha"),
            rounds=[{"createdAt": VALUE, "patchBlob": _BLOB}],
            mentions=[VALUE],
            references=[VALUE],
        ),
        fields=_fields("trigger knot branch target_branch sha pull operation actor", _BUILT, **_RUN),
        triggers=("pull_request",),
    ),
    "sh.tangled.repo.pull.status": Lexicon(
        record=_record("pull status"),
        fields=_fields("trigger knot branch target_branch sha pull operation actor", _BUILT, **_RUN),
        triggers=("pull_request",),
    ),
    # A call of the spindle's own: somebody asks for a run. Its record is the body.
    "sh.tangled.ci.triggerPipeline": Lexicon(
        record=_record(
            "repo",
            trigger={
                **values("$type sha ref sourceRepo targetBranch sourceSha sourceBranch pull action"),
                "inputs": [values("key value")],
            },
            workflows=[VALUE],
        ),
        fields=_fields("trigger knot actor target_branch pull ref branch tag sha", _BUILT, **_RUN),
        triggers=("manual", "pull_request"),
    ),
    "sh.tangled.repo.collaborator": Lexicon(
        record=_record("subject repo createdAt"), fields=_fields(_ACCOUNT, "did owner name")
    ),
    # The owner and the name are what the knot tells when it is asked for them.
    "sh.tangled.repo.collaboratorUpdate": Lexicon(record=_record("op subject repo"), fields=_fields("operation knot", _REPO)),
    "sh.tangled.repo.didAssign": Lexicon(record=_record("ownerDid repoName repoDid oldRepoAt"), fields=_fields("knot", _REPO)),
    "sh.tangled.knot.memberUpdate": Lexicon(record=_record("op subject"), fields=_fields("operation knot")),
    "sh.tangled.spindle": Lexicon(record=_record("createdAt"), fields=_fields(_ACCOUNT)),
    "sh.tangled.spindle.member": Lexicon(record=_record("subject instance createdAt"), fields=_fields(_ACCOUNT)),
    "com.atproto.sync.subscribeRepos#identity": Lexicon(record=_record("did handle seq time"), fields=_fields("actor trust")),
    "com.atproto.sync.subscribeRepos#account": Lexicon(
        record=_record("did active status seq time"), fields=_fields("actor trust")
    ),
    # Its record is what the operator writes in router.yaml.
    "router.schedule.fire": Lexicon(record=ANYTHING, fields=_fields("trigger"), triggers=("schedule",)),
}
#: What every template sees, whatever the event.
ALWAYS: Mapping[str, Shape] = {
    "event": values("source kind id nsid time"),
    "rule": values("id name"),
    "delivery": values("id"),
}
