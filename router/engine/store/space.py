"""The store on a full disk: nothing new is heard, and what is under way goes on in the room of the ballast."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from typing import TYPE_CHECKING

from router.engine.store.ballast import SPARE, Ballast
from router.engine.store.connection import checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable


class Space:
    """Used on the store's thread, except that anybody may ask whether it is `full`.

    `filled` is called when it becomes so.
    """

    def __init__(self, ballast: Ballast, filled: Callable[[], None]) -> None:
        self.ballast = ballast
        self.full = False
        self._filled = filled

    def open(self) -> None:
        """At the start: without the ballast in its place, nothing is heard. Raises OSError."""
        if not self.ballast.put_back():
            self._fill()

    def spend(self, connection: sqlite3.Connection) -> bool:
        """SQLite had no room. Whether there is some now: the ballast's, and what the WAL does not need any more."""
        taken = self.ballast.take()
        self._fill()
        if not taken:
            return False
        with suppress(sqlite3.Error):
            checkpoint(connection)
        return True

    def regain(self, connection: sqlite3.Connection) -> bool:
        """Whether the ballast is back. Without it, hearing may go on all the same where deletions have left as much room in the
        file, which SQLite never gives back to the disk. Raises OSError."""
        if self.full and (self.ballast.put_back() or self._within(connection) >= max(self.ballast.size, SPARE)):
            self.full = False
        return not self.full and self.ballast.put_back()

    def _fill(self) -> None:
        self.full = True
        self._filled()

    @staticmethod
    def _within(connection: sqlite3.Connection) -> int:
        """Bytes of the file that hold nothing."""
        pages: int = connection.execute("PRAGMA freelist_count").fetchone()[0]
        size: int = connection.execute("PRAGMA page_size").fetchone()[0]
        return pages * size
