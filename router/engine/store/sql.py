"""The longer statements, from queries/*.sql: SQL is easiest to read, and to try in a shell, as SQL. And many rows in one step.

For each row of a statement Python gives up its lock, and gets it back when the event loop next waits for something: on a busy
router that is most of what a row takes. So rows that are many are read as one, and written by one statement.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

RowT = TypeVar("RowT", bound=NamedTuple)
#: Rows that are written by one statement: powers of two up to this, so that there are few statements to prepare.
MOST = 32


@cache
def text(name: str) -> str:
    """The statement in queries/`name`.sql."""
    return resources.files("router.engine.store").joinpath("queries", f"{name}.sql").read_text(encoding="utf-8")


def read(db: sqlite3.Connection, name: str, row: type[RowT], values: Mapping[str, Any]) -> list[RowT]:
    """All rows of queries/`name`.sql, in any order: the columns that `row` names, none of them a blob."""
    (found,) = db.execute(_as_one(name, row._fields), values).fetchone()
    return [row._make(one) for one in json.loads(found)]


def write(db: sqlite3.Connection, statement: str, rows: Sequence[Sequence[Any]]) -> None:
    """The statement, with as many rows as there are in the place of its `VALUES (:rows)`."""
    first = 0
    while first < len(rows):
        count = min(MOST, 1 << (len(rows) - first).bit_length() - 1)
        some = rows[first : first + count]
        db.execute(_of_rows(statement, len(some[0]), count), [value for row in some for value in row])
        first += count


@cache
def _as_one(name: str, columns: tuple[str, ...]) -> str:
    return f"SELECT json_group_array(json_array({', '.join(columns)})) FROM ({text(name)})"  # noqa: S608 - names of ours


@cache
def _of_rows(statement: str, columns: int, rows: int) -> str:
    row = f"({', '.join('?' * columns)})"
    return statement.replace("VALUES (:rows)", f"VALUES {', '.join([row] * rows)}")
