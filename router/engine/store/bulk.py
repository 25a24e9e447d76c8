"""Rows that are inserted many at a time.

Between two statements Python may let another thread go on, and it then waits until that gives the interpreter back: so a batch
of events is few statements, whatever is in it.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

from router.engine.store.rows import fit

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

#: Rows of one statement, the most first.
SIZES = (32, 1)


class Insertion:
    """An INSERT of some columns of a table. `of` says how to find the value of a column that is not given as it is, `more` how
    to go on, as on a conflict. Names and SQL are our own; only values come from elsewhere."""

    def __init__(self, table: str, columns: Sequence[str], *, of: Mapping[str, str] | None = None, more: str = "") -> None:
        row = f"({', '.join((of or {}).get(name, '?') for name in columns)})"
        into = f"INSERT INTO {table} ({', '.join(columns)}) VALUES "  # noqa: S608
        self._statements = [(size, f"{into}{', '.join([row] * size)} {more}") for size in SIZES]

    def insert(self, db: sqlite3.Connection, rows: Sequence[Sequence[Any]]) -> None:
        """In their order. Texts need not be fit for SQLite: see `rows.text`."""
        at = 0
        for size, statement in self._statements:
            while at + size <= len(rows):
                _execute(db, statement, tuple(chain.from_iterable(rows[at : at + size])))
                at += size


def _execute(db: sqlite3.Connection, statement: str, values: Sequence[Any]) -> None:
    try:
        db.execute(statement, values)
    except UnicodeEncodeError:  # before anything was done
        db.execute(statement, tuple(map(fit, values)))
