"""Room that is kept for the day on which there is none: on a full disk even a deletion needs some.

The file beside the store holds nothing. It is taken away when the disk is full, so that what is under way can be told and what
is old can be deleted, and it is put back when there is room.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

#: Bytes that must be free, beside the ballast, before anything new is heard.
SPARE = 65536
_CHUNK = 1 << 20
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


class Ballast:
    """`size` bytes beside the store; with 0 there is no file. Used on the store's thread alone."""

    def __init__(self, store: Path, size: int) -> None:
        self.path = store.with_name(store.name + ".ballast")
        self.size = size

    @property
    def there(self) -> bool:
        """Whether it is in its place, whole."""
        try:
            return not self.size or self.path.stat().st_size == self.size
        except FileNotFoundError:
            return False

    def put_back(self) -> bool:
        """Whether it is in its place and as much again is free. Raises OSError where that is not for want of room."""
        if self.there:
            return self._free() >= (0 if self.size else SPARE)
        if self._free() < self.size + max(self.size, SPARE):
            return False
        try:
            self._write()
        except OSError as error:
            self.path.unlink(missing_ok=True)
            if error.errno in _NO_ROOM:
                return False
            raise
        return True

    def take(self) -> bool:
        """Whether there was anything to take away."""
        try:
            self.path.unlink()
        except OSError:
            return False
        return True

    def _free(self) -> int:
        about = os.statvfs(self.path.parent)
        return about.f_bavail * about.f_frsize

    def _write(self) -> None:
        """Noise, because some file systems keep nothing of zeros, or of room that was only reserved."""
        fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            left = self.size
            while left:
                left -= os.write(fd, os.urandom(min(left, _CHUNK)))
            os.fsync(fd)
        finally:
            os.close(fd)
