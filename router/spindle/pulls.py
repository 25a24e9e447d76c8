"""Pull requests as rounds: who wants which commit in which branch."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from router.core import members
from router.core.patches import head
from router.spindle.calls import Unavailable, ask, tree

if TYPE_CHECKING:
    from router.core.model import Event, Tree
    from router.host import Host
    from router.identity.documents import Documents

PULL, STATUS = "sh.tangled.repo.pull", "sh.tangled.repo.pull.status"
#: Bytes of a packed round that are fetched.
LARGEST = 4 << 20
_ACTIONS = {"create": "opened", "update": "synchronize"}
_STATUSES = {f"{STATUS}.open": "reopened", f"{STATUS}.closed": "closed", f"{STATUS}.merged": "merged"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What a pull request asks for now. `source_repo` is the DID of a fork, or empty."""

    author: str
    uri: str
    action: str
    sha: str
    source_branch: str
    target_branch: str
    source_repo: str = ""


class Pulls:
    """Reads records of pull requests and, where they name no commit, the patches that they point to."""

    def __init__(self, host: Host, documents: Documents) -> None:
        self.host = host
        self.documents = documents

    async def round(self, event: Event) -> Round | None:
        """None of a pull request without a branch, or whose patch tells no commit. Raises RouterError where a server has no
        answer."""
        if event.nsid == PULL:
            uri = str(event.fields.get("pull", ""))
            return await self._round(uri, event.record, _ACTIONS.get(str(event.fields.get("operation")), "opened"))
        uri = str(event.record.get("pull", ""))
        author, _, rkey = uri.removeprefix("at://").partition(f"/{PULL}/")
        said = event.record.get("status")
        action = _STATUSES.get(said if isinstance(said, str) else "")
        if action is None or members.did(author) is None:
            return None
        pds = (await self.documents.document(author)).pds
        wanted = {"repo": author, "collection": PULL, "rkey": rkey}
        status, answer = await tree(self.host, pds, "com.atproto.repo.getRecord", wanted)
        record = members.mapping(members.mapping(answer or {}).get("value"))
        return await self._round(uri, record, action) if status == 200 else None

    async def _round(self, uri: str, record: members.Record, action: str) -> Round | None:
        author = uri.removeprefix("at://").partition("/")[0]
        source, target = members.mapping(record.get("source")), members.mapping(record.get("target"))
        branch, onto = members.text(source.get("branch")), members.text(target.get("branch"))
        if branch is None or onto is None or members.did(author) is None:
            return None
        sha = members.sha(source.get("sha")) or await self._head(author, record)
        if not sha:
            return None
        fork = source.get("repo")
        same = fork is None or fork == target.get("repo")
        return Round(
            author=author,
            uri=uri,
            action=action,
            sha=sha,
            source_branch=branch,
            target_branch=onto,
            source_repo="" if same else str(fork),
        )

    async def _head(self, author: str, record: members.Record) -> str:
        rounds = record.get("rounds")
        last = members.mapping(rounds[-1]) if isinstance(rounds, list) and rounds else {}
        cid = members.mapping(members.mapping(last.get("patchBlob")).get("ref")).get("$link")
        if not isinstance(cid, str) or len(cid) > 128:
            return ""
        pds = (await self.documents.document(author)).pds
        if not pds:
            raise Unavailable(f"{author} has no server.")
        status, packed = await ask(self.host, pds, "com.atproto.sync.getBlob", {"did": author, "cid": cid}, limit=LARGEST)
        if status != 200:
            raise Unavailable(f"The server of {author} answered {status} for the patch.")
        return head(packed) if is_of(cid, packed) else ""


def is_of(cid: str, content: bytes) -> bool:
    """Whether these are the bytes that a CID names: version 1, raw, SHA-256, in base32."""
    raw = b"\x01\x55\x12\x20" + hashlib.sha256(content).digest()
    return cid == "b" + base64.b32encode(raw).decode().lower().rstrip("=")


def target_of(record: Tree) -> Tree:
    """The repo that a pull request wants to change, as its record names it."""
    return members.mapping(members.mapping(record).get("target")).get("repo")
