"""Opens the Unix socket beside the store. What answers there is imported when the first question comes: most routers are asked
seldom, and it weighs three megabytes."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any

from router.engine.aside import aside
from router.web.unix import listening, socket_path

if TYPE_CHECKING:
    import socket
    from pathlib import Path

    from router.web.desk import Desk

#: Connections that wait while what answers is imported.
_WAITING = 128


async def serve(desk: Desk, store_path: Path) -> None:
    """Serve the socket until cancelled. Holding the store's lock is what makes it ours: an old one is a dead router's.

    Where there can be no socket, that is told, and the router goes on without.
    """
    path = socket_path(store_path)
    try:
        with listening(path) as opened:
            opened.listen(_WAITING)
            await _asked(opened)
            admin: Any = await aside(lambda: import_module("router.web.admin"), "admin")
            await admin.answer(desk, opened)
    except OSError as error:
        sentence = f"Nobody can change deliveries while the router runs: {path}: {error.strerror or error}."
        desk.observer.fault("admin", sentence)
    finally:
        with suppress(OSError):
            path.unlink()


async def _asked(opened: socket.socket) -> None:
    """Until somebody connects."""
    loop, came = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(opened, came.set)
    try:
        await came.wait()
    finally:
        loop.remove_reader(opened)
