"""The named fields of the rule language, the same for a push or a pull request whatever the generation that told of it.

Records come from strangers: a member of the wrong type is treated as absent, never as an error. What a knot says is read only
from a knot, and what an account's records say only from Jetstream: anybody may put a record that calls itself a
`sh.tangled.git.refUpdate` into an account of their own, and it must not look like a push.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct

from router.core import members, tid
from router.core.usual import PULL, PUSH

if TYPE_CHECKING:
    from collections.abc import Callable

    from router.core.members import Fields, Record
    from router.core.model import Tree


class _Envelope(Struct):
    """What came with the record: the knot that it was heard from, or the account that wrote it."""

    host: str
    did: str
    operation: str | None
    rkey: str


def named_fields(
    nsid: str,
    kind: str,
    record: Record,
    *,
    host: str = "",
    did: str = "",
    operation: str | None = None,
    rkey: str = "",
) -> Fields:
    """The fields that this event has; a field that it does not have is not a key."""
    fields: Fields = {}
    if operation is not None:
        fields["operation"] = operation
    if did:
        fields["actor"] = did
    if host:
        fields["knot"] = host
    read = _READERS.get(kind, _OF_ANYBODY).get(nsid)
    if read is not None and (repo := read(record, _Envelope(host, did, operation, rkey), fields)):
        fields["repo"] = repo
        if "owner" in repo:
            fields["owner"] = repo["owner"]
    if "actor" in fields:
        fields["trust"] = "owner" if fields["actor"] == fields.get("owner") else "unknown"
    return fields


def _repo(
    host: str,
    did: str | None,
    owner: str | None = None,
    name: str | None = None,
    knot: str | None = None,
    branch: str | None = None,
) -> Fields | None:
    """The repo, with the address to clone it from: the host that we know to be its knot goes before one that a record names.
    None where nothing names it. `branch` is its default one."""
    if did is None and owner is None and name is None and branch is None:
        return None
    repo: Fields = {}
    if knot or host:
        repo["knot"] = knot or host
    if did is not None:
        repo["did"] = did
    if owner is not None:
        repo["owner"] = owner
    if name is not None:
        repo["name"] = name
    if branch is not None:
        repo["default_branch"] = branch
    known = host or knot
    if known and did is not None:
        repo["clone_url"] = f"https://{known}/{did}"
    elif known and owner is not None and name is not None and members.REPO_NAME.fullmatch(name):
        repo["clone_url"] = f"https://{known}/{owner}/{name}"
    return repo


def _keep(fields: Fields, **said: Tree) -> None:
    """Put down what is said; what is not does not replace what is known."""
    fields.update((name, value) for name, value in said.items() if value is not None)


def _ref_update(record: Record, envelope: _Envelope, fields: Fields) -> Fields | None:
    """A push. Its deletion of a ref is none: without trigger, branch and sha no rule that builds can take it for one.

    `repo` makes the difference between the generations: without it, `repoDid` is the DID of the owner.
    """
    if (actor := members.did(record.get("committerDid"))) is not None:
        fields["actor"] = actor
    if (ref := members.text(record.get("ref"))) is not None:
        fields["ref"] = ref
    new = members.sha(record.get("newSha"))
    if new is None:
        fields["operation"] = "delete"
    else:
        if ref is not None:
            fields.update(members.branch_or_tag(ref))
        old, paths = members.sha(record.get("oldSha")), members.texts(record.get("changedFiles"))
        fields["trigger"] = "push"
        fields["operation"] = "create" if old is None else "update"
        fields["sha"] = new
        if old is not None:
            fields["old_sha"] = old
        if paths is not None:
            fields["paths"] = paths
    if "repo" in record:
        return _repo(envelope.host, members.did(record["repo"]), members.did(record.get("ownerDid")))
    return _repo(envelope.host, None, members.did(record.get("repoDid")), members.text(record.get("repoName")))


def _pipeline(record: Record, envelope: _Envelope, fields: Fields) -> Fields | None:
    """What a knot of the older generation compiled of a push or a pull request; here `repo.did` is the owner's DID."""
    trigger = members.mapping(record.get("triggerMetadata"))
    said = members.mapping(trigger.get("repo"))
    kind = trigger.get("kind")
    workflows, fork = members.workflows(record.get("workflows")), members.did(trigger.get("sourceRepo"))
    _keep(fields, workflows=workflows, source_repo=fork)
    if kind == "push":
        _pushed(members.mapping(trigger.get("push")), fields)
    elif kind == "pull_request":
        _pulled(members.mapping(trigger.get("pullRequest")), fields)
    elif kind == "manual":
        _asked(members.mapping(trigger.get("manual")), fields)
    return _repo(
        envelope.host,
        members.did(said.get("repoDid")),
        members.did(said.get("did")),
        members.text(said.get("repo")),
        members.canonical_host(said.get("knot")),
        members.text(said.get("defaultBranch")),
    )


def _pushed(push: Record, fields: Fields) -> None:
    ref = members.text(push.get("ref"))
    _keep(fields, trigger="push", ref=ref, sha=members.sha(push.get("newSha")), old_sha=members.sha(push.get("oldSha")))
    fields.update(members.branch_or_tag(ref))


def _pulled(pull: Record, fields: Fields) -> None:
    _keep(
        fields,
        trigger="pull_request",
        branch=members.text(pull.get("sourceBranch")),
        target_branch=members.text(pull.get("targetBranch")),
        sha=members.sha(pull.get("sourceSha")),
        pull=members.at_uri(pull.get("pull")),
    )


def _asked(manual: Record, fields: Fields) -> None:
    ref = members.text(manual.get("ref"))
    _keep(fields, trigger="manual", ref=ref, sha=members.sha(manual.get("sha")))
    fields.update(members.branch_or_tag(ref))


def _collaborator_update(record: Record, envelope: _Envelope, fields: Fields) -> Fields | None:
    _keep(fields, operation=members.op(record))
    return _repo(envelope.host, members.did(record.get("repo")))


def _member_update(record: Record, _envelope: _Envelope, fields: Fields) -> None:
    _keep(fields, operation=members.op(record))


def _did_assign(record: Record, envelope: _Envelope, _fields: Fields) -> Fields | None:
    did, owner = members.did(record.get("repoDid")), members.did(record.get("ownerDid"))
    return _repo(envelope.host, did, owner, members.text(record.get("repoName")))


def _repo_record(record: Record, envelope: _Envelope, _fields: Fields) -> Fields | None:
    """A repo's name is its record key, except where that is a TID: then it is an older one, and its `name` is its name."""
    name = (
        members.text(record.get("name"))
        if tid.micros(envelope.rkey) is not None
        else envelope.rkey or members.text(record.get("name"))
    )
    knot = members.canonical_host(record.get("knot"))
    return _repo(envelope.host, members.did(record.get("repoDid")), envelope.did or None, name, knot)


def _pull(record: Record, envelope: _Envelope, fields: Fields) -> Fields | None:
    """A pull request. The commit is named by the older shape alone; today's is in the patch of its last round."""
    uri = f"at://{envelope.did}/{PULL}/{envelope.rkey}" if envelope.did and envelope.rkey else None
    repo: Fields | None = None
    if envelope.operation != "delete":
        target, source = members.mapping(record.get("target")), members.mapping(record.get("source"))
        fields["trigger"] = "pull_request"
        if (branch := members.text(source.get("branch"))) is not None:
            fields["branch"] = branch
        if (branch := members.text(target.get("branch"))) is not None:
            fields["target_branch"] = branch
        if (sha := members.sha(source.get("sha"))) is not None:
            fields["sha"] = sha
        repo = _repo(envelope.host, *members.by_name(target.get("repo")))
    if uri is not None:
        fields["pull"] = uri
    return repo


def _pull_status(record: Record, _envelope: _Envelope, fields: Fields) -> None:
    _keep(fields, pull=members.at_uri(record.get("pull")))


def _collaborator(record: Record, envelope: _Envelope, _fields: Fields) -> Fields | None:
    return _repo(envelope.host, *members.by_name(record.get("repo")))


def _fire(_record: Record, _envelope: _Envelope, fields: Fields) -> None:
    fields["trigger"] = "schedule"


#: Each puts down what a record says and returns the repo that it is about, where it is about one.
_Reader: TypeAlias = "Callable[[Record, _Envelope, Fields], Fields | None]"
_OF_KNOTS: dict[str, _Reader] = {
    PUSH: _ref_update,
    "sh.tangled.pipeline": _pipeline,
    "sh.tangled.repo.collaboratorUpdate": _collaborator_update,
    "sh.tangled.knot.memberUpdate": _member_update,
    "sh.tangled.repo.didAssign": _did_assign,
}
_OF_ACCOUNTS: dict[str, _Reader] = {
    "sh.tangled.repo": _repo_record,
    PULL: _pull,
    "sh.tangled.repo.pull.status": _pull_status,
    "sh.tangled.repo.collaborator": _collaborator,
}
_OF_ANYBODY = _OF_KNOTS | _OF_ACCOUNTS | {"router.schedule.fire": _fire}
_READERS = {"knot": _OF_KNOTS, "jetstream": _OF_ACCOUNTS}


def streamed_by_knots(nsid: str) -> bool:
    """Whether events of this nsid come from knots, as far as we know."""
    return nsid in _OF_KNOTS
