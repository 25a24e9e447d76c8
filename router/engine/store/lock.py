"""One process at a time: two that claim from one store would deliver everything twice.

The kernel holds the lock, so it ends with its process, `kill -9` included; the file stays, and means nothing by itself.
"""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

from router.core.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path


class Lock:
    """An exclusive lock on `path`, which holds the pid for whoever is refused."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd: int | None = None

    def take(self, what: str) -> None:
        """Raises StoreError where another process has it. `what` is locked, in words."""
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.read(fd, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(fd)
            raise StoreError(
                f"{what} is in use by another router, process {pid}. Stop that one, or give this one a store of its own."
            ) from None
        os.ftruncate(fd, 0)
        os.write(fd, f"{os.getpid()}\n".encode())
        self._fd = fd

    def release(self) -> None:
        """The file is not deleted: somebody else may have opened it by now, and would then hold a lock on nothing."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
