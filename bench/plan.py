"""How long `router plan` takes for 100,000 recorded events. Run: python bench/plan.py

The bundled rules and those of the examples are compared with a copy in which the first file is changed, and with one in which
all are: the first is what somebody does before a merge, the second is the worst that there can be.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

EVENTS = 100_000
ROOT = Path(__file__).parent.parent
ROUTER = Path(sys.executable).parent / "router"


def events(folder: Path) -> Path:
    """The events of the examples, over and over, each time with another id."""
    shipped = [json.loads(path.read_bytes()) for path in sorted((ROOT / "examples").glob("*/events/*.json"))]
    file = folder / "events.ndjson"
    with file.open("w") as out:
        for number in range(EVENTS):
            one = shipped[number % len(shipped)]
            changed = {"rkey": f"{number:013}"} if "rkey" in one else {"id": f"bench/{number}"}
            out.write(json.dumps({**one, **changed}) + "\n")
    return file


def rules(folder: Path) -> Path:
    """The bundled rules and the examples', each example in a folder of its own."""
    sources = [ROOT / "rules", *sorted((ROOT / "examples").glob("*/rules"))]
    for number, source in enumerate(sources):
        shutil.copytree(source, folder / f"{number}", ignore=shutil.ignore_patterns("*.test.yaml", "*.golden.yaml"))
    return folder


def changed(old: Path, new: Path, most: int) -> Path:
    shutil.copytree(old, new)
    for file in sorted(new.rglob("*.yaml"))[:most]:
        file.write_text(file.read_text().replace("do:\n", "timeout: 61s\n    do:\n") + "\n# changed\n")
    return new


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file, old = events(folder), rules(folder / "old")
        for what, most in (("one file changed", 1), ("every file changed", 1000)):
            new = changed(old, folder / what.replace(" ", "-"), most)
            start = time.perf_counter()
            command = [ROUTER, "plan", new, "--against", old, "--events", file]
            done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=folder)
            taken = time.perf_counter() - start
            print(f"{what:<20} {taken:6.1f} s  {EVENTS / taken:8.0f} events/s   {done.stdout.splitlines()[-1]}")


if __name__ == "__main__":
    main()
