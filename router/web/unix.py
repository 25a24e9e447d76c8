"""The Unix socket beside the store: where a running router is asked by whoever owns it."""

from __future__ import annotations

import os
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: sun_path holds 104 bytes on the BSDs and 108 on Linux, the final zero included.
_LONGEST = 103


def socket_path(store: Path) -> Path:
    """Where the router that holds this store listens."""
    return store.with_name(store.name + ".sock")


@contextmanager
def address(path: Path) -> Iterator[str]:
    """What to give to bind and connect: a path that is too long for a socket's name goes through a descriptor of its folder."""
    if len(os.fsencode(path)) <= _LONGEST:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def listening(path: Path) -> socket.socket:
    """A bound socket that only its owner can connect to, from the first moment: nothing connects before `listen`."""
    path.unlink(missing_ok=True)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with address(path) as name:
            made.bind(name)
        path.chmod(0o600)
    except OSError:
        made.close()
        raise
    made.settimeout(0)
    return made
