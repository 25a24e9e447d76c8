"""A seed that is printed, and a world made of it."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

from tests.faults.world import Pipe, World

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def chance() -> random.Random:
    """Set FAULTS_SEED to the one that a failing run printed to have the same events, rules and faults again; what a scheduler
    makes of them differs."""
    seed = int(os.environ.get("FAULTS_SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"FAULTS_SEED={seed}")
    return random.Random(seed)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """In memory where there is such a place: what a killed process wrote is there either way, and thousands of commits need not
    wait for the disk. That a commit waits for the disk is `tests/engine/store`'s to prove. Set FAULTS_KEEP to a folder for a
    copy of what it came to: the store, the log, the rules."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with TemporaryDirectory(prefix="router-faults-", dir=memory, ignore_cleanup_errors=True) as made:
        yield Path(made)
        if kept := os.environ.get("FAULTS_KEEP"):
            shutil.copytree(made, kept, ignore=shutil.ignore_patterns("*.sock"), dirs_exist_ok=True)


@pytest.fixture(scope="session")
def simulator() -> Iterator[Pipe]:
    yield from _running("tests.faults.simulator")


@pytest.fixture(scope="session")
def nursery() -> Iterator[Pipe]:
    yield from _running("tests.faults.nursery")


def _running(module: str) -> Iterator[Pipe]:
    pipe = Pipe(module)
    yield pipe
    pipe.close()


@pytest.fixture
def world(folder: Path, chance: random.Random, simulator: Pipe, nursery: Pipe) -> Iterator[World]:
    made = World(folder, chance, simulator, nursery)
    yield made
    if made.alive:
        made.kill()
