"""The longer statements, from queries/*.sql: SQL is easiest to read, and to try in a shell, as SQL."""

from __future__ import annotations

from functools import cache
from pathlib import Path


@cache
def text(name: str) -> str:
    """The statement in queries/`name`.sql."""
    return (Path(__file__).parent / "queries" / f"{name}.sql").read_text(encoding="utf-8")
