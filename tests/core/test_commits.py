"""What is worked out of a commit's files and of a pull request's patch."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from router.core.definition import definition_hash
from router.core.patches import MAX_PATCH, head

WIRE = Path(__file__).parent.parent / "wire" / "spindle"


@pytest.mark.parity(66)
def test_the_hash_of_recorded_files() -> None:
    """The same as the stock spindle's, in whatever order the files come."""
    files = json.loads((WIRE / "ci_describe_workflow_definition_input.json").read_text())
    said = json.loads((WIRE / "ci_describe_workflow_definition_response.json").read_text())
    pairs = [(one["name"], one["contents"].encode()) for one in files]
    assert definition_hash(pairs) == definition_hash(reversed(pairs)) == said["hash"]


@pytest.mark.parity(13)
def test_the_head_of_recorded_rounds() -> None:
    """The last commit of the patch."""
    assert head((WIRE / "pull_round1.patch.gz").read_bytes()) == "9b1f0c2d3e4a5b6c7d8e9f00112233445566778a"


@pytest.mark.parametrize(
    "packed",
    [
        b"",
        b"no gzip",
        gzip.compress(b"From nobody\n", mtime=0),
        gzip.compress(b"From " + b"a" * 40 + b" Mon Sep 17 00:00:00 2001\n" + bytes(MAX_PATCH), mtime=0),
        gzip.compress(b"x" * 100, mtime=0)[:-12],
    ],
)
@pytest.mark.acceptance("P-17")
def test_what_is_no_patch_has_no_head(packed: bytes) -> None:
    """Damaged, cut short, or a few kilobytes that unpack to gigabytes."""
    assert head(packed) == ""
