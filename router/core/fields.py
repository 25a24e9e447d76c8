"""The named fields of the rule language, the same for a push or a pull request whatever the generation that told of it.

Records come from strangers: a member of the wrong type is treated as absent, never as an error. What a knot says is read only
from a knot, and what an account's records say only from Jetstream: anybody may put a record that calls itself a
`sh.tangled.git.refUpdate` into an account of their own, and it must not look like a push.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct

from router.core import members, tid

if TYPE_CHECKING:
    from collections.abc import Callable

    from router.core.members import Fields, Record


_PULL = "sh.tangled.repo.pull"


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
    read = (_OF_KNOTS if kind == "knot" else _OF_ACCOUNTS if kind == "jetstream" else _OF_ANYBODY).get(nsid)
    if read is None:
        said: Fields = {}
    else:
        said = read(record, _Envelope(host, did, operation, rkey))
        for name, value in said.items():
            if value is not None and name != "repo":
                fields[name] = value
    repo = _repo(said["repo"], host) if "repo" in said else {}
    if repo:
        fields["repo"] = repo
        if "owner" in repo:
            fields["owner"] = repo["owner"]
    actor = fields.get("actor")
    if actor is not None:
        fields["trust"] = "owner" if actor == fields.get("owner") else "unknown"
    return fields


def _repo(said: Record, host: str) -> Fields:
    """The repo, with the address to clone it from: the host that we know to be its knot goes before one that a record names."""
    repo: Fields = {"knot": host} if host else {}
    named = False
    for name, value in said.items():
        if value is not None:
            repo[name] = value
            named = named or name != "knot"
    if not named:
        return {}
    knot = host or repo.get("knot")
    if knot and "did" in repo:
        repo["clone_url"] = f"https://{knot}/{repo['did']}"
    elif knot and "owner" in repo and members.REPO_NAME.fullmatch(repo.get("name", "")):
        repo["clone_url"] = f"https://{knot}/{repo['owner']}/{repo['name']}"
    return repo


def _ref_update(record: Record, _envelope: _Envelope) -> Fields:
    """A push. Its deletion of a ref is none: without trigger, branch and sha no rule that builds can take it for one.

    `repo` makes the difference between the generations: without it, `repoDid` is the DID of the owner.
    """
    if "repo" in record:
        repo = {"did": members.did(record["repo"]), "owner": members.did(record.get("ownerDid"))}
    else:
        repo = {"owner": members.did(record.get("repoDid")), "name": members.text(record.get("repoName"))}
    ref = members.text(record.get("ref"))
    new, old = members.sha(record.get("newSha")), members.sha(record.get("oldSha"))
    fields: Fields = {"repo": repo, "actor": members.did(record.get("committerDid")), "ref": ref}
    if new is None:
        fields["operation"] = "delete"
        return fields
    fields.update(members.branch_or_tag(ref))
    fields["trigger"] = "push"
    fields["operation"] = "update" if old else "create"
    fields["sha"], fields["old_sha"] = new, old
    fields["paths"] = members.texts(record.get("changedFiles"))
    return fields


def _pipeline(record: Record, _envelope: _Envelope) -> Fields:
    """What a knot of the older generation compiled of a push or a pull request; here `repo.did` is the owner's DID."""
    trigger = members.mapping(record.get("triggerMetadata"))
    said = members.mapping(trigger.get("repo"))
    kind = trigger.get("kind")
    repo = {
        "did": members.did(said.get("repoDid")),
        "owner": members.did(said.get("did")),
        "name": members.text(said.get("repo")),
        "knot": members.canonical_host(said.get("knot")),
        "default_branch": members.text(said.get("defaultBranch")),
    }
    fields: Fields = {
        "repo": repo,
        "workflows": members.workflows(record.get("workflows")),
        "source_repo": members.did(trigger.get("sourceRepo")),
    }
    if kind == "push":
        return fields | {"trigger": "push"} | _pushed(members.mapping(trigger.get("push")))
    if kind == "pull_request":
        return fields | {"trigger": "pull_request"} | _pulled(members.mapping(trigger.get("pullRequest")))
    if kind == "manual":
        return fields | {"trigger": "manual"} | _asked(members.mapping(trigger.get("manual")))
    return fields


def _pushed(push: Record) -> Fields:
    ref = members.text(push.get("ref"))
    return {
        "ref": ref,
        "sha": members.sha(push.get("newSha")),
        "old_sha": members.sha(push.get("oldSha")),
    } | members.branch_or_tag(ref)


def _pulled(pull: Record) -> Fields:
    return {
        "branch": members.text(pull.get("sourceBranch")),
        "target_branch": members.text(pull.get("targetBranch")),
        "sha": members.sha(pull.get("sourceSha")),
        "pull": members.at_uri(pull.get("pull")),
    }


def _asked(manual: Record) -> Fields:
    ref = members.text(manual.get("ref"))
    return {"ref": ref, "sha": members.sha(manual.get("sha"))} | members.branch_or_tag(ref)


def _collaborator_update(record: Record, _envelope: _Envelope) -> Fields:
    return {"repo": {"did": members.did(record.get("repo"))}, "operation": members.op(record)}


def _member_update(record: Record, _envelope: _Envelope) -> Fields:
    return {"operation": members.op(record)}


def _did_assign(record: Record, _envelope: _Envelope) -> Fields:
    repo = {
        "did": members.did(record.get("repoDid")),
        "owner": members.did(record.get("ownerDid")),
        "name": members.text(record.get("repoName")),
    }
    return {"repo": repo}


def _repo_record(record: Record, envelope: _Envelope) -> Fields:
    """A repo's name is its record key, except where that is a TID: then it is an older one, and its `name` is its name."""
    name = (
        members.text(record.get("name"))
        if tid.micros(envelope.rkey) is not None
        else envelope.rkey or members.text(record.get("name"))
    )
    knot = members.canonical_host(record.get("knot"))
    return {"repo": {"did": members.did(record.get("repoDid")), "owner": envelope.did or None, "name": name, "knot": knot}}


def _pull(record: Record, envelope: _Envelope) -> Fields:
    """A pull request. The commit is named by the older shape alone; today's is in the patch of its last round."""
    uri = f"at://{envelope.did}/{_PULL}/{envelope.rkey}" if envelope.did and envelope.rkey else None
    if envelope.operation == "delete":
        return {"pull": uri}
    target, source = members.mapping(record.get("target")), members.mapping(record.get("source"))
    return {
        "trigger": "pull_request",
        "repo": members.named(target.get("repo")),
        "branch": members.text(source.get("branch")),
        "target_branch": members.text(target.get("branch")),
        "sha": members.sha(source.get("sha")),
        "pull": uri,
    }


def _pull_status(record: Record, _envelope: _Envelope) -> Fields:
    return {"pull": members.at_uri(record.get("pull"))}


def _collaborator(record: Record, _envelope: _Envelope) -> Fields:
    return {"repo": members.named(record.get("repo"))}


def _fire(_record: Record, _envelope: _Envelope) -> Fields:
    return {"trigger": "schedule"}


_Reader: TypeAlias = "Callable[[Record, _Envelope], Fields]"
_OF_KNOTS: dict[str, _Reader] = {
    "sh.tangled.git.refUpdate": _ref_update,
    "sh.tangled.pipeline": _pipeline,
    "sh.tangled.repo.collaboratorUpdate": _collaborator_update,
    "sh.tangled.knot.memberUpdate": _member_update,
    "sh.tangled.repo.didAssign": _did_assign,
}
_OF_ACCOUNTS: dict[str, _Reader] = {
    "sh.tangled.repo": _repo_record,
    _PULL: _pull,
    "sh.tangled.repo.pull.status": _pull_status,
    "sh.tangled.repo.collaborator": _collaborator,
}
_OF_ANYBODY = _OF_KNOTS | _OF_ACCOUNTS | {"router.schedule.fire": _fire}


def streamed_by_knots(nsid: str) -> bool:
    """Whether events of this nsid come from knots, as far as we know."""
    return nsid in _OF_KNOTS
