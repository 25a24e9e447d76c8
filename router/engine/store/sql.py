"""The longer statements, from queries/*.sql: SQL is easiest to read, and to try in a shell, as SQL. And many rows in one step.

For each row of a statement Python gives up its lock, and gets it back when the event loop next waits for something: on a busy
router that is most of what a row takes. So rows that are many are read as one, and written by one statement.
"""

from __future__ import annotations

from functools import cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from router.engine.store.rows import from_json

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

RowT = TypeVar("RowT", bound=NamedTuple)
#: Rows that are written by one statement. It has a power of two of them, so that there are few statements to prepare.
MOST = 64


@cache
def text(name: str) -> str:
    """The statement in queries/`name`.sql."""
    return (Path(__file__).parent / "queries" / f"{name}.sql").read_text(encoding="utf-8")


def read(db: sqlite3.Connection, name: str, row: type[RowT], values: Mapping[str, Any]) -> list[RowT]:
    """All rows of queries/`name`.sql, in any order: the columns that `row` names, none of them a blob."""
    (found,) = db.execute(_as_one(name, row._fields), values).fetchone()
    # What `_make` does, without a call for each: of how many columns they are is the statement's affair.
    make = tuple.__new__
    return [make(row, one) for one in from_json(found)]


def write(db: sqlite3.Connection, statement: str, rows: Sequence[Sequence[Any]]) -> None:
    """The statement, with these rows in the place of its `VALUES (:rows)`. What is missing of a power of two is rows of nulls,
    which the statement must pass over."""
    for first in range(0, len(rows), MOST):
        some = rows[first : first + MOST]
        columns, count = len(some[0]), 1 << (len(some) - 1).bit_length()
        values = list(chain.from_iterable(some))
        values += [None] * (columns * (count - len(some)))
        db.execute(_of_rows(statement, columns, count), values)


@cache
def _as_one(name: str, columns: tuple[str, ...]) -> str:
    return f"SELECT json_group_array(json_array({', '.join(columns)})) FROM ({text(name)})"  # noqa: S608 - names of ours


@cache
def _of_rows(statement: str, columns: int, rows: int) -> str:
    row = f"({', '.join('?' * columns)})"
    return statement.replace("VALUES (:rows)", f"VALUES {', '.join([row] * rows)}")
