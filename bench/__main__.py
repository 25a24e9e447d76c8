"""`python -m bench [MODULE]...`: run the rows, print the table, and keep it for bench/last.json and docs/.

Modules that cannot run here (a peer is not installed) say so and are left out. What was kept of modules that are not run stays.
"""

from __future__ import annotations

import importlib
import json
import os
import platform
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench import page
from bench.harness import Row

ROOT = Path(__file__).parent.parent
LAST = ROOT / "bench" / "last.json"
#: In the order of the table. A module here has `rows()`.
MODULES = ("matching", "peers", "stream", "sending", "memory", "idle", "knots", "reloading", "validating", "loading")
LIBRARIES = ("msgspec", "jinja2", "pydantic", "pyyaml", "jsonpath-ng", "google-re2")


def main(names: list[str]) -> None:
    for name in names or MODULES:
        if not (ROOT / "bench" / f"{name}.py").exists():
            continue
        print(f"==> {name}", flush=True)
        found = []
        for row in importlib.import_module(f"bench.{name}").rows():
            found.append(kept_row(row))
            print("\n".join(page.lines(found[-1])), flush=True)
            keep(name, found)


def keep(name: str, found: list[dict[str, Any]]) -> None:
    """Put the rows of a module beside those of the others."""
    kept: dict[str, Any] = json.loads(LAST.read_text()) if LAST.exists() else {}
    modules = kept.get("modules", {}) | {name: found}
    kept = {"machine": machine(), "modules": {name: modules[name] for name in MODULES if name in modules}}
    LAST.write_text(json.dumps(kept, indent=1) + "\n")
    page.write(kept, ROOT / "docs")


def kept_row(row: Row) -> dict[str, Any]:
    """The row as JSON has it; times in the row's own unit."""
    scale = {"us": 1e6, "ms": 1e3, "s": 1.0, "MB": 1.0, "kB": 1.0}[row.unit]
    sides = {
        name: {"min": times.least * scale, "median": times.median * scale, "spread": times.spread}
        for name, times in row.sides.items()
    }
    return {
        "name": row.name,
        "ratio": row.ratio,
        "limit": row.limit,
        "least": row.least,
        "reached": row.reached,
        "unit": row.unit,
        "sides": sides,
        "note": row.note,
        "plot": row.plot,
        "points": dict(row.points),
    }


def machine() -> dict[str, Any]:
    model = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
        model = names[0].partition(":")[2].strip() if names else model
    return {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": model,
        "cores": os.cpu_count(),
        "system": platform.system(),
        "python": platform.python_version(),
        "libraries": {name: version(name) for name in LIBRARIES},
    }


if __name__ == "__main__":
    main(sys.argv[1:])
