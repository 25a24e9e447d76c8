"""A peer that answers as told, and a host to open providers with."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from router.host import Host
from router.testing import Peer, host


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    async with Peer() as server:
        yield server


@pytest.fixture
async def lent() -> AsyncIterator[Host]:
    async with host() as opened:
        yield opened
