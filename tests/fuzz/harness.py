"""Coverage-guided fuzzing of the parsers of frames, by atheris: what is found is written beside, as crash-….

python -m tests.fuzz.harness [-runs=N] [-seed=N] [a folder that keeps what it learned] tests/fuzz/corpus
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["router"]):
    from tests.fuzz.parsers import ends_tell_the_truth, keeps_to_it, walked


def one(data: bytes) -> None:
    keeps_to_it(data)
    ends_tell_the_truth(data)
    walked([data[: len(data) // 2], data[len(data) // 2 :]])


if __name__ == "__main__":
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()
