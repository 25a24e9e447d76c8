"""Who may ask, where the listener can be reached by others than its owner: by network, or by a page in a browser.

A token makes anybody an operator. Without one the listener is on loopback, and then whatever a browser sends for some web site
is refused: a name that a stranger has lead to 127.0.0.1 (DNS rebinding), and requests that another origin made.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from aiohttp import web

from router.core.errors import RouterError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from router.secret import Secret

#: Bytes that a token must have at least.
SHORTEST = 32
_LOOPBACK = frozenset(("localhost", "127.0.0.1", "[::1]", "::1"))
_OURS = frozenset(("same-origin", "none"))


def guard(token: Secret | None, open_paths: Collection[str], told: Callable[[int], object], left: str = "page") -> object:
    """A middleware. Whoever has the `token` may ask for everything, others for `open_paths`; without a token everybody may, by
    the names of loopback. `told` hears the status of each request that is refused. Routes whose names begin with `left` guard
    themselves."""

    @web.middleware
    async def guarded(request: web.Request, handler: Any) -> web.StreamResponse:
        if (request.match_info.route.name or "").startswith(left):
            left_to: web.StreamResponse = await handler(request)
            return left_to
        if why := strange(request, by_name=token is None):
            told(403)
            return refused(403, why)
        if token is not None and request.path not in open_paths:
            status, why = _judged(request, token)
            if status:
                told(status)
                return refused(status, why)
        answer: web.StreamResponse = await handler(request)
        return answer

    return guarded


def revealed(token: Secret) -> str:
    """The token as it is now. Raises RouterError where there is none, or it is too short to count for anything."""
    wanted = token.reveal()
    if len(wanted.encode("utf-8", "surrogateescape")) < SHORTEST:
        raise RouterError(f"The token of `admin` has fewer than {SHORTEST} bytes: make one with `openssl rand -hex 32`.")
    return wanted


def refused(status: int, why: str) -> web.Response:
    """An error, as the API tells it."""
    headers = {"WWW-Authenticate": 'Bearer realm="tangled-router"'} if status == 401 else {}
    return web.json_response({"error": why}, status=status, headers=headers)


def strange(request: web.Request, *, by_name: bool, may_come: bool = False) -> str:
    """Why a browser should not have sent this; empty where nothing speaks against it. With `may_come` a link of another site
    may lead here: that site sees nothing of the answer."""
    host = request.headers.get("Host", "")
    if by_name and _name(host) not in _LOOPBACK:
        return f"This listener is called by its address, not as {host[:80]!a}."
    origin = request.headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc != host:
        return "Another site sent this request."
    followed = request.method == "GET" and request.headers.get("Sec-Fetch-Dest") == "document"
    if request.headers.get("Sec-Fetch-Site", "none") not in _OURS and not (may_come and followed):
        return "Another site sent this request."
    return ""


def _name(host: str) -> str:
    """A Host header without its port."""
    name, _, port = host.rpartition(":")
    return (name if name and port.isdigit() else host).lower()


def _judged(request: web.Request, token: Secret) -> tuple[int, str]:
    """0, or the status and why. The comparison takes as long for one token as for another."""
    try:
        wanted = revealed(token)
    except RouterError as error:
        return 503, str(error)
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(_digest(given.strip()), _digest(wanted)):
        return 401, "Send the token: Authorization: Bearer …"
    return 0, ""


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()
