"""Rows that are inserted many at a time.

Between two statements Python may let another thread go on, and it then waits until that gives the interpreter back: so a batch
of events is few statements, whatever is in it.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

#: Rows of one statement. Older builds of SQLite take 999 values.
MANY = 32


class Insertion:
    """An INSERT of some columns of a table. `of` says how to find the value of a column that is not given as it is, `more` how
    to go on, as on a conflict. Names and SQL are our own; only values come from elsewhere."""

    def __init__(self, table: str, columns: Sequence[str], *, of: Mapping[str, str] | None = None, more: str = "") -> None:
        row = f"({', '.join((of or {}).get(name, '?') for name in columns)})"
        into = f"INSERT INTO {table} ({', '.join(columns)}) VALUES "  # noqa: S608
        self._one = f"{into}{row} {more}"
        self._many = f"{into}{', '.join([row] * MANY)} {more}"

    def insert(self, db: sqlite3.Connection, rows: Sequence[Sequence[Any]]) -> None:
        """In their order."""
        whole = len(rows) - len(rows) % MANY
        for first in range(0, whole, MANY):
            db.execute(self._many, tuple(chain.from_iterable(rows[first : first + MANY])))
        if whole < len(rows):
            db.executemany(self._one, rows[whole:])
