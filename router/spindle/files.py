"""The workflow files of a commit, asked of its knot: `sh.tangled.repo.tree` and `sh.tangled.repo.blob`."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING

from router.core.members import mapping
from router.spindle.calls import Unavailable, tree

if TYPE_CHECKING:
    from router.core.model import Tree
    from router.host import Host

FOLDER = ".tangled/workflows"
#: Files of one commit, and bytes of one, that are fetched.
MOST, LARGEST = 50, 65_536
_TREE, _BLOB, _BRANCH = "sh.tangled.repo.tree", "sh.tangled.repo.blob", "sh.tangled.repo.getDefaultBranch"
#: What a knot says of a path that is not there, and of a commit or a repo that is not.
_NO_PATH, _NO_COMMIT = ("PathNotFound", "FileNotFound"), ("RefNotFound", "RepoNotFound")


@dataclass(frozen=True, slots=True)
class Fetched:
    """The files by name, sorted, and the name of the default branch, if the knot tells it."""

    files: tuple[tuple[str, str], ...] = ()
    default_branch: str = ""


class Files:
    """Asks knots of both generations: those of 2026 take a repo's DID, older ones its owner and name."""

    def __init__(self, host: Host) -> None:
        self.host = host
        #: Knots that answered to `owner/name` alone.
        self._older: set[str] = set()

    async def fetch(self, knot: str, repo: tuple[str, str, str], sha: str) -> Fetched:
        """Of the repo (DID or empty, owner, name) on the knot with this base URL. Raises Unavailable."""
        listed = await self._ask(knot, repo, _TREE, {"ref": sha, "path": FOLDER})
        branch = mapping(await self._ask(knot, repo, _BRANCH, {}) or {}).get("name")
        names = [] if listed is None else sorted(filter(None, map(_file, mapping(listed).get("files") or ())))
        files = []
        for name in names[:MOST]:
            blob = await self._ask(knot, repo, _BLOB, {"ref": sha, "path": f"{FOLDER}/{name}"})
            files.append((name, _text(mapping(blob or {}))))
        return Fetched(tuple(files), branch if isinstance(branch, str) else "")

    async def _ask(self, knot: str, repo: tuple[str, str, str], method: str, params: dict[str, str]) -> Tree:
        """The answer, or None where the knot has no such thing."""
        did, owner, name = repo
        names = [one for one in (did, f"{owner}/{name}") if one]
        if knot in self._older:
            names.reverse()
        for one in names:
            status, answer = await tree(self.host, knot, method, {"repo": one, **params})
            if status == 200 and isinstance(answer, dict):
                if "/" in one and did:
                    self._older.add(knot)
                return answer
            error = mapping(answer or {}).get("error")
            if error in _NO_PATH:
                return None
            if error in _NO_COMMIT and one == names[-1]:
                return None if method == _BRANCH else _gone(knot, method, str(error))
        if method == _BRANCH:
            return None
        raise Unavailable(f"{knot} answered {method} with {status}.")


def _gone(knot: str, method: str, error: str) -> Tree:
    raise Unavailable(f"{knot} answered {method} with {error}: the commit may have been replaced.")


def _file(entry: Tree) -> str:
    """The name of a regular file; empty for anything else."""
    said = mapping(entry)
    name, mode = said.get("name"), said.get("mode")
    plain = not isinstance(mode, str) or mode.lstrip("0").startswith("10")
    if not isinstance(name, str) or not plain or said.get("is_file") is False or "/" in name or name in ("", ".", ".."):
        return ""
    return name


def _text(blob: Tree) -> str:
    """A file's text; of one that is too large or no text, a text that says so and is no workflow."""
    content = blob.get("content")
    if blob.get("isBinary") is True or blob.get("fileTooLarge") is True or not isinstance(content, str):
        return "- the file is too large, or no text"
    if blob.get("encoding") == "base64":
        try:
            content = base64.b64decode(content, validate=True).decode("utf-8", "replace")
        except ValueError:
            return "- the file cannot be read"
    return content if len(content) <= LARGEST else "- the file is too large, or no text"
