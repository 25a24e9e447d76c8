"""The hash of a commit's workflow files (`sh.tangled.ci.describeWorkflowDefinition`)."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def definition_hash(files: Iterable[tuple[str, bytes]]) -> str:
    """`sha256:` and the digest over the files by name: name, zero byte, length as eight bytes (little endian), content."""
    digest = hashlib.sha256()
    for name, content in sorted(files):
        digest.update(name.encode() + b"\0" + len(content).to_bytes(8, "little") + content)
    return f"sha256:{digest.hexdigest()}"
