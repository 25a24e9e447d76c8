"""An event in words, for the demo's terminal. Everything that strangers wrote is escaped and cut on its way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.core.problems import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from router.core.model import Event, Tree

#: Characters of one text of a stranger's that are shown.
LONGEST = 120
_NO_SHA = ("", "0" * 40)


def safe(value: Tree, limit: int = LONGEST) -> str:
    """One line without control characters, bidirectional marks or anything else that steers a terminal; never too long."""
    text = value if isinstance(value, str) else str(value)
    shown = printable(text[:limit])
    return shown if len(text) <= limit and len(shown) <= limit else shown[: limit - 1] + "…"


def describe(event: Event, names: Mapping[str, str]) -> str:
    """What happened. `names` are what people call some DIDs."""
    fields, record = event.fields, event.record
    where = f" of {repo_name(fields.get('repo'), names)}" if fields.get("repo") else ""
    who = f" by {_who(fields['actor'], names)}" if fields.get("actor") else ""
    if event.nsid == "sh.tangled.git.refUpdate":
        return _update(fields, record) + where + who
    if event.nsid == "sh.tangled.pipeline":
        workflows = ", ".join(safe(each.get("name", "?"), 40) for each in fields.get("workflows", ()) if isinstance(each, dict))
        return f"workflows ({workflows}) of a push to {_ref(fields)}{where}"
    if event.nsid == "sh.tangled.repo.pull":
        title = safe(record.get("title") or "untitled", 60)
        target = f" for {safe(fields['target_branch'], 60)}" if fields.get("target_branch") else ""
        return f'pull request "{title}"{target}{where}{who}'
    if event.nsid == "sh.tangled.repo":
        return f"repo record{where}{who}: {safe(fields.get('operation', '?'))}"
    if event.nsid.startswith("com.atproto.sync.subscribeRepos#"):
        return safe(event.nsid.partition("#")[2]) + where + who
    operation = f"{safe(fields['operation'])} of " if fields.get("operation") else ""
    return f"{operation}{safe(event.nsid)}{where}{who}"


def whereabouts(event: Event, names: Mapping[str, str]) -> str:
    """The repo and the ref alone, for a line about an event that was described before."""
    fields = event.fields
    repo = repo_name(fields["repo"], names) if fields.get("repo") else safe(event.nsid)
    ref = fields.get("tag") or fields.get("target_branch") or fields.get("branch")
    return f"{repo} {safe(ref, 80)}" if ref else repo


def _update(fields: Mapping[str, Tree], record: Mapping[str, Tree]) -> str:
    """A deleted ref is no branch or tag any more: only its full name is left."""
    deleted = record.get("newSha") in _NO_SHA
    if fields.get("tag") or str(fields.get("ref")).startswith("refs/tags/"):
        return f"deletion of tag {_ref(fields)}" if deleted else f"tag {_ref(fields)}"
    return f"deletion of branch {_ref(fields)}" if deleted else f"push to {_ref(fields)}"


def _ref(fields: Mapping[str, Tree]) -> str:
    name = fields.get("tag") or fields.get("branch") or fields.get("ref") or "?"
    return safe(str(name).removeprefix("refs/heads/").removeprefix("refs/tags/"), 80)


def repo_name(repo: Tree, names: Mapping[str, str]) -> str:
    """`alice.example/hello`, or as much of it as is known."""
    if not isinstance(repo, dict):
        return safe(repo)
    if repo.get("owner") and repo.get("name"):
        return f"{_who(repo['owner'], names)}/{safe(repo['name'], 60)}"
    return _who(repo["did"], names) if repo.get("did") else "an unknown repo"


def _who(did: Tree, names: Mapping[str, str]) -> str:
    return names.get(did) or safe(did, 60) if isinstance(did, str) else safe(did, 60)
