"""Members of a record that a stranger wrote: each is what it should be, or absent (None)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

from router.core import identity, tid, usual
from router.core.workflows import MAX_ALL, asked

if TYPE_CHECKING:
    from collections.abc import Mapping

    from router.core.model import Tree

Record: TypeAlias = "Mapping[str, Tree]"
Fields: TypeAlias = "dict[str, Tree]"

#: Characters of a DID. What is longer is none, and is remembered by no cache.
LONGEST = 2048
#: Digits of a commit's name in full, in all but the newest repos.
FULL_SHA = 40
_NO_SHA = "0" * FULL_SHA
#: Characters of the usual kind of DID.
PLC = 32
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
    return value.copy() if isinstance(value, list) and {*map(type, value)} <= _TEXTS else None


def mapping(value: Tree) -> Record:
    return value if isinstance(value, dict) else {}


def did(value: Tree) -> str | None:
    if type(value) is not str:
        return None
    if len(value) == PLC and value.startswith("did:plc:") and value[8:].isalnum() and value.isascii():
        # Nearly all are, and neither an expression nor a cache is faster.
        return value
    return value if len(value) <= LONGEST and is_did(value) else None


@lru_cache(maxsize=16384)
def is_did(text: str) -> bool:
    """Whether a text of at most LONGEST characters is a DID. The same few accounts are told of again and again."""
    return identity.DID.fullmatch(text) is not None


def sha(value: Tree) -> str | None:
    """A commit. Zeros and an empty text both say that there is none (the Go knot sends zeros, the Rust one an empty text)."""
    if type(value) is not str:
        return None
    if len(value) == FULL_SHA and value != _NO_SHA:
        # Nearly all are, and reading one takes half of the time of the expression.
        try:
            return value if bytes.fromhex(value).hex() == value else None
        except ValueError:
            return None
    return value if _SHA.fullmatch(value) else None


def at_uri(value: Tree) -> str | None:
    return value if isinstance(value, str) and value.startswith("at://") else None


def op(record: Record) -> str | None:
    """The operation that a knot's `op` stands for."""
    said = record.get("op")
    return {"add": "create", "remove": "delete"}.get(said) if isinstance(said, str) else None


def named(repo: Tree) -> Fields:
    """The same as `by_name`, of what there is."""
    return present(dict(zip(("did", "owner", "name"), by_name(repo), strict=True)))


def by_name(repo: Tree) -> tuple[str | None, str | None, str | None]:
    """A repo's DID, or (the older way) owner and name, by the AT-URI of its record, whose authority is the owner."""
    if (found := usual.owner_and_name(repo)) is not None:
        return None, *found
    if not isinstance(repo, str) or not repo.startswith("at://"):
        return did(repo), None, None
    owner, _, path = repo[5:].partition("/")
    rkey = path.removeprefix("sh.tangled.repo/")
    return None, did(owner), rkey if REPO_NAME.fullmatch(rkey) and tid.micros(rkey) is None else None


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
