"""How long `router validate` of a small folder takes, beside what it stands on. Run: python bench/validate.py

Side by side in one run, in turns, because the machine's speed changes while one watches. Prints medians and ratios.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

ROUNDS = 15
ROOT = Path(__file__).parent.parent
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "its imports (pydantic, jinja2, yaml, click, re2)": [sys.executable, "-c", "import pydantic, jinja2, yaml, click, re2"],
    "router validate": [Path(sys.executable).parent / "router", "validate", "rules"],
}


def seconds(command: list[str | Path]) -> float:
    start = time.perf_counter()
    subprocess.run(command, cwd=ROOT / "examples" / "first-build", check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    taken: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(ROUNDS):
        for name, command in COMMANDS.items():
            taken[name].append(seconds(command))
    bare = statistics.median(taken["python -c pass"])
    for name, times in taken.items():
        median = statistics.median(times)
        print(f"{name:<50} {median * 1000:7.0f} ms   {median / bare:5.1f} x   (min {min(times) * 1000:.0f} ms)")


if __name__ == "__main__":
    main()
