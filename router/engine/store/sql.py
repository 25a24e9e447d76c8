"""The longer statements, from queries/*.sql: SQL is easiest to read, and to try in a shell, as SQL."""

from __future__ import annotations

from functools import cache
from importlib import resources


@cache
def text(name: str) -> str:
    """The statement in queries/`name`.sql."""
    return resources.files("router.engine.store").joinpath("queries", f"{name}.sql").read_text(encoding="utf-8")
