"""The commit that a pull request's round is at: today's records carry patches, and no commit.

Facts: a round is the gzip of what `git format-patch` writes; the head is the commit of its last `From` line.
"""

from __future__ import annotations

import re
import zlib

#: Bytes of an unpacked round that are read: a few kilobytes may unpack to gigabytes.
MAX_PATCH = 16 << 20
_FROM = re.compile(rb"^From ([0-9a-f]{40}) Mon Sep 17 00:00:00 2001\r?$", re.MULTILINE)


def head(packed: bytes) -> str:
    """The commit, or an empty text where this is no format-patch, is damaged, or is too large."""
    unpacker = zlib.decompressobj(wbits=31)
    try:
        text = unpacker.decompress(packed, MAX_PATCH)
    except zlib.error:
        return ""
    if unpacker.unconsumed_tail or not unpacker.eof:
        return ""
    found = _FROM.findall(text)
    return found[-1].decode() if found else ""
