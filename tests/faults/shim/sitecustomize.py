"""A disk that fails or fills up on demand, for a process that has this folder on PYTHONPATH: where nobody may mount one.

SICK_DISK names a file. While it is there, a commit raises the error of SQLite that is written in it; for 13 (SQLITE_FULL), only
while the store's ballast is there, and the disk has no free block.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Any

SICK = Path(os.environ["SICK_DISK"])
_connect, _statvfs = sqlite3.connect, os.statvfs


def ails() -> int:
    try:
        return int(SICK.read_text())
    except (FileNotFoundError, ValueError):
        return 0


class Connection(sqlite3.Connection):
    """Commits as the disk allows."""

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        code = ails() if sql == "COMMIT" else 0
        if code and (code != sqlite3.SQLITE_FULL or any(SICK.parent.glob("*.ballast"))):
            error = sqlite3.OperationalError("the disk is sick")
            error.sqlite_errorcode = code
            raise error
        return super().execute(sql, *values)


def statvfs(path: Any) -> Any:
    about = list(_statvfs(path))
    if ails() == sqlite3.SQLITE_FULL:
        about[4] = 0
    return os.statvfs_result(about)


def connect(*arguments: Any, **named: Any) -> sqlite3.Connection:
    made: sqlite3.Connection = _connect(*arguments, **{"factory": Connection, **named})
    return made


sqlite3.connect = connect  # type: ignore[assignment]
os.statvfs = statvfs
