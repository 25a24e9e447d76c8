"""Questions to peers that strangers name: bounded in time and size, and answered with a status and a tree or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aiohttp

from router.core import frame
from router.core.errors import BadFrame, RouterError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from router.core.model import Tree
    from router.host import Host

TIMEOUT = aiohttp.ClientTimeout(total=10, sock_connect=5)
LIMIT = 1 << 20


class Unavailable(RouterError):
    """The peer has no answer now; it may have one later."""


async def ask(host: Host, base: str, method: str, params: Mapping[str, str], *, limit: int = LIMIT) -> tuple[int, bytes]:
    """The answer of an XRPC query: its status, if it is no failure of the server's, and its body. Raises Unavailable."""
    url = f"{base}/xrpc/{method}"
    try:
        async with host.outside.get(url, params=params, timeout=TIMEOUT, allow_redirects=False) as response:
            body = b""
            async for chunk in response.content.iter_any():
                body += chunk
                if len(body) > limit:
                    raise Unavailable(f"{base} answered {method} with more than {limit} bytes.")
            if (response.status >= 500 and response.status != 501) or response.status in (408, 425, 429):
                raise Unavailable(f"{base} answered {method} with {response.status}.")
            return response.status, body
    except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
        raise Unavailable(f"{base} does not answer {method}: {str(error) or type(error).__name__}.") from None


async def tree(host: Host, base: str, method: str, params: Mapping[str, str], *, limit: int = LIMIT) -> tuple[int, Tree]:
    """The same, as an object of JSON; None where it is none, or has what no answer needs (see `core.frame`)."""
    status, body = await ask(host, base, method, params, limit=limit)
    try:
        return status, frame.tree(body)
    except BadFrame:
        return status, None
