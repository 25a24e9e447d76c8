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
            admin = await _answering(desk)
            if admin is not None:
                await admin.answer(desk, opened)
    except OSError as error:
        sentence = f"Nobody can change deliveries while the router runs: {path}: {error.strerror or error}."
        desk.observer.fault("admin", sentence)
    finally:
        with suppress(OSError):
            path.unlink()


async def _answering(desk: Desk) -> Any:
    """What answers; None, and told, where it is there no more: the files of a program may be exchanged while it runs."""
    try:
        return await aside(lambda: import_module("router.web.admin"), "admin")
    except Exception as error:  # noqa: BLE001 - whatever it is, deliveries go on
        sentence = f"What answers on the socket cannot be loaded ({type(error).__name__}: {error}): restart the router."
        desk.observer.fault("admin", sentence)
        return None


async def _asked(opened: socket.socket) -> None:
    """Until somebody connects."""
    loop, came = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(opened, came.set)
    try:
        await came.wait()
    finally:
        loop.remove_reader(opened)
