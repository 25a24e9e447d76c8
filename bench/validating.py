"""`router validate`, from start to end, beside the least that it stands on: the processor's time of processes."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from bench import loading, mix
from bench.harness import Row, Times, ratio

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).parent.parent
SMALL = ROOT / "examples" / "first-build" / "rules"
VALIDATE = "from router.cli import main; main()"


#: Where this is set nothing is compiled for the next start, and every figure would be of compiling.
WITHOUT = "PYTHONDONTWRITEBYTECODE"


def seconds(command: list[str]) -> float:
    """The processor's time of a process and its children."""
    environment = {name: value for name, value in os.environ.items() if name != WITHOUT}
    pid = os.posix_spawn(command[0], command, environment, file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)])
    _, status, used = os.wait4(pid, 0)
    assert status == 0, command
    return used.ru_utime + used.ru_stime


def in_turns(commands: Mapping[str, list[str]], rounds: int) -> dict[str, Times]:
    """Each command once in each round, after one that does not count: it compiles what was not compiled yet."""
    taken: dict[str, list[float]] = {name: [] for name in commands}
    for command in commands.values():
        seconds(command)
    for _ in range(rounds):
        for name, command in commands.items():
            taken[name].append(seconds(command))
    return {name: Times(tuple(times)) for name, times in taken.items()}


def rows() -> Iterator[Row]:
    validate = [sys.executable, "-c", VALIDATE, "validate"]
    small = {
        "router validate": [*validate, str(SMALL)],
        "python -c pass": [sys.executable, "-c", "pass"],
        "import pydantic, yaml, click": [sys.executable, "-c", "import pydantic, yaml, click; pydantic.create_model('A')"],
    }
    taken = in_turns(small, rounds=9)
    yield Row(
        "router validate of one small file, against python -c pass",
        ratio(taken["router validate"], taken["python -c pass"]),
        15,
        sides=taken,
        unit="ms",
    )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "mix.yaml"
        file.write_text(mix.text(10_000, loading.STEP))
        read = f"import yaml; yaml.load(open({str(file)!r}), Loader=yaml.CSafeLoader)"
        large = {"router validate": [*validate, str(file)], "yaml.CSafeLoader": [sys.executable, "-c", read]}
        taken = in_turns(large, rounds=3)
    yield Row(
        "router validate of 10,000 rules, against PyYAML's C loader",
        ratio(taken["router validate"], taken["yaml.CSafeLoader"]),
        5,
        sides=taken,
        unit="s",
    )
