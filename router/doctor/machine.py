"""The machine: disk, file limits, SQLite, Python."""

from __future__ import annotations

import os
import resource
import shutil
import sqlite3
import stat
from typing import TYPE_CHECKING

from router.core.checkup import doubtful, ill, well

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from router.core.checkup import Check

#: Bytes of free disk under which a store is in danger, and under which it is worth a thought.
FULL, TIGHT = 100 << 20, 1 << 30
#: Files that a router opens beside one socket for each knot.
OWN_FILES = 256
#: Since 3.51.3 two connections may write to a WAL database without ever corrupting it.
SAFE_FOR_TWO = (3, 51, 3)


def disk(store: Path) -> Iterator[Check]:
    """Where the store is, or will be."""
    folder = store.parent
    if not folder.is_dir():
        yield ill("store", f"There is no folder {folder}.", f"Make it: mkdir -p {folder}")
        return
    if not os.access(folder, os.W_OK | os.X_OK):
        yield ill("store", f"Nothing can be written in {folder}.", "Give the router's user the right to write there.")
    free = shutil.disk_usage(folder).free
    said = f"{free / (1 << 30):.1f} GiB free in {folder}"
    if free < FULL:
        yield ill("disk", said, "Make room: without it the router stops hearing.")
    elif free < TIGHT:
        yield doubtful("disk", said, "Make room, or shorten `store.keep`.")
    else:
        yield well("disk", said)
    if store.exists():
        mode = stat.S_IMODE(store.stat().st_mode)
        if mode & 0o077:
            yield doubtful("store", f"Others may read {store} (mode {mode:04o}).", f"chmod 600 {store}")
        else:
            yield well("store", f"{store}, for its owner alone")


def files(knots: int) -> Iterator[Check]:
    """Whether there may be a socket for each knot."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = OWN_FILES + 2 * knots
    said = f"{soft} open files allowed, about {needed} needed"
    if soft == resource.RLIM_INFINITY or soft >= needed:
        yield well("file limit", said)
    elif hard == resource.RLIM_INFINITY or hard >= needed:
        yield doubtful("file limit", said, f"ulimit -n {needed}, or LimitNOFILE={needed} in the unit.")
    else:
        yield ill("file limit", said, f"LimitNOFILE={needed} in the unit, or a higher hard limit.")


def sqlite() -> Iterator[Check]:
    """The library that keeps the store."""
    version = sqlite3.sqlite_version_info
    said = f"SQLite {sqlite3.sqlite_version}"
    if version < (3, 35):
        yield ill("sqlite", said, "Use a Python with SQLite 3.35 or newer: older ones have no RETURNING.")
    elif version < SAFE_FOR_TWO:
        yield well("sqlite", f"{said}: safe with one writer, which the router is; do not write to the store beside it")
    else:
        yield well("sqlite", said)
