"""What rules weigh: processes with more and more of them, after loading, as the system counts it."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from bench.harness import Row, Times

if TYPE_CHECKING:
    from collections.abc import Iterator

FEW, MORE = 10_000, 30_000
ROUNDS = 1
PROGRAM = """
import gc, sys
from bench import loading, mix
text = mix.text(int(sys.argv[1]), loading.STEP)
gc.disable()
book = loading.load(text)
gc.enable()
gc.collect()
print(int(open("/proc/self/statm").read().split()[1]) * 4096)
"""


def rows() -> Iterator[Row]:
    def megabytes(rules: int) -> float:
        return int(subprocess.run([sys.executable, "-c", PROGRAM, str(rules)], check=True, capture_output=True).stdout) / 1e6

    grown = tuple((megabytes(MORE) - megabytes(FEW)) * 10_000 / (MORE - FEW) for _ in range(ROUNDS))
    times = Times(grown)
    yield Row("memory of each further 10,000 rules, MB", times.median, 15, sides={"10,000 rules": times}, unit="MB")
