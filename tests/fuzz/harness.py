"""Coverage-guided fuzzing by atheris of everything that strangers or operators write: what is found is written beside, as
crash-….

python -m tests.fuzz.harness TARGET [-runs=N] [-seed=N] [a folder that keeps what it learned] tests/fuzz/corpus/TARGET
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["router", "providers"]):
    from tests.fuzz.targets import TARGETS

if __name__ == "__main__":
    atheris.Setup([sys.argv[0], *sys.argv[2:]], TARGETS[sys.argv[1]])
    atheris.Fuzz()
