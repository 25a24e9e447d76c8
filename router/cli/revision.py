"""Rule files as they were at a git revision, read from the objects of the repository: nothing is checked out or written.

No shell is involved, and whatever a revision or a file is called, git cannot take it for an option: it is resolved to a commit
first, and paths only follow that.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from router import library
from router.core.errors import BadInput
from router.core.rules import RuleText

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from router.core.problems import Problems
    from router.library import Entry

_FILES = (b"100644", b"100755")


class _Refused(Exception):
    """Git ended with an error; the message is what it said."""


def rule_texts(revision: str, entries: Sequence[Entry], problems: Problems) -> tuple[list[RuleText], list[str]]:
    """The rule files that these entries had then, in the order of `library.rule_texts`, and the entries that were not there.

    Bundled rulesets have no revisions, and are what they are now. Raises BadInput outside a repository, and where there is no
    such revision.
    """
    texts: dict[str, RuleText] = {}
    missing: list[str] = []
    for entry in entries:
        if entry.text.startswith(library.BUNDLED):
            texts |= {text.file: text for text in library.rule_texts([entry], problems)}
            continue
        path = entry.base / entry.text
        folder = path if path.is_dir() else path.parent
        commit = _commit(folder, revision)
        try:
            found = list(_blobs(folder, commit, None if path.is_dir() else path.name))
        except _Refused:
            missing.append(entry.text)
            continue
        contents = _contents(folder, [blob for _, blob in found])
        for (name, _), content in zip(found, contents, strict=True):
            file = f"{revision}:{os.path.normpath(folder / name)}"
            ruleset = PurePosixPath(name).with_suffix("").as_posix()
            texts.setdefault(file, RuleText(ruleset, file, _decoded(file, content)))
    return list(texts.values()), missing


def _commit(folder: Path, revision: str) -> str:
    try:
        named = _git(folder, "rev-parse", "--verify", "--quiet", "--end-of-options", revision + "^{commit}")
    except _Refused as error:
        try:
            _git(folder, "rev-parse", "--git-dir")
        except _Refused as outside:
            told = f"`{revision}` is no path, and {folder} is in no git repository that can be read: {outside}"
            raise BadInput(told) from None
        said = f" ({error})" if str(error) else ""
        raise BadInput(f"`{revision}` is neither a path nor a revision of the git repository of {folder}{said}.") from None
    return named.decode().strip()


def _blobs(folder: Path, commit: str, only: str | None) -> Iterator[tuple[str, str]]:
    """The paths below the folder of the rule files that it had then, and the names of their contents. Raises _Refused."""
    if only is not None:
        yield only, _git(folder, "rev-parse", "--verify", "--quiet", f"{commit}:./{only}").decode().strip()
        return
    listed = _git(folder, "ls-tree", "-r", "-z", "--full-tree", f"{commit}:./").split(b"\0")
    lines = [line.partition(b"\t") for line in listed if line]
    found = {os.fsdecode(name): about.split() for about, _, name in lines}
    for name in sorted(found, key=lambda name: name.split("/")):
        mode, _, blob = found[name]
        parts = PurePosixPath(name).parts
        if mode in _FILES and library.is_rule_file(Path(name)) and not any(part.startswith(".") for part in parts):
            yield name, blob.decode()


def _contents(folder: Path, blobs: Sequence[str]) -> Iterator[bytes]:
    """What the objects hold, by one process for all."""
    rest = _git(folder, "cat-file", "--batch", given="".join(f"{blob}\n" for blob in blobs).encode()) if blobs else b""
    for _ in blobs:
        about, _, rest = rest.partition(b"\n")
        size = int(about.split()[-1])
        yield rest[:size]
        rest = rest[size + 1 :]


def _decoded(file: str, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadInput(f"{file} is not UTF-8 text.") from None


def _git(folder: Path, *args: str, given: bytes = b"") -> bytes:
    """What git prints, asked in the folder."""
    try:
        done = subprocess.run(  # noqa: S603 - a list of arguments, none of which git can take for an option
            ["git", "-C", str(folder), *args],  # noqa: S607 - the operator's git
            input=given,
            capture_output=True,
            check=False,
        )
    except OSError as error:
        raise BadInput(f"git cannot be run to look for that revision: {error.strerror}.") from None
    if done.returncode != 0:
        raise _Refused(" ".join(done.stderr.decode("utf-8", "replace").split()))
    return done.stdout
