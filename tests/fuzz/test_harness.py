"""The coverage-guided fuzzer, for a while, where it can be installed."""

from __future__ import annotations

import random
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
#: How often each target is tried: a few seconds of each, and on a busy machine fewer.
RUNS = {"frames": 4000, "rules": 400, "workflows": 1500, "webhooks": 2000, "tokens": 800, "calls": 800}


@pytest.mark.faults
@pytest.mark.skipif(find_spec("atheris") is None, reason="atheris is not installed: pip install 'tangled-router[fuzz]'")
@pytest.mark.parametrize("target", RUNS)
def test_the_fuzzer_finds_nothing(tmp_path: Path, target: str) -> None:
    """From the seeds, with a random beginning that is printed; what it finds is in the message."""
    seed = random.randrange(1, 1 << 31)
    print("seed", seed)
    learned = tmp_path / "learned"
    learned.mkdir()
    options = [
        f"-seed={seed}",
        f"-runs={RUNS[target]}",
        "-max_len=4096",
        "-max_total_time=20",
        "-timeout=20",
        f"-artifact_prefix={tmp_path}/",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.harness", target, *options, str(learned), f"tests/fuzz/corpus/{target}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=55,
        check=False,
    )
    found = {path.name: path.read_bytes() for path in tmp_path.glob("crash-*")}
    assert done.returncode == 0, f"seed {seed}: {found}\n{done.stderr[-4000:]}"
