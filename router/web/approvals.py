"""Approvals by the admin API: `{"events": ["12"]}` to one of two addresses, and what became of each."""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING

from aiohttp import web

from router.core.errors import RouterError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from router.engine.approvals import Approvals

APPROVE, DENY = "/api/v1/events/approve", "/api/v1/events/deny"
#: Events that one request may name.
MOST = 100


def routes(approvals: Approvals) -> Iterable[web.RouteDef]:
    """Whoever may open the socket may approve."""
    yield web.post(APPROVE, _deciding(approvals.approve))
    yield web.post(DENY, _deciding(approvals.deny))


def _deciding(decide: Callable[[str, str], Awaitable[bool]]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(request: web.Request) -> web.Response:
        changed: list[str] = []
        refused: dict[str, str] = {}
        for name in await _events(request):
            try:
                if await decide(name, operator(request)):
                    changed.append(name)
                else:
                    refused[name] = "It was approved before."
            except RouterError as error:
                refused[name] = str(error)
        return web.json_response({"changed": changed, "refused": refused})

    return answer


async def _events(request: web.Request) -> list[str]:
    try:
        body = await request.json()
    except ValueError:
        raise web.HTTPBadRequest(text="The body is not JSON.") from None
    events = body.get("events") if isinstance(body, dict) else None
    if not isinstance(events, list) or len(events) > MOST or not all(isinstance(one, str) for one in events):
        raise web.HTTPBadRequest(text=f'Send {{"events": [...]}} with at most {MOST} of them.')
    return events


def operator(request: web.Request) -> str:
    """Who is at the other end of the socket, as the system knows them."""
    peer = request.transport.get_extra_info("socket") if request.transport is not None else None
    if peer is None or not hasattr(socket, "SO_PEERCRED") or peer.family != socket.AF_UNIX:
        return "operator"
    _, user, _ = struct.unpack("3i", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
    return f"operator (uid {user})"
