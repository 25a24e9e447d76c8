"""Events that wait for somebody to let them run."""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING, Any

from router.core.errors import RouterError
from router.engine.approvals import MARK
from router.web.events import row_tree

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp import web

    from router.web.desk import Ask, Desk


async def listed(desk: Desk, ask: Ask) -> tuple[int, Any]:
    return 200, [row_tree(row) for row in await desk.store.waiting(MARK, ask.given.limit)]


async def approve(desk: Desk, ask: Ask) -> tuple[int, Any]:
    return await _decide(desk, desk.approvals.approve, "approve", ask)


async def deny(desk: Desk, ask: Ask) -> tuple[int, Any]:
    return await _decide(desk, desk.approvals.deny, "deny", ask)


async def _decide(desk: Desk, decide: Callable[[str, str], Awaitable[bool]], verb: str, ask: Ask) -> tuple[int, Any]:
    changed: list[str] = []
    refused: dict[str, str] = {}
    for name in ask.given.events:
        try:
            if await decide(name, ask.who):
                changed.append(name)
            else:
                refused[name] = "It was approved before."
        except RouterError as error:
            refused[name] = str(error)
    desk.observer.operated(verb, "approval", changed, ask.who)
    return 200, {"changed": changed, "refused": refused}


def operator(request: web.Request) -> str:
    """Who is at the other end of the socket, as the system knows them."""
    peer = request.transport.get_extra_info("socket") if request.transport is not None else None
    if peer is None or not hasattr(socket, "SO_PEERCRED") or peer.family != socket.AF_UNIX:
        return "operator"
    _, user, _ = struct.unpack("3i", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
    return f"operator (uid {user})"
