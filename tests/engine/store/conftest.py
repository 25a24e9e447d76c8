"""Stores: every promise is kept by a file and by its fake in memory alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from router.engine.store.sqlite import open_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from router.engine.store.base import Store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "router.db"


@pytest.fixture(params=["memory", "file"])
async def store(request: pytest.FixtureRequest, path: Path) -> AsyncIterator[Store]:
    opened = await open_store(":memory:" if request.param == "memory" else path)
    yield opened
    await opened.close()
