"""Pushes, pull requests and addresses of repos in the form that nearly all of them have, read in one go.

A network's events are mostly pushes by today's knots. Looking at their members one by one, as `fields` does, takes four times
as long as asking one regular expression about all of them. What this reads, `fields` would read the same; whatever is unusual
(another kind of DID, a new or deleted branch, a tag, an older knot, a member that is missing or no text) it leaves to that.
"""

from __future__ import annotations

import re
from operator import itemgetter
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

    from router.core.model import Tree

Record: TypeAlias = "Mapping[str, Tree]"
Fields: TypeAlias = "dict[str, Tree]"

PUSH, PULL = "sh.tangled.git.refUpdate", "sh.tangled.repo.pull"
_DID = "did:plc:[A-Za-z0-9]{24}"
_SHA = "(?!0{40})[0-9a-f]{40}"
_MEMBERS = itemgetter("committerDid", "repo", "ownerDid", "newSha", "oldSha", "ref")
#: The members, each on a line: none but the last can have a line break in it. What is made of them is one expression: a
#: mapping that grows is made twice.
_PUSH = re.compile(f"{_DID}\n{_DID}\n{_DID}\n{_SHA}\n{_SHA}\nrefs/heads/(?s:.+)")
_REFS = len("refs/heads/")
#: Owner and name, which is a repo's own where it is no TID (see `tid`), in the AT-URI of a repo's record.
_NAMED = rf"at://({_DID})/sh\.tangled\.repo/(?![2-7a-j][2-7a-z]{{12}}\Z)(?!\.\.?\Z)([A-Za-z0-9._-]{{1,100}})"
_REPO = re.compile(_NAMED)
#: The same, on the next line a commit where there is one, and two branches.
_PULL = re.compile(_NAMED.replace(r"\Z", r"\n") + f"\n({_SHA})?\n[^\n]+\n(?s:.+)")


def push(record: Record, host: str) -> Fields | None:
    """The named fields of a push that a knot tells of, where it is a usual one."""
    try:
        said = _MEMBERS(record)
        if _PUSH.fullmatch("\n".join(said)) is None:
            return None
        paths = record["changedFiles"]
        if type(paths) is not list:
            return None
        # Raises TypeError where one of them is no text.
        "".join(paths)
    except (KeyError, TypeError):
        return None
    actor, did, owner, new, old, ref = said
    return {
        "knot": host,
        "actor": actor,
        "ref": ref,
        "branch": ref[_REFS:],
        "trigger": "push",
        "operation": "update",
        "sha": new,
        "old_sha": old,
        "paths": paths.copy(),
        "repo": {"knot": host, "did": did, "owner": owner, "clone_url": f"https://{host}/{did}"},
        "owner": owner,
        "trust": "owner" if actor == owner else "unknown",
    }


def pull(record: Record, did: str, operation: str, rkey: str) -> Fields | None:
    """The named fields of a pull request that an account's record tells of, where it is a usual one and not deleted."""
    try:
        target, source = record["target"], record["source"]
        into, branch = target["branch"], source["branch"]
        # Raises TypeError where one of them is no text.
        found = _PULL.fullmatch("\n".join((target["repo"], source.get("sha", ""), into, branch)))
    except (KeyError, TypeError):
        return None
    if found is None:
        return None
    owner, name, sha = found.groups()
    fields: Fields = {
        "operation": operation,
        "actor": did,
        "trigger": "pull_request",
        "branch": branch,
        "target_branch": into,
        "sha": sha,
        "pull": f"at://{did}/{PULL}/{rkey}",
        "repo": {"owner": owner, "name": name},
        "owner": owner,
        "trust": "owner" if did == owner else "unknown",
    }
    if sha is None:
        del fields["sha"]
    return fields


def owner_and_name(repo: Tree) -> tuple[str, str] | None:
    """Of a repo that is named by the AT-URI of its record, as accounts do."""
    found = _REPO.fullmatch(repo) if type(repo) is str else None
    return (found[1], found[2]) if found is not None else None
