"""A network and a router, each a process; see `processes`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.processes import Network, Router

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def network() -> Iterator[Network]:
    made = Network()
    yield made
    made.close()


@pytest.fixture
def router(tmp_path: Path, network: Network) -> Iterator[Router]:
    made = Router(tmp_path, network)
    yield made
    if made.process is not None and made.process.poll() is None:
        made.kill()
