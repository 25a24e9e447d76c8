"""The schema's history. A migration that was ever released is never changed: add another.

Before one is added, `python -m scripts.released_store COMMIT` keeps a store of the last version without it, for the tests.
"""

from __future__ import annotations

import sqlite3
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from router.core.errors import StoreError

if TYPE_CHECKING:
    from sqlite_utils import Database
    from sqlite_utils.migrations import Migrations

#: The name of our migrations, and the table in which sqlite-utils keeps which of them were applied.
SET, TABLE = "router", "_sqlite_migrations"


def m0001_first(db: Database) -> None:
    _run(db, "0001.sql")


def m0002_verdicts_before(db: Database) -> None:
    _run(db, "0002.sql")


def m0003_spindle(db: Database) -> None:
    _run(db, "0003.sql")


def m0004_queues(db: Database) -> None:
    _run(db, "0004.sql")


def m0005_restores(db: Database) -> None:
    _run(db, "0005.sql")


def m0006_operator(db: Database) -> None:
    _run(db, "0006.sql")


def m0007_by_number(db: Database) -> None:
    _run(db, "0007.sql")


STEPS = (
    m0001_first,
    m0002_verdicts_before,
    m0003_spindle,
    m0004_queues,
    m0005_restores,
    m0006_operator,
    m0007_by_number,
)


@cache
def migrations() -> Migrations:
    """Only who changes a schema needs sqlite-utils, which weighs some megabytes."""
    from sqlite_utils.migrations import Migrations  # noqa: PLC0415 - see above

    made = Migrations(SET)
    for step in STEPS:
        made()(step)
    return made


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the schema up to this version."""
    if _applied(connection) != _names():
        migrations().apply(_wrapped(connection))


def check(connection: sqlite3.Connection) -> None:
    """Raise StoreError unless the schema is exactly this version's: who may only read cannot upgrade."""
    refuse_strangers(connection)
    if _applied(connection) != _names():
        raise StoreError("it was written by an older version of the router: start `router run` once to upgrade it")


def refuse_strangers(connection: sqlite3.Connection) -> None:
    """Raise StoreError, before anything is written, where the store is not ours to change."""
    applied = _applied(connection)
    if applied - _names():
        raise StoreError("it was written by a newer version of the router: install that version, or use another store")
    # The table of migrations alone is what a crash in the very first start leaves.
    if not applied and _tables(connection) - {TABLE}:
        raise StoreError("it is another program's database: name a file of the router's own as the store")


def _names() -> set[str]:
    return {step.__name__ for step in STEPS}


def _applied(connection: sqlite3.Connection) -> set[str]:
    """The names of the migrations that the store has seen."""
    if TABLE not in _tables(connection):
        return set()
    return {name for (name,) in _rows(connection, f"SELECT name FROM {TABLE} WHERE migration_set = '{SET}'")}  # noqa: S608 - our own names


def _tables(connection: sqlite3.Connection) -> set[str]:
    return {name for (name,) in _rows(connection, "SELECT name FROM sqlite_master WHERE type = 'table'")}


def _rows(connection: sqlite3.Connection, question: str) -> list[tuple[str]]:
    """As tuples, whatever the connection's rows are."""
    cursor = connection.cursor()
    cursor.row_factory = None
    return cursor.execute(question).fetchall()


def _wrapped(connection: sqlite3.Connection) -> Database:
    """Without other people's sqlite-utils plug-ins, and without pragmas of its own: the connection stays ours."""
    from sqlite_utils import Database  # noqa: PLC0415 - as above

    return Database(connection, recursive_triggers=False, execute_plugins=False)


def _run(db: Database, name: str) -> None:
    """The statements of a file in schema/, one by one: `executescript` would commit the migration's transaction."""
    text = (Path(__file__).parent / "schema" / name).read_text(encoding="utf-8")
    lines = (line.partition("--")[0] for line in text.splitlines())
    statement = ""
    for part in "\n".join(lines).split(";"):
        # A trigger has semicolons of its own.
        statement += part + ";"
        if sqlite3.complete_statement(statement):
            if statement.strip(" \n;"):
                db.conn.execute(statement)
            statement = ""
