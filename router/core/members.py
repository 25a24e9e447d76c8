"""Members of a record that a stranger wrote: each is what it should be, or absent (None)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

from router.core import identity, tid
from router.core.workflows import MAX_ALL, asked

if TYPE_CHECKING:
    from collections.abc import Mapping

    from router.core.model import Tree

Record: TypeAlias = "Mapping[str, Tree]"
Fields: TypeAlias = "dict[str, Tree]"

_SHA = re.compile(r"(?!0+\Z)[0-9a-f]{4,64}")
_TEXTS = {str}
#: What an item of `workflows` may have: what the event says of the file, and what the file asks for (see `core.workflows`).
WORKFLOW = ("name", "engine", "raw", "clone", "provider", "options", "fault")
#: The names that Tangled allows for a repo, which are also safe as one segment of a URL.
REPO_NAME = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}")


def canonical_host(text: object) -> str | None:
    """A knot's host name as we write it, without scheme and in lower case; None where the value is no host name."""
    if not isinstance(text, str):
        return None
    host = re.sub(r"^(https?|wss?)://", "", text.lower()).removesuffix("/")
    return host if identity.HOST.fullmatch(host) else None


def present(fields: Record) -> Fields:
    return {name: value for name, value in fields.items() if value is not None}


def text(value: Tree) -> str | None:
    return value if isinstance(value, str) and value else None


def texts(value: Tree) -> list[str] | None:
    """A list with one wrong item is absent as a whole: `{every: docs/**}` must not hold because of what was left out."""
    return list(value) if isinstance(value, list) and {*map(type, value)} <= _TEXTS else None


def mapping(value: Tree) -> Record:
    return value if isinstance(value, dict) else {}


def did(value: Tree) -> str | None:
    return value if isinstance(value, str) and _is_did(value) else None


@lru_cache(maxsize=4096)
def _is_did(text: str) -> bool:
    """The same few accounts are told of again and again."""
    return len(text) <= 2048 and identity.DID.fullmatch(text) is not None


def sha(value: Tree) -> str | None:
    """A commit. Zeros and an empty text both say that there is none (the Go knot sends zeros, the Rust one an empty text)."""
    return value if isinstance(value, str) and _SHA.fullmatch(value) else None


def at_uri(value: Tree) -> str | None:
    return value if isinstance(value, str) and value.startswith("at://") else None


def op(record: Record) -> str | None:
    """The operation that a knot's `op` stands for."""
    said = record.get("op")
    return {"add": "create", "remove": "delete"}.get(said) if isinstance(said, str) else None


def named(repo: Tree) -> Fields:
    """A repo by its DID, or (the older way) by the AT-URI of its record, whose authority is the owner."""
    if not isinstance(repo, str) or not repo.startswith("at://"):
        return {} if did(repo) is None else {"did": repo}
    owner, _, path = repo[5:].partition("/")
    rkey = path.removeprefix("sh.tangled.repo/")
    made: Fields = {} if did(owner) is None else {"owner": owner}
    if REPO_NAME.fullmatch(rkey) and tid.micros(rkey) is None:
        made["name"] = rkey
    return made


def branch_or_tag(ref: str | None) -> Fields:
    if ref is not None and ref.startswith("refs/heads/") and len(ref) > 11:
        return {"branch": ref[11:]}
    if ref is not None and ref.startswith("refs/tags/") and len(ref) > 10:
        return {"tag": ref[10:]}
    return {}


def workflows(value: Tree) -> list[Fields] | None:
    """Workflow files, each with what it asks for (see `core.workflows`)."""
    if not isinstance(value, list):
        return None
    made: list[Fields] = []
    room = MAX_ALL
    for item in value:
        if isinstance(item, dict) and text(item.get("name")):
            raw = text(item.get("raw")) or ""
            made.append(_workflow(item) | asked(raw, room))
            room -= len(raw)
    return made


def _workflow(item: Record) -> Fields:
    clone = item.get("clone")
    said = {key: item[key] for key in ("name", "engine", "raw") if isinstance(item.get(key), str)}
    return said | ({"clone": clone} if isinstance(clone, dict) else {})
