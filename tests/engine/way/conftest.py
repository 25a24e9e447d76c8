"""Fixtures of the engine's tests; their parts are in `parts`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from router.engine.store.sqlite import open_store
from router.testing import FakeClock
from tests.engine.way.parts import RULES, Engine, LookingToy, Told, assemble

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from router.engine.store.base import Store


@pytest.fixture
def time() -> FakeClock:
    return FakeClock()


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    made = await open_store(":memory:")
    yield made
    await made.close()


@pytest.fixture
def engine(store: Store, time: FakeClock, told: Told, request: pytest.FixtureRequest) -> Engine:
    """With a toy that can look up, and RULES; `@pytest.mark.parametrize("engine", [(toy, text)], indirect=True)` for others."""
    toy, text = getattr(request, "param", (None, RULES))
    return assemble(store, time, told, toy or LookingToy(), text)
