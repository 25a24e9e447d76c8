"""The commit that an annotated tag stands for: a push of one names the tag's own object, which no CI can check out as a commit.

Asked the way `git ls-remote` asks, over the smart protocol (https://git-scm.com/docs/http-protocol): a reference that ends with
`^{}` has what the tag points at.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import aiohttp

from router.spindle.calls import TIMEOUT, Unavailable

if TYPE_CHECKING:
    from router.host import Host

#: Bytes of references that are read: some 40,000 of them.
LIMIT = 4 << 20
_SHA = re.compile(rb"[0-9a-f]{40}")


async def commit_of(host: Host, clone_url: str, tag: str, sha: str) -> str:
    """The commit's sha; `sha` itself where the tag is a plain one, has moved, or the knot keeps no such list. Raises
    Unavailable."""
    body = await _references(host, clone_url)
    name = f"refs/tags/{tag}".encode("utf-8", "replace")
    found: dict[bytes, bytes] = {}
    for line in _lines(body):
        oid, _, ref = line.partition(b"\0")[0].strip().partition(b" ")
        if ref in (name, name + b"^{}") and _SHA.fullmatch(oid):
            found[ref] = oid
    if found.get(name) != sha.encode():
        return sha
    return found.get(name + b"^{}", found[name]).decode()


async def _references(host: Host, clone_url: str) -> bytes:
    """Nothing where the knot says no."""
    url, body = f"{clone_url}/info/refs", b""
    try:
        async with host.outside.get(
            url, params={"service": "git-upload-pack"}, timeout=TIMEOUT, allow_redirects=False
        ) as response:
            if response.status >= 500 or response.status in (408, 425, 429):
                raise Unavailable(f"{url} answered {response.status}.")
            async for chunk in response.content.iter_any():
                body += chunk
                if response.status != 200 or len(body) > LIMIT:
                    return b""
            return body
    except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
        raise Unavailable(f"{url} does not answer: {str(error) or type(error).__name__}.") from None


def _lines(body: bytes) -> list[bytes]:
    """The payloads of pkt-lines; what follows a broken one is left."""
    lines, at = [], 0
    while at + 4 <= len(body):
        try:
            size = int(body[at : at + 4], 16)
        except ValueError:
            break
        if size > 4:
            lines.append(body[at + 4 : at + size])
        at += max(size, 4)
    return lines
