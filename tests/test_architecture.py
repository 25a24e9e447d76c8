"""The import rules, kept by reading every module's imports: each of them closes a class of bug."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
#: What would let the core act, or answer differently tomorrow.
ACTING = (
    *("asyncio", "socket", "ssl", "http", "urllib", "aiohttp", "subprocess", "threading", "multiprocessing", "concurrent"),
    *("os", "io", "pathlib", "shutil", "tempfile", "sqlite3", "sqlite_utils", "time", "random", "secrets", "uuid"),
    *("logging", "structlog", "signal", "importlib"),
)
#: Outward arrows: a folder may import from those after it, never the other way round.
MAY_IMPORT = {
    "router/core": ("router.core",),
    "router/sources": ("router.core", "router.sources", "router.host", "router.observe", "router.settings", "router.secret"),
    "router/engine": (
        "router.core",
        "router.engine",
        "router.sources.base",
        "router.host",
        "router.light",
        "router.observe",
        "router.provider",
    ),
    "providers": ("router.provider", "router.core.model", "router.core.errors"),
}


def modules(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """Every module that a file imports, anywhere in it, with the line; `from x import y` counts as x and as x.y."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute here"
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def within(name: str, allowed: tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(package + ".") for package in allowed)


def test_the_core_never_acts() -> None:
    """No module of router/core can do I/O, read a clock or the environment, draw a random number or log."""
    found = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in modules("router/core")
        for name, line in imports(path)
        if name.split(".")[0] in ACTING
    ]
    assert not found


def test_the_core_reads_no_clock() -> None:
    """`datetime.now` and `date.today` are the clock by another name."""
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in modules("router/core")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in ("now", "utcnow", "today")
    ]
    assert not found


def test_the_router_never_imports_providers() -> None:
    """Bundled providers come in by entry point, like anybody's."""
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in modules("router")
        for name, line in imports(path)
        if name.split(".")[0] == "providers"
    ]
    assert not found


@pytest.mark.parametrize("folder", sorted(MAY_IMPORT))
def test_arrows_go_one_way(folder: str) -> None:
    """Each folder imports, of ours, only what lies inward of it."""
    found = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in modules(folder)
        for name, line in imports(path)
        if name.split(".")[0] == "router" and not within(name, MAY_IMPORT[folder])
    ]
    assert not found


def test_the_rules_bite(tmp_path: Path) -> None:
    """The reader of imports sees those inside functions and both forms."""
    path = tmp_path / "bad.py"
    path.write_text("def f():\n    import asyncio.tasks\n    from providers import log\n")
    assert list(imports(path)) == [("asyncio.tasks", 2), ("providers.log", 3)]
