"""For all tests.

On a developer's machine hypothesis looks for new counter-examples every time, and prints how to repeat one. In CI it tries the
same ones each time, so that a change is judged by what it changed; `HYPOTHESIS_PROFILE=explore` looks further.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests import canaries

settings.register_profile("default", deadline=None, print_blob=True)
settings.register_profile("ci", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("explore", deadline=None, print_blob=True, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "default"))


def pytest_configure() -> None:
    """Canaries in the environment: nothing that runs here has a reason to write them anywhere."""
    os.environ.update(canaries.ENVIRONMENT)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """No secret that a test gave to anything is in any file that was written, nor in a golden."""
    factory = getattr(session.config, "_tmp_path_factory", None)
    folder = getattr(factory, "_basetemp", None)
    root = Path(__file__).parent
    kept = [root / "transcripts", root / "wire", root / "rules", root.parent / "examples", root.parent / "rules"]
    found = canaries.seen_in([*kept, folder] if folder is not None else kept)
    if found:
        print("\nSecrets were written:", *found, sep="\n  ")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
