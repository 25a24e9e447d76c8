"""Loading rules, beside what PyYAML's C loader needs to read the same text as plain data: each in a process of its own, the
processor's time of that alone."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from bench.harness import Row, Times, ratio
from router import plugins
from router.core import rules
from router.core.problems import Problems

if TYPE_CHECKING:
    from collections.abc import Iterator

    from router.core.rulebook import Rulebook

#: Rules, and how often they are loaded.
SIZES = {1_000: 5, 10_000: 3, 100_000: 1}
STEP = (
    '- webhook: {url: "https://ci.example.com/hook", json: '
    """{sha: "{{ sha | default('') }}", branch: "{{ branch | default('') }}"}}"""
)
PROGRAM = """
import gc, sys, time
import yaml
from bench import loading, mix
text = mix.text(int(sys.argv[1]), loading.STEP)
sides = {"load": loading.load, "yaml.CSafeLoader": lambda text: yaml.load(text, Loader=yaml.CSafeLoader)}
run = sides[sys.argv[2]]
run(mix.text(10, loading.STEP))
gc.collect()
gc.disable()
start = time.process_time()
made = run(text)
print(time.process_time() - start)
"""


def load(text: str) -> Rulebook:
    """Ready for the first event."""
    problems = Problems()
    book = rules.load([rules.RuleText("mix", "mix.yaml", text)], plugins.OptionModels(), problems)
    assert not problems.errors
    assert book.index.rules
    assert book.topics
    return book


def seconds(side: str, size: int) -> float:
    command = [sys.executable, "-c", PROGRAM, str(size), side]
    return float(subprocess.run(command, check=True, capture_output=True).stdout)


def rows() -> Iterator[Row]:
    points: dict[str, list[tuple[float, float]]] = {"load": [], "yaml.CSafeLoader": []}
    taken: dict[str, Times] = {}
    for size, rounds in SIZES.items():
        turns = [{side: seconds(side, size) for side in points} for _ in range(rounds)]
        taken = {side: Times(tuple(turn[side] for turn in turns)) for side in points}
        for side, times in taken.items():
            points[side].append((size, times.median))
    yield Row(
        f"load {size:,} rules, against PyYAML's C loader",
        ratio(taken["load"], taken["yaml.CSafeLoader"]),
        4,
        sides=taken,
        unit="s",
        points=points,
        plot="load",
    )
